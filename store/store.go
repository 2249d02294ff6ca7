// Package store keeps the agents' records and the records of the control plane
// in one SQLite file, or for a cluster of nodes in one PostgreSQL database.
//
//	s, err := store.Open(ctx, "/var/lib/tandem/tandem.db")
//	s, err := store.OpenPostgres(ctx, "postgres://tandem:secret@db.example.com/tandem")
//	defer s.Close()
//	go s.Run(ctx) // the committer; nothing is written before it runs
//
// # Writing
//
// All writes go through one goroutine, the committer, which runs in Run. It
// puts all waiting writes into one transaction, so that a thousand agents that
// save at once share one fsync. A write has succeeded when its done function
// has been called with nil, or its method has returned nil: then it is on disk
// and survives a power cut. An error means that the write is not part of the
// database, with one exception: when the disk or the connection to a server fails
// while a transaction is being made durable, the outcome is unknown, and the error
// is Unavailable.
//
// The writes of agents never block: they take a done function, which is called
// exactly once, on the committer's goroutine, and must not block. When the
// store has stopped, done is called at once with an Unavailable error, on the
// caller's goroutine. The methods for control records wait for the outcome.
//
// # Fencing
//
// An agent's record holds the number of its current incarnation. Begin raises
// it; Save, Post and End must name it, or fail with Conflict. So a late write of
// an earlier incarnation never overwrites the state of a later one.
//
// # Clusters
//
// On PostgreSQL, nodes share the database. Each calls Register once, and Renew
// for as long as it lives. Agents belong to shards (package placement); AssignShards and
// Handover say which node owns which. A node that finds another's lease expired
// calls Bury. Bury waits for the transaction that the lost node is making, and
// makes all later ones of its session fail with Conflict. The lost node is told
// by OnFenced, and may Register again. A transaction has one session: writes that
// were submitted in an earlier session fail.
//
// When the server cannot be reached, writes wait for 5 s and then fail with
// Unavailable; reads fail at once, or after 10 s when the server does not answer.
// The store reconnects by itself. A node uses up to seven connections. They must
// go to the server directly: a pooler that shares them by transaction would drop
// their settings.
//
// # Records
//
// Package record has the types of the records, and the decisions about them.
//
// # Control records
//
// Accounts, tokens, login keys, products, device groups, deployments, devices
// and webhooks. Add makes a record, fills in its id and times, and returns it;
// Change reads, edits and writes a record in one step; edit runs on the
// committer's goroutine and must not block or call the store. A record that does
// not exist gives NotFound. A Conflict that has a name in the impCentral API has
// a message of the form "title: detail".
//
// # Files
//
// A file named sqlite_ or postgres_ is for that database alone: opening it,
// the committer's transactions, its errors. All other files serve both.
// DESIGN.md has the invariants, and the state after each failure.
//
// # The database file
//
// One process at a time may have a file open; Open fails in a second one. Open
// and OpenPostgres bring the schema up to date, and refuse a newer schema.
package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tandem-iot/tandem/meter"
	"github.com/tandem-iot/tandem/store/record"
)

// Store is an open store. Make one with Open or OpenPostgres.
type Store struct {
	path    string
	lock    *sql.DB // holds the lock file
	writeDB *sql.DB // has exactly one connection, which write uses
	write   *writer // used by the committer alone, once Open has returned
	read    *reader
	shards  int // their number

	// On PostgreSQL.
	postgres *postgres // nil: SQLite
	placing  *sql.DB   // for leases and shards, which must not wait for reads or writes

	now func() time.Time

	file  *os.File   // remembers seen; nil: nothing does
	ended chan error // gets what makes Run end
	sqlitePast

	commits meter.Times // transactions of the committer
	writes  meter.Sizes // writes in each transaction

	mu        sync.Mutex
	waiting   []*op
	lastBatch int // writes in the last transaction; used by the committer alone
	fence     fence
	claim     string      // key of the claim of the node's name; "": none
	seen      record.Seen // of the database
	peers     []string    // the nodes of the cluster that were read last
	health    health
	stopped   bool          // no more writes: Run has ended, or Close was called
	wake      chan struct{} // holds a token when waiting may not be empty
}

// Close closes the database. Writes that are still waiting fail. Call it after
// Run has returned.
func (s *Store) Close() error {
	s.stop()
	return s.close()
}

// Commits returns histograms of the durations of the committer's transactions
// and of the number of writes in each.
func (s *Store) Commits() (took, writes meter.Histogram) { return s.commits.Read(), s.writes.Read() }

// stamp returns the current time in milliseconds, the precision of the store.
func (s *Store) stamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// inside returns the context for statements inside the committer's transaction.
func (s *Store) inside() context.Context { return s.write.inside() }

// describe gives an error of the database a kind and a message with a remedy. It
// returns other errors unchanged.
func (s *Store) describe(err error) error {
	if err == nil {
		return nil
	}
	if corrupt(err) {
		err = errors.Join(&record.Damaged{What: "the database", Remedy: "restore it from a backup"}, err)
	}
	if s.postgres != nil {
		return s.postgres.describe(err)
	}
	return s.describeSQLite(err)
}

// contradicts reports whether a constraint was violated.
func contradicts(err error) bool {
	return primary(err) == sqlite3.SQLITE_CONSTRAINT || strings.HasPrefix(sqlstate(err), "23")
}
