package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/tandem-iot/tandem"
)

// columns returns shards as the arrays that a statement can take.
func columns(list []ShardInfo) (shards []int32, owners []string, epochs []int64, targets []string) {
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
func (s *Store) AssignShards(ctx context.Context, plan []ShardInfo) error {
	shards, owners, epochs, targets := columns(plan)
	return s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		// In their order, so that two who do this do not wait for each other;
		// and locked, so that none of them leaves before the shards are its.
		able, err := registered(ctx, tx, slices.Compact(slices.Sorted(slices.Values(targets))))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, lockVersion); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `UPDATE shards s SET target = p.target,
				owner = CASE s.owner WHEN '' THEN p.target ELSE s.owner END,
				epoch = CASE WHEN s.owner = '' AND p.target <> '' THEN s.epoch + 1 ELSE s.epoch END
			FROM unnest($1::int[], $2::text[], $3::bigint[], $4::text[]) AS p (shard, owner, epoch, target)
			WHERE s.shard = p.shard AND s.owner = p.owner AND s.epoch = p.epoch AND (p.target = '' OR p.target = ANY ($5))`,
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

// registered returns those of some nodes that are part of the cluster, and
// keeps them so until the transaction ends.
func registered(ctx context.Context, tx *sql.Tx, nodes []string) (able []string, err error) {
	if _, err := tx.ExecContext(ctx, "SELECT 1 FROM nodes WHERE id = ANY ($1) ORDER BY id FOR SHARE", nodes); err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT node FROM leases WHERE node = ANY ($1)", nodes)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // Err tells
	able = []string{}
	for rows.Next() {
		var node string
		if err := rows.Scan(&node); err != nil {
			return nil, err
		}
		able = append(able, node)
	}
	return able, rows.Err()
}

// Handover gives shards of this node, at their epochs, to a session of another
// node, or of this one, which only raises their epochs. All that was submitted
// before is written before. It returns the new epochs. With Conflict nothing
// has changed, because a shard is not this node's at its epoch or the other
// node is not alive. With Unavailable it may have taken place.
func (s *Store) Handover(ctx context.Context, shards []ShardInfo, to string, toSession int64) (map[int]int64, error) {
	id, _ := s.identity()
	switch {
	case s.postgres == nil:
		return nil, s.place(ctx, nil, nil) // says so
	case id.session == 0:
		return nil, errNotRegistered()
	}
	var epochs map[int]int64
	err := s.wait(ctx, &op{alone: true, run: func() (err error) {
		epochs, err = s.handOver(id.node, shards, to, toSession)
		return err
	}})
	if err != nil {
		return nil, err
	}
	return epochs, nil
}

// handOver is Handover inside the transaction.
func (s *Store) handOver(from string, list []ShardInfo, to string, toSession int64) (map[int]int64, error) {
	var able int
	err := s.write.scan(s.inside(), `SELECT 1 FROM nodes n JOIN leases l ON l.node = n.id AND l.session = n.session
		WHERE n.id = $1 AND n.session = $2 AND (l.expires > clock_timestamp() OR n.id = $3) FOR SHARE OF n`, []any{to, toSession, from}, &able)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, tandem.Errorf(tandem.Conflict, "node %s is not alive in session %d; its shards stay", to, toSession)
	}
	if err != nil {
		return nil, err
	}
	if err := s.exec(raiseVersion); err != nil {
		return nil, err
	}
	numbers, _, old, _ := columns(list)
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
	if len(epochs) < len(list) {
		return nil, tandem.Errorf(tandem.Conflict, "%d of %d shards are not this node's any more", len(list)-len(epochs), len(list))
	}
	return epochs, nil
}
