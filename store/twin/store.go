package twin

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// Store is a node's connection to a database.
type Store struct {
	db      *Database
	fence   record.Fence
	last    uint64    // number of the last operation
	queue   []pending // for the committer, in order
	apart   []pending // for Perform
	stopped bool
}

// pending is an operation that has been submitted.
type pending struct {
	number uint64
	op     Op
	at     time.Time    // when it was submitted, by the node's clock
	fence  record.Fence // the node's fence at that time
}

// Outcome is the outcome of a transaction.
type Outcome uint8

const (
	Done    Outcome = iota // durable, and the node gets the answer
	Lost                   // durable, but the node gets Unavailable
	Refused                // not durable, and the node gets Unavailable
)

func (o Outcome) String() string { return [...]string{"done", "lost", "refused"}[o] }

// Answer is the result of an operation.
type Answer struct {
	Number uint64
	Value  any // of the type that the operation names; nil with an error, or when it names none
	Err    error
}

// Result is the result of a transaction for its node.
type Result struct {
	Answers []Answer
	// Fenced is true once in each session: when the node learns that the others
	// have declared it lost.
	Fenced bool
}

// Open returns a store for one run of a node.
func (db *Database) Open() *Store { return &Store{db: db} }

// Fork returns a copy of the store on a fork of its database.
func (s *Store) Fork(db *Database) *Store {
	fork := *s
	fork.db = db
	fork.queue = slices.Clone(s.queue)
	fork.apart = slices.Clone(s.apart)
	return &fork
}

// Submit queues an operation. now is the node's clock. An error means that the
// store has stopped, and that there will be no other answer.
func (s *Store) Submit(now time.Time, op Op) (number uint64, err error) {
	if s.stopped {
		return 0, record.Stopped()
	}
	s.last++
	p := pending{number: s.last, op: op, at: now, fence: s.fence}
	if _, ok := op.(write); ok {
		s.queue = append(s.queue, p)
	} else {
		s.apart = append(s.apart, p)
	}
	return p.number, nil
}

// Next returns how many of the waiting writes share the next transaction.
func (s *Store) Next() int {
	return record.Batch(len(s.queue), func(i int) bool {
		_, handover := s.queue[i].op.(Handover)
		return handover
	})
}

// Waiting returns the numbers of the operations that wait for Perform, in the
// order in which they were submitted.
func (s *Store) Waiting() []uint64 {
	numbers := make([]uint64, len(s.apart))
	for i, p := range s.apart {
		numbers[i] = p.number
	}
	return numbers
}

// Withdraw removes an operation whose transaction has not begun. It returns false
// when there is none with that number.
func (s *Store) Withdraw(number uint64) bool {
	before := len(s.queue) + len(s.apart)
	is := func(p pending) bool { return p.number == number }
	s.queue, s.apart = slices.DeleteFunc(s.queue, is), slices.DeleteFunc(s.apart, is)
	return len(s.queue)+len(s.apart) < before
}

// Commit makes a transaction of the first waiting writes. now is the database's
// clock.
func (s *Store) Commit(now time.Time, writes int, how Outcome) (r Result) {
	var batch []pending
	for _, p := range s.queue[:writes] {
		if s.fence.Admits(p.fence.Session) {
			batch = append(batch, p)
		} else {
			r.Answers = append(r.Answers, Answer{Number: p.number, Err: record.Fenced()})
		}
	}
	s.queue = slices.Clone(s.queue[writes:])
	lost := len(batch) > 0 && !s.fence.Holds(s.db.nodes[s.fence.Node].session)
	if lost && how == Done {
		r.Fenced = s.fenced(s.fence)
	}
	for _, p := range batch {
		a := Answer{Number: p.number}
		switch {
		case lost:
			a.Err = record.Fenced()
		case how != Refused:
			a.Value, a.Err = p.op.(write).write(transaction{db: s.db, now: now, at: p.at, fence: p.fence})
		}
		r.Answers = append(r.Answers, a.as(how))
	}
	return r
}

// Perform performs an operation that does not go through the committer. now is
// the database's clock.
func (s *Store) Perform(now time.Time, number uint64, how Outcome) Result {
	i := slices.IndexFunc(s.apart, func(p pending) bool { return p.number == number })
	if i < 0 {
		return Result{}
	}
	p := s.apart[i]
	s.apart = slices.Delete(slices.Clone(s.apart), i, i+1)
	a := Answer{Number: number}
	if how != Refused {
		a.Value, a.Err = p.op.(apart).perform(transaction{db: s.db, now: now, at: p.at, fence: p.fence})
	}
	fenced := how == Done && s.learn(p, a)
	return Result{Answers: []Answer{a.as(how)}, Fenced: fenced}
}

// as returns the answer that the node gets, given the outcome.
func (a Answer) as(how Outcome) Answer {
	if how != Done {
		a.Value, a.Err = nil, errAway
	}
	return a
}

// errAway is the answer when the outcome is unknown to the node.
var errAway = tandem.Errorf(tandem.Unavailable, "the database does not answer; check its server and the network")

// learn updates the node's fence from the answer to an operation.
func (s *Store) learn(p pending, a Answer) (fenced bool) {
	switch op := p.op.(type) {
	case Register:
		if a.Err == nil {
			s.fence = record.Fence{Node: op.Node.ID, Session: a.Value.(int64)}
		}
	case Renew:
		return a.Err != nil && tandem.KindOf(a.Err) == tandem.Conflict && s.fenced(p.fence)
	case Leave:
		if a.Err == nil && p.fence.Session != 0 {
			s.fenced(p.fence)
		}
	}
	return false
}

// fenced records that a session is lost, and reports whether the node did not
// know yet.
func (s *Store) fenced(which record.Fence) (news bool) {
	if s.fence.Node != which.Node || s.fence.Session != which.Session {
		return false // the node has another session by now
	}
	news = !s.fence.Lost
	s.fence.Lost = true
	return news
}

// Stop stops the store, and answers all waiting operations.
func (s *Store) Stop() (r Result) {
	s.stopped = true
	for _, p := range append(slices.Clone(s.queue), s.apart...) {
		r.Answers = append(r.Answers, Answer{Number: p.number, Err: record.Stopped()})
	}
	s.queue, s.apart = nil, nil
	return r
}
