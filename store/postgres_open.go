package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/tandem-iot/tandem"
)

// postgres is a PostgreSQL server with a database of ours.
type postgres struct {
	config  *pgx.ConnConfig
	name    string // of the database, for people
	dialect dialect
}

// OpenPostgres opens the database at a URL such as
// postgres://user:password@host:5432/tandem, which must exist, and brings its
// schema up to date. Many nodes may have it open. It waits up to 5 s for a
// server that cannot be reached.
func OpenPostgres(ctx context.Context, url string) (*Store, error) {
	p, err := newServer(url)
	if err != nil {
		return nil, err
	}
	s := &Store{postgres: p, now: time.Now, wake: make(chan struct{}, 1), ended: make(chan error, 1)}
	if s.shards, err = p.prepare(ctx); err != nil {
		return nil, p.describe(err)
	}
	s.read = newReader(p.pool(nil), p)
	s.placing = p.pool(map[string]string{"lock_timeout": "1000"})
	s.placing.SetMaxOpenConns(2) // one to renew the lease, one for everything else
	s.writeDB = p.pool(map[string]string{"lock_timeout": "2000"})
	s.writeDB.SetMaxIdleConns(-1) // close a connection that the committer drops
	s.write = newWriter(s.writeDB, p)
	return s, nil
}

func newServer(text string) (*postgres, error) {
	const remedy = "; write postgres://user:password@host:5432/database"
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		// The message leaves out the text, which may contain a password.
		return nil, tandem.Errorf(tandem.Invalid, "the database's URL is not that of a PostgreSQL server%s", remedy)
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "the database's URL is invalid" + remedy, Err: err}
	}
	if config.ConnectTimeout == 0 || config.ConnectTimeout > patience {
		config.ConnectTimeout = patience
	}
	if config.ValidateConnect == nil && len(config.Fallbacks) > 0 { // of several servers, choose the primary
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	// Keep-alive finds a dead host in seconds.
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 3},
	}
	config.DialFunc = dialer.DialContext
	config.RuntimeParams["synchronous_commit"] = "on"
	// A node that stops in the middle of a transaction must not block the other
	// nodes.
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "3000"
	config.RuntimeParams["application_name"] = "tandem"
	place := net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	if strings.HasPrefix(config.Host, "/") {
		place = config.Host
	}
	return &postgres{config: config, name: "the database " + config.Database + " at " + place}, nil
}

// pool returns a pool of connections with some parameters of their own.
func (p *postgres) pool(params map[string]string) *sql.DB {
	config := p.config.Copy()
	for key, value := range params {
		config.RuntimeParams[key] = value
	}
	return stdlib.OpenDB(*config)
}

// schemaLock is the advisory lock that lets one node at a time change the
// schema: "Tand".
const schemaLock = applicationID

// prepare brings the schema up to date, and returns how many shards there are.
func (p *postgres) prepare(ctx context.Context) (shards int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute) // many nodes may wait for one that migrates
	defer cancel()
	conn, err := p.reach(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return 0, err
	}
	// An error below closes the connection, which rolls back the transaction.
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
		return 0, err
	}
	if err := p.migrate(ctx, tx); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO history (database, number, id) SELECT $1, 1, $2 "+
		"WHERE NOT EXISTS (SELECT 1 FROM history)", newID(), newID()); err != nil {
		return 0, err
	}
	if err := tx.QueryRow(ctx, "SELECT value::int FROM cluster WHERE key = 'shards'").Scan(&shards); err != nil {
		return 0, err
	}
	return shards, tx.Commit(ctx)
}

// reach makes a connection. It waits up to patience for a server that is
// starting.
func (p *postgres) reach(ctx context.Context) (*pgx.Conn, error) {
	deadline := time.Now().Add(patience)
	for {
		conn, err := pgx.ConnectConfig(ctx, p.config)
		if err == nil {
			return conn, nil
		}
		err = p.unreachable(err)
		if tandem.KindOf(err) != tandem.Unavailable || time.Now().After(deadline) || ctx.Err() != nil {
			return nil, err
		}
		pause(retryPause)
	}
}

func pause(d time.Duration) { <-time.After(d) }

// migrate applies the migrations that the database has not seen.
func (p *postgres) migrate(ctx context.Context, tx pgx.Tx) error {
	files, err := migrations.ReadDir("migrations/postgres")
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS tandem_schema (version INT NOT NULL)"); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM tandem_schema").Scan(&version); err != nil {
		return err
	}
	if version > len(files) {
		return tandem.Errorf(tandem.Conflict,
			"%s has schema %d, and this version of Tandem knows schemas up to %d; use the newer version that wrote it", p.name,
			version, len(files))
	}
	for i, file := range files[version:] {
		text, err := migrations.ReadFile("migrations/postgres/" + file.Name())
		if err != nil {
			return err
		}
		// A file has many statements, which cannot be prepared.
		if err := tx.Conn().PgConn().Exec(ctx, string(text)).Close(); err != nil {
			if sqlstate(err) == "42P07" {
				return &tandem.Error{
					Kind: tandem.Invalid,
					Msg:  p.name + " contains the tables of another program; create a database for Tandem alone",
					Err:  err,
				}
			}
			return fmt.Errorf("bringing the database to schema %d: %w", version+i+1, err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO tandem_schema (version) VALUES ($1)", version+i+1); err != nil {
			return err
		}
	}
	return nil
}
