package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// reader is the pool of connections for reading. It keeps the statements it
// has prepared: to parse a look-up takes SQLite longer than to make it, and an
// agent that starts waits for several.
type reader struct {
	*sql.DB
	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

// maxStatements bounds the statements kept. The look-ups are a few dozen;
// lists can be filtered in more ways than that.
const maxStatements = 128

func newReader(db *sql.DB) *reader { return &reader{DB: db, stmts: map[string]*sql.Stmt{}} }

// QueryContext is that of the pool, with the statement prepared once.
func (r *reader) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := r.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return r.DB.QueryContext(ctx, query, args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// prepared returns the statement for a query, nil when there are too many.
func (r *reader) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stmt := r.stmts[query]
	if stmt != nil || len(r.stmts) >= maxStatements {
		return stmt, nil
	}
	stmt, err := r.PrepareContext(ctx, query)
	if err == nil {
		r.stmts[query] = stmt
	}
	return stmt, err
}

// Close closes the statements, then the pool.
func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, stmt := range r.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, r.DB.Close())...)
}
