package twin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

const (
	agent  = tandem.AgentID("AAAAAAAAAAAA")
	shards = 8
)

var now = time.UnixMilli(1_800_000_000_000).UTC()

func submit(t testing.TB, s *twin.Store, op twin.Op) uint64 {
	t.Helper()
	number, err := s.Submit(now, op)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// perform submits an operation and does it.
func perform(t testing.TB, s *twin.Store, op twin.Op, how twin.Outcome) twin.Result {
	t.Helper()
	return s.Perform(now, submit(t, s, op), how)
}

func recordOf(t testing.TB, s *twin.Store) record.Agent {
	t.Helper()
	return perform(t, s, twin.Record{Agent: agent}, twin.Done).Answers[0].Value.(record.Agent)
}

func register(t testing.TB, s *twin.Store, id string, lease time.Duration) {
	t.Helper()
	if a := perform(t, s, twin.Register{Node: record.Node{ID: id}, Lease: lease}, twin.Done).Answers[0]; a.Err != nil {
		t.Fatal(a.Err)
	}
}

// TestOutcomes checks what is durable, and what the node hears.
func TestOutcomes(t *testing.T) {
	for _, tt := range []struct {
		how     twin.Outcome
		durable bool
		kinds   string // of the answers to a save, a stale save and an end
	}{
		{twin.Done, true, "ok conflict ok"},
		{twin.Lost, true, "unavailable unavailable unavailable"},
		{twin.Refused, false, "unavailable unavailable unavailable"},
	} {
		t.Run(tt.how.String(), func(t *testing.T) {
			s := twin.New(shards).Open()
			submit(t, s, twin.Begin{Agent: agent})
			s.Commit(now, 1, twin.Done)
			submit(t, s, twin.Save{Agent: agent, Incarnation: 1, Table: []byte("x")})
			submit(t, s, twin.Save{Agent: agent, Incarnation: 2, Table: []byte("y")})
			submit(t, s, twin.End{Agent: agent, Incarnation: 1})
			if s.Next() != 3 || recordOf(t, s).Saved != nil {
				t.Error("something happened before the commit")
			}
			var kinds []string
			for _, a := range s.Commit(now, 3, tt.how).Answers {
				kind := "ok"
				if a.Err != nil {
					kind = tandem.KindOf(a.Err).String()
				}
				kinds = append(kinds, kind)
			}
			if got := strings.Join(kinds, " "); got != tt.kinds {
				t.Errorf("answers %s, want %s", got, tt.kinds)
			}
			if r := recordOf(t, s); (string(r.Saved) == "x") != tt.durable || r.Running == tt.durable {
				t.Errorf("the record is %+v", r)
			}
		})
	}
}

// TestLostRegistration checks that a node which does not hear of its new session
// keeps the old one, in which nothing is written any more.
func TestLostRegistration(t *testing.T) {
	s := twin.New(shards).Open()
	register(t, s, "a", time.Hour)
	again := twin.Register{Node: record.Node{ID: "a"}, Lease: time.Hour}
	if a := perform(t, s, again, twin.Lost).Answers[0]; a.Value != nil || tandem.KindOf(a.Err) != tandem.Unavailable {
		t.Errorf("%+v", a)
	}
	submit(t, s, twin.Begin{Agent: agent})
	for i, how := range []twin.Outcome{twin.Refused, twin.Lost} { // from these it learns nothing
		if r := s.Commit(now, 1, how); r.Fenced || tandem.KindOf(r.Answers[0].Err) != tandem.Unavailable {
			t.Errorf("%d: %+v", i, r)
		}
		submit(t, s, twin.Begin{Agent: agent})
	}
	submit(t, s, twin.Begin{Agent: agent})
	r := s.Commit(now, 1, twin.Done)
	if !r.Fenced || tandem.KindOf(r.Answers[0].Err) != tandem.Conflict {
		t.Errorf("%+v", r)
	}
	if r := s.Commit(now, 1, twin.Done); r.Fenced || tandem.KindOf(r.Answers[0].Err) != tandem.Conflict {
		t.Errorf("it is told again: %+v", r)
	}
	if r := recordOf(t, s); r.Incarnation != 0 {
		t.Errorf("%+v", r)
	}
}

// TestFencedOnce checks who is told that a node has been declared lost, and
// that a later session knows nothing of it.
func TestFencedOnce(t *testing.T) {
	db := twin.New(shards)
	a, b := db.Open(), db.Open()
	register(t, a, "a", -time.Hour)
	old := submit(t, a, twin.Begin{Agent: agent})
	late := submit(t, a, twin.Renew{Lease: time.Hour})
	if buried := perform(t, b, twin.Bury{Node: "a", Session: 1}, twin.Done).Answers[0]; buried.Value != true {
		t.Fatalf("%+v", buried)
	}
	if r := perform(t, a, twin.Renew{Lease: time.Hour}, twin.Lost); r.Fenced {
		t.Error("a lost answer told the node")
	}
	if r := perform(t, a, twin.Renew{Lease: time.Hour}, twin.Done); !r.Fenced {
		t.Error("the node was not told")
	}
	if r := perform(t, a, twin.Renew{Lease: time.Hour}, twin.Done); r.Fenced {
		t.Error("the node was told twice")
	}
	register(t, a, "a", time.Hour)
	if r := a.Perform(now, late, twin.Done); r.Fenced || tandem.KindOf(r.Answers[0].Err) != tandem.Conflict {
		t.Errorf("a renewal of the session before: %+v", r)
	}
	if r := a.Commit(now, 1, twin.Done); r.Fenced || r.Answers[0].Number != old ||
		tandem.KindOf(r.Answers[0].Err) != tandem.Conflict {
		t.Errorf("a write of the session before: %+v", r)
	}
	submit(t, a, twin.Begin{Agent: agent})
	if r := a.Commit(now, 1, twin.Done); r.Answers[0].Err != nil {
		t.Errorf("a write of the new session: %+v", r)
	}
	perform(t, a, twin.Leave{}, twin.Done)
	submit(t, a, twin.Begin{Agent: agent})
	if r := a.Commit(now, 1, twin.Done); r.Fenced || tandem.KindOf(r.Answers[0].Err) != tandem.Conflict {
		t.Errorf("after leaving: %+v", r)
	}
}

// TestDeleteDevice checks that a device takes all that is kept of its agent along.
func TestDeleteDevice(t *testing.T) {
	db := twin.New(shards)
	db.PutDevice(record.Device{ID: "d", Agent: agent})
	s := db.Open()
	submit(t, s, twin.Begin{Agent: agent})
	s.Commit(now, 1, twin.Done)
	db.DeleteDevice("d")
	if r := recordOf(t, s); r.Incarnation != 0 {
		t.Errorf("%+v", r)
	}
	a := perform(t, s, twin.Device{Device: "d"}, twin.Done).Answers[0]
	if tandem.KindOf(a.Err) != tandem.NotFound || a.Value != nil {
		t.Errorf("%+v", a)
	}
}

// TestCommitter checks the order of writes, and which share a transaction.
func TestCommitter(t *testing.T) {
	s := twin.New(shards).Open()
	first := submit(t, s, twin.Begin{Agent: agent})
	submit(t, s, twin.Begin{Agent: agent})
	submit(t, s, twin.Handover{})
	submit(t, s, twin.Begin{Agent: agent})
	var batches []int
	fork := s.Fork(twin.New(shards))
	for n := fork.Next(); n > 0; n = fork.Next() {
		batches = append(batches, n)
		fork.Commit(now, n, twin.Done)
	}
	if fmt.Sprint(batches) != "[2 1 1]" {
		t.Errorf("transactions of %v", batches)
	}
	if !s.Withdraw(first) || s.Withdraw(first) || s.Next() != 1 {
		t.Error("a write can be taken back once")
	}
	read := submit(t, s, twin.Running{})
	if w := s.Waiting(); len(w) != 1 || w[0] != read {
		t.Errorf("for Perform there are %d", w)
	}
	if r := s.Perform(now, first, twin.Done); len(r.Answers) != 0 {
		t.Errorf("what is not there gave %+v", r)
	}
	if r := s.Stop(); len(r.Answers) != 4 || tandem.KindOf(r.Answers[3].Err) != tandem.Unavailable ||
		s.Next() != 0 || len(s.Waiting()) != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := s.Submit(now, twin.Running{}); tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("after the end: %v", err)
	}
}

// step does something random to one of two nodes.
func step(t *rapid.T, nodes []*twin.Store) string {
	i := rapid.IntRange(0, 1).Draw(t, "node")
	s := nodes[i]
	id := tandem.AgentID(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "agent"))
	incarnation := rapid.Uint64Range(1, 3).Draw(t, "incarnation")
	node := record.Node{ID: rapid.SampledFrom([]string{"n1", "n2"}).Draw(t, "name")}
	ops := []twin.Op{
		twin.Begin{Agent: id}, twin.Save{Agent: id, Incarnation: incarnation, Table: []byte{byte(incarnation)}},
		twin.Post{Agent: id, Incarnation: incarnation, Post: record.Post{Name: "p"}},
		twin.End{Agent: id, Incarnation: incarnation, Snapshot: []byte("s")},
		twin.TakeSnapshot{Agent: id}, twin.Handled{Agent: id, Seq: uint64(now.UnixMilli())},
		twin.Register{Node: node, Lease: -time.Hour},
		twin.Bury{Node: node.ID, Session: 1}, twin.AssignShards{Plan: []record.Shard{{Shard: 1, Target: node.ID}}},
		twin.Running{},
		twin.Handover{Shards: []record.Shard{{Shard: 1, Epoch: 1}}, To: node.ID, ToSession: 1}, twin.Membership{},
	}
	op := ops[rapid.IntRange(0, len(ops)-1).Draw(t, "op")]
	number, err := s.Submit(now, op)
	how := rapid.SampledFrom([]twin.Outcome{twin.Done, twin.Lost, twin.Refused}).Draw(t, "how")
	said := fmt.Sprintf("%d %T %d %v", i, op, number, err)
	switch {
	case len(s.Waiting()) > 0:
		said += fmt.Sprintf(" %+v", s.Perform(now, number, how))
	case rapid.Bool().Draw(t, "commit"):
		said += fmt.Sprintf(" %+v", s.Commit(now, s.Next(), how))
	}
	return said
}

// state tells everything that can be seen of a database.
func state(db *twin.Database) string {
	s := db.Open()
	var all []string
	for _, op := range []twin.Op{
		twin.Running{}, twin.Record{Agent: "a"}, twin.Record{Agent: "b"}, twin.Posts{Agent: "a"}, twin.Posts{Agent: "b"},
		twin.Device{Device: "d"}, twin.Membership{Known: -1},
	} {
		number, err := s.Submit(now, op)
		all = append(all, fmt.Sprintf("%+v %v", s.Perform(now, number, twin.Done), err))
	}
	return strings.Join(all, "\n")
}

// TestFork checks that a fork goes on like the original would, and that neither
// changes the other.
func TestFork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db := twin.New(shards)
		db.PutDevice(record.Device{ID: "d", Agent: "a"})
		nodes := []*twin.Store{db.Open(), db.Open()}
		for range rapid.IntRange(0, 15).Draw(t, "before") {
			step(t, nodes)
		}
		fork := db.Fork()
		forked := []*twin.Store{nodes[0].Fork(fork), nodes[1].Fork(fork)}
		before := state(db)
		if got := state(fork); got != before {
			t.Fatalf("the fork is\n%s\nnot\n%s", got, before)
		}
		for range rapid.IntRange(0, 15).Draw(t, "after") {
			step(t, forked)
		}
		if got := state(db); got != before {
			t.Fatalf("what was done to a fork made\n%s\nof\n%s", got, before)
		}
		changed := state(fork)
		db.DeleteDevice("d")
		for range 3 {
			step(t, nodes)
		}
		if got := state(fork); got != changed {
			t.Fatalf("what was done to the original made\n%s\nof\n%s", got, changed)
		}
	})
}

// TestSameAgain checks that the same steps give the same answers, to the byte.
func TestSameAgain(t *testing.T) {
	run := func(seed int) string {
		return rapid.Custom(func(t *rapid.T) string {
			db := twin.New(shards)
			nodes := []*twin.Store{db.Open(), db.Open()}
			var said []string
			for range 200 {
				said = append(said, step(t, nodes))
			}
			return strings.Join(append(said, state(db)), "\n")
		}).Example(seed)
	}
	for seed := range 20 {
		if a, b := run(seed), run(seed); a != b {
			t.Fatalf("seed %d gave\n%s\nand then\n%s", seed, a, b)
		}
	}
}
