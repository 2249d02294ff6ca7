package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/tandem-iot/tandem/store/record"
)

// columns returns shards as arrays, for the parameters of a statement.
func columns(list []record.Shard) (shards []int32, owners []string, epochs []int64, targets []string) {
	for _, i := range list {
		shards = append(shards, int32(i.Shard))
		owners = append(owners, i.Owner)
		epochs = append(epochs, i.Epoch)
		targets = append(targets, i.Target)
	}
	return shards, owners, epochs, targets
}

// AssignShards carries out a plan: each shard that still has the Owner and
// Epoch of the plan gets the plan's Target. A shard without an owner also gets
// the Target as its owner at once. Shards that have changed since the plan was
// made stay as they are, and so do shards whose target is not a node of the
// cluster.
func (s *Store) AssignShards(ctx context.Context, plan []record.Shard) error {
	shards, owners, epochs, targets := columns(plan)
	return s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		// Lock the targets, so that none leaves before it owns its shards; in
		// order, so that two planners do not deadlock.
		if waits, err := rescuing(ctx, tx); err != nil || waits {
			return err
		}
		able, err := registered(ctx, tx, slices.Compact(slices.Sorted(slices.Values(targets))))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, lockVersion); err != nil {
			return err
		}
		// record.Shard.Assign as one statement
		result, err := tx.ExecContext(ctx, `UPDATE shards s SET target = p.target,
				owner = CASE s.owner WHEN '' THEN p.target ELSE s.owner END,
				epoch = CASE WHEN s.owner = '' AND p.target <> '' THEN s.epoch + 1 ELSE s.epoch END
			FROM unnest($1::int[], $2::text[], $3::bigint[], $4::text[]) AS p (shard, owner, epoch, target)
			WHERE s.shard = p.shard AND s.owner = p.owner AND s.epoch = p.epoch
				AND (p.target = '' OR p.target = ANY ($5))`,
			shards, owners, epochs, targets, able)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n > 0 {
			_, err = tx.ExecContext(ctx, raiseVersion)
		}
		return err
	})
}

// registered returns the given nodes that are part of the cluster, and locks
// them so that they remain part of it until the transaction ends.
func registered(ctx context.Context, tx *sql.Tx, nodes []string) (able []string, err error) {
	const lock = "SELECT 1 FROM nodes WHERE id = ANY ($1) ORDER BY id FOR SHARE"
	if _, err := tx.ExecContext(ctx, lock, nodes); err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT node FROM leases WHERE node = ANY ($1)", nodes)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // Err tells
	able = []string{}  // not nil, which would be NULL
	for rows.Next() {
		var node string
		if err := rows.Scan(&node); err != nil {
			return nil, err
		}
		able = append(able, node)
	}
	return able, rows.Err()
}

// readShards returns all shards, ordered by number.
func readShards(ctx context.Context, tx *sql.Tx, count int) ([]record.Shard, error) {
	rows, err := tx.QueryContext(ctx, "SELECT shard, owner, epoch, target FROM shards ORDER BY shard")
	if err != nil {
		return nil, err
	}
	defer rows.Close() // Err tells
	list := make([]record.Shard, 0, count)
	for rows.Next() {
		var i record.Shard
		if err := rows.Scan(&i.Shard, &i.Owner, &i.Epoch, &i.Target); err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, rows.Err()
}

// Handover gives shards of this node, at their epochs, to a session of another
// node, and returns the new epochs. With this node's own session it only raises
// the epochs. Writes submitted before are committed before. Conflict means that
// nothing has changed, because this node does not own a shard at its epoch or
// the other node is not alive. After Unavailable the handover may have happened.
func (s *Store) Handover(
	ctx context.Context, shards []record.Shard, to string, toSession int64,
) (map[int]int64, error) {
	id := s.identity()
	switch {
	case s.postgres == nil:
		return nil, s.place(ctx, nil, nil) // returns the error for SQLite
	case id.Session == 0:
		return nil, record.NotRegistered()
	}
	var epochs map[int]int64
	err := s.wait(ctx, &op{alone: true, run: func() (err error) {
		epochs, err = s.handOver(id.Node, shards, to, toSession)
		return err
	}})
	if err != nil {
		return nil, err
	}
	return epochs, nil
}

// handOver is Handover inside the transaction.
func (s *Store) handOver(from string, list []record.Shard, to string, toSession int64) (map[int]int64, error) {
	if err := s.lockTaker(from, to, toSession); err != nil {
		return nil, err
	}
	if err := s.exec(raiseVersion); err != nil {
		return nil, err
	}
	numbers, _, old, _ := columns(list)
	// record.Shard.HandOver as one statement
	rows, err := s.write.QueryContext(s.inside(), `UPDATE shards s SET owner = $1, epoch = s.epoch + 1
		FROM unnest($3::int[], $4::bigint[]) AS p (shard, epoch)
		WHERE s.shard = p.shard AND s.owner = $2 AND s.epoch = p.epoch RETURNING s.shard, s.epoch`, to, from, numbers, old)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // Err tells
	epochs := map[int]int64{}
	for rows.Next() {
		var shard int
		var epoch int64
		if err := rows.Scan(&shard, &epoch); err != nil {
			return nil, err
		}
		epochs[shard] = epoch
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return epochs, record.HandedOver(len(epochs), len(list))
}

// lockTaker checks that a node can take shards, and locks its row so that it
// cannot be declared lost until the transaction ends.
func (s *Store) lockTaker(from, to string, session int64) error {
	var expires, now time.Time
	err := s.write.scan(s.inside(), `SELECT l.expires, clock_timestamp()
		FROM nodes n JOIN leases l ON l.node = n.id AND l.session = n.session
		WHERE n.id = $1 AND n.session = $2 FOR SHARE OF n`, []any{to, session}, &expires, &now)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return record.NotAlive(to, session)
	case err != nil:
		return err
	case !record.Taker(record.Node{ID: to, Session: session, Alive: record.Alive(expires, now)}, session, from):
		return record.NotAlive(to, session)
	}
	return nil
}
