package placement

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// TestScenarios plays what happens to a cluster, a line at a time:
//
//	nodes a b=2 c!     who is alive; =weight, ! draining
//	lost a             what a had has no owner any more
//	plan [moves]       plan, and give what can be given at once
//	arrive             every shard under way arrives
//
// and shows how many shards each node has and how many are under way.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/plan", func(t *testing.T, path string) {
		var nodes []Node
		shards := make([]Shard, 12)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				words := strings.Fields(line)
				switch words[0] {
				case "nodes":
					nodes = parseNodes(t, words[1:])
				case "lost":
					for i := range shards {
						if shards[i].Owner == words[1] {
							shards[i].Owner = ""
						}
					}
				case "plan":
					moves := 100
					if len(words) > 1 {
						moves, _ = strconv.Atoi(words[1])
					}
					changes := Plan(nodes, shards, moves)
					apply(shards, changes)
					fmt.Fprintf(&out, "%d changes: %s\n", len(changes), show(shards))
				case "arrive":
					for i, s := range shards {
						if s.Target != "" && s.Owner != "" {
							shards[i].Owner = s.Target
						}
					}
					fmt.Fprintln(&out, show(shards))
				default:
					t.Fatalf("%s: what is %q?", d.Pos, words[0])
				}
			}
			return out.String()
		})
	})
}

func parseNodes(t *testing.T, words []string) (nodes []Node) {
	for _, w := range words {
		n := Node{ID: strings.TrimSuffix(w, "!"), Draining: strings.HasSuffix(w, "!")}
		if id, weight, ok := strings.Cut(n.ID, "="); ok {
			n.ID = id
			var err error
			if n.Weight, err = strconv.ParseFloat(weight, 64); err != nil {
				t.Fatal(err)
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

func apply(shards []Shard, changes []Change) {
	for _, c := range changes {
		shards[c.Shard].Target = c.Target
		if shards[c.Shard].Owner == "" {
			shards[c.Shard].Owner = c.Target
		}
	}
}

func show(shards []Shard) string {
	has, moving := map[string]int{}, 0
	for _, s := range shards {
		has[s.Owner]++
		if s.Target != "" && s.Target != s.Owner && s.Owner != "" {
			moving++
		}
	}
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(has)) {
		name := id
		if name == "" {
			name = "no node"
		}
		parts = append(parts, fmt.Sprintf("%s %d", name, has[id]))
	}
	return fmt.Sprintf("%s, %d under way", strings.Join(parts, ", "), moving)
}

// TestPlanProperties: whatever has happened before, a plan gives every shard
// without an owner to a node that may have it, moves no more than it may, never from a
// node with less than its share, and repeated planning comes to rest with the
// shares as they are to be.
func TestPlanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []string{"a", "b", "c", "d", ""}
		shards := make([]Shard, rapid.IntRange(1, 64).Draw(t, "shards"))
		for i := range shards {
			shards[i].Owner = rapid.SampledFrom(ids).Draw(t, "owner")
			shards[i].Target = rapid.SampledFrom(ids).Draw(t, "target")
		}
		var nodes []Node
		able := 0
		for _, id := range ids[:4] {
			if rapid.Bool().Draw(t, "alive") {
				n := Node{
					ID: id, Weight: float64(rapid.IntRange(0, 4).Draw(t, "weight")),
					Draining: rapid.IntRange(0, 3).Draw(t, "draining") == 0,
				}
				if !n.Draining {
					able++
				}
				nodes = append(nodes, n)
			}
		}
		moves := rapid.IntRange(1, 10).Draw(t, "moves")
		for round := 0; ; round++ {
			changes := Plan(nodes, shards, moves)
			if able == 0 {
				apply(shards, changes)
				for i, s := range shards {
					if s.Owner == "" && len(nodes) > 0 {
						t.Fatalf("shard %d has no owner, and there are nodes", i)
					}
				}
				for _, c := range changes {
					if len(nodes) == 0 || shards[c.Shard].Owner != c.Target {
						t.Fatalf("shard %d moves although no node may have it", c.Shard)
					}
				}
				return
			}
			before := underWay(shards)
			apply(shards, changes)
			if n := underWay(shards); n > max(moves, before) {
				t.Fatalf("%d under way, %d allowed", n, moves)
			}
			for i, s := range shards {
				if s.Owner == "" {
					t.Fatalf("shard %d has no owner", i)
				}
			}
			arrived := 0
			for i, s := range shards { // what is under way arrives
				if s.Target != "" && s.Target != s.Owner &&
					slices.ContainsFunc(nodes, func(n Node) bool { return n.ID == s.Owner }) {
					shards[i].Owner = s.Target
					arrived++
				}
			}
			if len(changes)+arrived == 0 {
				break
			}
			if round > 200 {
				t.Fatal("no rest")
			}
		}
		settled(t, nodes, shards)
	})
}

func underWay(shards []Shard) (n int) {
	for _, s := range shards {
		if s.Owner != "" && s.Target != "" && s.Target != s.Owner {
			n++
		}
	}
	return n
}

// settled checks that no node has more than its share unless all nodes that could
// take it have theirs.
func settled(t *rapid.T, nodes []Node, shards []Shard) {
	p := newPlan(nodes, shards)
	for _, s := range shards {
		if !p.known[s.Owner] {
			return // who owned it may come back, or be declared lost
		}
	}
	over, lacking := 0, 0
	for _, n := range nodes {
		switch lack := p.lack(n.ID); {
		case n.Draining && p.has[n.ID] > 0:
			t.Fatalf("%s is being drained and has %d", n.ID, p.has[n.ID])
		case lack < 0:
			over++
		case lack > 0:
			lacking++
		}
	}
	if over > 0 && lacking > 0 {
		t.Fatalf("shares %v, has %v", p.share, p.has)
	}
}
