package egress

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/crew"
)

// request is a request that waits or is being made.
type request struct {
	ctx   context.Context
	since time.Time
	fetch *tandem.Fetch
	part  func([]byte)
	done  func(*tandem.Response)

	taken bool        // a worker has it, or its time is over; guarded by the line's mu
	leave func() bool // stops the timer of a request that waits
}

// line limits how many requests are made at a time, first in, first out. A request
// that waits takes only a few bytes.
//
// Each worker makes one request at a time. Some idle workers are kept. Workers are
// added as long as requests wait because servers are slow. When this machine is
// slow because it has too much to do, more workers would only make each request
// slower.
type line struct {
	most int // limit of workers
	do   func(*request)

	waited atomic.Int64 // requests that came when all of most workers were busy

	mu      sync.Mutex
	waiting []*request
	given   int // upper bound of the requests in waiting that were given up
	workers int
	idle    int  // workers without a request
	growing bool // grow is running
	closed  bool
	crew    crew.Crew // runs the workers
}

const (
	idleWorkers = crew.Idle
	growEvery   = 5 * time.Millisecond
	lateTimer   = 5 * time.Millisecond // a timer this late means that the machine has too much to do
	longWait    = time.Second          // a request that has waited so long gets a worker even so
)

// enter takes a request, which a worker makes now or later.
func (l *line) enter(q *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.idle > 0:
		l.idle--
		l.give(q)
	case l.workers < min(l.most, idleWorkers):
		l.workers++
		l.give(q)
	default:
		if l.workers == l.most {
			l.waited.Add(1)
		}
		l.waiting = append(l.waiting, q)
		q.leave = context.AfterFunc(q.ctx, func() { l.late(q) })
		if !l.growing {
			l.growing = true
			go l.grow()
		}
	}
}

// give starts a worker with a request. The lock is held.
func (l *line) give(q *request) {
	q.taken = true
	l.crew.Run(func() {
		for ; q != nil; q = l.next() {
			l.do(q)
		}
	})
}

// grow adds workers while requests wait.
func (l *line) grow() {
	timer := time.NewTimer(growEvery)
	defer timer.Stop()
	for due := time.Now().Add(growEvery); ; {
		<-timer.C
		now := time.Now()
		if !l.growOnce(now, now.Sub(due) < lateTimer) {
			return
		}
		due = time.Now().Add(growEvery)
		timer.Reset(growEvery)
	}
}

// growOnce adds workers for requests that have waited long, and for all that wait
// when the machine has time to spare. It returns false when no request waits.
func (l *line) growOnce(now time.Time, spare bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.workers < l.most {
		q := l.first()
		if q == nil || !spare && now.Sub(q.since) < longWait {
			break
		}
		l.shift()
		q.leave()
		l.workers++
		l.give(q)
	}
	l.growing = l.first() != nil
	return l.growing
}

// first returns the request that has waited longest, nil if none waits. The lock is held.
func (l *line) first() *request {
	for len(l.waiting) > 0 {
		if q := l.waiting[0]; !q.taken {
			return q
		}
		l.shift()
	}
	return nil
}

func (l *line) shift() {
	l.waiting[0] = nil
	if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
		l.waiting = nil
	}
}

// late ends a request whose time is over before a worker has taken it.
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
	q.fetch = nil
	q.part = nil
	q.done = nil
	if l.given++; l.given > len(l.waiting)/2 {
		l.waiting = slices.DeleteFunc(l.waiting, func(q *request) bool { return q.taken })
		l.given = 0
	}
}

// next returns the next request of a worker, nil if the worker must end or wait.
func (l *line) next() *request {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.first()
	switch {
	case q != nil:
		l.shift()
		q.taken = true
		q.leave()
	case l.closed || l.idle == idleWorkers:
		l.workers--
	default:
		l.idle++
	}
	return q
}

// close ends the idle workers at once, and the others when they are done.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.workers -= l.idle
	l.idle = 0
	l.crew.End()
}
