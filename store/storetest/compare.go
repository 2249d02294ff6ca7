package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// Compare gives random operations to a node and to its twin. Both databases are
// the same at the beginning. Each run has agents of its own.
func Compare(t *testing.T, real, simulated Node) {
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		g := generator{t: t, agents: 3, prefix: fmt.Sprintf("r%08d", run)}
		for range rapid.IntRange(1, 12).Draw(t, "transactions") {
			now := g.clock()
			ops := g.writes()
			same(t, ops, real.Do(now, ops...), simulated.Do(now, ops...))
			reads := g.reads()
			same(t, reads, real.Do(now, reads...), simulated.Do(now, reads...))
		}
	})
}

// CompareCluster is Compare for nodes that share a database, with the operations
// of a cluster.
func CompareCluster(t *testing.T, real, simulated []Node) {
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		g := generator{t: t, agents: 2, prefix: fmt.Sprintf("r%08d", run)}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now := g.clock()
			n := rapid.IntRange(0, len(real)-1).Draw(t, "node")
			m := simulated[n].Do(now, twin.Membership{Known: -1})[0].Value.(record.Membership)
			ops := g.cluster(n, m)
			same(t, ops, real[n].Do(now, ops...), simulated[n].Do(now, ops...))
			ops = []twin.Op{twin.Membership{Known: -1}}
			same(t, ops, real[n].Do(now, ops...), simulated[n].Do(now, ops...))
		}
	})
}

// same checks that two stores gave the same answers.
func same(t *rapid.T, ops []twin.Op, real, simulated []twin.Answer) {
	for i, op := range ops {
		if got, want := real[i], simulated[i]; differ(got, want) {
			t.Fatalf("%T%+v gave\n%+v, %v; its twin\n%+v, %v", op, op, got.Value, got.Err, want.Value, want.Err)
		}
	}
}

// differ compares answers. It compares the kinds of errors, not their texts.
func differ(a, b twin.Answer) bool {
	if a.Err != nil && b.Err != nil {
		return tandem.KindOf(a.Err) != tandem.KindOf(b.Err)
	}
	return a.Err != nil || b.Err != nil || !reflect.DeepEqual(plain(a.Value), plain(b.Value))
}

// plain returns an answer without accidental differences: whether an empty slice is nil.
func plain(value any) any {
	switch v := value.(type) {
	case record.Agent:
		v.Saved = append([]byte{}, v.Saved...)
		return v
	case []record.Post:
		list := []record.Post{}
		for _, p := range v {
			p.Data = append([]byte{}, p.Data...)
			list = append(list, p)
		}
		return list
	case []byte:
		return append([]byte{}, v...)
	case []tandem.AgentID:
		return append([]tandem.AgentID{}, v...)
	}
	return value
}

// generator draws operations.
type generator struct {
	t      *rapid.T
	agents int
	prefix string
	passed time.Duration
}

// clock returns a time that does not run backwards.
func (g *generator) clock() time.Time {
	g.passed += time.Duration(rapid.IntRange(0, 5000).Draw(g.t, "passed")) * time.Microsecond
	return start.Add(g.passed)
}

func (g *generator) agent() tandem.AgentID {
	return tandem.AgentID(fmt.Sprintf("%s-a%d", g.prefix, rapid.IntRange(0, g.agents-1).Draw(g.t, "agent")))
}

func (g *generator) mark() tandem.Mark {
	return tandem.Mark{Boot: rapid.Uint64Range(0, 3).Draw(g.t, "boot"), Seq: rapid.Uint64Range(0, 3).Draw(g.t, "seq")}
}

func (g *generator) bytes() []byte {
	return []byte(rapid.StringN(1, 20, -1).Draw(g.t, "bytes"))
}

// writes draws writes that may share a transaction.
func (g *generator) writes() (ops []twin.Op) {
	for range rapid.IntRange(1, 8).Draw(g.t, "writes") {
		ops = append(ops, g.write())
	}
	return ops
}

func (g *generator) write() twin.Op {
	id := g.agent()
	incarnation := rapid.Uint64Range(0, 3).Draw(g.t, "incarnation")
	switch rapid.SampledFrom([]string{
		"begin", "save", "save", "quarantine", "end", "suspend", "take", "post", "post", "post",
		"handled"}).Draw(g.t, "what") {
	case "begin":
		return twin.Begin{Agent: id}
	case "save":
		return twin.Save{Agent: id, Incarnation: incarnation, Table: g.bytes(), Mark: g.mark()}
	case "quarantine":
		code := rapid.StringMatching("[0-9a-f]{4}").Draw(g.t, "code")
		return twin.Quarantine{Agent: id, Incarnation: incarnation, Code: code}
	case "end":
		return twin.End{Agent: id, Incarnation: incarnation}
	case "suspend":
		return twin.End{Agent: id, Incarnation: incarnation, Snapshot: g.bytes()}
	case "take":
		return twin.TakeSnapshot{Agent: id}
	case "post":
		name := rapid.StringMatching("[a-cé]{1,4}").Draw(g.t, "name") // PostgreSQL refuses zero bytes in text
		p := record.Post{Name: name, Data: g.bytes(), Cause: g.mark(), Nth: rapid.Uint32Range(1, 3).Draw(g.t, "nth")}
		return twin.Post{Agent: id, Incarnation: incarnation, Post: p}
	default:
		return twin.Handled{Agent: id, Seq: uint64(start.UnixMilli()) + rapid.Uint64Range(0, 5).Draw(g.t, "number")}
	}
}

// reads returns operations that read everything writes may have changed.
func (g *generator) reads() []twin.Op {
	ops := []twin.Op{twin.Running{}}
	for i := range g.agents {
		id := tandem.AgentID(fmt.Sprintf("%s-a%d", g.prefix, i))
		ops = append(ops, twin.Record{Agent: id}, twin.Posts{Agent: id})
	}
	return ops
}

// cluster draws an operation of node n on the cluster, or a few writes of its
// agents. Only the first few shards take part.
func (g *generator) cluster(n int, m record.Membership) []twin.Op {
	lease := rapid.SampledFrom([]time.Duration{alive, over}).Draw(g.t, "lease")
	id := nodeName(n)
	other := nodeName(rapid.IntRange(0, 3).Draw(g.t, "other"))
	session := int64(0)
	for _, i := range m.Nodes {
		if i.ID == other {
			session = i.Session
		}
	}
	session -= rapid.SampledFrom([]int64{0, 0, 0, 1}).Draw(g.t, "earlier")
	info := node(id)
	info.Load, info.Draining = rapid.Float64Range(0, 1).Draw(g.t, "load"), rapid.Bool().Draw(g.t, "draining")
	switch rapid.SampledFrom([]string{"write", "write", "register", "renew", "leave", "bury", "assign",
		"assign", "handover", "handover", "plan"}).Draw(g.t, "what") {
	case "register":
		return []twin.Op{twin.Register{Node: info, Lease: lease}}
	case "renew":
		return []twin.Op{twin.Renew{Node: info, Lease: lease}}
	case "leave":
		return []twin.Op{twin.Leave{}}
	case "bury":
		return []twin.Op{twin.Bury{Node: other, Session: session}}
	case "assign":
		return []twin.Op{twin.AssignShards{Plan: g.shards(m, other)}}
	case "handover":
		return append(g.writes(), twin.Handover{Shards: g.owned(m, id), To: other, ToSession: session})
	case "plan":
		return []twin.Op{twin.Planner{Node: id, Lease: lease}}
	default:
		return g.writes()
	}
}

func nodeName(n int) string { return fmt.Sprint("n", n+1) }

// shards draws a plan, which may be somewhat out of date.
func (g *generator) shards(m record.Membership, target string) (plan []record.Shard) {
	for _, i := range m.Shards[:6] {
		if rapid.Bool().Draw(g.t, "planned") {
			i.Target = target
			i.Epoch -= rapid.SampledFrom([]int64{0, 0, 0, 1}).Draw(g.t, "old epoch")
			plan = append(plan, i)
		}
	}
	return plan
}

// owned draws shards to hand over, which are mostly the node's own.
func (g *generator) owned(m record.Membership, id string) (list []record.Shard) {
	foreign := rapid.SampledFrom([]bool{false, false, true}).Draw(g.t, "foreign")
	for _, i := range m.Shards[:6] {
		if (i.Owner == id || foreign) && rapid.Bool().Draw(g.t, "handed over") {
			list = append(list, i)
		}
	}
	return list
}
