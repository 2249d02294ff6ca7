package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// faulty is what a test breaks: a table that is gone, or one that refuses a verb.
type faulty struct{ table, verb string }

func (f faulty) String() string { return strings.TrimSpace(f.table + " " + f.verb) }

// install breaks it, and returns the statement that mends it.
func (f faulty) install(tb testing.TB, s *store.Store, postgres bool) (mend string) {
	script := "ALTER TABLE " + f.table + " RENAME TO gone"
	mend = "ALTER TABLE gone RENAME TO " + f.table
	switch {
	case f.verb == "":
	case postgres:
		script = "CREATE TRIGGER fault BEFORE " + f.verb + " ON " + f.table + " FOR EACH ROW EXECUTE FUNCTION fault()"
		mend = "DROP TRIGGER fault ON " + f.table
	default:
		script = "CREATE TRIGGER fault BEFORE " + f.verb + " ON " + f.table + " BEGIN SELECT RAISE(ABORT, 'fault'); END"
		mend = "DROP TRIGGER fault"
	}
	if err := s.Script(tb.Context(), script); err != nil {
		tb.Fatalf("%v: %v", f, err)
	}
	return mend
}

// causes reports whether an error names what was broken.
func (f faulty) causes(err error) bool {
	if f.verb != "" {
		return strings.Contains(err.Error(), "fault")
	}
	return strings.Contains(err.Error(), f.table)
}

// action is one that must fail with any of some faults, and with no other.
type action struct {
	name    string
	prepare []twin.Op // before the fault
	do      func(ctx context.Context, n node) error
	faults  string // separated by comma and space
}

// does is an action that is an operation.
func does(op twin.Op) func(context.Context, node) error {
	return func(_ context.Context, n node) error { return n.Do(time.Now(), op)[0].Err }
}

// agentActions are for an agent that is in its first incarnation, and has a
// snapshot and a post.
func agentActions() []action {
	const id = tandem.AgentID("AAAAAAAAAAAA")
	image := twin.End{Agent: id, Incarnation: 1, Snapshot: []byte("image")}
	message := twin.Post{Agent: id, Incarnation: 1, Post: record.Post{Name: "p", Data: []byte{0}}}
	return []action{
		{"record", nil, does(twin.Record{Agent: id}), "agents"},
		{"posts", nil, does(twin.Posts{Agent: id}), "posts"},
		{"running", nil, does(twin.Running{}), "agents"},
		{"running in", nil, does(twin.RunningIn{Shards: []int{1}}), "agents"},
		{"begin", []twin.Op{twin.Begin{Agent: "BBBBBBBBBBBB"}}, does(twin.Begin{Agent: "BBBBBBBBBBBB"}),
			"agents, agents INSERT, agents UPDATE, snapshots, devices"},
		{"save", nil, does(twin.Save{Agent: id, Incarnation: 1}), "agents, agents UPDATE"},
		{"quarantine", nil, does(twin.Quarantine{Agent: id, Incarnation: 1, Code: "c0de"}), "agents, agents UPDATE"},
		{"end", nil, does(image), "agents, agents UPDATE, snapshots, snapshots INSERT"},
		{"take", []twin.Op{image}, does(twin.TakeSnapshot{Agent: id}), "snapshots, snapshots DELETE"},
		{"post", nil, does(message), "agents, agents UPDATE, posts, posts INSERT"},
		{"handled", []twin.Op{message}, handleFirst(id), "posts, posts DELETE"},
	}
}

// handleFirst handles the first post of an agent.
func handleFirst(id tandem.AgentID) func(context.Context, node) error {
	return func(ctx context.Context, n node) error {
		list, err := n.store.Posts(ctx, id)
		if err != nil {
			return err
		}
		return n.Do(time.Now(), twin.Handled{Agent: id, Seq: list[0].Seq})[0].Err
	}
}

// clusterActions are for a node a that is registered and owns shard 1, and
// another that does not run agents.
func clusterActions(other *store.Store) []action {
	own := func(ctx context.Context, n node) error {
		m, err := n.store.Membership(ctx, -1)
		if err != nil {
			return err
		}
		_, err = n.store.Handover(ctx, m.Shards[1:2], "a", m.Nodes[0].Session)
		return err
	}
	plan := func(ctx context.Context, n node) error {
		return n.store.AssignShards(ctx, []record.Shard{{Shard: 2, Target: ""}})
	}
	return []action{
		{"renew", nil, does(twin.Renew{Node: record.Node{ID: "a"}, Lease: time.Hour}), "leases, leases UPDATE"},
		{"membership", nil, does(twin.Membership{Known: -1}), "cluster, nodes, leases, shards"},
		{"planner", nil, does(twin.Planner{Node: "a", Lease: -time.Hour}), "planner, planner UPDATE"},
		{"bury", nil, func(ctx context.Context, n node) error {
			_, err := n.store.Bury(ctx, "b", 1) // is alive
			return err
		}, "leases"},
		{"plan", nil, plan, "nodes, leases, cluster, cluster UPDATE, shards, shards UPDATE"},
		{"handover", nil, own, "nodes, leases, cluster, cluster UPDATE, shards, shards UPDATE"},
		{"register", nil, func(ctx context.Context, _ node) error {
			_, err := other.Register(ctx, record.Node{ID: "b"}, time.Hour)
			return err
		}, "nodes, nodes INSERT, nodes UPDATE, leases, leases INSERT, leases UPDATE, " +
			"cluster, cluster UPDATE, shards"}, // b owns none
	}
}

// tryFaults tries all actions with each fault that any of them names.
func tryFaults(t *testing.T, admin, n node, postgres bool, actions []action) {
	t.Helper()
	var all []faulty
	for _, a := range actions {
		for name := range strings.SplitSeq(a.faults, ", ") {
			table, verb, _ := strings.Cut(name, " ")
			if f := (faulty{table, verb}); !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	for _, f := range all {
		for _, a := range actions {
			for _, answer := range n.Do(time.Now(), a.prepare...) {
				if answer.Err != nil {
					t.Fatalf("%s, prepared: %v", a.name, answer.Err)
				}
			}
			mend := f.install(t, admin.store, postgres)
			err := a.do(t.Context(), n)
			switch want := slices.Contains(strings.Split(a.faults, ", "), f.String()); {
			case (err != nil) != want:
				t.Errorf("%s with a fault of %v: %v", a.name, f, err)
			case want && !f.causes(err):
				t.Errorf("%s does not say why it failed, a fault of %v: %v", a.name, f, err)
			}
			if err := admin.store.Script(t.Context(), mend); err != nil {
				t.Fatalf("%s after %v: %v", a.name, f, err)
			}
		}
	}
}

const faultFunction = "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS " +
	"'BEGIN RAISE EXCEPTION ''fault''; END'"

// TestFaults checks that no error of the database is swallowed: what cannot be
// read or written fails what needs it, and that alone.
func TestFaults(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		n := openSQLite(t)
		n.Do(time.Now(), twin.Begin{Agent: "AAAAAAAAAAAA"})
		tryFaults(t, n, n, false, agentActions())
	})
	t.Run("postgres", func(t *testing.T) {
		n := openPostgres(t, pgtest.Start(t))
		if err := n.store.Script(t.Context(), faultFunction); err != nil {
			t.Fatal(err)
		}
		n.Do(time.Now(), twin.Begin{Agent: "AAAAAAAAAAAA"})
		tryFaults(t, n, n, true, agentActions())
	})
	t.Run("cluster", func(t *testing.T) {
		url := pgtest.Start(t)
		admin, n := openPostgres(t, url), openPostgres(t, url)
		other := openPostgres(t, url)
		if err := admin.store.Script(t.Context(), faultFunction); err != nil {
			t.Fatal(err)
		}
		n.Do(time.Now(), twin.Register{Node: record.Node{ID: "a"}, Lease: time.Hour})
		other.Do(time.Now(), twin.Register{Node: record.Node{ID: "b"}, Lease: time.Hour})
		n.Do(time.Now(), twin.AssignShards{Plan: []record.Shard{{Shard: 1, Target: "a"}}})
		tryFaults(t, admin, n, true, clusterActions(other.store))
	})
}
