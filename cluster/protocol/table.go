package protocol

import (
	"cmp"
	"slices"

	"github.com/tandem-iot/tandem/store/record"
)

// Route is the owner and target of a shard.
type Route struct {
	Owner  string // "": none
	Epoch  int64
	Target string
}

// Table is a node's view of the shards and nodes. It is never changed, only
// replaced by a newer one. It may be old: actions that follow from it are checked
// in the database or by epochs.
type Table struct {
	Version int64 // of the membership that it was made from
	Routes  []Route
	Nodes   []record.Node // the registered nodes, ordered by id
}

// NewTable returns the table for a membership. If that has no shards, those of the old
// table are kept. A broadcast may have been faster than the reading, so for each shard
// the route with the higher epoch counts.
func NewTable(m *record.Membership, old *Table) *Table {
	t := &Table{Version: m.Version, Nodes: slices.Clone(m.Nodes)}
	slices.SortFunc(t.Nodes, func(a, b record.Node) int { return cmp.Compare(a.ID, b.ID) })
	if m.Shards == nil && old != nil {
		t.Routes = old.Routes
		return t
	}
	t.Routes = make([]Route, m.Count)
	for _, s := range m.Shards {
		if s.Shard >= 0 && s.Shard < m.Count {
			t.Routes[s.Shard] = Route{Owner: s.Owner, Epoch: s.Epoch, Target: s.Target}
		}
	}
	if old != nil {
		for i, r := range old.Routes {
			if i < len(t.Routes) && r.Epoch > t.Routes[i].Epoch {
				t.Routes[i] = r
			}
		}
	}
	return t
}

// With returns the table with newer routes, or nil when none is newer.
func (t *Table) With(m *Routes) *Table {
	var routes []Route
	for i, s := range m.Shards {
		if s < 0 || s >= len(t.Routes) || i >= len(m.Epochs) || m.Epochs[i] <= t.Routes[s].Epoch {
			continue
		}
		if routes == nil {
			routes = slices.Clone(t.Routes)
		}
		routes[s] = Route{Owner: m.Owner, Epoch: m.Epochs[i], Target: m.Owner}
	}
	if routes == nil {
		return nil
	}
	return &Table{Version: t.Version, Routes: routes, Nodes: t.Nodes}
}

// Route returns the route of a shard, or the zero Route when there is no such shard.
func (t *Table) Route(shard int) Route {
	if t == nil || shard < 0 || shard >= len(t.Routes) {
		return Route{}
	}
	return t.Routes[shard]
}

// Node returns a registered node, or nil when it is not registered.
func (t *Table) Node(id string) *record.Node {
	if t == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(t.Nodes, id, func(n record.Node, id string) int { return cmp.Compare(n.ID, id) })
	if !ok {
		return nil
	}
	return &t.Nodes[i]
}

// Peer returns the registered run of a node.
func (t *Table) Peer(node string) (Peer, bool) {
	if n := t.Node(node); n != nil {
		return peerOf(n), true
	}
	return Peer{}, false
}

// Has reports whether exactly this run is registered.
func (t *Table) Has(p Peer) bool {
	n := t.Node(p.Node)
	return n != nil && n.Session == p.Session
}

// Others returns the other nodes that are alive.
func (t *Table) Others(self string) (list []Peer) {
	if t == nil {
		return nil
	}
	for i := range t.Nodes {
		if n := &t.Nodes[i]; n.Alive && n.ID != self {
			list = append(list, peerOf(n))
		}
	}
	return list
}

// TakersFor reports whether another node than the given one can take agents.
func (t *Table) TakersFor(node string) bool {
	return slices.ContainsFunc(t.Nodes, func(n record.Node) bool { return n.ID != node && n.Alive && !n.Draining })
}

// Owned returns how many shards a node owns.
func (t *Table) Owned(node string) (n int) {
	for _, r := range t.Routes {
		if r.Owner == node {
			n++
		}
	}
	return n
}

// MeanLoad returns the mean load of the nodes that can take shards.
func (t *Table) MeanLoad() float64 {
	sum, n := 0.0, 0
	for _, node := range t.Nodes {
		if node.Alive && !node.Draining {
			sum += node.Load
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
