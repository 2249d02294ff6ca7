package egress

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
)

// request is one that has been asked for.
type request struct {
	ctx   context.Context
	since time.Time
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
// there is nothing to do, for the sake of their stacks, which have grown. There are
// more as long as it is servers that let requests wait. When it is this machine,
// which has too much to do, more requests at a time would only make each of them
// cost more.
type line struct {
	most int // workers
	do   func(*request)

	waited atomic.Int64 // requests that found as many under way as there may be

	mu      sync.Mutex
	waiting []*request
	given   int // at most so many of them have been given up
	workers int
	idle    []chan *request // of workers without work; the one that has worked last is the last
	growing bool            // somebody looks whether there should be more
	closed  bool
}

const (
	idleWorkers = 256
	growEvery   = 5 * time.Millisecond
	lateTimer   = 5 * time.Millisecond // one that rings so late says that the machine has too much to do
	longWait    = time.Second          // for a worker; then there is one all the same
)

// enter has a request done.
func (l *line) enter(q *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch n := len(l.idle); {
	case n > 0:
		q.taken = true
		l.idle[n-1] <- q // has room
		l.idle = l.idle[:n-1]
	case l.workers < min(l.most, idleWorkers):
		q.taken = true
		l.workers++
		go l.work(q)
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

// growOnce has workers take those who have waited long, or all who wait when the
// machine has time to spare. It returns false when nobody waits.
func (l *line) growOnce(now time.Time, spare bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.workers < l.most {
		q := l.first()
		if q == nil || !spare && now.Sub(q.since) < longWait {
			break
		}
		l.shift()
		q.taken = true
		q.leave()
		l.workers++
		go l.work(q)
	}
	l.growing = l.first() != nil
	return l.growing
}

// first returns who has waited longest; nil: nobody waits. The lock is held.
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
	if q := l.first(); q != nil {
		l.shift()
		q.taken = true
		l.mu.Unlock()
		q.leave()
		return q
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
