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
	do  func(protocol.Effect) // must not panic
	// apart means that effects are carried out on a goroutine of their own, for a core
	// whose events come from goroutines that must not wait.
	apart   bool
	guarded func(func()) // runs a function that may panic
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
	switch {
	case !c.add(event):
	case c.apart:
		go c.work()
	default:
		c.work()
	}
}

// add gives the core an event, and reports whether the caller must carry out effects.
func (c *core[T]) add(event func(it T, now tandem.Now) []protocol.Effect) bool {
	c.mu.Lock()
	defer c.mu.Unlock() // also when the event panics
	now := c.now()
	c.list = append(c.list, event(c.it, now)...)
	c.setTimer(now)
	if c.busy || len(c.list) == 0 {
		return false
	}
	c.busy = true
	return true
}

func (c *core[T]) work() {
	for e := c.next(); e != nil; e = c.next() {
		c.do(e)
	}
}

// next removes and returns the next effect; nil when there is none.
func (c *core[T]) next() protocol.Effect {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == 0 {
		c.list, c.busy = nil, false
		return nil
	}
	e := c.list[0]
	c.list = c.list[1:]
	return e
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
		c.timer = time.AfterFunc(max(at-now.Mono, 0), c.beat)
	default:
		c.timer.Reset(max(at-now.Mono, 0))
	}
}

// beat performs the steps that are due.
func (c *core[T]) beat() {
	c.guarded(func() { c.step(func(it T, now tandem.Now) []protocol.Effect { return it.Tick(now) }) })
}

// stop stops the timer.
func (c *core[T]) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
