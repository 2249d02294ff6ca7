package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/mesh"
)

// What the control plane asks of hosts.
const (
	askRestartAgent  = "restart agent"
	askRestartDevice = "restart device"
	askOnline        = "online"
	askRuns          = "runs"
	askDeployed      = "deployed"
	askAssigned      = "assigned"
	askDeleted       = "deleted"
	askDrain         = "drain"
)

const askWait = 5 * time.Second

// RestartAgent restarts a device's agent.
func (c *Cluster) RestartAgent(ctx context.Context, id tandem.DeviceID) error {
	return c.askOwner(ctx, askRestartAgent, id).err
}

// RestartDevice asks a device to restart its code.
func (c *Cluster) RestartDevice(ctx context.Context, id tandem.DeviceID) error {
	return c.askOwner(ctx, askRestartDevice, id).err
}

// Online reports whether a device has a link; false also when nobody can say.
func (c *Cluster) Online(id tandem.DeviceID) bool {
	return c.askOwner(context.Background(), askOnline, id).yes
}

// Runs reports whether a device's agent runs.
func (c *Cluster) Runs(id tandem.DeviceID) bool {
	return c.askOwner(context.Background(), askRuns, id).yes
}

// Deployed tells all nodes that a device group has a new deployment.
func (c *Cluster) Deployed(ctx context.Context, group string) error {
	return c.askAll(ctx, &askMessage{What: askDeployed, Group: group})
}

// Assigned tells all nodes that a device is in another device group.
func (c *Cluster) Assigned(ctx context.Context, id tandem.DeviceID) error {
	return c.askAll(ctx, &askMessage{What: askAssigned, Device: id})
}

// Deleted tells all nodes that a device is no more.
func (c *Cluster) Deleted(id tandem.DeviceID) {
	if err := c.askAll(context.Background(), &askMessage{What: askDeleted, Device: id}); err != nil {
		c.logger.Warn("not all nodes know that a device has been deleted", "device", id, "err", err)
	}
}

// DrainNode has a node give its agents to others, and returns when it has begun
// to; Status shows how far it is. It gets none again before it starts anew.
func (c *Cluster) DrainNode(ctx context.Context, node string) error {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	for {
		t := c.table.Load()
		peer, ok := t.peer(node)
		if !ok {
			return tandem.Errorf(tandem.NotFound, "the cluster has no node %q; tandem cluster status lists them", node)
		}
		if !t.othersFor(node) {
			return tandem.Errorf(tandem.Conflict, "no other node can take the agents of %s; start one first", node)
		}
		if a := c.ask(ctx, peer, &askMessage{What: askDrain}); !a.lost {
			return a.err
		}
		if c.pauseForNews(ctx, t) != nil { // it may be starting anew
			return tandem.Errorf(tandem.Unavailable, "node %s does not answer", node)
		}
	}
}

// othersFor reports whether other nodes can take a node's agents.
func (t *table) othersFor(node string) bool {
	for id, n := range t.nodes {
		if id != node && n.Alive && !n.Draining {
			return true
		}
	}
	return false
}

func (c *Cluster) beginDrain(ctx context.Context) {
	c.draining.Store(true)
	if err := c.Store.Renew(ctx, c.info(), c.Lease); err != nil {
		// The next renewal says so too; and who has been declared lost comes
		// back with no agents, and gets none.
		c.logger.Warn("the others do not know yet that this node gives its agents away", "err", err)
	}
	c.broadcast(kindRoutes, &routesMessage{})
	c.look()
}

// askOwner asks the node that has a device's agent.
func (c *Cluster) askOwner(ctx context.Context, what string, id tandem.DeviceID) *toldAnswer {
	d, err := c.Store.Device(ctx, id)
	if err != nil {
		return &toldAnswer{err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	for {
		t := c.table.Load()
		if peer, ok := t.peer(t.route(d.Agent).owner); ok {
			a := c.ask(ctx, peer, &askMessage{What: what, Device: id})
			if !a.elsewhere && !a.lost {
				return a
			}
		}
		if c.pauseForNews(ctx, t) != nil {
			return &toldAnswer{err: tandem.Errorf(tandem.Unavailable, "the node that has the agent of device %s cannot be reached", id)}
		}
	}
}

// askAll asks every node; the error is that of one of them.
func (c *Cluster) askAll(ctx context.Context, m *askMessage) error {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	t := c.table.Load()
	answers := make(chan error, len(t.nodes))
	asked := 0
	for id, n := range t.nodes {
		if n.Alive {
			asked++
			go func() { answers <- c.askNode(ctx, id, m) }()
		}
	}
	var failed error
	for range asked {
		if err := <-answers; err != nil {
			failed = err
		}
	}
	return failed
}

// askNode asks a node until it has answered, or is gone: then it knows nothing that
// would have to be corrected. What is asked may be done twice.
func (c *Cluster) askNode(ctx context.Context, node string, m *askMessage) error {
	for {
		t := c.table.Load()
		peer, ok := t.peer(node)
		if !ok || !t.nodes[node].Alive {
			return nil
		}
		if a := c.ask(ctx, peer, m); !a.lost {
			return a.err
		}
		if c.pauseForNews(ctx, t) != nil {
			return tandem.Errorf(tandem.Unavailable, "node %s does not answer", node)
		}
	}
}

func (c *Cluster) ask(ctx context.Context, peer mesh.Peer, m *askMessage) *toldAnswer {
	if peer.Node == c.Info.ID {
		return c.answer(ctx, peer, m)
	}
	q := *m
	q.ID = c.ids.Add(1)
	k := c.calls.add(q.ID, peer)
	defer c.calls.remove(q.ID)
	if err := c.send(peer, kindAsk, &q); err != nil {
		return &toldAnswer{lost: true}
	}
	select {
	case a := <-k.answer:
		return a
	case <-ctx.Done():
		return &toldAnswer{err: tandem.Errorf(tandem.Unavailable, "node %s does not answer", peer.Node)}
	}
}

// tell answers a question of another node.
func (c *Cluster) tell(from mesh.Peer, m *askMessage) {
	ctx, cancel := context.WithTimeout(context.Background(), askWait)
	defer cancel()
	a := c.answer(ctx, from, m)
	c.reply(from, kindTold, &toldMessage{ID: m.ID, Yes: a.yes, Elsewhere: a.elsewhere, Failure: failureOf(a.err), Lines: a.lines})
}

// answer answers a question from what this node's host knows.
func (c *Cluster) answer(ctx context.Context, from mesh.Peer, m *askMessage) *toldAnswer {
	switch m.What {
	case askHistory, askFollow, askUnfollow:
		return c.answerLog(ctx, from, m)
	case askDrain:
		c.beginDrain(ctx)
		return &toldAnswer{}
	case askDeployed:
		return &toldAnswer{err: c.Host.Deployed(ctx, m.Group)}
	case askAssigned:
		return &toldAnswer{err: c.Host.Assigned(ctx, m.Device)}
	case askDeleted:
		c.Host.Deleted(m.Device)
		return &toldAnswer{}
	case askOnline:
		return &toldAnswer{yes: c.Host.Online(m.Device)}
	case askRuns:
		return &toldAnswer{yes: c.Host.Runs(m.Device)}
	case askRestartAgent, askRestartDevice:
		do := c.Host.RestartAgent
		if m.What == askRestartDevice {
			do = c.Host.RestartDevice
		}
		err := do(ctx, m.Device)
		if errors.Is(err, life.ErrElsewhere) {
			return &toldAnswer{elsewhere: true}
		}
		return &toldAnswer{err: err}
	}
	return &toldAnswer{err: tandem.Errorf(tandem.Invalid, "this node does not know what %q is: it may be of an older version", m.What)}
}
