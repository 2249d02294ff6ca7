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
	// The work, either steps or run. No step may depend on the result of another.
	// run is called on the committer's goroutine, inside the transaction, and
	// again when its transaction failed because of another op.
	steps []step
	run   func() error
	none  func() error // returns the op's error when its first step changed no row; nil: no error
	done  func(error)  // called exactly once, after the transaction
	alone bool         // needs a transaction of its own

	since   time.Time   // when it was submitted
	session int64       // the node's session at that time; 0: not registered yet
	taken   atomic.Bool // by the committer, or by a waiter that gave up
	err     error       // of this op alone, when the transaction itself succeeded
}

// Run is the committer. When ctx ends, it commits the waiting writes, refuses
// all later ones, and returns nil. It returns an error when the database's file has been
// taken away, and nothing can be written any more.
func (s *Store) Run(ctx context.Context) error {
	for {
		select {
		case <-s.wake:
			s.commitWaiting()
		case err := <-s.ended:
			s.stop()
			return err
		case <-ctx.Done():
			s.commitWaiting()
			s.stop()
			return s.lastMark()
		}
	}
}

// stop refuses all waiting and all later writes.
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
	default: // wake already holds a token
	}
}

// do queues a write and waits for it. When ctx ends before the write's
// transaction begins, the write is withdrawn; after that, do waits for the
// outcome, so that its result is always the true one.
func (s *Store) do(ctx context.Context, run func() error) error {
	if trail := trailOf(ctx); trail != nil {
		run = s.recorded(trail, run)
	}
	return s.wait(ctx, &op{run: run})
}

// wait is do for an op without a done function.
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
	gatherFrom = 4                    // gather only when the last transaction had at least this many writes
	gatherFor  = 2 * time.Millisecond // the longest time to gather
)

// gather yields to other goroutines for as long as they submit more writes, when
// the last transaction had several: a flush of the disk costs the same for one
// write as for many.
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

// take returns the ops that have not been withdrawn. They can no longer be.
func take(waiting []*op) []*op {
	batch := make([]*op, 0, len(waiting))
	for _, o := range waiting {
		if o.taken.CompareAndSwap(false, true) {
			batch = append(batch, o)
		}
	}
	return batch
}

// committed records a finished transaction in the metrics.
func (s *Store) committed(began time.Time, writes int) {
	s.commits.Observe(time.Since(began))
	s.writes.Observe(writes)
}

// verdict returns the error of an op whose steps have been performed.
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
