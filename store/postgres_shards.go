package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/tandem-iot/tandem/store/record"
)

// columns returns shards as the arrays that a statement can take.
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
// Epoch named there gets the Target, and when it has no owner, that one for its
// owner at once. Shards that have changed meanwhile are left alone, and so are
// those whose target is not a node of the cluster.
func (s *Store) AssignShards(ctx context.Context, plan []record.Shard) error {
	numbers, _, _, targets := columns(plan)
	return s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		// In their order, so that two planners do not wait for each other; and
		// locked, so that no target leaves before it owns its shards.
		able, err := registered(ctx, tx, slices.Compact(slices.Sorted(slices.Values(targets))))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, lockVersion); err != nil {
			return err
		}
		rows, err := readShards(ctx, tx, "WHERE shard = ANY ($1)", numbers)
		if err != nil {
			return err
		}
		changed := assigned(rows, plan, able)
		if len(changed) == 0 {
			return nil
		}
		shards, owners, epochs, targets := columns(changed)
		if _, err := tx.ExecContext(ctx, `UPDATE shards s SET owner = p.owner, epoch = p.epoch, target = p.target
			FROM unnest($1::int[], $2::text[], $3::bigint[], $4::text[]) AS p (shard, owner, epoch, target)
			WHERE s.shard = p.shard`,
			shards, owners, epochs, targets); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, raiseVersion)
		return err
	})
}

// assigned returns the shards that a plan changes, as they are afterwards.
func assigned(rows, plan []record.Shard, able []string) (changed []record.Shard) {
	now := map[int]record.Shard{}
	for _, row := range rows {
		now[row.Shard] = row
	}
	touched := map[int]bool{}
	for _, p := range plan {
		row, known := now[p.Shard]
		next, ok := row.Assign(p, slices.Contains(able, p.Target))
		if known && ok {
			now[p.Shard] = next
			touched[p.Shard] = true
		}
	}
	for _, row := range rows {
		if touched[row.Shard] {
			changed = append(changed, now[row.Shard])
		}
	}
	return changed
}

// registered returns those of some nodes that are part of the cluster, and
// keeps them so until the transaction ends.
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
	for rows.Next() {
		var node string
		if err := rows.Scan(&node); err != nil {
			return nil, err
		}
		able = append(able, node)
	}
	return able, rows.Err()
}

// readShards returns shards in their order.
func readShards(ctx context.Context, tx *sql.Tx, where string, args ...any) (list []record.Shard, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT shard, owner, epoch, target FROM shards "+where+" ORDER BY shard", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // Err tells
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
// node, or of this one, which only raises their epochs. All that was submitted
// before is written before. It returns the new epochs. With Conflict nothing
// has changed, because a shard is not this node's at its epoch or the other
// node is not alive. With Unavailable it may have taken place.
func (s *Store) Handover(
	ctx context.Context, shards []record.Shard, to string, toSession int64,
) (map[int]int64, error) {
	id := s.identity()
	switch {
	case s.postgres == nil:
		return nil, s.place(ctx, nil, nil) // says so
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

// lockTaker checks that a node can be given shards, and keeps it from being
// declared lost until the transaction ends.
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
