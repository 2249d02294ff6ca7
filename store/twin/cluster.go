package twin

import (
	"maps"
	"slices"
	"time"

	"github.com/tandem-iot/tandem/store/record"
)

// node is a row of a node, with its lease.
type node struct {
	session int64
	leased  bool // it is part of the cluster
	expires time.Time
	info    record.Node
}

// Register makes a node part of the cluster with a new session, and with a
// lease. Its answer is an int64, the session.
type Register struct {
	Node  record.Node
	Lease time.Duration
}

// Renew extends the node's lease to its full time.
type Renew struct {
	Node  record.Node
	Lease time.Duration
}

// Leave removes the node from the cluster.
type Leave struct{}

// Membership reads the cluster, without the shards when the version is Known. Its
// answer is a record.Membership.
type Membership struct{ Known int64 }

// Planner tries to make a node the planner. Its answer is a bool: whether it is.
type Planner struct {
	Node  string
	Lease time.Duration
}

// Bury declares a node's session lost if its lease ended record.BurialDelay ago.
// Its answer is a bool: whether it did.
type Bury struct {
	Node    string
	Session int64
}

// AssignShards carries out a plan.
type AssignShards struct{ Plan []record.Shard }

// Handover gives shards of the node, at their epochs, to a session of another.
// Its answer is a map[int]int64, the new epochs. It goes through the committer,
// in a transaction of its own.
type Handover struct {
	Shards    []record.Shard
	To        string
	ToSession int64
}

func (Register) op()     {}
func (Renew) op()        {}
func (Leave) op()        {}
func (Membership) op()   {}
func (Planner) op()      {}
func (Bury) op()         {}
func (AssignShards) op() {}
func (Handover) op()     {}

func (o Register) perform(t transaction) (any, error) {
	if err := record.CheckNode(o.Node); err != nil {
		return nil, err
	}
	n := t.db.nodes[o.Node.ID]
	n = node{session: n.session + 1, leased: true, expires: t.now.Add(o.Lease), info: o.Node}
	n.info.Started = record.Stamp(o.Node.Started)
	t.db.nodes[o.Node.ID] = n
	t.db.abandon(o.Node.ID)
	return n.session, nil
}

// abandon takes a node's shards from it.
func (db *Database) abandon(id string) {
	db.version++
	for i, s := range db.shards {
		db.shards[i], _ = s.Abandon(id)
	}
}

func (o Renew) perform(t transaction) (any, error) {
	if t.fence.Session == 0 {
		return nil, record.NotRegistered()
	}
	n := t.db.nodes[t.fence.Node]
	if !n.leased || n.session != t.fence.Session {
		return nil, record.Fenced()
	}
	n.expires = t.now.Add(o.Lease)
	n.info.Load, n.info.Weight = o.Node.Load, o.Node.Weight
	n.info.Agents, n.info.Draining = o.Node.Agents, o.Node.Draining
	t.db.nodes[t.fence.Node] = n
	return nil, nil
}

func (Leave) perform(t transaction) (any, error) {
	if n := t.db.nodes[t.fence.Node]; n.leased && n.session == t.fence.Session {
		if t.db.planner.Node == t.fence.Node {
			t.db.planner.Expires = time.Time{}
		}
		t.db.remove(t.fence.Node)
	}
	return nil, nil
}

// remove takes a node out of the cluster.
func (db *Database) remove(id string) {
	n := db.nodes[id]
	n.session++
	n.leased = false
	db.nodes[id] = n
	db.abandon(id)
}

func (o Membership) perform(t transaction) (any, error) {
	m := record.Membership{Version: t.db.version, Count: len(t.db.shards)}
	for _, id := range slices.Sorted(maps.Keys(t.db.nodes)) {
		n := t.db.nodes[id]
		if !n.leased {
			continue
		}
		info := n.info
		info.Session, info.Alive = n.session, record.Alive(n.expires, t.now)
		m.Nodes = append(m.Nodes, info)
	}
	if t.db.version != o.Known {
		m.Shards = slices.Clone(t.db.shards)
	}
	return m, nil
}

func (o Planner) perform(t transaction) (any, error) {
	mine := t.db.planner.MayPlan(o.Node, t.now)
	if mine {
		t.db.planner = record.Planner{Node: o.Node, Expires: t.now.Add(o.Lease)}
	}
	return mine, nil
}

func (o Bury) perform(t transaction) (any, error) {
	n := t.db.nodes[o.Node]
	if !n.leased || n.session != o.Session || !record.Buriable(n.expires, t.now) {
		return false, nil
	}
	t.db.remove(o.Node)
	return true, nil
}

func (o AssignShards) perform(t transaction) (any, error) {
	changed := false
	for _, p := range o.Plan {
		if !t.db.has(p.Shard) {
			continue
		}
		next, ok := t.db.shards[p.Shard].Assign(p, t.db.nodes[p.Target].leased)
		t.db.shards[p.Shard] = next
		changed = changed || ok
	}
	if changed {
		t.db.version++
	}
	return nil, nil
}

// has reports whether there is a shard of that number.
func (db *Database) has(shard int) bool { return 0 <= shard && shard < len(db.shards) }

func (o Handover) write(t transaction) (any, error) {
	if t.fence.Session == 0 {
		return nil, record.NotRegistered()
	}
	n := t.db.nodes[o.To]
	to := record.Node{ID: o.To, Session: n.session, Alive: record.Alive(n.expires, t.now)}
	if !n.leased || !record.Taker(to, o.ToSession, t.fence.Node) {
		return nil, record.NotAlive(o.To, o.ToSession)
	}
	given := map[int]record.Shard{}
	epochs := map[int]int64{}
	for _, s := range o.Shards {
		if !t.db.has(s.Shard) {
			continue
		}
		if next, ok := t.db.shards[s.Shard].HandOver(t.fence.Node, s.Epoch, o.To); ok {
			given[s.Shard] = next
			epochs[s.Shard] = next.Epoch
		}
	}
	if err := record.HandedOver(len(given), len(o.Shards)); err != nil {
		return nil, err
	}
	for shard, next := range given {
		t.db.shards[shard] = next
	}
	t.db.version++
	return epochs, nil
}
