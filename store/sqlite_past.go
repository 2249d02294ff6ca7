package store

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// A database in a file goes back in time when a copy of it is put back. While the
// node runs, its file is then another one; when it does not run, the mark in the database is
// older than the one in the file beside it. The mark is raised once a second at most, when
// there are writes, and when the store ends.

// sqlitePast is for the committer alone, once Open has returned.
type sqlitePast struct {
	is     os.FileInfo // the database's file, as it was opened
	looked time.Time   // when the file was last looked at
	next   time.Time   // when the mark is to be raised
	gone   error       // the file is another one
}

const (
	raiseMark = "UPDATE progress SET n = n + 1 WHERE node = ''"
	markEvery = time.Second
	lookEvery = 100 * time.Millisecond
)

// recognize compares the database with what was seen of it, and says what is different.
func (s *Store) recognize(ctx context.Context) (err error) {
	if s.is, err = os.Stat(s.path); err != nil {
		return unusable(s.path, err)
	}
	var fresh bool
	if err := s.write.scan(ctx, "SELECT NOT EXISTS (SELECT 1 FROM history)", nil, &fresh); err != nil {
		return err
	}
	if fresh {
		const insert = "INSERT INTO history (database, number, id) VALUES (?, 1, ?)"
		if _, err := s.write.exec(ctx, insert, newID(), newID()); err != nil {
			return err
		}
		if _, err := s.write.exec(ctx, "INSERT INTO progress (node, n) VALUES ('', 0)"); err != nil {
			return err
		}
	}
	var db record.Seen
	if err := s.write.scan(ctx,
		"SELECT database, number, id, (SELECT n FROM progress WHERE node = '') FROM history",
		nil, &db.Database, &db.Number, &db.History, &db.Count); err != nil {
		return err
	}
	seen, err := s.remember(s.path + ".seen")
	if err != nil {
		return err
	}
	switch seen.Compare(db) {
	case record.Another:
		s.say("the database in this data directory is another one than before; the node goes on with it", "file", s.path)
	case record.Back, record.Newer:
		s.wentBack("the database is older than when this node last wrote to it, as after a backup was put back; "+
			"the node goes on with it. What was saved, deployed and enrolled since then is lost",
			"file", s.path, "gap", seen.Gap(db))
		db.Number, db.History = max(seen.Number, db.Number)+1, newID()
		if _, err := s.write.exec(ctx, "UPDATE history SET number = ?, id = ?", db.Number, db.History); err != nil {
			return err
		}
		db.Count = max(seen.Count, db.Count)
		if _, err := s.write.exec(ctx, "UPDATE progress SET n = ? WHERE node = ''", db.Count); err != nil {
			return err
		}
	}
	s.sight(db)
	return nil
}

// markDue reports whether the transaction that begins is to raise the mark.
func (s *Store) markDue() bool { return !time.Now().Before(s.next) }

// marked remembers the mark that has been raised.
func (s *Store) marked() {
	s.next = time.Now().Add(markEvery)
	seen := s.sighted()
	seen.Count++
	s.sight(seen)
}

// lastMark raises the mark at the end of Run.
func (s *Store) lastMark() error {
	if s.postgres != nil {
		return nil
	}
	s.next = time.Time{}
	if err := s.transact(nil); err != nil {
		s.log().Warn("the last mark cannot be written to the database", "err", s.describe(err))
	}
	return nil
}

// watchFile returns an error when the database's file is not the one that was opened. What
// is written then goes to a file without a name, and must not count as durable.
func (s *Store) watchFile(now time.Time) error {
	if now.Sub(s.looked) < lookEvery {
		return nil
	}
	s.looked = now
	info, err := os.Stat(s.path)
	if err == nil && os.SameFile(info, s.is) {
		return nil
	}
	failure := &tandem.Error{
		Kind: tandem.Unavailable, Err: err,
		Msg: fmt.Sprintf("the database %s was replaced or removed while the node runs, which must be stopped for that; "+
			"start it again", s.path),
	}
	s.gone = failure
	s.giveIn(failure)
	return failure
}
