package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
)

const (
	selectRecord = `SELECT incarnation, running, changed, mark_boot, mark_seq, sum, saved, quarantined
		FROM agents WHERE agent = ?`
	// The agent may have begun since its record was looked for.
	selectRan = "SELECT ran FROM devices WHERE agent = ?1 AND NOT EXISTS (SELECT 1 FROM agents WHERE agent = ?1)"

	// Each of these is one guarded statement for a decision of package record:
	// Agent.Begin, Agent.Save, Agent.Quarantine and Agent.End. The guard is the incarnation: when no
	// row has it, nothing changes and the error is record.Stale.
	beginAgent = `INSERT INTO agents (agent, shard, incarnation, running, changed) VALUES (?, ?, 1, TRUE, ?)
		ON CONFLICT (agent) DO UPDATE
		SET incarnation = agents.incarnation + 1, running = TRUE, changed = excluded.changed, shard = excluded.shard,
			quarantined = ''
		RETURNING incarnation`
	noteRan    = "UPDATE devices SET ran = TRUE WHERE agent = ? AND NOT ran"
	saveAgent  = "UPDATE agents SET saved = ?, mark_boot = ?, mark_seq = ?, sum = ? WHERE agent = ? AND incarnation = ?"
	quarantine = "UPDATE agents SET quarantined = ? WHERE agent = ? AND incarnation = ?"
	endAgent   = "UPDATE agents SET running = ?, changed = ? WHERE agent = ? AND incarnation = ?"

	dropSnapshot = "DELETE FROM snapshots WHERE agent = ?"
	takeSnapshot = "DELETE FROM snapshots WHERE agent = ? RETURNING data, sum"

	// These two follow endAgent, and must change nothing when it changed nothing.
	putSnapshot = `INSERT INTO snapshots (agent, data, sum)
		SELECT agent, ?, ? FROM agents WHERE agent = ? AND incarnation = ?
		ON CONFLICT (agent) DO UPDATE SET data = excluded.data, sum = excluded.sum`
	endSnapshot = "DELETE FROM snapshots WHERE agent IN (SELECT agent FROM agents WHERE agent = ? AND incarnation = ?)"
)

// Record returns an agent's record as of the last commit. The record of an
// agent that has never run is empty except for its ID. The error of a record that is
// damaged, or is gone, is record.Damaged.
func (s *Store) Record(ctx context.Context, id tandem.AgentID) (record.Agent, error) {
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	r := record.Agent{ID: id}
	var incarnation, boot, seq int64
	var sum sql.NullInt64
	err := s.read.scan(ctx, selectRecord, []any{string(id)}, &incarnation, &r.Running, (*milli)(&r.Changed),
		&boot, &seq, &sum, &r.Saved, &r.Quarantined)
	if errors.Is(err, sql.ErrNoRows) {
		return r, s.neverRan(ctx, id)
	}
	if err != nil {
		return r, s.unreadable(err, id, "record")
	}
	r.Incarnation = uint64(incarnation)
	r.Mark = tandem.Mark{Boot: uint64(boot), Seq: uint64(seq)}
	if !matches(sum, record.SumSaved(id, r.Saved, r.Mark)) {
		return r, s.noteDamage(record.DamagedAgent(id, "saved table"))
	}
	return r, nil
}

// neverRan returns an error when an agent without a record has had one. An agent must not
// start from nothing because its record has been lost.
func (s *Store) neverRan(ctx context.Context, id tandem.AgentID) error {
	var ran bool
	err := s.read.scan(ctx, selectRan, []any{string(id)}, &ran)
	switch {
	case errors.Is(err, sql.ErrNoRows): // it has just begun, or is a test's agent without a device
		return nil
	case err != nil:
		return s.unreadable(err, id, "record")
	case ran:
		return s.noteDamage(record.DamagedAgent(id, "record"))
	}
	return nil
}

// unreadable describes the error of reading something of an agent, which says whose it is
// when the database itself is damaged.
func (s *Store) unreadable(err error, id tandem.AgentID, what string) error {
	if corrupt(err) {
		return s.noteDamage(errors.Join(record.DamagedAgent(id, what), s.describe(err)))
	}
	return s.describe(err)
}

// GiveUp makes the record of an agent usable that is damaged, by giving up what is damaged in
// it: its table, its snapshot, posts. What is intact stays. It returns what was given up.
func (s *Store) GiveUp(ctx context.Context, id tandem.AgentID) (lost []string, err error) {
	var damage *record.Damaged
	if _, err := s.Record(ctx, id); errors.As(err, &damage) {
		lost = append(lost, "what it has saved")
	} else if err != nil {
		return nil, err
	}
	bad, err := s.damagedPosts(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		lost = append(lost, "messages for its device")
	}
	err = s.do(ctx, func() error {
		if _, err := s.posting(id, 0); errors.As(err, &damage) {
			lost = append(lost, "the numbering of messages for its device")
			if err := s.exec("UPDATE agents SET cause_boot = 0, cause_seq = 0, cause_nth = 0, posting_sum = NULL"+
				" WHERE agent = ?", string(id)); err != nil {
				return err
			}
		}
		if len(lost) > 0 && lost[0] == "what it has saved" {
			for _, query := range []string{
				"UPDATE agents SET saved = NULL, mark_boot = 0, mark_seq = 0, sum = NULL WHERE agent = ?",
				"UPDATE devices SET ran = FALSE WHERE agent = ?1 AND NOT EXISTS (SELECT 1 FROM agents WHERE agent = ?1)",
				dropSnapshot,
			} {
				if err := s.exec(query, string(id)); err != nil {
					return err
				}
			}
		}
		for _, seq := range bad {
			if err := s.exec(deletePost, string(id), int64(seq)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(lost) > 0 {
		s.forgetDamage(id)
		s.log().Warn("what was damaged of an agent has been given up", "agent", id, "lost", lost)
	}
	return lost, err
}

// Begin starts the next incarnation of an agent and deletes the snapshot of the
// incarnation before.
func (s *Store) Begin(id tandem.AgentID, done func(incarnation uint64, err error)) {
	var incarnation int64
	s.submit(&op{
		steps: []step{
			{
				query: beginAgent, args: []any{string(id), placement.ShardOf(id, s.shards), milli(s.stamp())},
				into: []any{&incarnation},
			},
			{query: dropSnapshot, args: []any{string(id)}},
			{query: noteRan, args: []any{string(id)}},
		},
		done: func(err error) {
			if err != nil {
				incarnation = 0
			}
			done(uint64(incarnation), err)
		},
	})
}

// Save replaces an agent's table and mark. It fails with Conflict when
// incarnation is not the current one. The store keeps table until it calls done.
func (s *Store) Save(id tandem.AgentID, incarnation uint64, table []byte, mark tandem.Mark, done func(error)) {
	sum := int64(record.SumSaved(id, table, mark))
	s.submit(&op{
		steps: []step{
			{query: saveAgent, args: []any{table, int64(mark.Boot), int64(mark.Seq), sum, string(id), int64(incarnation)}},
		},
		none: func() error { return record.Stale(id, incarnation) },
		done: done,
	})
}

// Quarantine records with which code, by its hash, the agent is not to be started any more.
// Begin ends the quarantine. It fails with Conflict when incarnation is not the current
// one.
func (s *Store) Quarantine(id tandem.AgentID, incarnation uint64, code string, done func(error)) {
	s.submit(&op{
		steps: []step{{query: quarantine, args: []any{code, string(id), int64(incarnation)}}},
		none:  func() error { return record.Stale(id, incarnation) },
		done:  done,
	})
}

// End records that an incarnation no longer runs on this node. Without a
// snapshot it has ended, and the record is no longer Running. With a snapshot
// the record stays Running, and the incarnation resumes when the result of
// TakeSnapshot is restored. End fails with Conflict when incarnation is not the
// current one.
func (s *Store) End(id tandem.AgentID, incarnation uint64, snapshot []byte, done func(error)) {
	last := step{query: endSnapshot, args: []any{string(id), int64(incarnation)}}
	if snapshot != nil {
		sum := int64(record.SumSnapshot(id, snapshot))
		last = step{query: putSnapshot, args: []any{snapshot, sum, string(id), int64(incarnation)}}
	}
	s.submit(&op{
		steps: []step{
			{query: endAgent, args: []any{snapshot != nil, milli(s.stamp()), string(id), int64(incarnation)}},
			last,
		},
		none: func() error { return record.Stale(id, incarnation) },
		done: done,
	})
}

// TakeSnapshot deletes an agent's snapshot and then passes it to done, so that
// it cannot be restored twice even if the caller crashes. When there is no
// snapshot, done gets nil and no error. A damaged one gives an error once, and then
// there is none: the agent starts from its saved table.
func (s *Store) TakeSnapshot(id tandem.AgentID, done func(snapshot []byte, err error)) {
	var snapshot []byte
	var sum sql.NullInt64
	o := &op{steps: []step{{query: takeSnapshot, args: []any{string(id)}, into: []any{&snapshot, &sum}}}}
	o.done = func(err error) {
		switch {
		case err != nil || o.steps[0].rows == 0: // snapshot may be left from a transaction that failed
			snapshot = nil
		case !matches(sum, record.SumSnapshot(id, snapshot)):
			snapshot, err = nil, s.noteDamage(record.DamagedSnapshot(id))
		}
		done(snapshot, err)
	}
	s.submit(o)
}
