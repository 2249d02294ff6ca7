package store

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem/store/record"
)

// op is one write that waits for its transaction.
type op struct {
	// What it does: steps, of which none needs to know what came of another,
	// or run, on the committer's goroutine, inside the transaction. Should
	// transactions fail because of others, run may be called several times.
	steps []step
	run   func() error
	none  func() error // the op's error when its first step changed no row; nil: that is well
	done  func(error)  // after the transaction; exactly once
	alone bool         // in a transaction of its own

	since   time.Time   // when it was submitted
	session int64       // the node's, then; 0: it was not in a cluster yet
	taken   atomic.Bool // by the committer, or by a waiter who gave up
	err     error       // of what it does, when that concerns this op alone
}

// Run is the committer. When ctx ends, it still writes what was waiting, and
// refuses what comes later. It returns nil then.
func (s *Store) Run(ctx context.Context) error {
	for {
		select {
		case <-s.wake:
			s.commitWaiting()
		case <-ctx.Done():
			s.commitWaiting()
			s.stop()
			return nil
		}
	}
}

// stop refuses what is waiting and all that comes later.
func (s *Store) stop() {
	s.mu.Lock()
	s.stopped = true
	rest := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, o := range rest {
		if o.taken.CompareAndSwap(false, true) {
			o.done(record.Stopped())
		}
	}
}

// submit queues a write.
func (s *Store) submit(o *op) {
	o.since = time.Now()
	s.mu.Lock()
	o.session = s.fence.Session
	stopped := s.stopped
	if !stopped {
		s.waiting = append(s.waiting, o)
	}
	s.mu.Unlock()
	if stopped {
		o.done(record.Stopped())
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // there is a token already
	}
}

// do queues a write and waits for it. A write that ctx ended before its
// transaction began does not happen; one that has begun is waited for, so that
// the answer is always true.
func (s *Store) do(ctx context.Context, run func() error) error {
	return s.wait(ctx, &op{run: run})
}

// wait is do for an op that has no done yet.
func (s *Store) wait(ctx context.Context, o *op) error {
	result := make(chan error, 1)
	o.done = func(err error) { result <- err }
	s.submit(o)
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		if o.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-result
	}
}

const (
	gatherFrom = 4                    // writes in the transaction before, from which it is worth while
	gatherFor  = 2 * time.Millisecond // at most
)

// gather lets more writes come while they do, when the last transaction had several:
// a flush of the disk costs as much for one as for many.
func (s *Store) gather(last int) {
	if last < gatherFrom {
		return
	}
	before := -1
	for began := time.Now(); time.Since(began) < gatherFor; {
		s.mu.Lock()
		n := len(s.waiting)
		s.mu.Unlock()
		if n == before || n == 0 || n >= record.MaxBatch {
			return
		}
		before = n
		runtime.Gosched()
	}
}

// commitWaiting writes until nothing is waiting.
func (s *Store) commitWaiting() {
	for last := s.lastBatch; ; {
		s.gather(last)
		s.mu.Lock()
		waiting := s.waiting
		s.waiting = nil
		s.mu.Unlock()
		if len(waiting) == 0 {
			return
		}
		for len(waiting) > 0 {
			if s.postgres != nil {
				if waiting = s.connected(waiting); len(waiting) == 0 {
					break
				}
			}
			n := record.Batch(len(waiting), func(i int) bool { return waiting[i].alone })
			last, s.lastBatch = n, n
			if s.postgres != nil {
				s.commitToServer(waiting[:n])
			} else {
				s.commitToSQLite(waiting[:n])
			}
			waiting = waiting[n:]
		}
	}
}

// take returns the ops that nobody has withdrawn, which are the caller's then.
func take(waiting []*op) []*op {
	batch := make([]*op, 0, len(waiting))
	for _, o := range waiting {
		if o.taken.CompareAndSwap(false, true) {
			batch = append(batch, o)
		}
	}
	return batch
}

// committed counts a transaction that has ended.
func (s *Store) committed(began time.Time, writes int) {
	s.commits.Observe(time.Since(began))
	s.writes.Observe(writes)
}

// verdict is the error of an op whose steps have been made.
func (o *op) verdict() error {
	if o.none != nil && o.steps[0].rows == 0 {
		return o.none()
	}
	return nil
}

func (s *Store) exec(query string, args ...any) error {
	_, err := s.write.exec(s.inside(), query, args...)
	return err
}
