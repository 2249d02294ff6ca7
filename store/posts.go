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
	selectPosting = "SELECT posted, cause_boot, cause_seq, cause_nth FROM agents WHERE agent = ? AND incarnation = ?"
	changePosting = "UPDATE agents SET posted = ?, cause_boot = ?, cause_seq = ?, cause_nth = ? WHERE agent = ?"
	countPosts    = "SELECT COUNT(*), COALESCE(SUM(OCTET_LENGTH(name) + OCTET_LENGTH(data)), 0) FROM posts WHERE agent = ?"
	insertPost    = `INSERT INTO posts (agent, seq, name, data, cause_boot, cause_seq, cause_nth)
		VALUES (?, ?, ?, ?, ?, ?, ?)`
	selectPost  = "SELECT seq FROM posts WHERE agent = ? AND cause_boot = ? AND cause_seq = ? AND cause_nth = ?"
	selectPosts = "SELECT seq, name, data FROM posts WHERE agent = ? ORDER BY seq"
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
	err = s.exec(changePosting, last, int64(cause.Boot), int64(cause.Seq), int64(next.Nth), string(id))
	if err != nil {
		return 0, err
	}
	cause = p.Cause
	return next.Last, s.exec(insertPost,
		string(id), last, p.Name, p.Data, int64(cause.Boot), int64(cause.Seq), int64(p.Nth))
}

// posting reads the numbering of an agent's posts, and locks it against other
// nodes until the transaction ends.
func (s *Store) posting(id tandem.AgentID, incarnation uint64) (p record.Posting, err error) {
	var last, boot, seq, nth int64
	query := selectPosting + s.write.lock()
	err = s.write.scan(s.inside(), query, []any{string(id), int64(incarnation)}, &last, &boot, &seq, &nth)
	if errors.Is(err, sql.ErrNoRows) {
		err = record.Stale(id, incarnation)
	}
	cause := tandem.Mark{Boot: uint64(boot), Seq: uint64(seq)}
	return record.Posting{Last: uint64(last), Cause: cause, Nth: uint32(nth)}, err
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
// oldest first.
func (s *Store) Posts(ctx context.Context, id tandem.AgentID) (list []record.Post, err error) {
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	rows, err := s.read.QueryContext(ctx, selectPosts, string(id))
	if err != nil {
		return nil, s.describe(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var p record.Post
		var seq int64
		if err := rows.Scan(&seq, &p.Name, &p.Data); err != nil {
			return nil, s.describe(err)
		}
		p.Seq = uint64(seq)
		list = append(list, p)
	}
	return list, s.describe(rows.Err())
}

// Handled deletes a post that the device has handled. It is no error if the post
// does not exist.
func (s *Store) Handled(id tandem.AgentID, seq uint64, done func(error)) {
	s.submit(&op{steps: []step{{query: deletePost, args: []any{string(id), int64(seq)}}}, done: done})
}
