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
// Workers do one request at a time each. Some stay when there is nothing to do. There
// are more as long as it is servers that let requests wait. When it is this machine,
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
	idle    int  // of them
	growing bool // somebody looks whether there should be more
	closed  bool
	crew    crew.Crew // what the workers are
}

const (
	idleWorkers = crew.Idle
	growEvery   = 5 * time.Millisecond
	lateTimer   = 5 * time.Millisecond // one that rings so late says that the machine has too much to do
	longWait    = time.Second          // for a worker; then there is one all the same
)

// enter has a request done.
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

// give has a worker do a request.
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
		q.leave()
		l.workers++
		l.give(q)
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

// next returns what a worker is to do after a request; nil: nothing.
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

// close sends the idle workers away, and those that work when they are done.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.workers -= l.idle
	l.idle = 0
	l.crew.End()
}
