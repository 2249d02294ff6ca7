// Package crew runs functions on goroutines that are used again, for the sake of
// their stacks: those of new ones have to grow first, which costs a busy node a
// twentieth of its time.
package crew

import "sync"

// Idle is how many goroutines of a Crew stay when there is nothing to do.
const Idle = 256

// Crew is such goroutines. The zero value is ready; its methods may be called at
// the same time.
type Crew struct {
	mu   sync.Mutex
	idle []chan func() // of those without work; the one that has worked last is the last
	done bool
}

// Run has f run, at once and beside everything else.
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
	next <- f // has room
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

// End sends those without work away, and the others when they are done. What is
// run after that has new ones.
func (c *Crew) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	for _, next := range c.idle {
		next <- nil
	}
	c.idle = nil
}
