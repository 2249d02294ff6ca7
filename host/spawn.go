package host

import "sync"

// crew runs functions on goroutines that are used again, for the sake of their
// stacks: those of new ones have to grow first. The zero value is ready.
type crew struct {
	mu   sync.Mutex
	idle []chan func() // of those without work; the one that has worked last is the last
	done bool
}

const idleCrew = 256

// run has f run.
func (c *crew) run(f func()) {
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

func (c *crew) work(f func()) {
	next := make(chan func(), 1)
	for f != nil {
		f()
		c.mu.Lock()
		if c.done || len(c.idle) == idleCrew {
			c.mu.Unlock()
			return
		}
		c.idle = append(c.idle, next)
		c.mu.Unlock()
		f = <-next
	}
}

// end sends those without work away, and the others when they are done.
func (c *crew) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	for _, next := range c.idle {
		next <- nil
	}
	c.idle = nil
}
