package store

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tandem-iot/tandem"
)

// maxBatch bounds the writes in one transaction, and with it how long the
// first of them waits for the last.
const maxBatch = 512

// op is one write that waits for its transaction.
type op struct {
	run  func() error // on the committer's goroutine, inside the transaction
	done func(error)  // after the transaction; exactly once
	// several: run makes more than one statement, which must be undone
	// together when one fails.
	several bool
	taken   atomic.Bool // by the committer, or by a waiter who gave up
	err     error       // of run, when it concerns this op alone
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
			o.done(errStopped())
		}
	}
}

func errStopped() error {
	return tandem.Errorf(tandem.Unavailable, "the store is stopping; try again when the node is up")
}

// submit queues a write.
func (s *Store) submit(o *op) {
	s.mu.Lock()
	stopped := s.stopped
	if !stopped {
		s.waiting = append(s.waiting, o)
	}
	s.mu.Unlock()
	if stopped {
		o.done(errStopped())
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // there is a token already
	}
}

// do queues a write of several statements and waits for it. A write that ctx
// ended before its transaction began does not happen; one that has begun is
// waited for, so that the answer is always true.
func (s *Store) do(ctx context.Context, run func() error) error {
	result := make(chan error, 1)
	o := &op{run: run, done: func(err error) { result <- err }, several: true}
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

// commitWaiting writes until nothing is waiting.
func (s *Store) commitWaiting() {
	for {
		s.mu.Lock()
		waiting := s.waiting
		s.waiting = nil
		s.mu.Unlock()
		if len(waiting) == 0 {
			return
		}
		for len(waiting) > 0 {
			n := min(len(waiting), maxBatch)
			s.commit(waiting[:n])
			waiting = waiting[n:]
		}
	}
}

// commit writes a batch in one transaction and tells every waiter.
func (s *Store) commit(waiting []*op) {
	batch := make([]*op, 0, len(waiting))
	for _, o := range waiting {
		if o.taken.CompareAndSwap(false, true) {
			batch = append(batch, o)
		}
	}
	if len(batch) == 0 {
		return
	}
	failure := s.describe(s.transact(batch))
	for _, o := range batch {
		if failure != nil {
			o.done(failure)
		} else {
			o.done(s.describe(o.err))
		}
	}
}

// transact makes the transaction. Its error is the failure of all; what
// concerns one op alone is left in it.
func (s *Store) transact(batch []*op) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.rollback())
		}
	}()
	if _, err := s.agents.open.ExecContext(background()); err != nil {
		return err
	}
	for _, o := range batch {
		if err := s.apply(o); err != nil {
			return err
		}
	}
	_, err = s.agents.commit.ExecContext(background())
	return err
}

// rollback ends a failed transaction. When there is none, because it did not
// begin or SQLite has ended it itself, the error that says so means nothing.
func (s *Store) rollback() error {
	err := s.exec("ROLLBACK")
	if primary(err) == sqlite3.SQLITE_ERROR {
		return nil
	}
	return err
}

// apply runs one op. It returns an error when the whole transaction is lost.
func (s *Store) apply(o *op) error {
	if !o.several {
		o.err = o.run()
		return fatal(o.err)
	}
	if _, err := s.agents.mark.ExecContext(background()); err != nil {
		return err
	}
	if o.err = o.run(); o.err != nil {
		if err := fatal(o.err); err != nil {
			return err
		}
		if _, err := s.agents.undo.ExecContext(background()); err != nil {
			return err
		}
	}
	_, err := s.agents.release.ExecContext(background())
	return err
}

// fatal returns err when the transaction is lost with it: when SQLite failed,
// and not because of what the statement asked for.
func fatal(err error) error {
	switch primary(err) {
	case 0, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG:
		return nil
	}
	return err
}

func (s *Store) exec(query string, args ...any) error {
	_, err := s.write.ExecContext(background(), query, args...)
	return err
}

// affected runs a statement and returns how many rows it changed.
func affected(stmt *sql.Stmt, args ...any) (int64, error) {
	result, err := stmt.ExecContext(background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
