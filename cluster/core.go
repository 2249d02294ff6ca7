package cluster

import (
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
)

// core is the shell of one of the protocol's cores: it has its lock, and carries out
// its effects one after the other, in the order in which they were returned, without
// holding the lock. The goroutine that delivers an event carries them out, unless
// another already does.
type core[T timed] struct {
	now func() tandem.Now
	do  func(protocol.Effect)
	// apart means that effects are carried out on a goroutine of their own, for a core
	// whose events come from goroutines that must not wait.
	apart bool
	coreState[T]
}

// coreState is what events change, under its lock.
type coreState[T timed] struct {
	mu    sync.Mutex
	it    T
	list  []protocol.Effect
	busy  bool
	timer *time.Timer
}

// timed is a core with deadlines.
type timed interface {
	Deadline() (at time.Duration, ok bool)
	Tick(now tandem.Now) []protocol.Effect
}

// step gives the core an event.
func (c *core[T]) step(event func(it T, now tandem.Now) []protocol.Effect) {
	c.mu.Lock()
	now := c.now()
	c.list = append(c.list, event(c.it, now)...)
	c.setTimer(now)
	if c.busy || len(c.list) == 0 {
		c.mu.Unlock()
		return
	}
	c.busy = true
	if c.apart {
		c.mu.Unlock()
		go c.work()
		return
	}
	c.mu.Unlock()
	c.work()
}

func (c *core[T]) work() {
	c.mu.Lock()
	for len(c.list) > 0 {
		e := c.list[0]
		c.list = c.list[1:]
		c.mu.Unlock()
		c.do(e)
		c.mu.Lock()
	}
	c.list, c.busy = nil, false
	c.mu.Unlock()
}

// look calls f with the core, under the lock, to read its state.
func (c *core[T]) look(f func(it T)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.it)
}

// replace replaces the core. Pending effects of the earlier one are dropped.
func (c *core[T]) replace(it T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.it, c.list = it, nil
}

// setTimer sets the timer to the core's deadline. The lock is held.
func (c *core[T]) setTimer(now tandem.Now) {
	at, ok := c.it.Deadline()
	switch {
	case !ok && c.timer != nil:
		c.timer.Stop()
	case !ok:
	case c.timer == nil:
		c.timer = time.AfterFunc(max(at-now.Mono, 0), c.tick)
	default:
		c.timer.Reset(max(at-now.Mono, 0))
	}
}

func (c *core[T]) tick() {
	c.step(func(it T, now tandem.Now) []protocol.Effect { return it.Tick(now) })
}

// stop stops the timer.
func (c *core[T]) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
