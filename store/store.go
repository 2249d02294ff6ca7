// Package store keeps what must not be lost or doubled: the agents' records
// and the records of the control plane, in one SQLite file.
//
//	s, err := store.Open(ctx, "/var/lib/tandem/tandem.db")
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
// database; only a failure of the disk itself while a transaction is being
// made durable leaves open which of the two a restart will find.
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
// # Control records
//
// Accounts, tokens, login keys, products, device groups, deployments, devices
// and webhooks. Add makes a record, fills in its id and times, and returns it;
// Change reads, edits and writes a record in one step; edit runs on the
// committer's goroutine and must not block or call the store. What is not there
// gives NotFound. A Conflict that has a name in the impCentral API has a
// message of the form "title: detail".
//
// # The file
//
// One process at a time may have a file open; Open refuses the second one. The
// schema is brought up to date by Open. A newer one is refused.
package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// Store is an open store. Make one with Open.
type Store struct {
	path    string
	lock    *sql.DB   // holds the lock file
	writeDB *sql.DB   // has exactly one connection, which is write
	write   *sql.Conn // for the committer alone, once Open has returned
	read    *reader

	agents agentStatements
	record *sql.Stmt // on read

	now func() time.Time

	mu      sync.Mutex
	waiting []*op
	stopped bool          // no more writes: Run or Close has ended
	wake    chan struct{} // holds a token when waiting may not be empty
}

// Close releases the file. Writes that Run has not done fail. Call it after
// Run has returned.
func (s *Store) Close() error {
	s.stop()
	var errs []error
	for _, c := range []interface{ Close() error }{s.record, s.read, s.agents, s.write, s.writeDB, s.lock} {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Path returns the name of the database file.
func (s *Store) Path() string { return s.path }

// stamp returns the current time as precisely as the store keeps it.
func (s *Store) stamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// background is the context of everything the committer does: what it has
// begun it finishes.
func background() context.Context { return context.Background() }
