package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-iot/tandem/store/record"
)

// The committer's transactions with a PostgreSQL server. All steps that need no
// answer in between go to it in one message, so that a transaction of hundreds
// of saves takes one round trip and one fsync. When one statement fails,
// PostgreSQL aborts the whole transaction. Then each of its ops gets a
// transaction of its own, so that only the op at fault fails.

// retryPause is the time between two attempts to connect.
const retryPause = 100 * time.Millisecond

// attempts limits how often an op is tried when the server aborts its
// transaction in favour of another one.
const attempts = 5

// connected makes a connection when there is none, and returns the ops that
// still wait. It fails the ops that have waited for more than patience.
func (s *Store) connected(waiting []*op) []*op {
	for s.write.conn == nil && len(waiting) > 0 {
		waiting = slices.DeleteFunc(waiting, func(o *op) bool { return o.taken.Load() })
		if len(waiting) == 0 {
			break
		}
		left := max(patience-time.Since(waiting[0].since), time.Second) // the first is the oldest
		ctx, cancel := context.WithTimeout(context.Background(), left)
		err := s.write.connect(ctx)
		cancel()
		if err != nil {
			waiting = s.expire(waiting, s.postgres.unreachable(err))
			pause(retryPause)
		}
	}
	return waiting
}

// commitToServer writes a batch and tells every waiter the result.
func (s *Store) commitToServer(waiting []*op) {
	id := s.identity()
	batch := admit(take(waiting), id)
	if len(batch) == 0 {
		return
	}
	err := s.transactWithServer(batch, id)
	// After a failure of the server, a standby may have taken its place.
	if errors.Is(err, errOlder) {
		s.giveIn(s.describe(err))
	}
	if s.write.lost() || serverFailed(err) {
		s.outcome(s.describe(err), len(batch))
		s.write.drop()
	} else {
		s.outcome(nil, 0)
	}
}

// expire fails the ops that have waited too long, and returns the others.
func (s *Store) expire(waiting []*op, err error) []*op {
	n := 0
	defer func() {
		if n > 0 {
			s.outcome(err, n)
		}
	}()
	for n < len(waiting) && time.Since(waiting[n].since) >= patience {
		if waiting[n].taken.CompareAndSwap(false, true) {
			waiting[n].done(err)
		}
		n++
	}
	return waiting[n:]
}

// finish tells a waiter the result.
func (s *Store) finish(o *op, err error) { o.done(s.describe(err)) }

// transactWithServer writes a batch and tells every waiter the result. Its error
// says why the batch could not be written as one transaction.
func (s *Store) transactWithServer(batch []*op, id record.Fence) error {
	t := transaction{store: s, ops: batch, id: id}
	began := time.Now()
	err := t.make()
	s.committed(began, len(batch))
	switch {
	case err == nil:
		for _, o := range batch {
			s.finish(o, o.err)
		}
		return nil
	case errors.Is(err, errFenced), errors.Is(err, errWentBack):
		s.lost(id.Session)
	case (len(batch) > 1 || clashes(err)) && !s.write.lost() && !serverFailed(err):
		for i, o := range batch {
			if s.write.lost() {
				for _, rest := range batch[i:] {
					s.finish(rest, errBroke)
				}
				return err
			}
			s.transactAlone(o, id)
		}
		return err
	}
	for _, o := range batch {
		s.finish(o, err)
	}
	return err
}

// transactAlone writes one op. When the server aborts its transaction in favour
// of another one, it tries again. It does not after a timeout for a lock,
// because other ops wait behind this one.
func (s *Store) transactAlone(o *op, id record.Fence) {
	for try := 1; ; try++ {
		t := transaction{store: s, ops: []*op{o}, id: id}
		err := t.make()
		if err != nil && clashes(err) && sqlstate(err) != lockUnavailable && try < attempts && !s.write.lost() {
			continue
		}
		if errors.Is(err, errFenced) || errors.Is(err, errWentBack) {
			s.lost(id.Session)
		}
		if err == nil {
			err = o.err
		}
		s.finish(o, err)
		return
	}
}

var errBroke = fmt.Errorf("not tried again: %w", driver.ErrBadConn)

// transaction is one transaction with a server.
type transaction struct {
	store *Store
	ops   []*op
	id    record.Fence

	steps []step // not sent yet
	owner []*op  // the op of each step; nil: the transaction's own
}

const (
	// lockFence fails with a division by zero when the node has been declared
	// lost, and then the server skips all statements that were sent after it.
	// Otherwise it keeps the node from being declared lost until the transaction
	// has ended.
	lockFence = "SELECT 1 / (SELECT count(*) FROM " +
		"(SELECT 1 FROM nodes WHERE id = ? AND session = ? FOR SHARE) AS mine)"
	// raiseProgress counts the node's transactions. It fails with a division by zero when
	// the database has counted fewer than the node has seen, because it went back in time.
	raiseProgress = "WITH raised AS (UPDATE progress SET n = n + 1 WHERE node = ? AND n >= ? RETURNING n) " +
		"SELECT coalesce(max(n), 0) / count(*) FROM raised"
	divisionByZero  = "22012"
	lockUnavailable = "55P03"
)

// make makes the transaction. Its error is a failure of all ops; an error of one
// op alone is stored in the op.
func (t *transaction) make() (err error) {
	w := t.store.write
	defer w.watch()()
	defer func() {
		if err != nil && w.ctx.Err() != nil {
			err = t.store.postgres.silent(err)
		}
		if err != nil && !w.lost() {
			err = t.undo(err)
		}
	}()
	if err := w.nameAfter(t.id.Node); err != nil {
		return err
	}
	t.add(nil, step{query: "BEGIN"})
	seen := t.store.sighted()
	if t.id.Session != 0 {
		t.add(nil,
			step{query: lockFence, args: []any{t.id.Node, t.id.Session}, into: []any{new(int64)}},
			step{query: raiseProgress, args: []any{t.id.Node, seen.Count}, into: []any{&seen.Count}})
	}
	for _, o := range t.ops {
		o.err = nil
		if o.run == nil {
			t.add(o, o.steps...)
			continue
		}
		if err := t.run(o); err != nil {
			return err
		}
	}
	t.add(nil, step{query: "COMMIT"})
	if err := t.send(); err != nil {
		return err
	}
	if t.id.Session != 0 {
		t.store.sightCount(seen.Count)
	}
	for _, o := range t.ops {
		if o.run == nil {
			o.err = o.verdict()
		}
	}
	return nil
}

func (t *transaction) add(o *op, steps ...step) {
	for _, st := range steps {
		t.steps = append(t.steps, st)
		t.owner = append(t.owner, o)
	}
}

// run performs an op that has a run function, which needs answers in between.
func (t *transaction) run(o *op) error {
	t.add(nil, step{query: "SAVEPOINT op"})
	if err := t.send(); err != nil {
		return err
	}
	if o.err = o.run(); o.err != nil {
		if t.store.write.lost() || t.store.write.ctx.Err() != nil || clashes(o.err) || serverFailed(o.err) {
			return o.err
		}
		// The driver prepares a statement that is new to the connection, and in a failed
		// transaction the server prepares nothing but this one.
		t.add(nil, step{query: "ROLLBACK TO op"})
		if err := t.send(); err != nil {
			return err
		}
	}
	t.add(nil, step{query: "RELEASE op"})
	return nil
}

// send sends the added steps, and stores the number of rows of each in its op.
func (t *transaction) send() error {
	steps := joined(t.steps)
	failed, err := t.store.write.pipeline(t.store.inside(), steps)
	if err != nil {
		if sqlstate(err) == divisionByZero && failed < len(steps) && steps[failed].query == lockFence {
			return errFenced
		}
		if sqlstate(err) == divisionByZero && failed < len(steps) && steps[failed].query == raiseProgress {
			return errWentBack
		}
		if older(err) && failed < len(steps) && steps[failed].query == raiseProgress {
			return errors.Join(errOlder, err)
		}
		return err
	}
	part(steps, t.steps)
	next := map[*op]int{}
	for i, o := range t.owner {
		if o != nil {
			o.steps[next[o]].rows = t.steps[i].rows
			next[o]++
		}
	}
	t.steps, t.owner = t.steps[:0], t.owner[:0]
	return nil
}

// undo ends a failed transaction.
func (t *transaction) undo(err error) error {
	var status byte
	if rawErr := t.store.write.raw(func(c *pgx.Conn) { status = c.PgConn().TxStatus() }); rawErr != nil {
		return errors.Join(err, rawErr)
	}
	if status == 'I' { // idle: no transaction is open
		return err
	}
	_, undoErr := t.store.write.exec(t.store.inside(), "ROLLBACK")
	return errors.Join(err, undoErr)
}

// admit refuses the ops of an earlier session of the node, or all ops when the
// current session has ended.
func admit(batch []*op, id record.Fence) []*op {
	admitted := batch[:0]
	for _, o := range batch {
		if id.Admits(o.session) {
			admitted = append(admitted, o)
		} else {
			o.done(errFenced)
		}
	}
	return admitted
}

// errWentBack is record.WentBack as a value that can be compared.
var errWentBack = record.WentBack()

// errOlder marks the error of a database that lacks what it had when it was opened.
var errOlder = errors.New("the database is older than this node")

// errFenced is record.Fenced as a value that can be compared.
var errFenced = record.Fenced()
