package cluster

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/store/record"
)

// doMember carries out an effect of the Member.
func (c *Cluster) doMember(e protocol.Effect) {
	switch e := e.(type) {
	case protocol.Begin:
		c.begin(e)
	case protocol.Lease:
		c.Host.Lease(c.at(e.Until))
	case protocol.Replace:
		c.replace(e.Table)
	case protocol.Join:
		c.joined(e.Peer)
	case protocol.Lose:
		c.lost(e.Peer)
	case protocol.Belong:
		close(c.ready)
	case protocol.Abandon:
		c.apart(c.Info.ID, c.abandon)
	case protocol.Fail:
		c.fail(e.Failure)
	case protocol.Register, protocol.Renew, protocol.Read, protocol.AskPlanner, protocol.Bury, protocol.Assign:
		c.runs.mu.Lock()
		defer c.runs.mu.Unlock()
		if !c.runs.over {
			c.asking.Go(func() { c.guarded(c.Info.ID, func() { c.ask(e) }) })
		}
	default:
		c.general(e)
	}
}

// ask makes a query of the database, and tells the Member the result.
func (c *Cluster) ask(e protocol.Effect) {
	ctx := context.Background() // the store limits the time of each query
	var outcome func(m *protocol.Member, now tandem.Now) []protocol.Effect
	switch e := e.(type) {
	case protocol.Register:
		session, err := c.Store.Register(ctx, c.info(e.Draining), c.Lease)
		outcome = func(m *protocol.Member, now tandem.Now) []protocol.Effect {
			return m.Registered(now, e.N, session, err)
		}
	case protocol.Renew:
		short, cancel := context.WithTimeout(ctx, e.Patience)
		err := c.Store.Renew(short, c.info(e.Draining), c.Lease)
		cancel()
		outcome = func(m *protocol.Member, now tandem.Now) []protocol.Effect { return m.Renewed(now, e.N, err) }
	case protocol.Read:
		rows, err := c.Store.Membership(ctx, e.Known)
		outcome = func(m *protocol.Member, now tandem.Now) []protocol.Effect { return m.HaveRead(now, e.N, rows, err) }
	case protocol.AskPlanner:
		mine, err := c.Store.Planner(ctx, c.Info.ID, e.Lease)
		outcome = func(m *protocol.Member, now tandem.Now) []protocol.Effect { return m.Planning(now, e.N, mine, err) }
	case protocol.Bury:
		gone, err := c.Store.Bury(ctx, e.Peer.Node, e.Peer.Session)
		outcome = func(m *protocol.Member, now tandem.Now) []protocol.Effect { return m.Buried(now, e.N, gone, err) }
	case protocol.Assign:
		err := c.Store.AssignShards(ctx, e.Plan)
		outcome = func(m *protocol.Member, now tandem.Now) []protocol.Effect { return m.Assigned(now, e.N, err) }
	}
	c.member.step(outcome)
}

// info returns this node's state for the other nodes.
func (c *Cluster) info(draining bool) record.Node {
	i := c.Info
	i.Draining = draining
	live, frozen, _ := c.Host.Counts()
	i.Agents = int(live + frozen)
	mean := 0.0
	if t := c.table(); t != nil {
		mean = t.MeanLoad()
	}
	i.Load, i.Weight = c.gauge.read(time.Now(), host.ProcessorTime(), mean)
	return i
}

// replace installs a newer table, and passes it to all cores.
func (c *Cluster) replace(t *protocol.Table) {
	old := c.view.Swap(&current{Table: t, changed: make(chan struct{})})
	if old != nil {
		close(old.changed)
	}
	draining := false
	c.member.look(func(m *protocol.Member) { draining = m.Draining() })
	c.guests.step(c, func(g *protocol.Guests) []protocol.Effect { g.Table(t); return nil })
	c.calls.step(c, func(k *protocol.Calls, now tandem.Now) []protocol.Effect { return k.Table(now, t) })
	c.moves.step(func(m *protocol.Moves, now tandem.Now) []protocol.Effect { return m.Table(now, t, draining) })
	c.Net.Know(nodesOf(t))
	c.links.follow(t)
	c.logs.forget(func(p protocol.Peer) bool { return !t.Has(p) })
}

// nodesOf returns the nodes of a table, for the network.
func nodesOf(t *protocol.Table) []mesh.Node {
	list := make([]mesh.Node, len(t.Nodes))
	for i, n := range t.Nodes {
		list[i] = mesh.Node{Name: n.ID, Key: n.Key, Address: n.Address}
	}
	return list
}

// joined tells a new run the recent news, and asks it for its log lines.
func (c *Cluster) joined(p protocol.Peer) {
	c.logger.Info("a node is part of the cluster", "node", p.Node)
	c.news.joined(c, p)
	c.apart(p.Node, func() { c.extendAll(context.Background()) })
}

// lost ends everything that depends on a run that was declared lost.
func (c *Cluster) lost(p protocol.Peer) {
	c.runNow().mesh.Drop(mesh.Peer(p))
	c.moves.step(func(m *protocol.Moves, now tandem.Now) []protocol.Effect { return m.Lost(now, p) })
	settled := false
	c.guests.step(c, func(g *protocol.Guests) []protocol.Effect {
		settled = g.HasSettled(p)
		return g.Lost(p)
	})
	c.calls.step(c, func(k *protocol.Calls, now tandem.Now) []protocol.Effect { return k.Lost(now, p) })
	c.Host.NodeLost(p.Node, settled)
}

// Drain moves the node's agents to other nodes, and returns when none is left or
// no other node can take them. The node serves new devices and requests meanwhile.
// It is for a node that stops, and cannot be undone.
func (c *Cluster) Drain(ctx context.Context) error {
	c.setUp()
	select {
	case <-c.ready:
	default:
		return nil // the node never had agents
	}
	c.leaving.Store(true)
	c.moves.step(func(m *protocol.Moves, _ tandem.Now) []protocol.Effect { m.Refuse(); return nil })
	c.member.step(func(m *protocol.Member, now tandem.Now) []protocol.Effect { return m.Drain(now, true) })
	defer c.halt()
	for {
		v := c.view.Load()
		left := v.Owned(c.Info.ID)
		quiet := false
		c.moves.look(func(m *protocol.Moves) { quiet = m.Quiet() })
		if left == 0 && quiet {
			break
		}
		if !v.TakersFor(c.Info.ID) {
			return nil // they are saved; the next node resumes them
		}
		c.look()
		if v.await(ctx, drainLook) != nil {
			return tandem.Errorf(tandem.Unavailable, "%d shards are still here", left)
		}
	}
	// Wait for outgoing requests of agents that have moved, then for requests of other nodes.
	if err := c.until(ctx, func() bool { return c.Host.Away() == 0 }); err != nil {
		return err
	}
	c.calls.step(c, func(k *protocol.Calls, _ tandem.Now) []protocol.Effect { return k.Empty() })
	return c.until(ctx, func() bool { return c.calls.serving() == 0 })
}

const (
	drainLook = 500 * time.Millisecond
	pollEvery = 10 * time.Millisecond
)

// until polls until so returns true, for conditions without an event.
func (c *Cluster) until(ctx context.Context, so func() bool) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// halt stops all moves. Agents on their way arrive or return before halt returns, because
// afterwards the host would not save them.
func (c *Cluster) halt() {
	c.moves.step(func(m *protocol.Moves, _ tandem.Now) []protocol.Effect { m.Halt(); return nil })
	ctx, cancel := context.WithTimeout(context.Background(), haltWait)
	defer cancel()
	if err := c.until(ctx, c.moving.idle(c)); err != nil {
		c.logger.Warn("agents are still on their way to another node; they restart from what they saved", "err", err)
	}
}

// haltWait limits the wait for agents on their way when the node stops.
const haltWait = 10 * time.Second

// Settle waits until the owners know that all links of this node's gateway have ended,
// and the other nodes have received all messages of this node.
func (c *Cluster) Settle(ctx context.Context) error {
	c.setUp()
	if err := c.until(ctx, func() bool { return len(c.links.all()) == 0 }); err != nil {
		return tandem.Errorf(tandem.Unavailable, "the owners of %d links have not heard that they ended", len(c.links.all()))
	}
	r := c.runNow()
	if r == nil {
		return nil // the node never joined the cluster
	}
	for _, p := range c.table().Others(c.Info.ID) {
		c.say(p, &protocol.Settled{})
	}
	for _, p := range c.table().Others(c.Info.ID) {
		if err := r.mesh.Flush(ctx, mesh.Peer(p)); err != nil && tandem.KindOf(err) != tandem.NotFound {
			return err
		}
	}
	return nil
}

// Another returns the MQTT address of another node, or "" when there is none.
func (c *Cluster) Another() string {
	t := c.table()
	if t == nil {
		return ""
	}
	var all []string
	for _, n := range t.Nodes {
		if n.ID != c.Info.ID && n.Alive && !n.Draining && n.MQTT != "" {
			all = append(all, n.MQTT)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return all[rand.IntN(len(all))]
}

// Leave removes the node from the cluster: its shards lose their owner, and its later
// writes are refused. So it must be called after the host has ended, which saves
// the remaining agents. It waits until Run has returned, because a later registration
// or renewal would keep the node in the cluster until its lease runs out.
func (c *Cluster) Leave(ctx context.Context) error {
	c.setUp()
	select {
	case <-c.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.Store.Leave(ctx)
}
