package store

import (
	"errors"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// The committer's transactions with SQLite. An op of several statements has a
// savepoint, so that when it fails only it is undone, and the other ops are
// committed.

// commitToSQLite writes a batch in one transaction and tells every waiter the
// result.
func (s *Store) commitToSQLite(waiting []*op) {
	batch := take(waiting)
	if len(batch) == 0 {
		return
	}
	began := time.Now()
	err := s.transact(batch)
	if err == nil {
		err = s.watchFile(began)
	}
	s.committed(began, len(batch))
	if corrupt(err) && len(batch) > 1 {
		s.eachAlone(batch)
		return
	}
	failure := s.describe(err)
	s.outcome(failure, len(batch))
	for _, o := range batch {
		if failure != nil {
			o.done(failure)
		} else {
			o.done(s.describe(o.err))
		}
	}
}

// eachAlone writes each op in a transaction of its own, so that those which need no damaged
// part of the database succeed.
func (s *Store) eachAlone(batch []*op) {
	for _, o := range batch {
		o.err = nil
		err := s.transact([]*op{o})
		if err == nil {
			err = o.err
		}
		o.done(s.describe(err))
	}
}

// transact makes the transaction. Its error is a failure of all ops; an error of
// one op alone is stored in the op.
func (s *Store) transact(batch []*op) (err error) {
	if s.gone != nil {
		return s.gone
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.rollback())
		}
	}()
	if err := s.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	mark := s.markDue()
	if mark {
		if err := s.exec(raiseMark); err != nil {
			return err
		}
	}
	for _, o := range batch {
		if err := s.apply(o); err != nil {
			return err
		}
	}
	if err := s.exec("COMMIT"); err != nil {
		return err
	}
	if mark {
		s.marked()
	}
	return nil
}

// rollback ends a failed transaction. It ignores SQLite's error when there is
// none, because it did not begin or SQLite has already ended it.
func (s *Store) rollback() error {
	err := s.exec("ROLLBACK")
	if primary(err) == sqlite3.SQLITE_ERROR {
		return nil
	}
	return err
}

// apply performs one op. It returns an error when the whole transaction is lost.
// An op of one statement needs no savepoint.
func (s *Store) apply(o *op) error {
	if len(o.steps) == 1 {
		o.err = s.perform(o)
		return fatal(o.err)
	}
	if err := s.exec("SAVEPOINT op"); err != nil {
		return err
	}
	if o.run != nil {
		o.err = o.run()
	} else {
		o.err = s.perform(o)
	}
	if o.err != nil {
		if err := fatal(o.err); err != nil {
			return err
		}
		if err := s.exec("ROLLBACK TO op"); err != nil {
			return err
		}
	}
	return s.exec("RELEASE op")
}

// perform makes the steps of an op.
func (s *Store) perform(o *op) error {
	if _, err := s.write.perform(s.inside(), o.steps); err != nil {
		return err
	}
	return o.verdict()
}

// fatal returns err when the whole transaction is lost: when SQLite itself
// failed, and not just the statement.
func fatal(err error) error {
	switch primary(err) {
	case 0, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG:
		return nil
	}
	return err
}
