package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/tandem-iot/tandem/store/record"
)

// What a node has seen of its database is kept in a small file in its data directory, so
// that it notices when the database has gone back in time while the node did not run. The
// file is written after each transaction and not flushed: it survives the process, and a
// power cut may leave an older one, which notices less and never too much.

// remember opens the file, and returns what was seen.
func (s *Store) remember(path string) (seen record.Seen, err error) {
	if s.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return seen, unusable(path, err)
	}
	data, err := io.ReadAll(s.file)
	if err != nil {
		return seen, unusable(path, err)
	}
	return parseSeen(data), nil
}

const seenFormat = "database %q history %d %q node %q transactions %d version %d"

// parseSeen reads the file's text. What is no such text, because it is new or was torn by a
// power cut, says nothing.
func parseSeen(data []byte) (seen record.Seen) {
	text := string(data)
	if len(text) < 9 || text[len(text)-1] != '\n' {
		return seen
	}
	body, sum := text[:len(text)-9], text[len(text)-9:len(text)-1]
	if sum != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body))) {
		return seen
	}
	n, err := fmt.Sscanf(body, seenFormat,
		&seen.Database, &seen.Number, &seen.History, &seen.Node, &seen.Count, &seen.Version)
	if err != nil || n < 6 {
		return record.Seen{}
	}
	return seen
}

// seenSize is the length of the file: the text is filled up with spaces, so that one write
// replaces all of it.
const seenSize = 512

func textOf(seen record.Seen) []byte {
	body := fmt.Sprintf(seenFormat, seen.Database, seen.Number, seen.History, seen.Node, seen.Count, seen.Version)
	body = fmt.Sprintf("%-*s", seenSize-9, body)
	return fmt.Appendf(nil, "%s%08x\n", body, crc32.ChecksumIEEE([]byte(body)))
}

// sight remembers that the database is as in seen. Without a file it is remembered in
// memory alone.
func (s *Store) sight(seen record.Seen) {
	s.mu.Lock()
	s.seen = seen
	s.mu.Unlock()
	s.keepSeen(seen)
}

// keepSeen writes what was seen to the file.
func (s *Store) keepSeen(seen record.Seen) {
	if s.file == nil {
		return
	}
	if _, err := s.file.WriteAt(textOf(seen), 0); err != nil {
		s.fileTrouble(err)
	}
}

// fileTrouble notes, once, that the file cannot be written.
func (s *Store) fileTrouble(err error) {
	s.mu.Lock()
	again := s.health.forgetful
	s.health.forgetful = true
	s.mu.Unlock()
	if !again {
		s.say("what this node has seen of the database cannot be kept; it would not notice an older database "+
			"after a restart", "file", s.file.Name(), "err", err)
	}
}

func (s *Store) sighted() record.Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// wentBack counts and says that the database went back.
func (s *Store) wentBack(text string, args ...any) {
	s.mu.Lock()
	s.health.wentBack++
	s.mu.Unlock()
	s.say(text, args...)
}

// forget closes the file.
func (s *Store) forget() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Sync(), s.file.Close())
}
