package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

const (
	selectPosting = `SELECT posted, cause_boot, cause_seq, cause_nth, posting_sum, incarnation
		FROM agents WHERE agent = ?`
	changePosting = "UPDATE agents SET posted = ?, cause_boot = ?, cause_seq = ?, cause_nth = ?, posting_sum = ? " +
		"WHERE agent = ?"
	countPosts = "SELECT COUNT(*), COALESCE(SUM(OCTET_LENGTH(name) + OCTET_LENGTH(data)), 0) FROM posts WHERE agent = ?"
	insertPost = `INSERT INTO posts (agent, seq, name, data, cause_boot, cause_seq, cause_nth, sum)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	selectPost  = "SELECT seq FROM posts WHERE agent = ? AND cause_boot = ? AND cause_seq = ? AND cause_nth = ?"
	selectPosts = "SELECT seq, name, data, sum FROM posts WHERE agent = ? ORDER BY seq"
	deletePost  = "DELETE FROM posts WHERE agent = ? AND seq = ?"
	deletePosts = "DELETE FROM posts WHERE agent = ?"
)

// Post stores a message of an agent for its device. done gets its number, or 0
// when the same post was made before and the device has handled it. Post fails
// with Conflict when incarnation is not the current one, and with Limit when
// tandem.PostsKept or tandem.PostsSize would be exceeded. The store keeps p until
// it calls done.
func (s *Store) Post(id tandem.AgentID, incarnation uint64, p *record.Post, done func(seq uint64, err error)) {
	var seq uint64
	now := s.stamp()
	s.submit(&op{
		run: func() (err error) {
			seq, err = s.post(id, incarnation, p, now)
			return err
		},
		done: func(err error) {
			if err != nil {
				seq = 0
			}
			done(seq, err)
		},
	})
}

// post is Post inside the transaction.
func (s *Store) post(id tandem.AgentID, incarnation uint64, p *record.Post, now time.Time) (uint64, error) {
	if incarnation == 0 {
		return 0, record.Stale(id, incarnation)
	}
	posting, err := s.posting(id, incarnation)
	if err != nil {
		return 0, err
	}
	if posting.Repeats(*p) {
		return s.posted(id, p)
	}
	if err := s.roomForPost(id, p); err != nil {
		return 0, err
	}
	next := posting.Next(*p, now)
	last, cause := int64(next.Last), next.Cause
	err = s.exec(changePosting,
		last, int64(cause.Boot), int64(cause.Seq), int64(next.Nth), int64(next.Sum(id)), string(id))
	if err != nil {
		return 0, err
	}
	cause = p.Cause
	sum := record.SumPost(id, record.Post{Seq: next.Last, Name: p.Name, Data: p.Data})
	return next.Last, s.exec(insertPost,
		string(id), last, p.Name, p.Data, int64(cause.Boot), int64(cause.Seq), int64(p.Nth), int64(sum))
}

// posting reads the numbering of an agent's posts, and locks it against other
// nodes until the transaction ends. Incarnation 0 is any.
func (s *Store) posting(id tandem.AgentID, incarnation uint64) (p record.Posting, err error) {
	var last, boot, seq, nth, current int64
	var sum sql.NullInt64
	query := selectPosting + s.write.lock()
	err = s.write.scan(s.inside(), query, []any{string(id)}, &last, &boot, &seq, &nth, &sum, &current)
	if errors.Is(err, sql.ErrNoRows) || err == nil && incarnation != 0 && uint64(current) != incarnation {
		return p, record.Stale(id, incarnation)
	}
	if err != nil {
		return p, err
	}
	p = record.Posting{Last: uint64(last), Cause: tandem.Mark{Boot: uint64(boot), Seq: uint64(seq)}, Nth: uint32(nth)}
	if !matches(sum, p.Sum(id)) {
		return p, s.noteDamage(record.DamagedAgent(id, "numbering of the messages for the device"))
	}
	return p, nil
}

// posted returns the number that a repeated post got the first time, or 0 when
// the device has handled it.
func (s *Store) posted(id tandem.AgentID, p *record.Post) (uint64, error) {
	var number int64
	args := []any{string(id), int64(p.Cause.Boot), int64(p.Cause.Seq), int64(p.Nth)}
	err := s.write.scan(s.inside(), selectPost, args, &number)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return uint64(number), err
}

func (s *Store) roomForPost(id tandem.AgentID, p *record.Post) error {
	var count, bytes int
	if err := s.write.scan(s.inside(), countPosts, []any{string(id)}, &count, &bytes); err != nil {
		return err
	}
	return record.Room(count, bytes, *p)
}

// Posts returns the posts that wait for an agent's device as of the last commit,
// oldest first, without those that are damaged.
func (s *Store) Posts(ctx context.Context, id tandem.AgentID) (list []record.Post, err error) {
	list, bad, err := s.readPosts(ctx, id)
	for _, seq := range bad {
		s.noteDamage(record.DamagedPost(id, seq))
	}
	return list, err
}

func (s *Store) damagedPosts(ctx context.Context, id tandem.AgentID) (numbers []uint64, err error) {
	_, numbers, err = s.readPosts(ctx, id)
	return numbers, err
}

// readPosts returns the posts of an agent, and the numbers of the damaged ones.
func (s *Store) readPosts(ctx context.Context, id tandem.AgentID) (list []record.Post, bad []uint64, err error) {
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	rows, err := s.read.QueryContext(ctx, selectPosts, string(id))
	if err != nil {
		return nil, nil, s.unreadable(err, id, "messages for the device")
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var p record.Post
		var seq int64
		var sum sql.NullInt64
		if err := rows.Scan(&seq, &p.Name, &p.Data, &sum); err != nil {
			return nil, nil, s.describe(err)
		}
		p.Seq = uint64(seq)
		if matches(sum, record.SumPost(id, p)) {
			list = append(list, p)
		} else {
			bad = append(bad, p.Seq)
		}
	}
	return list, bad, s.unreadable(rows.Err(), id, "messages for the device")
}

// Handled deletes a post that the device has handled. It is no error if the post
// does not exist.
func (s *Store) Handled(id tandem.AgentID, seq uint64, done func(error)) {
	s.submit(&op{steps: []step{{query: deletePost, args: []any{string(id), int64(seq)}}}, done: done})
}
