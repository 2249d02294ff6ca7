package store

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	"github.com/tandem-iot/tandem"
)

// LibraryIn returns the source of a library from the database of a node, which may be running. The
// database is only read.
func LibraryIn(ctx context.Context, path string, id tandem.LibraryID) (code string, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return "", &tandem.Error{Kind: tandem.Invalid, Msg: "the database's path is invalid", Err: err}
	}
	s := &Store{path: path}
	pool, err := sql.Open("sqlite", dsn(path, fmt.Sprintf("mode=ro&_busy_timeout=%d&_query_only=1&_dqs=0", busyTimeout)))
	if err != nil {
		return "", s.describe(err)
	}
	s.read = newReader(pool, nil)
	defer s.read.Close()
	return s.LibraryCode(ctx, id)
}
