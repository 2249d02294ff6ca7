package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
)

// A database on a server goes back in time when a standby takes over that lacks the newest
// transactions, or when a backup is put back. The node that notices begins a new history:
// no shard has an owner any more, and all epochs, sessions and the version are raised beyond
// those that have been lost, so that no two owners have the same. For rescueWait, no shard
// is given away, and each node saves again what it has of its agents.

// rescueWait is how long nodes may rescue agents. Each notices within a second.
const rescueWait = 15 * time.Second

// Remember keeps what this node sees of the database in a file, from before Register on. The
// error is Conflict when the file is about another database.
func (s *Store) Remember(ctx context.Context, path string) error {
	seen, err := s.remember(path)
	if err != nil {
		return err
	}
	return s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		db, err := progressOf(ctx, tx, seen.Node)
		if err != nil {
			return err
		}
		if seen.Compare(db) == record.Another {
			return record.Wrong(path, seen, db)
		}
		s.mu.Lock()
		s.seen = seen
		s.mu.Unlock()
		return nil
	})
}

// progressOf reads how far the database is.
func progressOf(ctx context.Context, tx *sql.Tx, node string) (db record.Seen, err error) {
	db.Node = node
	err = tx.QueryRowContext(ctx, `SELECT database, number, id, (SELECT value::bigint FROM cluster WHERE key = 'version'),
		coalesce((SELECT n FROM progress WHERE node = $1), 0), coalesce((SELECT n FROM renewals WHERE node = $1), 0)
		FROM history`, node).
		Scan(&db.Database, &db.Number, &db.History, &db.Version, &db.Count, &db.Renewals)
	return db, err
}

// counting begins to count a node's transactions.
func counting(ctx context.Context, tx *sql.Tx, node string) (record.Seen, error) {
	_, err := tx.ExecContext(ctx, "INSERT INTO progress (node, n) VALUES ($1, 0) ON CONFLICT DO NOTHING", node)
	if err != nil {
		return record.Seen{}, err
	}
	return progressOf(ctx, tx, node)
}

// sightCount remembers how many transactions the node has made.
func (s *Store) sightCount(n int64) {
	s.mu.Lock()
	s.seen.Count = n
	seen := s.seen
	s.mu.Unlock()
	s.keepSeen(seen)
}

// sightRenewals remembers how often the node has renewed its lease in a session.
func (s *Store) sightRenewals(session, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fence.Session == session && !s.fence.Lost {
		s.seen.Renewals = n
	}
}

// follow compares the membership that was read with what was seen before the reading. When the
// database has gone back, the node's session is over: it must not take the leases of an old
// database for those of nodes that are gone.
func (s *Store) follow(id record.Fence, seen, db record.Seen, nodes []record.Node) error {
	if id.Session == 0 || id.Lost {
		return nil // Register compares
	}
	if past := seen.Compare(db); past != record.Onward {
		s.lost(id.Session)
		return &tandem.Error{Kind: tandem.Unavailable, Msg: "the membership cannot be used", Err: errWentBack}
	}
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.ID
	}
	s.mu.Lock()
	s.seen.Version, s.peers = max(s.seen.Version, db.Version), names
	s.mu.Unlock()
	return nil
}

// WentBack finds out, once the node's session is over, whether that is because the database
// went back in time. The node then has to save its agents again, with Rescue, before it
// registers. If no other node has begun a new history, this one does.
func (s *Store) WentBack(ctx context.Context) (bool, error) {
	id := s.identity()
	past, err := s.compare(ctx, id.Node)
	return past == record.Back || past == record.Newer, err
}

// review is WentBack for a node that registers, and has no agents to save.
func (s *Store) review(ctx context.Context, node string) error {
	past, err := s.compare(ctx, node)
	if err != nil || past == record.Onward {
		return err
	}
	return s.rescued(ctx, node)
}

func (s *Store) compare(ctx context.Context, node string) (past record.Past, err error) {
	var db record.Seen
	seen := s.sighted() // before the database is read, which then has at least that
	err = s.placeOver(ctx, node, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "SELECT 1 FROM history FOR UPDATE"); err != nil {
			return err
		}
		if db, err = progressOf(ctx, tx, node); err != nil {
			return err
		}
		past = seen.Compare(db)
		if past != record.Back {
			return nil
		}
		return s.beginHistory(ctx, tx, db.Number, max(seen.Number, db.Number)+1)
	})
	switch {
	case err != nil:
		return past, err
	case past == record.Another:
		return past, &tandem.Error{Kind: tandem.Conflict, Err: ErrAnother,
			Msg: "the node stops: check the database's URL and its server, and start the node again"}
	case past == record.Back:
		s.wentBack("the database went back in time, as after a failover to a late standby or after a backup was put back. "+
			"All nodes save the newest state of their agents again; what was deployed and enrolled since then is lost",
			"gap", seen.Gap(db))
	case past == record.Newer:
		s.wentBack("the database went back in time, as another node has noticed. This node saves the newest state "+
			"of its agents again", "gap", seen.Gap(db))
	}
	if past == record.Back || past == record.Newer {
		s.mu.Lock()
		s.seen = record.Seen{} // of the history that is over
		s.mu.Unlock()
	}
	return past, nil
}

// beginHistory makes the membership that of a new history, in which no shard has an owner. The
// histories between the number that the database has and the new one have been lost.
func (s *Store) beginHistory(ctx context.Context, tx *sql.Tx, had, number int64) error {
	ahead := (number - had) * record.HistoryStep
	s.mu.Lock()
	peers := append([]string{}, s.peers...)
	s.mu.Unlock()
	for _, st := range []step{
		{query: `INSERT INTO rescuers (node, until) SELECT node, clock_timestamp() + $2` + millisecond + `
			FROM (SELECT node FROM leases UNION SELECT unnest($1::text[])) AS n (node)
			ON CONFLICT (node) DO UPDATE SET until = excluded.until`,
			args: []any{peers, float64(rescueWait.Milliseconds())}},
		{query: "DELETE FROM leases"},
		{query: "UPDATE nodes SET session = session + $1", args: []any{ahead}},
		{query: "UPDATE cluster SET value = (value::bigint + $1)::text WHERE key = 'version'",
			args: []any{ahead}},
		{query: "UPDATE shards SET owner = '', target = '', epoch = epoch + $1", args: []any{ahead}},
		{query: "UPDATE planner SET node = '', expires = '-infinity'"},
		{query: "UPDATE history SET number = $1, id = $2", args: []any{number, newID()}},
	} {
		if _, err := tx.ExecContext(ctx, st.query, st.args...); err != nil {
			return err
		}
	}
	return nil
}

// rescuing reports whether nodes may still rescue agents. It waits for those that are at it
// beyond their time.
func rescuing(ctx context.Context, tx *sql.Tx) (waits bool, err error) {
	if _, err := tx.ExecContext(ctx, "DELETE FROM rescuers WHERE until <= clock_timestamp()"); err != nil {
		return false, err
	}
	err = tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM rescuers)").Scan(&waits)
	return waits, err
}

// errLate is the error of a rescue after its time.
var errLate = tandem.Errorf(tandem.Conflict, "other nodes may already have started the agents")

// Rescue saves agents again, after WentBack. It leaves out those of which the database has a
// later incarnation, and returns those whose device is not in the database any more. It fails
// with Conflict when it is too late.
func (s *Store) Rescue(ctx context.Context, list []record.Rescue) (orphans []record.Rescue, err error) {
	node := s.identity().Node
	err = s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		orphans = nil
		var now time.Time
		const lock = "SELECT clock_timestamp() FROM rescuers WHERE node = $1 AND until > clock_timestamp() FOR SHARE"
		err := tx.QueryRowContext(ctx, lock, node).Scan(&now)
		if errors.Is(err, sql.ErrNoRows) {
			return errLate
		}
		if err != nil {
			return err
		}
		for _, r := range list {
			known, err := s.rescue(ctx, tx, r, now)
			if err != nil {
				return err
			}
			if !known {
				orphans = append(orphans, r)
			}
		}
		return nil
	})
	return orphans, err
}

// rescue saves one agent, and reports whether its device is known.
func (s *Store) rescue(ctx context.Context, tx *sql.Tx, r record.Rescue, now time.Time) (known bool, err error) {
	id, a := r.Agent.ID, r.Agent
	have := record.Agent{}
	var incarnation, last, boot, seq, nth int64
	err = tx.QueryRowContext(ctx,
		`SELECT incarnation, posted, cause_boot, cause_seq, cause_nth FROM agents WHERE agent = $1 FOR UPDATE`, string(id)).
		Scan(&incarnation, &last, &boot, &seq, &nth)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	have.Incarnation = uint64(incarnation)
	err = tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM devices WHERE agent = $1)", string(id)).Scan(&known)
	if err != nil || !r.Supersedes(have) {
		return known, err
	}
	posting := r.Posting(record.Posting{
		Last: uint64(last), Cause: tandem.Mark{Boot: uint64(boot), Seq: uint64(seq)}, Nth: uint32(nth),
	}, now)
	if _, err := tx.ExecContext(ctx, `INSERT INTO agents (agent, shard, incarnation, running, changed,
			saved, mark_boot, mark_seq, sum, posted, cause_boot, cause_seq, cause_nth, posting_sum)
		VALUES ($1, $2, $3, TRUE, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (agent) DO UPDATE SET incarnation = excluded.incarnation, running = TRUE, changed = excluded.changed,
			saved = excluded.saved, mark_boot = excluded.mark_boot, mark_seq = excluded.mark_seq, sum = excluded.sum,
			posted = excluded.posted, cause_boot = excluded.cause_boot, cause_seq = excluded.cause_seq,
			cause_nth = excluded.cause_nth, posting_sum = excluded.posting_sum`,
		string(id), placement.ShardOf(id, s.shards), int64(a.Incarnation), milli(s.stamp()),
		a.Saved, int64(a.Mark.Boot), int64(a.Mark.Seq), int64(record.SumSaved(id, a.Saved, a.Mark)),
		int64(posting.Last), int64(posting.Cause.Boot), int64(posting.Cause.Seq), int64(posting.Nth), int64(posting.Sum(id)),
	); err != nil {
		return known, err
	}
	// A snapshot from before has less than what was saved since.
	if _, err := tx.ExecContext(ctx, "DELETE FROM snapshots WHERE agent = $1", string(id)); err != nil {
		return known, err
	}
	for _, p := range r.Posts {
		if _, err := tx.ExecContext(ctx, `INSERT INTO posts (agent, seq, name, data, cause_boot, cause_seq, cause_nth, sum)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			string(id), int64(p.Seq), p.Name, p.Data, int64(p.Cause.Boot), int64(p.Cause.Seq), int64(p.Nth),
			int64(record.SumPost(id, p))); err != nil {
			return known, err
		}
	}
	return known, nil
}

// Rescued says that this node has saved its agents again.
func (s *Store) Rescued(ctx context.Context) error { return s.rescued(ctx, s.identity().Node) }

func (s *Store) rescued(ctx context.Context, node string) error {
	return s.place(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM rescuers WHERE node = $1", node)
		return err
	})
}

// ErrAnother is the cause of an error for a node whose database was replaced by another.
var ErrAnother = errors.New("the database is not the one that this node has used so far")
