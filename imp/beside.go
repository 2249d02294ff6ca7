package imp

import (
	"math"
	"time"

	"github.com/tandem-iot/tandem/squirrel"
)

// Beside is what the test of a program adds to its machine. Production has none.
type Beside struct {
	// Library takes the place of the side's. It has all that the side's has, and more.
	Library *squirrel.Library
	// Host is for the native functions that Library has beyond the side's; see Core.Beside.
	Host any
	// Thrown is called at each exception, caught or not, before frames are dropped. It may look
	// at the machine's stack, and must not change the machine. nil: nothing is called.
	Thrown func()

	core *Core
	fuel int64 // that the Cores before it have used
}

// Or returns the library of a machine whose side has lib. b may be nil.
func (b *Beside) Or(lib *squirrel.Library) *squirrel.Library {
	if b == nil || b.Library == nil {
		return lib
	}
	return b.Library
}

// Core returns the Core that runs with b, or has run with it last; nil before the first.
func (b *Beside) Core() *Core { return b.core }

// Used returns the VM time that has been used by all Cores that have run with b.
func (b *Beside) Used() time.Duration {
	fuel := b.fuel
	if b.core != nil {
		fuel += b.core.VM.FuelUsed()
	}
	return time.Duration(fuel) * (time.Second / FuelPerSecond)
}

// Beside returns what a test has added to the Core's machine; nil in production.
func (c *Core) Beside() *Beside { return c.cfg.Beside }

func (c *Core) attachBeside() {
	if b := c.cfg.Beside; b != nil {
		if b.core != nil {
			b.fuel += b.core.VM.FuelUsed()
		}
		b.core = c
		c.VM.SetThrown(b.Thrown)
	}
}

// Hold makes the program wait until Release, as imp.sleep does. A native function returns its
// result.
func (c *Core) Hold(call *squirrel.Call) (squirrel.Value, error) {
	c.wake = math.MaxInt64
	return c.Suspend(call, Sleeping)
}

// Release ends the wait of Hold, or of imp.sleep: the program is to be woken now.
func (c *Core) Release() {
	if c.wait == Sleeping {
		c.wake = c.Now.UnixNano()
	}
}

// Ring has the function be called that is kept under a name, by a timer that is due. It reports
// whether there is one. It may be called between two events, and while the program waits.
func (c *Core) Ring(name string) bool {
	fn := c.Handler(name)
	if fn.IsNull() {
		return false
	}
	_, ok := c.After(0, fn)
	return ok
}
