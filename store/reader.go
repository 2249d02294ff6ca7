package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// reader is the pool of connections for reading. On SQLite it keeps its prepared
// statements: SQLite takes longer to parse a look-up than to perform it, and an
// agent that starts waits for several. For PostgreSQL the driver keeps them.
type reader struct {
	*sql.DB
	postgres *postgres // nil: SQLite
	mu       sync.Mutex
	stmts    map[string]*sql.Stmt
	watch    func(query string, args []any) // of tests: it is told of each query
}

const (
	// readers bounds the connections for reading.
	readers = 4
	// maxStatements bounds the statements kept. There are a few dozen look-ups,
	// and more ways to filter lists.
	maxStatements = 128
	// readPatience is how long a server may take to answer a read.
	readPatience = 10 * time.Second
)

func newReader(db *sql.DB, p *postgres) *reader {
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return &reader{DB: db, postgres: p, stmts: map[string]*sql.Stmt{}}
}

// warm makes all connections, so that reading needs no descriptor later, when there may be none.
func (r *reader) warm(ctx context.Context) error {
	var all [readers]*sql.Conn
	var errs []error
	for i := range all {
		conn, err := r.Conn(ctx)
		if err == nil {
			err = conn.PingContext(ctx)
			all[i] = conn
		}
		errs = append(errs, err)
	}
	for _, conn := range all {
		if conn != nil {
			errs = append(errs, conn.Close()) // back to the pool
		}
	}
	return errors.Join(errs...)
}

// bounded limits the time of a read from a server.
func (r *reader) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.postgres == nil {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, readPatience)
}

// lock returns the end of a query that locks its records until the transaction
// ends. Readers do not lock.
func (r *reader) lock() string { return "" }

// QueryContext queries the pool, with the statement prepared once.
func (r *reader) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if r.watch != nil {
		r.watch(query, args)
	}
	if r.postgres != nil {
		return r.queryAgain(ctx, r.postgres.dialect.query(query), args)
	}
	stmt, err := r.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return r.DB.QueryContext(ctx, query, args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// queryAgain repeats a query when its connection was broken. After a restart of
// the server all connections of the pool may be broken. It does not repeat when
// no new connection can be made.
func (r *reader) queryAgain(ctx context.Context, query string, args []any) (rows *sql.Rows, err error) {
	for range readers + 1 {
		rows, err = r.DB.QueryContext(ctx, query, args...)
		if err == nil || !broken(err) || ctx.Err() != nil {
			break
		}
	}
	return rows, err
}

// queryOnce is QueryContext for a query without parameters that will not be
// repeated; its statement is not kept.
func (r *reader) queryOnce(ctx context.Context, query string) (*sql.Rows, error) {
	if r.postgres != nil {
		return r.queryAgain(ctx, query, nil)
	}
	return r.DB.QueryContext(ctx, query)
}

// scan reads one row, sql.ErrNoRows when there is none.
func (r *reader) scan(ctx context.Context, query string, args []any, into ...any) error {
	rows, err := r.QueryContext(ctx, query, args...)
	return scanOne(rows, err, into)
}

// scanOne reads the first row of a query's answer.
func scanOne(rows *sql.Rows, err error, into []any) error {
	if err != nil {
		return err
	}
	defer rows.Close() // Err tells
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	return rows.Close()
}

// prepared returns the statement for a query, or nil when maxStatements are kept.
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
