package admit

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Queue shares units among keys whose users can wait. A key that holds less is served
// first, and the last quarter of the units is for keys that hold none, so that one with
// many users delays only itself.
//
// A user must take all it may need at once: users that hold units and wait for more could
// wait for each other.
type Queue[K comparable] struct {
	total, each int64
	waited      atomic.Int64
	line[K]
}

// line has the units and those who wait for some, under its lock.
type line[K comparable] struct {
	mu      sync.Mutex
	held    int64
	of      map[K]int64 // has no zeros
	waiting []*turn[K]  // first in, first out among equals
}

// turn is a user that waits.
type turn[K comparable] struct {
	key   K
	n     int64
	ready chan struct{} // closed when it has the units
}

// NewQueue returns a queue for total units, of which a key may have up to each.
func NewQueue[K comparable](total, each int64) *Queue[K] {
	return &Queue[K]{total: total, each: min(each, total), line: line[K]{of: map[K]int64{}}}
}

// Take takes n units for a key, or as many as a key may have if that is less. It waits
// until there are as many, and returns an error only when ctx ends before that. The caller
// gives back what it has taken.
func (q *Queue[K]) Take(ctx context.Context, key K, n int64) (taken int64, err error) {
	n = min(n, q.each)
	t := &turn[K]{key: key, n: n, ready: make(chan struct{})}
	q.mu.Lock()
	q.waiting = append(q.waiting, t)
	q.serve()
	q.mu.Unlock()
	select {
	case <-t.ready:
		return n, nil
	default:
	}
	q.waited.Add(1)
	select {
	case <-t.ready:
		return n, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, t); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	} else {
		q.give(key, n) // it has got them meanwhile
	}
	q.serve()
	return 0, ctx.Err()
}

// Give gives back n units.
func (q *Queue[K]) Give(key K, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.give(key, n)
	q.serve()
}

// Held returns how many units are in use.
func (q *Queue[K]) Held() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held
}

// Waited returns how many users had to wait.
func (q *Queue[K]) Waited() int64 { return q.waited.Load() }

func (q *Queue[K]) give(key K, n int64) {
	q.held -= n
	if q.of[key] -= n; q.of[key] == 0 {
		delete(q.of, key)
	}
}

// serve gives units to those who wait as long as there are enough for the next one. The
// lock is held.
func (q *Queue[K]) serve() {
	for {
		next := -1
		for i, t := range q.waiting {
			mine := q.of[t.key] + t.n
			if mine <= q.each && (next < 0 || q.of[t.key] < q.of[q.waiting[next].key]) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		t := q.waiting[next]
		room := q.total
		if q.of[t.key] > 0 {
			room -= q.total / 4
		}
		if q.held+t.n > room {
			return
		}
		q.waiting = slices.Delete(q.waiting, next, next+1)
		q.held += t.n
		q.of[t.key] += t.n
		close(t.ready)
	}
}
