package cluster

import (
	"context"
	"sync"

	"github.com/tandem-iot/tandem"
)

// What another node sends may meet a mistake in this node's code. A panic then ends the
// handling of that message and nothing else: every goroutine and timer of this package
// begins with guard. Cores release their locks when an event panics.

// guard runs f, for what another node has sent or this node does on its behalf. It
// returns f's error, or one that says that f has panicked, which is counted and logged.
func (c *Cluster) guard(node string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = c.Net.Panicked(node, p)
		}
	}()
	return f()
}

// guarded is guard for what cannot fail.
func (c *Cluster) guarded(node string, f func()) {
	_ = c.guard(node, func() error { f(); return nil }) // a panic is logged
}

// apart runs f on a goroutine of its own, guarded.
func (c *Cluster) apart(node string, f func()) { go c.guarded(node, f) }

const (
	// maxServed limits the requests and questions of one node that are here.
	maxServed = 20_000
	// maxTurns limits those of the questions that this node works on at a time: each may read
	// the database.
	maxTurns = 64
)

// served counts the requests and questions of other nodes under way.
type served struct {
	mu    sync.Mutex
	by    map[string]int           // node
	turns map[string]chan struct{} // node; has a token for each question that is worked on
}

// turn waits until a question of a node may be worked on. done must be called after that.
func (s *served) turn(ctx context.Context, node string) (done func(), err error) {
	turns := s.turnsOf(node)
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, errServed
	}
}

func (s *served) turnsOf(node string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	turns := s.turns[node]
	if turns == nil {
		turns = make(chan struct{}, maxTurns)
		if s.turns == nil {
			s.turns = map[string]chan struct{}{}
		}
		s.turns[node] = turns
	}
	return turns
}

// begin reports whether there may be another one of the node. If so, end must follow.
func (s *served) begin(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[node] >= maxServed {
		return false
	}
	if s.by == nil {
		s.by = map[string]int{}
	}
	s.by[node]++
	return true
}

func (s *served) end(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[node]--; s.by[node] == 0 {
		delete(s.by, node)
		delete(s.turns, node)
	}
}

// Over returns how often each limit was met.
func (c *Cluster) Over() map[string]int64 { return c.over.All() }

var errServed = tandem.Errorf(tandem.Limit, "the node already works on %d requests of this one; try again", maxServed)
