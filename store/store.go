// Package store keeps what must not be lost or doubled: the agents' records
// and the records of the control plane, in one SQLite file, or for a cluster of
// nodes in one PostgreSQL database.
//
//	s, err := store.Open(ctx, "/var/lib/tandem/tandem.db")
//	s, err := store.OpenPostgres(ctx, "postgres://tandem:secret@db.example.com/tandem")
//	defer s.Close()
//	go s.Run(ctx) // the committer; nothing is written before it runs
//
// # Writing
//
// All writes go through one goroutine, the committer, which is inside Run. It
// gathers what is waiting into one transaction, so that a thousand agents that
// save at once share one fsync. A write has succeeded when its done function
// has been called with nil, or its method has returned nil: it is on the disk
// then, and survives a power cut. An error means that it is not part of the
// database; only a failure of the disk itself, or of the connection to a
// server, while a transaction is being made durable leaves open which of the two
// is so. The error is Unavailable then.
//
// The writes of agents never block: they take a done function, which is called
// exactly once, on the committer's goroutine, and must not block. When the
// store has stopped it is called at once with an Unavailable error, on the
// caller's goroutine. The methods for control records wait.
//
// # Fencing
//
// An agent's record holds the number of its current incarnation. Begin raises
// it; Save and End must name it, or fail with Conflict. So what an earlier
// activation has still in its hands can never overwrite a later one's state.
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
// A server that is away makes writes wait for 5 s, and then fail with
// Unavailable; reads fail at once, or after 10 s when it does not answer. The
// connections come back by themselves. A node uses up to seven. They must reach
// the server itself: what pools them by transaction would take away their
// settings.
//
// # Records
//
// Package record has what is kept, and the decisions about it.
//
// # Control records
//
// Accounts, tokens, login keys, products, device groups, deployments, devices
// and webhooks. Add makes a record, fills in its id and times, and returns it;
// Change reads, edits and writes a record in one step; edit runs on the
// committer's goroutine and must not block or call the store. What is not there
// gives NotFound. A Conflict that has a name in the impCentral API has a
// message of the form "title: detail".
//
// # Files
//
// A file named sqlite_ or postgres_ concerns that database alone: opening it,
// the committer's transactions with it, its errors. All others serve both.
// DESIGN.md has the invariants and what each failure leaves behind.
//
// # The database file
//
// One process at a time may have a file open; Open refuses the second one. The
// schema is brought up to date by Open and OpenPostgres. A newer one is refused.
package store

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tandem-iot/tandem/meter"
)

// Store is an open store. Make one with Open or OpenPostgres.
type Store struct {
	path    string
	lock    *sql.DB // holds the lock file
	writeDB *sql.DB // has exactly one connection, which is write's
	write   *writer // for the committer alone, once Open has returned
	read    *reader
	shards  int // how many there are

	// On PostgreSQL.
	postgres *postgres // nil: SQLite
	placing  *sql.DB   // for what must not wait for reads or writes: leases

	now func() time.Time

	commits meter.Times // transactions of the committer
	writes  meter.Sizes // writes in each

	mu        sync.Mutex
	waiting   []*op
	lastBatch int // writes in the last transaction; the committer's
	fence     fence
	stopped   bool          // no more writes: Run or Close has ended
	wake      chan struct{} // holds a token when waiting may not be empty
}

// Close releases the file. Writes that Run has not done fail. Call it after
// Run has returned.
func (s *Store) Close() error {
	s.stop()
	return s.close()
}

// Commits reports how long the committer's transactions have taken, and how
// many writes each had.
func (s *Store) Commits() (took, writes meter.Histogram) { return s.commits.Read(), s.writes.Read() }

// stamp returns the current time as precisely as the store keeps it.
func (s *Store) stamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// inside is the context of everything the committer does inside a transaction.
func (s *Store) inside() context.Context { return s.write.inside() }

// describe gives an error of the database a kind and says what to do. Other
// errors pass.
func (s *Store) describe(err error) error {
	if s.postgres != nil {
		return s.postgres.describe(err)
	}
	return s.describeSQLite(err)
}

// contradicts reports whether a constraint was violated.
func contradicts(err error) bool {
	return primary(err) == sqlite3.SQLITE_CONSTRAINT || strings.HasPrefix(sqlstate(err), "23")
}
