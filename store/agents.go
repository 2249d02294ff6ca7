package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tandem-iot/tandem"
)

// Record is what is kept of an agent.
type Record struct {
	Agent       tandem.AgentID
	Incarnation uint64      // 0: it has never run
	Running     bool        // it runs, or would if its node did
	Saved       []byte      // its table, in the compact encoding; nil when it has none
	Mark        tandem.Mark // of the newest device message that is part of Saved
	Changed     time.Time   // when Running last changed, or an incarnation began
}

const (
	selectRecord = "SELECT incarnation, running, changed, mark_boot, mark_seq, saved FROM agents WHERE agent = ?"

	beginAgent = `INSERT INTO agents (agent, incarnation, running, changed) VALUES (?, 1, 1, ?)
		ON CONFLICT (agent) DO UPDATE SET incarnation = incarnation + 1, running = 1, changed = excluded.changed
		RETURNING incarnation`
	saveAgent    = "UPDATE agents SET saved = ?, mark_boot = ?, mark_seq = ? WHERE agent = ? AND incarnation = ?"
	endAgent     = "UPDATE agents SET running = ?, changed = ? WHERE agent = ? AND incarnation = ?"
	putSnapshot  = "INSERT INTO snapshots (agent, data) VALUES (?, ?) ON CONFLICT (agent) DO UPDATE SET data = excluded.data"
	dropSnapshot = "DELETE FROM snapshots WHERE agent = ?"
	takeSnapshot = "DELETE FROM snapshots WHERE agent = ? RETURNING data"
)

// agentStatements are prepared on the committer's connection: those of the
// agents, and those of the transaction around them.
type agentStatements struct {
	open, commit, mark, undo, release *sql.Stmt
	begin, save, end, put, drop, take *sql.Stmt
}

func (a *agentStatements) prepare(ctx context.Context, conn *sql.Conn) (err error) {
	for _, p := range []struct {
		stmt  **sql.Stmt
		query string
	}{
		{&a.open, "BEGIN IMMEDIATE"}, {&a.commit, "COMMIT"},
		{&a.mark, "SAVEPOINT op"}, {&a.undo, "ROLLBACK TO op"}, {&a.release, "RELEASE op"},
		{&a.begin, beginAgent}, {&a.save, saveAgent}, {&a.end, endAgent},
		{&a.put, putSnapshot}, {&a.drop, dropSnapshot}, {&a.take, takeSnapshot},
	} {
		if *p.stmt, err = conn.PrepareContext(ctx, p.query); err != nil {
			return err
		}
	}
	return nil
}

// Close closes those that have been prepared.
func (a agentStatements) Close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{a.open, a.commit, a.mark, a.undo, a.release, a.begin, a.save, a.end, a.put, a.drop, a.take} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

// Record returns an agent's record as of the last commit; an empty one with
// only Agent set when it has never run.
func (s *Store) Record(ctx context.Context, id tandem.AgentID) (Record, error) {
	r := Record{Agent: id}
	var incarnation, boot, seq int64
	err := s.record.QueryRowContext(ctx, string(id)).Scan(&incarnation, &r.Running, (*milli)(&r.Changed), &boot, &seq, &r.Saved)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	r.Incarnation = uint64(incarnation)
	r.Mark = tandem.Mark{Boot: uint64(boot), Seq: uint64(seq)}
	return r, s.describe(err)
}

// Running returns the agents that run, or would if their node did.
func (s *Store) Running(ctx context.Context) (ids []tandem.AgentID, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT agent FROM agents WHERE running ORDER BY agent")
	if err != nil {
		return nil, s.describe(err)
	}
	defer rows.Close() // Err tells
	for rows.Next() {
		var id tandem.AgentID
		if err := rows.Scan(&id); err != nil {
			return nil, s.describe(err)
		}
		ids = append(ids, id)
	}
	return ids, s.describe(rows.Err())
}

// Begin starts the next incarnation of an agent. A snapshot of the one before
// is gone with it.
func (s *Store) Begin(id tandem.AgentID, done func(incarnation uint64, err error)) {
	var incarnation int64
	now := s.stamp()
	s.submit(&op{
		several: true,
		run: func() error {
			row := s.agents.begin.QueryRowContext(background(), string(id), milli(now))
			if err := row.Scan(&incarnation); err != nil {
				return err
			}
			_, err := affected(s.agents.drop, string(id))
			return err
		},
		done: func(err error) { done(uint64(incarnation), err) },
	})
}

// Save replaces an agent's table and mark. It fails with Conflict when
// incarnation is not the current one. The store keeps table until done.
func (s *Store) Save(id tandem.AgentID, incarnation uint64, table []byte, mark tandem.Mark, done func(error)) {
	s.submit(&op{
		run: func() error {
			n, err := affected(s.agents.save, table, int64(mark.Boot), int64(mark.Seq), string(id), int64(incarnation))
			if err == nil && n == 0 {
				return stale(id, incarnation)
			}
			return err
		},
		done: done,
	})
}

// End says that an incarnation does not run here any more. Without a snapshot
// it has ended, and the record is no longer Running; with one it goes on when
// TakeSnapshot's answer is restored, and stays Running. It fails with Conflict
// when incarnation is not the current one.
func (s *Store) End(id tandem.AgentID, incarnation uint64, snapshot []byte, done func(error)) {
	now := s.stamp()
	s.submit(&op{
		several: true,
		run: func() error {
			n, err := affected(s.agents.end, snapshot != nil, milli(now), string(id), int64(incarnation))
			if err != nil {
				return err
			}
			if n == 0 {
				return stale(id, incarnation)
			}
			if snapshot == nil {
				_, err = affected(s.agents.drop, string(id))
			} else {
				_, err = affected(s.agents.put, string(id), snapshot)
			}
			return err
		},
		done: done,
	})
}

// TakeSnapshot removes an agent's snapshot and then hands it out, so that it
// cannot be restored twice, whatever happens to the one who restores it.
// Without a snapshot done gets nil and no error.
func (s *Store) TakeSnapshot(id tandem.AgentID, done func(snapshot []byte, err error)) {
	var snapshot []byte
	s.submit(&op{
		run: func() error {
			err := s.agents.take.QueryRowContext(background(), string(id)).Scan(&snapshot)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			return err
		},
		done: func(err error) {
			if err != nil {
				snapshot = nil
			}
			done(snapshot, err)
		},
	})
}

func stale(id tandem.AgentID, incarnation uint64) error {
	return tandem.Errorf(tandem.Conflict, "incarnation %d of agent %s is not the current one", incarnation, id)
}
