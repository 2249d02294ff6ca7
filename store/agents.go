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
	selectRecord = `SELECT incarnation, running, changed, mark_boot, mark_seq, saved, quarantined
		FROM agents WHERE agent = ?`

	// Each of these is one guarded statement for a decision of package record:
	// Agent.Begin, Agent.Save, Agent.Quarantine and Agent.End. The guard is the incarnation: when no
	// row has it, nothing changes and the error is record.Stale.
	beginAgent = `INSERT INTO agents (agent, shard, incarnation, running, changed) VALUES (?, ?, 1, TRUE, ?)
		ON CONFLICT (agent) DO UPDATE
		SET incarnation = agents.incarnation + 1, running = TRUE, changed = excluded.changed, shard = excluded.shard,
			quarantined = ''
		RETURNING incarnation`
	saveAgent  = "UPDATE agents SET saved = ?, mark_boot = ?, mark_seq = ? WHERE agent = ? AND incarnation = ?"
	quarantine = "UPDATE agents SET quarantined = ? WHERE agent = ? AND incarnation = ?"
	endAgent   = "UPDATE agents SET running = ?, changed = ? WHERE agent = ? AND incarnation = ?"

	dropSnapshot = "DELETE FROM snapshots WHERE agent = ?"
	takeSnapshot = "DELETE FROM snapshots WHERE agent = ? RETURNING data"

	// These two follow endAgent, and must change nothing when it changed nothing.
	putSnapshot = `INSERT INTO snapshots (agent, data) SELECT agent, ? FROM agents WHERE agent = ? AND incarnation = ?
		ON CONFLICT (agent) DO UPDATE SET data = excluded.data`
	endSnapshot = "DELETE FROM snapshots WHERE agent IN (SELECT agent FROM agents WHERE agent = ? AND incarnation = ?)"
)

// Record returns an agent's record as of the last commit. The record of an
// agent that has never run is empty except for its ID.
func (s *Store) Record(ctx context.Context, id tandem.AgentID) (record.Agent, error) {
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	r := record.Agent{ID: id}
	var incarnation, boot, seq int64
	err := s.read.scan(ctx, selectRecord, []any{string(id)}, &incarnation, &r.Running, (*milli)(&r.Changed),
		&boot, &seq, &r.Saved, &r.Quarantined)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	r.Incarnation = uint64(incarnation)
	r.Mark = tandem.Mark{Boot: uint64(boot), Seq: uint64(seq)}
	return r, s.describe(err)
}

// Begin starts the next incarnation of an agent and deletes the snapshot of the
// incarnation before.
func (s *Store) Begin(id tandem.AgentID, done func(incarnation uint64, err error)) {
	var incarnation int64
	s.submit(&op{
		steps: []step{
			{query: beginAgent, args: []any{string(id), placement.ShardOf(id, s.shards), milli(s.stamp())}, into: &incarnation},
			{query: dropSnapshot, args: []any{string(id)}},
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
	s.submit(&op{
		steps: []step{
			{query: saveAgent, args: []any{table, int64(mark.Boot), int64(mark.Seq), string(id), int64(incarnation)}},
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
		last = step{query: putSnapshot, args: []any{snapshot, string(id), int64(incarnation)}}
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
// snapshot, done gets nil and no error.
func (s *Store) TakeSnapshot(id tandem.AgentID, done func(snapshot []byte, err error)) {
	var snapshot []byte
	o := &op{steps: []step{{query: takeSnapshot, args: []any{string(id)}, into: &snapshot}}}
	o.done = func(err error) {
		if err != nil || o.steps[0].rows == 0 { // snapshot may be left from a transaction that failed
			snapshot = nil
		}
		done(snapshot, err)
	}
	s.submit(o)
}
