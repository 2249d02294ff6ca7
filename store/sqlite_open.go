package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
)

// applicationID marks a SQLite file as ours: "Tand".
const applicationID = 0x54616e64

// busyTimeout is how long a statement waits for another program that has locked
// the database, such as a backup.
const busyTimeout = 5000 // ms

// Each file migrates the schema from the version before its number to its
// number. A file that has been part of a release is never changed.
//
//go:embed migrations
var migrations embed.FS

// Open opens the database in the file at path and brings its schema up to date.
// It creates the file if there is none. The file's directory must exist.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "the database's path is invalid", Err: err}
	}
	if err := probe(path); err != nil {
		return nil, err
	}
	s := &Store{
		path: path, shards: placement.DefaultShards, now: time.Now,
		wake: make(chan struct{}, 1), ended: make(chan error, 1),
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// probe checks a file before SQLite opens it, because SQLite's messages name
// neither the file nor a remedy.
func probe(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return unusable(path, err)
	}
	defer f.Close() // only read
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	switch {
	case err == io.EOF: // empty, so new
		return nil
	case err != nil && err != io.ErrUnexpectedEOF:
		return unusable(path, err)
	case !bytes.Equal(head[:n], []byte(magic)):
		return tandem.Errorf(tandem.Invalid, "%s is not a Tandem database; name another file, or move this one away", path)
	}
	return nil
}

// unusable returns our error for an error of the operating system.
func unusable(path string, err error) error {
	if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
		return tandem.Errorf(tandem.Invalid, "the database %s is a directory; name a file", path)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &tandem.Error{
			Kind: tandem.Forbidden,
			Msg: fmt.Sprintf(
				"no permission to read and write the database %s; run as its owner, or change its permissions", path),
			Err: err,
		}
	case errors.Is(err, fs.ErrNotExist):
		return tandem.Errorf(tandem.NotFound, "the directory %s of the database does not exist; make it first",
			filepath.Dir(path))
	}
	return &tandem.Error{Kind: tandem.Unavailable, Msg: "cannot open the database " + path, Err: err}
}

// dsn returns the driver's name of a file: a URI, because a plain name must not
// contain a question mark.
func dsn(path string, options string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: options}
	return u.String()
}

func (s *Store) open(ctx context.Context) (err error) {
	if err := s.takeLock(ctx); err != nil {
		return err
	}
	options := fmt.Sprintf("_busy_timeout=%d&_pragma=foreign_keys(1)&_pragma=journal_size_limit(67108864)"+
		"&_journal_mode=WAL&_synchronous=FULL&_dqs=0", busyTimeout)
	s.writeDB, err = sql.Open("sqlite", dsn(s.path, options))
	if err != nil {
		return s.describe(err)
	}
	s.write = newWriter(s.writeDB, nil)
	if err = s.write.connect(ctx); err != nil {
		return s.describe(err)
	}
	if err := s.migrate(ctx); err != nil {
		return s.describe(err)
	}
	if err := s.recognize(ctx); err != nil {
		return s.describe(err)
	}
	pool, err := sql.Open("sqlite", dsn(s.path, fmt.Sprintf("_busy_timeout=%d&_query_only=1&_dqs=0", busyTimeout)))
	if err != nil {
		return s.describe(err)
	}
	s.read = newReader(pool, nil)
	return s.describe(s.read.warm(ctx))
}

// close closes everything that open has opened.
func (s *Store) close() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	for _, db := range []*sql.DB{s.writeDB, s.placing, s.lock} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.forget())...)
}

// takeLock makes sure that the database is not already open, in another process
// or in this one. It holds SQLite's own lock on a second, empty file, which works
// on every system and ends with the process, even when that is killed. The
// database itself stays readable to tools.
func (s *Store) takeLock(ctx context.Context) (err error) {
	file := s.path + ".lock"
	if err := probe(file); err != nil {
		return err
	}
	if s.lock, err = sql.Open("sqlite", dsn(file, "_busy_timeout=0")); err != nil {
		return s.describe(err)
	}
	s.lock.SetMaxOpenConns(1)
	if _, err = s.lock.ExecContext(ctx, "BEGIN EXCLUSIVE"); primary(err) == sqlite3.SQLITE_BUSY {
		return tandem.Errorf(tandem.Conflict,
			"the database %s is in use by another process, which holds %s; stop that process, or use another data directory",
			s.path, file)
	}
	return s.describe(err)
}

// migrate applies the migrations that the file has not seen.
func (s *Store) migrate(ctx context.Context) error {
	files, err := migrations.ReadDir("migrations/sqlite")
	if err != nil {
		return err
	}
	var version, application, tables int
	err = s.write.scan(ctx,
		"SELECT (SELECT user_version FROM pragma_user_version), "+
			"(SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)",
		nil, &version, &application, &tables)
	if err != nil {
		return err
	}
	if tables > 0 && application != applicationID {
		return tandem.Errorf(tandem.Invalid, "%s is a database of another program; name another file", s.path)
	}
	if version > len(files) {
		return tandem.Errorf(tandem.Conflict,
			"the database %s has schema %d, and this version of Tandem knows schemas up to %d; "+
				"use the newer version that wrote it",
			s.path, version, len(files))
	}
	for i, file := range files[version:] {
		text, err := migrations.ReadFile("migrations/sqlite/" + file.Name())
		if err != nil {
			return err
		}
		script := "BEGIN IMMEDIATE;\n" + string(text) +
			"\nPRAGMA user_version = " + strconv.Itoa(version+i+1) +
			";\nPRAGMA application_id = " + strconv.Itoa(applicationID) + ";\nCOMMIT;"
		if _, err := s.write.conn.ExecContext(ctx, script); err != nil {
			return fmt.Errorf("bringing the database to schema %d: %w", version+i+1, err)
		}
	}
	return nil
}
