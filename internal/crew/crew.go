// Package crew runs functions on goroutines that are used again, for the sake of their
// stacks: the stack of a new goroutine has to grow first, which costs a busy node a
// twentieth of its time.
package crew

import "sync"

// Idle is the number of goroutines that a Crew keeps when they have no work.
const Idle = 256

// Crew is a set of such goroutines. The zero value is ready to use. Its methods may be
// called concurrently.
type Crew struct {
	mu   sync.Mutex
	idle []chan func() // channels of the goroutines without work, the most recently used one last
	done bool
}

// Run calls f on another goroutine at once.
func (c *Crew) Run(f func()) {
	c.mu.Lock()
	n := len(c.idle)
	if n == 0 {
		c.mu.Unlock()
		go c.work(f)
		return
	}
	next := c.idle[n-1]
	c.idle = c.idle[:n-1]
	c.mu.Unlock()
	next <- f // the channel has room
}

func (c *Crew) work(f func()) {
	next := make(chan func(), 1)
	for f != nil {
		f()
		c.mu.Lock()
		if c.done || len(c.idle) == Idle {
			c.mu.Unlock()
			return
		}
		c.idle = append(c.idle, next)
		c.mu.Unlock()
		f = <-next
	}
}

// End ends the goroutines without work at once, and the others when they are done.
// Functions that are run later get new goroutines.
func (c *Crew) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	for _, next := range c.idle {
		next <- nil
	}
	c.idle = nil
}
