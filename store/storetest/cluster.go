package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// Leases that are valid, or have ended, on any clock of the database.
const (
	alive = time.Hour
	over  = -time.Hour
)

// RunCluster tests the operations of nodes that share a database.
func RunCluster(t *testing.T, open func(tb testing.TB, count int) []Node) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, a, b Node)
	}{
		{"membership", membership},
		{"plans", plans},
		{"leave", leave},
		{"burial", burial},
		{"writes of a lost node", writesOfLostNode},
		{"handover", handover},
		{"planner", planner},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nodes := open(t, 2)
			tt.test(t, nodes[0], nodes[1])
		})
	}
}

func node(id string) record.Node {
	return record.Node{ID: id, URL: "http://" + id, MQTT: id + ":1883", Weight: 1,
		Started: time.UnixMilli(1000).UTC(), Version: "v"}
}

func register(t testing.TB, n Node, id string, lease time.Duration) int64 {
	t.Helper()
	return value[int64](t, n, twin.Register{Node: node(id), Lease: lease})
}

func members(t testing.TB, n Node) record.Membership {
	t.Helper()
	return value[record.Membership](t, n, twin.Membership{Known: -1})
}

func shard(number int, owner string, epoch int64, target string) record.Shard {
	return record.Shard{Shard: number, Owner: owner, Epoch: epoch, Target: target}
}

// wantShards checks some shards.
func wantShards(t testing.TB, n Node, want ...record.Shard) {
	t.Helper()
	all := members(t, n).Shards
	for _, w := range want {
		if got := all[w.Shard]; got != w {
			t.Errorf("shard %+v, want %+v", got, w)
		}
	}
}

// assign plans a node as the target of shards, from their current state.
func assign(t testing.TB, n Node, target string, shards ...int) {
	t.Helper()
	all := members(t, n).Shards
	var plan []record.Shard
	for _, number := range shards {
		s := all[number]
		s.Target = target
		plan = append(plan, s)
	}
	do(t, n, twin.AssignShards{Plan: plan})
}

func membership(t *testing.T, a, b Node) {
	refused(t, a, twin.Register{Lease: alive}, tandem.Invalid)
	refused(t, a, twin.Renew{Node: node("a"), Lease: alive}, tandem.Invalid)
	refused(t, a, twin.Handover{To: "a", ToSession: 1}, tandem.Invalid)
	before := members(t, a)
	if before.Count != placement.DefaultShards || len(before.Shards) != before.Count ||
		len(before.Nodes) != 0 {
		t.Fatalf("a new cluster has %d shards of %d, nodes %+v", len(before.Shards), before.Count, before.Nodes)
	}
	if got := register(t, b, "b", over); got != 1 {
		t.Errorf("first session %d", got)
	}
	register(t, a, "a", over)
	do(t, a, twin.Renew{Node: record.Node{Load: 0.5, Weight: 2, Agents: 7, Draining: true}, Lease: alive})
	m := members(t, b)
	first, second := node("a"), node("b")
	first.Session = 1
	first.Alive = true
	first.Load = 0.5
	first.Weight = 2
	first.Agents = 7
	first.Draining = true
	second.Session = 1
	if !reflect.DeepEqual(m.Nodes, []record.Node{first, second}) ||
		m.Version != before.Version+2 {
		t.Errorf("%+v", m)
	}
	same := value[record.Membership](t, b, twin.Membership{Known: m.Version})
	if same.Shards != nil || !reflect.DeepEqual(same.Nodes, m.Nodes) {
		t.Errorf("known already: %+v", same)
	}
	if got := register(t, a, "a", alive); got != 2 {
		t.Errorf("second session %d", got)
	}
}

func plans(t *testing.T, a, b Node) {
	register(t, a, "a", alive)
	register(t, b, "b", over) // registered, if not alive
	version := members(t, a).Version
	assign(t, b, "a", 3, 5)
	assign(t, b, "unknown", 4)
	assign(t, a, "b", 5, 6) // 5 has an owner: it is to move
	wantShards(t, a, shard(3, "a", 1, "a"), shard(4, "", 0, ""), shard(5, "a", 1, "b"), shard(6, "b", 1, "b"))
	if got := members(t, a).Version; got != version+2 {
		t.Errorf("version %d after %d", got, version)
	}
	// A plan that is out of date changes nothing.
	old := []record.Shard{shard(3, "a", 0, "b"), shard(3, "", 1, "b"), shard(5, "b", 1, "a")}
	do(t, a, twin.AssignShards{Plan: old}, twin.AssignShards{})
	wantShards(t, a, shard(3, "a", 1, "a"), shard(5, "a", 1, "b"))
	if got := members(t, a).Version; got != version+2 {
		t.Errorf("an old plan raised the version to %d", got)
	}
	last := placement.DefaultShards - 1
	do(t, a, twin.AssignShards{Plan: []record.Shard{
		shard(-1, "", 0, "a"), shard(last+1, "", 0, "a"), shard(0, "", 0, "a"), shard(last, "", 0, "a"),
	}})
	wantShards(t, a, shard(0, "a", 1, "a"), shard(last, "a", 1, "a"))
	assign(t, a, "", 5, 7)
	wantShards(t, a, shard(5, "a", 1, ""), shard(7, "", 0, ""))
}

func leave(t *testing.T, a, b Node) {
	register(t, a, "a", alive)
	register(t, b, "b", alive)
	assign(t, b, "a", 3)
	version := members(t, b).Version
	do(t, a, twin.Begin{Agent: agent}, twin.Leave{}, twin.Leave{})
	m := members(t, b)
	if len(m.Nodes) != 1 || m.Nodes[0].ID != "b" || m.Version != version+1 {
		t.Errorf("after one has left: %+v, version %d after %d", m.Nodes, m.Version, version)
	}
	wantShards(t, b, shard(3, "", 2, "a"))
	refused(t, a, twin.Save{Agent: agent, Incarnation: 1}, tandem.Conflict)
	assign(t, b, "a", 3)
	wantShards(t, b, shard(3, "", 2, "a"))
	if session := register(t, a, "a", alive); session != 3 {
		t.Errorf("session %d", session)
	}
	do(t, a, twin.Save{Agent: agent, Incarnation: 1})
}

func burial(t *testing.T, a, b Node) {
	register(t, a, "a", alive)
	bury := func(session int64) bool { return value[bool](t, b, twin.Bury{Node: "a", Session: session}) }
	if bury(1) {
		t.Error("a node that is alive was declared lost")
	}
	if session := register(t, a, "a", over); session != 2 {
		t.Errorf("session %d", session)
	}
	assign(t, b, "a", 9)
	if bury(1) || value[bool](t, b, twin.Bury{Node: "unknown", Session: 1}) {
		t.Error("a session that is over was declared lost")
	}
	wantShards(t, b, shard(9, "a", 1, "a"))
	version := members(t, b).Version
	if !bury(2) || bury(2) || bury(3) {
		t.Error("a node is declared lost once")
	}
	wantShards(t, b, shard(9, "", 2, "a"))
	if m := members(t, b); len(m.Nodes) != 0 || m.Version != version+1 {
		t.Errorf("nodes %+v, version %d after %d", m.Nodes, m.Version, version)
	}
	refused(t, a, twin.Renew{Node: node("a"), Lease: alive}, tandem.Conflict)
}

func writesOfLostNode(t *testing.T, a, b Node) {
	register(t, a, "a", over)
	assign(t, a, "a", 9)
	do(t, a, twin.Begin{Agent: agent})
	if !value[bool](t, b, twin.Bury{Node: "a", Session: 1}) {
		t.Fatal("the node was not declared lost")
	}
	for range 2 { // refused by the database, then by the node's own store
		for _, op := range []twin.Op{
			twin.Save{Agent: agent, Incarnation: 1, Table: []byte("late")},
			twin.Begin{Agent: agent},
			twin.Post{Agent: agent, Incarnation: 1, Post: record.Post{Name: "late", Data: []byte{0}}},
			twin.End{Agent: agent, Incarnation: 1},
			twin.TakeSnapshot{Agent: agent},
			twin.Handover{Shards: []record.Shard{{Shard: 9, Epoch: 2}}, To: "a", ToSession: 1},
		} {
			refused(t, a, op, tandem.Conflict)
		}
	}
	if r := recordOf(t, b, agent); r.Saved != nil || r.Incarnation != 1 || !r.Running {
		t.Errorf("the record is %+v", r)
	}
	if session := register(t, a, "a", alive); session != 3 {
		t.Errorf("session %d", session)
	}
	do(t, a, twin.Save{Agent: agent, Incarnation: 1, Table: []byte("new life")})
}

func handover(t *testing.T, a, b Node) {
	register(t, a, "a", alive)
	register(t, b, "b", alive)
	assign(t, b, "a", 0, 1, 2, 3)
	assign(t, b, "b", 1, 2)
	do(t, a, twin.Begin{Agent: agent}, twin.Save{Agent: agent, Incarnation: 1, Table: []byte("before")})
	version := members(t, b).Version
	given := []record.Shard{{Shard: 0, Epoch: 1}, {Shard: 2, Epoch: 1}}
	epochs := value[map[int]int64](t, a, twin.Handover{Shards: given, To: "b", ToSession: 1})
	if !reflect.DeepEqual(epochs, map[int]int64{0: 2, 2: 2}) {
		t.Errorf("epochs %v", epochs)
	}
	wantShards(t, b, shard(0, "b", 2, "a"), shard(1, "a", 1, "b"), shard(2, "b", 2, "b"), shard(3, "a", 1, "a"))
	for _, tt := range []struct {
		name    string
		list    []record.Shard
		to      string
		session int64
	}{
		{"one is not its own", []record.Shard{{Shard: 3, Epoch: 1}, {Shard: 0, Epoch: 2}}, "b", 1},
		{"an old epoch", []record.Shard{{Shard: 3, Epoch: 0}}, "b", 1},
		{"an old session", []record.Shard{{Shard: 3, Epoch: 1}}, "b", 0},
		{"a later session", []record.Shard{{Shard: 3, Epoch: 1}}, "b", 2},
		{"a shard above all", []record.Shard{{Shard: 3, Epoch: 1}, {Shard: placement.DefaultShards, Epoch: 1}}, "b", 1},
		{"a shard below all", []record.Shard{{Shard: 3, Epoch: 1}, {Shard: -1, Epoch: 1}}, "b", 1},
		{"a node that is unknown", []record.Shard{{Shard: 3, Epoch: 1}}, "c", 1},
	} {
		op := twin.Handover{Shards: tt.list, To: tt.to, ToSession: tt.session}
		if got := one(a, op); tandem.KindOf(got.Err) != tandem.Conflict {
			t.Errorf("%s: %v", tt.name, got.Err)
		}
	}
	wantShards(t, b, shard(0, "b", 2, "a"), shard(1, "a", 1, "b"), shard(2, "b", 2, "b"), shard(3, "a", 1, "a"))
	if got := members(t, b).Version; got != version+1 {
		t.Errorf("what was refused raised the version to %d, from %d", got, version)
	}
	// A node whose lease has ended can take shards only from itself.
	do(t, b, twin.Renew{Node: node("b"), Lease: over})
	do(t, a, twin.Renew{Node: node("a"), Lease: over})
	refused(t, a, twin.Handover{Shards: []record.Shard{{Shard: 3, Epoch: 1}}, To: "b", ToSession: 1}, tandem.Conflict)
	own := twin.Handover{Shards: []record.Shard{{Shard: 3, Epoch: 1}}, To: "a", ToSession: 1}
	epochs = value[map[int]int64](t, a, own)
	if !reflect.DeepEqual(epochs, map[int]int64{3: 2}) {
		t.Errorf("epochs of its own %v", epochs)
	}
}

func planner(t *testing.T, a, b Node) {
	for _, tt := range []struct {
		n     Node
		id    string
		lease time.Duration
		mine  bool
	}{
		{a, "a", alive, true}, {b, "b", alive, false}, {a, "a", over, true}, {b, "b", alive, true}, {a, "a", alive, false},
	} {
		if mine := value[bool](t, tt.n, twin.Planner{Node: tt.id, Lease: tt.lease}); mine != tt.mine {
			t.Errorf("%s plans for %v: %v, want %v", tt.id, tt.lease, mine, tt.mine)
		}
	}
	// One that leaves is not waited for.
	register(t, b, "b", alive)
	do(t, b, twin.Leave{})
	if !value[bool](t, a, twin.Planner{Node: "a", Lease: alive}) {
		t.Error("the planner has left, and no other node can plan")
	}
}
