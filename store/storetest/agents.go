package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// Run tests the operations that a single node needs.
func Run(t *testing.T, open func(testing.TB) (Node, Known)) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, Node)
	}{
		{"agent life", agentLife},
		{"largest mark", largestMark},
		{"snapshots", snapshots},
		{"quarantine", quarantine},
		{"running", running},
		{"running in shards", runningIn},
		{"one transaction", oneTransaction},
		{"posts", posts},
		{"posts of one cause", postsOfOneCause},
		{"post limits", postLimits},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, _ := open(t)
			tt.test(t, n)
		})
	}
	t.Run("control records", func(t *testing.T) {
		n, known := open(t)
		lookUps(t, n, known)
		sightings(t, n, known)
	})
}

func agentLife(t *testing.T, n Node) {
	if r := recordOf(t, n, agent); r.ID != agent || r.Incarnation != 0 || r.Running || r.Saved != nil ||
		!r.Changed.IsZero() {
		t.Errorf("before the first run: %+v", r)
	}
	if got := value[uint64](t, n, twin.Begin{Agent: agent}); got != 1 {
		t.Fatalf("first incarnation %d", got)
	}
	do(t, n, twin.Save{Agent: agent, Incarnation: 1, Table: []byte("one"), Mark: tandem.Mark{Boot: 1, Seq: 2}})
	later := start.Add(time.Minute + time.Microsecond)
	if a := n.Do(later, twin.Begin{Agent: agent})[0]; a.Value != uint64(2) {
		t.Fatalf("second incarnation: %+v", a)
	}
	for _, stale := range []uint64{0, 1, 3} {
		refused(t, n, twin.Save{Agent: agent, Incarnation: stale, Table: []byte("stale")}, tandem.Conflict)
		refused(t, n, twin.End{Agent: agent, Incarnation: stale}, tandem.Conflict)
		refused(t, n, twin.End{Agent: agent, Incarnation: stale, Snapshot: []byte("stale")}, tandem.Conflict)
		refused(t, n, twin.Post{Agent: agent, Incarnation: stale}, tandem.Conflict)
	}
	r := recordOf(t, n, agent)
	if string(r.Saved) != "one" || r.Mark != (tandem.Mark{Boot: 1, Seq: 2}) || !r.Running ||
		r.Incarnation != 2 || r.Changed != record.Stamp(later) {
		t.Errorf("after the second start: %+v", r)
	}
	if snapshot := value[[]byte](t, n, twin.TakeSnapshot{Agent: agent}); snapshot != nil {
		t.Errorf("a stale end left the snapshot %q", snapshot)
	}
	do(t, n, twin.End{Agent: agent, Incarnation: 2})
	if r := recordOf(t, n, agent); r.Running || string(r.Saved) != "one" || r.Changed != start {
		t.Errorf("after the end: %+v", r)
	}
	refused(t, n, twin.Save{Agent: "BBBBBBBBBBBB", Incarnation: 0}, tandem.Conflict)
	refused(t, n, twin.Save{Agent: "BBBBBBBBBBBB", Incarnation: 1}, tandem.Conflict)
}

func largestMark(t *testing.T, n Node) {
	want := tandem.Mark{Boot: 1<<64 - 1, Seq: 1<<64 - 2}
	do(t, n, twin.Begin{Agent: agent}, twin.Save{Agent: agent, Incarnation: 1, Mark: want})
	if r := recordOf(t, n, agent); r.Mark != want {
		t.Errorf("got %v, want %v", r.Mark, want)
	}
}

func quarantine(t *testing.T, n Node) {
	do(t, n, twin.Begin{Agent: agent}, twin.Quarantine{Agent: agent, Incarnation: 1, Code: "c0de"})
	if r := recordOf(t, n, agent); r.Quarantined != "c0de" || !r.Running {
		t.Errorf("in quarantine: %+v", r)
	}
	refused(t, n, twin.Quarantine{Agent: agent, Incarnation: 2, Code: "other"}, tandem.Conflict)
	do(t, n, twin.Begin{Agent: agent})
	if r := recordOf(t, n, agent); r.Quarantined != "" {
		t.Errorf("after the next start: %+v", r)
	}
}

func snapshots(t *testing.T, n Node) {
	taken := func() string { return string(value[[]byte](t, n, twin.TakeSnapshot{Agent: agent})) }
	if got := taken(); got != "" {
		t.Errorf("snapshot of an agent that never ran: %q", got)
	}
	do(t, n, twin.Begin{Agent: agent}, twin.End{Agent: agent, Incarnation: 1, Snapshot: []byte("image")})
	if r := recordOf(t, n, agent); !r.Running || r.Incarnation != 1 {
		t.Errorf("with a snapshot: %+v", r)
	}
	if got := taken(); got != "image" {
		t.Errorf("took %q", got)
	}
	if got := taken(); got != "" {
		t.Errorf("took it twice: %q", got)
	}
	for _, drop := range []twin.Op{twin.End{Agent: agent, Incarnation: 1}, twin.Begin{Agent: agent}} {
		do(t, n, twin.End{Agent: agent, Incarnation: 1, Snapshot: []byte("image")}, drop)
		if got := taken(); got != "" {
			t.Errorf("%T left the snapshot %q", drop, got)
		}
	}
	for _, image := range []string{"one", "two"} {
		do(t, n, twin.End{Agent: agent, Incarnation: 2, Snapshot: []byte(image)})
	}
	if got := taken(); got != "two" {
		t.Errorf("took %q, which was replaced", got)
	}
}

func running(t *testing.T, n Node) {
	for _, id := range []tandem.AgentID{"CCCCCCCCCCCC", "AAAAAAAAAAAA", "BBBBBBBBBBBB"} {
		do(t, n, twin.Begin{Agent: id})
	}
	do(t, n, twin.End{Agent: "BBBBBBBBBBBB", Incarnation: 1})
	ids := value[[]tandem.AgentID](t, n, twin.Running{})
	if !slices.Equal(ids, []tandem.AgentID{"AAAAAAAAAAAA", "CCCCCCCCCCCC"}) {
		t.Errorf("running: %v", ids)
	}
}

func runningIn(t *testing.T, n Node) {
	byShard := map[int][]tandem.AgentID{}
	for range 300 {
		id := tandem.NewAgentID()
		do(t, n, twin.Begin{Agent: id})
		shard := placement.ShardOf(id, placement.DefaultShards)
		byShard[shard] = append(byShard[shard], id)
	}
	var all []int
	for shard, want := range byShard {
		all = append(all, shard)
		slices.Sort(want)
		if got := value[[]tandem.AgentID](t, n, twin.RunningIn{Shards: []int{shard}}); !slices.Equal(got, want) {
			t.Fatalf("shard %d: %v, want %v", shard, got, want)
		}
	}
	if got := value[[]tandem.AgentID](t, n, twin.RunningIn{Shards: all}); len(got) != 300 || !slices.IsSorted(got) {
		t.Errorf("%d in their shards", len(got))
	}
	for i := range placement.DefaultShards { // so many that they are not looked up one by one
		all = append(all, placement.DefaultShards+i)
	}
	if got := value[[]tandem.AgentID](t, n, twin.RunningIn{Shards: all}); len(got) != 300 {
		t.Errorf("%d in all shards", len(got))
	}
	if got := value[[]tandem.AgentID](t, n, twin.RunningIn{}); len(got) != 0 {
		t.Errorf("%d in none", len(got))
	}
}

// oneTransaction checks that writes which share a transaction take effect in
// order, and that a refused write does not make the others fail.
func oneTransaction(t *testing.T, n Node) {
	ops := []twin.Op{
		twin.Begin{Agent: agent},
		twin.Save{Agent: agent, Incarnation: 1, Table: []byte("first")},
		twin.Save{Agent: agent, Incarnation: 2, Table: []byte("early")},
		twin.Begin{Agent: agent},
		twin.Save{Agent: agent, Incarnation: 1, Table: []byte("late")},
		twin.Save{Agent: agent, Incarnation: 2, Table: []byte("second")},
		twin.Save{Agent: agent, Incarnation: 2, Table: []byte("third")},
	}
	for i, a := range n.Do(start, ops...) {
		if wrong := i == 2 || i == 4; (a.Err != nil) != wrong {
			t.Errorf("%T%+v: %v", ops[i], ops[i], a.Err)
		}
	}
	if r := recordOf(t, n, agent); string(r.Saved) != "third" || r.Incarnation != 2 {
		t.Errorf("%+v", r)
	}
}
