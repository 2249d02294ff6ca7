package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// fence is the session that the node's writes belong to. The store's mutex guards it.
type fence struct {
	record.Fence
	onFenced func() // called once when the session is lost; nil: it was called, or is not set
}

// identity returns the node's session, and whether it has been declared lost.
func (s *Store) identity() record.Fence {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fence.Fence
}

// OnFenced sets the function that is called, once, when this node finds that the
// others have declared it lost. It replaces an earlier one. f may be called on
// the committer's goroutine, and must not block. If the node is already known to
// be lost, OnFenced calls f at once.
func (s *Store) OnFenced(f func()) {
	s.mu.Lock()
	lost := s.fence.Lost
	if !lost {
		s.fence.onFenced = f
	}
	s.mu.Unlock()
	if lost {
		f()
	}
}

// lost records that a session was declared lost, and calls onFenced.
func (s *Store) lost(session int64) {
	s.mu.Lock()
	var f func()
	if s.fence.Session == session {
		f = s.fence.onFenced
		s.fence.Lost, s.fence.onFenced = true, nil
	}
	s.mu.Unlock()
	if f != nil {
		f()
	}
}

// place makes one transaction about the cluster, apart from the committer.
func (s *Store) place(ctx context.Context, options *sql.TxOptions, f func(context.Context, *sql.Tx) error) error {
	if s.postgres == nil {
		return tandem.Errorf(tandem.Invalid,
			"a cluster needs PostgreSQL, and this is SQLite; give the node a postgres:// URL")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tx, err := s.placing.BeginTx(ctx, options)
	if err != nil {
		return s.describe(err)
	}
	if err := f(ctx, tx); err != nil {
		if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
			err = errors.Join(err, rollback)
		}
		return s.describe(err)
	}
	return s.describe(tx.Commit())
}

// placeOver is place for a change of a node's session, which waits for the
// node's transaction under way. If that times out, because the node has stopped
// in the middle of it, placeOver ends the node's connection and tries again.
func (s *Store) placeOver(ctx context.Context, node string, f func(context.Context, *sql.Tx) error) error {
	err := s.place(ctx, nil, f)
	if sqlstate(err) != lockUnavailable {
		return err
	}
	if err := s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE application_name = $1 AND datname = current_database()`,
			connectionName(node))
		return err
	}); err != nil {
		return err
	}
	return s.place(ctx, nil, f)
}

// connectionName returns the application name of the committer's connection of a
// node.
func connectionName(node string) string {
	const longest = 63 // a server cuts longer names
	name := "tandem " + node
	return name[:min(len(name), longest)]
}

// The order of locks is: a node's lease, the rows of nodes, the version, shards.
// Every change of shards locks the version first, so these changes are made one
// after another. disown is record.Shard.Abandon as one statement.
const (
	raiseVersion = "UPDATE cluster SET value = (value::bigint + 1)::text WHERE key = 'version'"
	lockVersion  = "SELECT 1 FROM cluster WHERE key = 'version' FOR UPDATE"
	disown       = "UPDATE shards SET owner = '', epoch = epoch + 1 WHERE owner = $1"
	millisecond  = " * interval '1 millisecond'"
)

// Register makes this node, whose name is info.ID, part of the cluster with a
// new session and a lease. Shards that it owned in an earlier session lose their
// owner. From then on each write checks that the node has not been declared
// lost, and fails with Conflict if it has. Writes that were submitted in an
// earlier session and are not yet committed fail with Conflict, too. So does Register
// when another run has taken the name since this node's Claim.
func (s *Store) Register(ctx context.Context, info record.Node, lease time.Duration) (session int64, err error) {
	if err := record.CheckNode(info); err != nil {
		return 0, err
	}
	if err := s.review(ctx, info.ID); err != nil {
		return 0, err
	}
	var seen record.Seen
	err = s.placeOver(ctx, info.ID, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "SELECT 1 FROM leases WHERE node = $1 FOR UPDATE", info.ID); err != nil {
			return err
		}
		if err := s.checkClaim(ctx, tx, info.ID); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx,
			`INSERT INTO nodes AS n (id, session, url, mqtt, version, started) VALUES ($1, 1, $2, $3, $4, $5)
			ON CONFLICT (id) DO UPDATE SET session = n.session + 1, url = excluded.url, mqtt = excluded.mqtt,
				version = excluded.version, started = excluded.started
			RETURNING session`, info.ID, info.URL, info.MQTT, info.Version, milli(info.Started)).Scan(&session)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx,
			`INSERT INTO leases (node, session, expires, load, agents, draining, weight)
			VALUES ($1, $2, clock_timestamp() + $3`+millisecond+`, $4, $5, $6, $7)
			ON CONFLICT (node) DO UPDATE SET session = excluded.session, expires = excluded.expires,
				load = excluded.load, agents = excluded.agents, draining = excluded.draining, weight = excluded.weight`,
			info.ID, session, float64(lease.Milliseconds()),
			info.Load, info.Agents, info.Draining, info.Weight); err != nil {
			return err
		}
		if err := abandon(ctx, tx, info.ID); err != nil {
			return err
		}
		seen, err = counting(ctx, tx, info.ID)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.sight(seen)
	s.mu.Lock()
	s.fence = fence{Fence: record.Fence{Node: info.ID, Session: session}}
	s.mu.Unlock()
	return session, nil
}

// abandon takes a node's shards from it, which leaves them without an owner, and
// raises the version.
func abandon(ctx context.Context, tx *sql.Tx, node string) error {
	if _, err := tx.ExecContext(ctx, raiseVersion); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, disown, node)
	return err
}

// Renew extends the node's lease to its full time from now on, and publishes its
// load, weight, agents and draining. Conflict means that the node has been
// declared lost.
func (s *Store) Renew(ctx context.Context, info record.Node, lease time.Duration) error {
	id, seen := s.identity(), s.sighted()
	var n int64 // 0: it is not this session's, or the database went back
	err := s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		n = 0
		err := tx.QueryRowContext(ctx, `WITH mine AS (UPDATE leases
				SET expires = clock_timestamp() + $3`+millisecond+`, load = $4, agents = $5, draining = $6, weight = $7
				WHERE node = $1 AND session = $2 AND (SELECT n FROM progress WHERE node = $1) >= $8
					AND coalesce((SELECT n FROM renewals WHERE node = $1), 0) >= $9
				RETURNING node)
			INSERT INTO renewals AS r (node, n) SELECT node, 1 FROM mine
			ON CONFLICT (node) DO UPDATE SET n = r.n + 1 RETURNING n`,
			id.Node, id.Session, float64(lease.Milliseconds()), info.Load, info.Agents, info.Draining, info.Weight,
			seen.Count, seen.Renewals).Scan(&n)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case id.Session == 0:
		return record.NotRegistered()
	case n == 0:
		s.lost(id.Session)
		return record.Fenced()
	}
	s.sightRenewals(id.Session, n)
	return nil
}

// Membership returns the nodes and shards of the cluster. It leaves the shards
// out when the version is known, which is -1 for a caller that knows none.
func (s *Store) Membership(ctx context.Context, known int64) (*record.Membership, error) {
	m := &record.Membership{}
	var db record.Seen
	id, before := s.identity(), s.sighted()
	options := &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	err := s.place(ctx, options, func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT value::int FROM cluster WHERE key = 'shards'`).Scan(&m.Count)
		if err != nil {
			return err
		}
		if db, err = progressOf(ctx, tx, id.Node); err != nil {
			return err
		}
		m.Version = db.Version
		if m.Nodes, err = readNodes(ctx, tx); err != nil || m.Version == known {
			return err
		}
		m.Shards, err = readShards(ctx, tx, m.Count)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.follow(id, before, db, m.Nodes); err != nil {
		return nil, err
	}
	return m, nil
}

func readNodes(ctx context.Context, tx *sql.Tx) (list []record.Node, err error) {
	rows, err := tx.QueryContext(ctx,
		`SELECT n.id, n.session, n.url, n.mqtt, l.load, l.weight, l.agents, l.draining,
			l.expires, clock_timestamp(), n.started, n.version, coalesce(c.key, ''), coalesce(c.address, '')
		FROM nodes n JOIN leases l ON l.node = n.id AND l.session = n.session
			LEFT JOIN claims c ON c.node = n.id ORDER BY n.id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // Err tells
	for rows.Next() {
		var n record.Node
		var expires, now time.Time
		if err := rows.Scan(&n.ID, &n.Session, &n.URL, &n.MQTT, &n.Load, &n.Weight, &n.Agents, &n.Draining,
			&expires, &now, (*milli)(&n.Started), &n.Version, &n.Key, &n.Address); err != nil {
			return nil, err
		}
		n.Alive = record.Alive(expires, now)
		list = append(list, n)
	}
	return list, rows.Err()
}

// Bury declares a node's session lost, if its lease ended at least
// record.BurialDelay ago. The node's shards lose their owner. Bury waits for the
// node's transaction under way; its later ones are refused. It returns false
// when the lease is still valid or another node was faster.
func (s *Store) Bury(ctx context.Context, node string, session int64) (buried bool, err error) {
	err = s.placeOver(ctx, node, func(ctx context.Context, tx *sql.Tx) error {
		buried = false
		var expires, now time.Time
		const lock = "SELECT expires, clock_timestamp() FROM leases WHERE node = $1 AND session = $2 FOR UPDATE"
		err := tx.QueryRowContext(ctx, lock, node, session).Scan(&expires, &now)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil || !record.Buriable(expires, now) {
			return err
		}
		buried = true
		return remove(ctx, tx, node, session)
	})
	return buried && err == nil, err
}

// remove takes a node out of the cluster.
func remove(ctx context.Context, tx *sql.Tx, node string, session int64) error {
	for _, query := range []string{
		"UPDATE nodes SET session = session + 1 WHERE id = $1 AND session = $2",
		"DELETE FROM leases WHERE node = $1 AND session = $2",
	} {
		if _, err := tx.ExecContext(ctx, query, node, session); err != nil {
			return err
		}
	}
	return abandon(ctx, tx, node)
}

// Leave removes this node from the cluster, and gives up its claim of its name; if it is the
// planner, another can be at once. Its later writes are refused.
func (s *Store) Leave(ctx context.Context) error {
	id := s.identity()
	err := s.placeOver(ctx, id.Node, func(ctx context.Context, tx *sql.Tx) error {
		var own bool
		const lock = "SELECT true FROM leases WHERE node = $1 AND session = $2 FOR UPDATE"
		err := tx.QueryRowContext(ctx, lock, id.Node, id.Session).Scan(&own)
		if err == nil {
			err = s.release(ctx, tx, id.Node)
		}
		if errors.Is(err, sql.ErrNoRows) {
			return nil // another node has already buried this one
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE planner SET expires = '-infinity' WHERE node = $1", id.Node); err != nil {
			return err
		}
		return remove(ctx, tx, id.Node, id.Session)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	if id.Session != 0 && s.fence.Node == id.Node && s.fence.Session == id.Session {
		s.fence.Lost, s.fence.onFenced = true, nil
	}
	s.mu.Unlock()
	return nil
}

// Planner tries to make a node the planner for the duration of lease, and
// reports whether it is. It is not while another node is.
func (s *Store) Planner(ctx context.Context, node string, lease time.Duration) (mine bool, err error) {
	err = s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		// record.Planner.MayPlan as one statement
		result, err := tx.ExecContext(ctx,
			`UPDATE planner SET node = $1, expires = clock_timestamp() + $2`+millisecond+
				` WHERE node = $1 OR expires < clock_timestamp()`,
			node, float64(lease.Milliseconds()))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		mine = n > 0
		return err
	})
	return mine && err == nil, err
}
