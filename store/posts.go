package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/tandem-iot/tandem"
)

// Post is a message of an agent that is kept until its device has handled it.
type Post struct {
	Seq  uint64 // the store's own number, which only grows
	Name string
	Data []byte // in the compact encoding

	// Cause is the mark of the device's message that the agent was handling,
	// zero when it was none, and Nth counts the posts that it made meanwhile from
	// 1. An agent that is lost before the device is answered handles the message
	// once more; what it has posted is not posted again.
	Cause tandem.Mark
	Nth   uint32
}

const (
	selectPosting = "SELECT posted, cause_boot, cause_seq, cause_nth FROM agents WHERE agent = ? AND incarnation = ?"
	changePosting = "UPDATE agents SET posted = ?, cause_boot = ?, cause_seq = ?, cause_nth = ? WHERE agent = ?"
	countPosts    = "SELECT COUNT(*), COALESCE(SUM(LENGTH(name) + LENGTH(data)), 0) FROM posts WHERE agent = ?"
	insertPost    = "INSERT INTO posts (agent, seq, name, data, cause_boot, cause_seq, cause_nth) VALUES (?, ?, ?, ?, ?, ?, ?)"
	selectPost    = "SELECT seq FROM posts WHERE agent = ? AND cause_boot = ? AND cause_seq = ? AND cause_nth = ?"
	selectPosts   = "SELECT seq, name, data FROM posts WHERE agent = ? ORDER BY seq"
	deletePost    = "DELETE FROM posts WHERE agent = ? AND seq = ?"
	deletePosts   = "DELETE FROM posts WHERE agent = ?"
)

// Post keeps a message of an agent for its device. done gets its number; 0 when
// the same was posted before and the device has handled it. It fails with
// Conflict when incarnation is not the current one, and with Limit when
// tandem.PostsKept or tandem.PostsSize would be exceeded. The store keeps p until done.
func (s *Store) Post(id tandem.AgentID, incarnation uint64, p *Post, done func(seq uint64, err error)) {
	var seq int64
	s.submit(&op{
		run: func() (err error) {
			seq, err = s.post(id, incarnation, p)
			return err
		},
		done: func(err error) {
			if err != nil {
				seq = 0
			}
			done(uint64(seq), err)
		},
	})
}

func (s *Store) post(id tandem.AgentID, incarnation uint64, p *Post) (int64, error) {
	ctx, agent := s.inside(), string(id)
	var posted, boot, seq, nth int64
	err := s.write.scan(ctx, selectPosting+s.write.lock(), []any{agent, int64(incarnation)}, &posted, &boot, &seq, &nth)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, stale(id, incarnation)
	}
	if err != nil {
		return 0, err
	}
	if p.Cause.Boot != 0 {
		last := tandem.Mark{Boot: uint64(boot), Seq: uint64(seq)}
		if last.After(p.Cause) || last == p.Cause && uint32(nth) >= p.Nth {
			var before int64
			err := s.write.scan(ctx, selectPost, []any{agent, int64(p.Cause.Boot), int64(p.Cause.Seq), int64(p.Nth)}, &before)
			if errors.Is(err, sql.ErrNoRows) {
				return 0, nil
			}
			return before, err
		}
		boot, seq, nth = int64(p.Cause.Boot), int64(p.Cause.Seq), int64(p.Nth)
	}
	if err := s.roomForPost(ctx, agent, len(p.Name)+len(p.Data)); err != nil {
		return 0, err
	}
	// A device remembers the newest that it has handled. Should it get another
	// agent, that one's numbers must not be older.
	if posted++; posted == 1 {
		posted = s.stamp().UnixMilli()
	}
	if err := s.exec(changePosting, posted, boot, seq, nth, agent); err != nil {
		return 0, err
	}
	return posted, s.exec(insertPost, agent, posted, p.Name, p.Data, int64(p.Cause.Boot), int64(p.Cause.Seq), int64(p.Nth))
}

func (s *Store) roomForPost(ctx context.Context, agent string, size int) error {
	var count, bytes int64
	err := s.write.scan(ctx, countPosts, []any{agent}, &count, &bytes)
	switch {
	case err != nil:
		return err
	case count >= tandem.PostsKept:
		return tandem.Errorf(tandem.Limit, "%d messages wait for the device already", count)
	case bytes+int64(size) > tandem.PostsSize:
		return tandem.Errorf(tandem.Limit, "messages of %d KB wait for the device already", bytes>>10)
	}
	return nil
}

// Posts returns what waits for an agent's device as of the last commit, oldest
// first.
func (s *Store) Posts(ctx context.Context, id tandem.AgentID) (list []Post, err error) {
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	rows, err := s.read.QueryContext(ctx, selectPosts, string(id))
	if err != nil {
		return nil, s.describe(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var p Post
		var seq int64
		if err := rows.Scan(&seq, &p.Name, &p.Data); err != nil {
			return nil, s.describe(err)
		}
		p.Seq = uint64(seq)
		list = append(list, p)
	}
	return list, s.describe(rows.Err())
}

// Handled forgets a post that the device has handled. To forget what is not
// there is no error.
func (s *Store) Handled(id tandem.AgentID, seq uint64, done func(error)) {
	s.submit(&op{steps: []step{{query: deletePost, args: []any{string(id), int64(seq)}}}, done: done})
}
