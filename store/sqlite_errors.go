package store

import (
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tandem-iot/tandem"
)

// primary returns the primary result code of an error of SQLite, 0 for any
// other.
func primary(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// corrupt reports whether a database is damaged in what holds its rows together.
func corrupt(err error) bool {
	if err == nil {
		return false
	}
	code := primary(err)
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB || sqlstate(err) == "XX001" ||
		sqlstate(err) == "XX002"
}

// describeSQLite gives an error of SQLite a kind and a message with a remedy. It
// returns other errors unchanged.
func (s *Store) describeSQLite(err error) error {
	kind, msg := tandem.Internal, "the database "+s.path+" failed"
	switch primary(err) {
	case 0:
		return err
	case sqlite3.SQLITE_CONSTRAINT:
		kind, msg = tandem.Conflict, "the change contradicts another record"
	case sqlite3.SQLITE_TOOBIG:
		kind, msg = tandem.Limit, "the record is too large for the database"
	case sqlite3.SQLITE_FULL:
		kind, msg = tandem.Unavailable, "no space is left for the database "+s.path+"; free some"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		kind, msg = tandem.Unavailable, "the database "+s.path+" is locked by another program; end that program"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		kind = tandem.Forbidden
		msg = "the database " + s.path + " cannot be written; check the permissions of the file and its directory"
	case sqlite3.SQLITE_IOERR:
		kind, msg = tandem.Unavailable, "the disk of the database "+s.path+" failed; check it"
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		kind, msg = tandem.Invalid, "the database "+s.path+" is damaged; restore it from a backup"
	}
	return &tandem.Error{Kind: kind, Msg: msg, Err: err}
}
