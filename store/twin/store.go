package twin

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// Store is a node's end of a database.
type Store struct {
	db      *Database
	fence   record.Fence
	last    uint64
	queue   []pending // for the committer, in order
	apart   []pending // for Perform
	stopped bool
}

// pending is an operation that has been submitted.
type pending struct {
	number uint64
	op     Op
	at     time.Time    // by the node's clock
	fence  record.Fence // the node's, then
}

// Outcome says what comes of a transaction.
type Outcome uint8

const (
	Done    Outcome = iota // it is durable, and the answer says so
	Lost                   // it is durable, and the answer is Unavailable
	Refused                // it is not, and the answer is Unavailable
)

func (o Outcome) String() string { return [...]string{"done", "lost", "refused"}[o] }

// Answer is what comes back to whoever submitted an operation.
type Answer struct {
	Number uint64
	Value  any // of the type that the operation names; nil with an error, or when it names none
	Err    error
}

// Result is what a transaction says to its node.
type Result struct {
	Answers []Answer
	// Fenced is true once in each session: the node has found out that the
	// others have declared it lost.
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

// Next returns how many of the writes that wait share the next transaction.
func (s *Store) Next() int {
	return record.Batch(len(s.queue), func(i int) bool {
		_, handover := s.queue[i].op.(Handover)
		return handover
	})
}

// Waiting returns the numbers of what has been submitted and is for Perform, in
// that order.
func (s *Store) Waiting() []uint64 {
	numbers := make([]uint64, len(s.apart))
	for i, p := range s.apart {
		numbers[i] = p.number
	}
	return numbers
}

// Withdraw takes back an operation that no transaction has begun with. False:
// there is none.
func (s *Store) Withdraw(number uint64) bool {
	before := len(s.queue) + len(s.apart)
	is := func(p pending) bool { return p.number == number }
	s.queue, s.apart = slices.DeleteFunc(s.queue, is), slices.DeleteFunc(s.apart, is)
	return len(s.queue)+len(s.apart) < before
}

// Commit makes a transaction of the first writes that wait. now is the
// database's clock.
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

// Perform does an operation that does not go through the committer. now is the
// database's clock.
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

// as is the answer that the node gets.
func (a Answer) as(how Outcome) Answer {
	if how != Done {
		a.Value, a.Err = nil, errAway
	}
	return a
}

// errAway is the answer when the outcome is unknown to the node.
var errAway = tandem.Errorf(tandem.Unavailable, "the database does not answer; see to its server and the network")

// learn notes what the answer to an operation means for the node's session.
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

// fenced notes that a session is lost, and reports whether that is news to the
// node.
func (s *Store) fenced(which record.Fence) (news bool) {
	if s.fence.Node != which.Node || s.fence.Session != which.Session {
		return false // it has another one by now
	}
	news = !s.fence.Lost
	s.fence.Lost = true
	return news
}

// Stop ends the store, and answers all that waits.
func (s *Store) Stop() (r Result) {
	s.stopped = true
	for _, p := range append(slices.Clone(s.queue), s.apart...) {
		r.Answers = append(r.Answers, Answer{Number: p.number, Err: record.Stopped()})
	}
	s.queue, s.apart = nil, nil
	return r
}
