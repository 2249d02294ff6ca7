package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tandem-iot/tandem/store/record"
)

// claimLook is the time between two looks at a name that may be in use.
const claimLook = 100 * time.Millisecond

// Claim takes a node's name for this run, for the time of a lease; Register must follow
// within that time, and fails when another node has taken the name. A name that has a
// lease is watched until that is renewed, which means that another node uses the name,
// or has run out. The successor of a process that has ended does not wait: see
// record.Claim. Claim fails with Conflict when the name is in use, or a node of an
// earlier version runs.
func (s *Store) Claim(ctx context.Context, c record.Claim, lease time.Duration) error {
	if err := record.CheckNode(record.Node{ID: c.Node}); err != nil {
		return err
	}
	var first *record.Use
	for {
		use, verdict, err := s.tryClaim(ctx, c, lease, first)
		switch {
		case err != nil:
			return err
		case verdict == record.InUse:
			return record.NameInUse(c.Node)
		case verdict == record.Take:
			s.mu.Lock()
			s.claim = c.Key
			s.mu.Unlock()
			return nil
		}
		if first == nil {
			first = &use
		}
		select {
		case <-time.After(claimLook):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryClaim takes the name if it is not in use.
func (s *Store) tryClaim(
	ctx context.Context, c record.Claim, lease time.Duration, first *record.Use,
) (use record.Use, verdict record.Verdict, err error) {
	err = s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		if err := refuseEarlier(ctx, tx); err != nil {
			return err
		}
		// The row is locked, so of two nodes that start at once one sees the other's claim.
		if _, err := tx.ExecContext(ctx, `INSERT INTO claims (node, key, address, holder, expires)
			VALUES ($1, $2, '', '', '-infinity') ON CONFLICT (node) DO NOTHING`, c.Node, c.Key); err != nil {
			return err
		}
		var now time.Time
		err := tx.QueryRowContext(ctx, `SELECT holder, clock_timestamp(), greatest(
				CASE WHEN isfinite(expires) THEN expires ELSE 'epoch' END,
				(SELECT max(l.expires) FROM leases l WHERE l.node = claims.node))
			FROM claims WHERE node = $1 FOR UPDATE`, c.Node).Scan(&use.Holder, &now, &use.Expires)
		if err != nil {
			return err
		}
		if verdict = use.Judge(c.Holder, now, first); verdict != record.Take {
			return nil
		}
		_, err = tx.ExecContext(ctx, `UPDATE claims SET key = $2, address = $3, holder = $4,
			expires = clock_timestamp() + $5`+millisecond+` WHERE node = $1`,
			c.Node, c.Key, c.Address, c.Holder, float64(lease.Milliseconds()))
		return err
	})
	return use, verdict, err
}

// refuseEarlier fails when a node of an earlier version runs.
func refuseEarlier(ctx context.Context, tx *sql.Tx) error {
	var node, version string
	err := tx.QueryRowContext(ctx, `SELECT n.id, n.version FROM nodes n JOIN leases l ON l.node = n.id
		WHERE l.expires > clock_timestamp() AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.node = n.id)
		ORDER BY n.id LIMIT 1`).Scan(&node, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return record.EarlierVersion(node, version)
}

// claimed returns the key of this run's claim; "" is none.
func (s *Store) claimed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim
}

// release ends this run's claim, so that another node can take the name at once.
func (s *Store) release(ctx context.Context, tx *sql.Tx, node string) error {
	_, err := tx.ExecContext(ctx, "UPDATE claims SET expires = '-infinity' WHERE node = $1 AND key = $2",
		node, s.claimed())
	return err
}

// checkClaim fails when another run has taken the node's name. It keeps others from
// taking it until the transaction ends. Without a claim it succeeds.
func (s *Store) checkClaim(ctx context.Context, tx *sql.Tx, node string) error {
	claim := s.claimed()
	if claim == "" {
		return nil
	}
	var key string
	err := tx.QueryRowContext(ctx, "SELECT key FROM claims WHERE node = $1 FOR SHARE", node).Scan(&key)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if key != claim {
		return record.NameInUse(node)
	}
	return nil
}
