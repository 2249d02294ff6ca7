package cluster

import (
	"context"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
)

// table is what a node knows of where everything is. It is never changed, only
// replaced by a newer one.
type table struct {
	version int64 // of the membership that it was made of
	routes  []route
	nodes   map[string]record.Node // that are registered
	changed chan struct{}          // closed when there is a newer table
}

// route is where a shard is.
type route struct {
	owner  string // "" when nobody has it
	epoch  int64
	target string
}

func newTable(m *record.Membership, old *table) *table {
	t := &table{version: m.Version, nodes: map[string]record.Node{}, changed: make(chan struct{})}
	for _, n := range m.Nodes {
		t.nodes[n.ID] = n
	}
	if m.Shards == nil {
		t.routes = old.routes
		return t
	}
	t.routes = make([]route, m.Count)
	for _, s := range m.Shards {
		t.routes[s.Shard] = route{s.Owner, s.Epoch, s.Target}
	}
	if old != nil {
		for i, r := range old.routes { // a broadcast may have been faster than this answer
			if r.epoch > t.routes[i].epoch {
				t.routes[i] = r
			}
		}
	}
	return t
}

// with returns the table with newer routes; nil when they are not newer.
func (t *table) with(m *routesMessage) *table {
	var routes []route
	for i, s := range m.Shards {
		if s < 0 || s >= len(t.routes) || i >= len(m.Epochs) || m.Epochs[i] <= t.routes[s].epoch {
			continue
		}
		if routes == nil {
			routes = slices.Clone(t.routes)
		}
		routes[s] = route{owner: m.Owner, epoch: m.Epochs[i], target: m.Owner}
	}
	if routes == nil {
		return nil
	}
	return &table{version: t.version, routes: routes, nodes: t.nodes, changed: make(chan struct{})}
}

func (t *table) route(id tandem.AgentID) route { return t.routes[placement.ShardOf(id, len(t.routes))] }

// peer returns the run of a node that is registered.
func (t *table) peer(node string) (mesh.Peer, bool) {
	n, ok := t.nodes[node]
	return mesh.Peer{Node: node, Session: n.Session}, ok
}

// setTable makes a newer table the node's, and has links follow their pairs.
func (c *Cluster) setTable(t *table) {
	old := c.table.Swap(t)
	if old != nil {
		close(old.changed)
	}
	for _, s := range c.links.all() {
		r := t.route(s.agent)
		if old == nil || old.route(s.agent).epoch != r.epoch || !s.isBound() {
			go s.rebind()
		}
	}
}

// learn takes a broadcast about routes.
func (c *Cluster) learn(m *routesMessage) {
	c.tableMu.Lock()
	defer c.tableMu.Unlock()
	if t := c.table.Load(); t != nil {
		if newer := t.with(m); newer != nil {
			c.setTable(newer)
		}
	}
}

// await waits until there is a newer table than t, or for a while. Its error is
// that ctx has ended.
func (t *table) await(ctx context.Context, while time.Duration) error {
	short, cancel := context.WithTimeout(ctx, while)
	defer cancel()
	select {
	case <-t.changed:
	case <-short.Done():
	}
	return ctx.Err()
}
