package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// patience is how long a write waits for a server that cannot be reached, and how
// long a transaction waits for the server's next answer.
const patience = 5 * time.Second

// step is one statement of a write.
type step struct {
	query string
	args  []any
	each  *saves // receives the returned rows, with PostgreSQL only
	into  []any  // receive the columns of the returned row; nil: the statement returns no row
	rows  int64  // rows changed or returned, once performed
}

// writer is the committer's connection.
type writer struct {
	db       *sql.DB
	conn     *sql.Conn // nil: not connected, which happens with PostgreSQL only
	postgres *postgres // nil: SQLite
	stmts    map[string]*sql.Stmt

	ctx      context.Context // of the transaction under way; watchdog cancels it
	watchdog *time.Timer     // fires when a server does not answer in time
	named    string          // the node that the connection is named after

	noted  *noted // changes of the op under way, for the audit log; nil: they are not recorded
	audits int    // transactions that the audit log has recorded
}

func newWriter(db *sql.DB, p *postgres) *writer {
	return &writer{db: db, postgres: p, stmts: map[string]*sql.Stmt{}, ctx: context.Background()}
}

func (w *writer) connect(ctx context.Context) (err error) {
	w.named = ""
	w.conn, err = w.db.Conn(ctx)
	return err
}

// drop closes a broken connection. It ignores the error of closing; the pool
// keeps no idle connection.
func (w *writer) drop() {
	w.conn.Close()
	w.conn = nil
}

// nameAfter names the connection after a node, for placeOver to find it.
func (w *writer) nameAfter(node string) error {
	if node == "" || node == w.named {
		return nil
	}
	_, err := w.exec(w.inside(), "SELECT set_config('application_name', $1, false)", connectionName(node))
	if err == nil {
		w.named = node
	}
	return err
}

// Close closes the connection and its statements.
func (w *writer) Close() error {
	var errs []error
	for _, stmt := range w.stmts {
		errs = append(errs, stmt.Close())
	}
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	return errors.Join(errs...)
}

// watch starts the watchdog of a transaction. The returned function stops it.
func (w *writer) watch() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	w.ctx, w.watchdog = ctx, time.AfterFunc(patience, cancel)
	return func() {
		w.watchdog.Stop()
		cancel()
		w.ctx, w.watchdog = context.Background(), nil
	}
}

// inside returns the context for the next statement. With PostgreSQL it gives
// the server patience for its next answer; SQLite has no time limit.
func (w *writer) inside() context.Context {
	if w.watchdog != nil && w.ctx.Err() == nil {
		w.watchdog.Reset(patience)
	}
	return w.ctx
}

// bounded returns ctx, which is that of inside and already has a limit.
func (w *writer) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return ctx, func() {}
}

// lock returns the end of a query that keeps other nodes from changing its
// records. SQLite has no other writer.
func (w *writer) lock() string {
	if w.postgres != nil {
		return " FOR NO KEY UPDATE"
	}
	return ""
}

// prepared returns the statement for a query, or nil when maxStatements are kept.
// It is for SQLite; PostgreSQL's driver prepares statements by itself.
func (w *writer) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	stmt := w.stmts[query]
	if stmt != nil || len(w.stmts) >= maxStatements {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(ctx, query)
	if err == nil {
		w.stmts[query] = stmt
	}
	return stmt, err
}

// QueryContext performs a query inside the transaction.
func (w *writer) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if w.postgres != nil {
		return w.conn.QueryContext(ctx, w.postgres.dialect.query(query), args...)
	}
	stmt, err := w.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return w.conn.QueryContext(ctx, query, args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// scan reads one row, sql.ErrNoRows when there is none.
func (w *writer) scan(ctx context.Context, query string, args []any, into ...any) error {
	rows, err := w.QueryContext(ctx, query, args...)
	return scanOne(rows, err, into)
}

// exec runs a statement and returns how many rows it changed.
func (w *writer) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := w.result(ctx, query, args)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (w *writer) result(ctx context.Context, query string, args []any) (sql.Result, error) {
	if w.postgres != nil {
		return w.conn.ExecContext(ctx, w.postgres.dialect.query(query), args...)
	}
	stmt, err := w.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return w.conn.ExecContext(ctx, query, args...)
	}
	return stmt.ExecContext(ctx, args...)
}

// perform performs steps one after the other until one fails, and returns the
// index of that step. With PostgreSQL all steps go in one message.
func (w *writer) perform(ctx context.Context, steps []step) (failed int, err error) {
	if w.postgres != nil {
		return w.pipeline(ctx, steps)
	}
	for i := range steps {
		if err := w.step(ctx, &steps[i]); err != nil {
			return i, err
		}
	}
	return 0, nil
}

// step performs one step.
func (w *writer) step(ctx context.Context, st *step) (err error) {
	if st.into == nil {
		st.rows, err = w.exec(ctx, st.query, st.args...)
		return err
	}
	st.rows = 1
	if err = w.scan(ctx, st.query, st.args, st.into...); errors.Is(err, sql.ErrNoRows) {
		st.rows, err = 0, nil
	}
	return err
}

// pipeline is perform for PostgreSQL. The server skips the steps after one that
// fails.
func (w *writer) pipeline(ctx context.Context, steps []step) (failed int, err error) {
	var batch pgx.Batch
	for _, st := range steps {
		batch.Queue(w.postgres.dialect.query(st.query), st.args...)
	}
	rawErr := w.raw(func(c *pgx.Conn) {
		results := c.SendBatch(ctx, &batch)
		failed, err = receive(results, steps)
		// Close repeats the error of a failed step.
		if closeErr := results.Close(); err == nil {
			err = closeErr
		}
	})
	return failed, errors.Join(rawErr, err)
}

func receive(results pgx.BatchResults, steps []step) (failed int, err error) {
	for i := range steps {
		st := &steps[i]
		if st.into == nil && st.each == nil {
			tag, err := results.Exec()
			if err != nil {
				return i, err
			}
			st.rows = tag.RowsAffected()
			continue
		}
		st.rows = 1
		if st.each != nil {
			if rows, err := results.Query(); err != nil {
				return i, err
			} else if err := st.each.receive(rows); err != nil {
				return i, err
			}
			continue
		}
		if err := results.QueryRow().Scan(st.into...); errors.Is(err, pgx.ErrNoRows) {
			st.rows = 0
		} else if err != nil {
			return i, err
		}
	}
	return 0, nil
}

// raw calls f with the driver's connection.
func (w *writer) raw(f func(*pgx.Conn)) error {
	return w.conn.Raw(func(c any) error {
		f(c.(*stdlib.Conn).Conn())
		return nil
	})
}

// lost reports whether the connection to the server is broken.
func (w *writer) lost() (lost bool) {
	if err := w.raw(func(c *pgx.Conn) { lost = c.IsClosed() }); err != nil {
		return true
	}
	return lost
}
