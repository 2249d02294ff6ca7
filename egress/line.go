package egress

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tandem-iot/tandem"
)

// request is one that has been asked for.
type request struct {
	ctx   context.Context
	fetch *tandem.Fetch
	part  func([]byte)
	done  func(*tandem.Response)

	taken bool        // by a worker, or given up; under the line's mu
	leave func() bool // ends the watch over the time of one that waits
}

// line has requests done, as many at a time as there may be, the others in the
// order in which they came. One that waits is only a few bytes.
//
// Workers are goroutines, each of which does one request at a time. Some stay when
// there is nothing to do, for the sake of their stacks, which have grown.
type line struct {
	most int // workers
	do   func(*request)

	waited atomic.Int64 // requests that found no worker

	mu      sync.Mutex
	waiting []*request
	given   int // at most so many of them have been given up
	workers int
	idle    []chan *request // of workers without work; the one that has worked last is the last
	closed  bool
}

const idleWorkers = 256

// enter has a request done.
func (l *line) enter(q *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch n := len(l.idle); {
	case n > 0:
		q.taken = true
		l.idle[n-1] <- q // has room
		l.idle = l.idle[:n-1]
	case l.workers < l.most:
		q.taken = true
		l.workers++
		go l.work(q)
	default:
		l.waited.Add(1)
		l.waiting = append(l.waiting, q)
		q.leave = context.AfterFunc(q.ctx, func() { l.late(q) })
	}
}

// late ends a request whose time was over before its turn.
func (l *line) late(q *request) {
	l.mu.Lock()
	taken := q.taken
	q.taken = true
	l.mu.Unlock()
	if taken {
		return
	}
	l.do(q)
	l.mu.Lock()
	defer l.mu.Unlock()
	q.fetch, q.part, q.done = nil, nil, nil
	if l.given++; l.given > len(l.waiting)/2 {
		l.waiting = slices.DeleteFunc(l.waiting, func(q *request) bool { return q.taken })
		l.given = 0
	}
}

func (l *line) work(q *request) {
	next := make(chan *request, 1)
	for q != nil {
		l.do(q)
		q = l.next(next)
	}
}

// next returns what a worker is to do, nil when it is not needed any more.
func (l *line) next(own chan *request) *request {
	l.mu.Lock()
	for len(l.waiting) > 0 {
		q := l.waiting[0]
		l.waiting[0] = nil
		if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
			l.waiting = nil
		}
		if !q.taken {
			q.taken = true
			l.mu.Unlock()
			q.leave()
			return q
		}
	}
	if l.closed || len(l.idle) == idleWorkers {
		l.workers--
		l.mu.Unlock()
		return nil
	}
	l.idle = append(l.idle, own)
	l.mu.Unlock()
	return <-own
}

// close sends the idle workers away, and those that work when they are done.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.workers -= len(l.idle)
	for _, own := range l.idle {
		own <- nil
	}
	l.idle = nil
}
