// Package storetest is the suite that every store must pass: SQLite,
// PostgreSQL, and the twin in memory.
//
//	storetest.Run(t, func(tb testing.TB) (storetest.Node, storetest.Known) { … })
//	storetest.RunCluster(t, func(tb testing.TB, count int) []storetest.Node { … })
//
// Compare and CompareCluster compare a store with the twin: random operations
// must get the same answers from both, alone and many in one transaction.
package storetest

import (
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// Node is a node's store. The nodes of a test share a new database.
type Node interface {
	// Do submits operations in order and returns their answers. Operations for
	// the committer may share transactions. now is the node's clock.
	Do(now time.Time, ops ...twin.Op) []twin.Answer
}

// Known are the control records in a database of Run.
type Known struct {
	Device      record.Device // assigned to Group
	Group       record.Group
	Product     record.Product
	Deployment  record.Deployment
	Library     tandem.LibraryID
	LibraryCode string
}

// Simulated is a node on the twin. Its database uses the node's clock.
type Simulated struct{ Store *twin.Store }

// Do implements Node.
func (s Simulated) Do(now time.Time, ops ...twin.Op) (answers []twin.Answer) {
	for _, op := range ops {
		number, err := s.Store.Submit(now, op)
		if err != nil {
			answers = append(answers, twin.Answer{Err: err})
			continue
		}
		if waiting := s.Store.Waiting(); len(waiting) == 0 {
			continue
		}
		answers = append(answers, s.commit(now)...)
		answers = append(answers, s.Store.Perform(now, number, twin.Done).Answers...)
	}
	return append(answers, s.commit(now)...)
}

// commit makes the transactions of all waiting writes.
func (s Simulated) commit(now time.Time) (answers []twin.Answer) {
	for n := s.Store.Next(); n > 0; n = s.Store.Next() {
		answers = append(answers, s.Store.Commit(now, n, twin.Done).Answers...)
	}
	return answers
}

// start is the nodes' clock when a test begins.
var start = time.UnixMilli(1_800_000_000_000).UTC()

// one performs one operation.
func one(n Node, op twin.Op) twin.Answer { return n.Do(start, op)[0] }

// value performs an operation that must succeed, and returns its answer.
func value[T any](t testing.TB, n Node, op twin.Op) T {
	t.Helper()
	a := one(n, op)
	if a.Err != nil {
		t.Fatalf("%T%+v: %v", op, op, a.Err)
	}
	v, ok := a.Value.(T)
	if !ok {
		t.Fatalf("%T%+v gave %T %v", op, op, a.Value, a.Value)
	}
	return v
}

// do performs operations that must succeed.
func do(t testing.TB, n Node, ops ...twin.Op) {
	t.Helper()
	for i, a := range n.Do(start, ops...) {
		if a.Err != nil {
			t.Fatalf("%T%+v: %v", ops[i], ops[i], a.Err)
		}
	}
}

// refused performs an operation that must fail.
func refused(t testing.TB, n Node, op twin.Op, kind tandem.Kind) {
	t.Helper()
	if a := one(n, op); a.Err == nil || tandem.KindOf(a.Err) != kind || a.Value != nil {
		t.Errorf("%T%+v gave %v, error %v; want one of kind %v", op, op, a.Value, a.Err, kind)
	}
}

const agent = tandem.AgentID("AAAAAAAAAAAA")

func recordOf(t testing.TB, n Node, id tandem.AgentID) record.Agent {
	t.Helper()
	return value[record.Agent](t, n, twin.Record{Agent: id})
}
