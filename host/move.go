package host

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// Export stops the agents of some shards on this host and returns their state, for
// another host to resume them. Each is stopped between two events, or where its program
// waits; Export waits for a save or a start under way. From the moment of the call the
// host answers ErrElsewhere for these agents. When ctx ends before all have stopped,
// Export fails, and also returns the stopped ones, to be given to Import.
func (h *Host) Export(ctx context.Context, shards []int) ([]*life.Moved, error) {
	pairs := h.closeShards(shards)
	patience := time.Hour
	if until, ok := ctx.Deadline(); ok {
		patience = time.Until(until)
	}
	var (
		mu     sync.Mutex
		all    []*life.Moved
		failed error
		wg     sync.WaitGroup
	)
	for _, p := range pairs {
		wg.Add(1)
		p.box.shut(life.ErrElsewhere)
		p.bring(arrival{event: &life.Leave{Node: h.node, Patience: patience}, left: func(d departure) {
			defer wg.Done()
			mu.Lock()
			defer mu.Unlock()
			if d.moved != nil {
				all = append(all, d.moved)
			}
			if d.err != nil {
				failed = d.err
			}
		}})
	}
	if !h.await(&wg) {
		return nil, life.ErrStopping
	}
	return all, failed
}

// leave removes a pair from the host and passes its state to the callers of Leave.
func (p *pair) leave(m *life.Moved) {
	if m != nil {
		p.box.depart(m)
		p.host.mu.Lock()
		p.host.devices.CompareAndDelete(p.device, p)
		p.host.agents.CompareAndDelete(p.agent, p)
		p.host.mu.Unlock()
	}
	p.end()
	p.depart(departure{moved: m})
}

// depart tells the callers of Leave and Stop the result.
func (p *pair) depart(d departure) {
	asked := p.left
	p.left = nil
	for _, left := range asked {
		left(d)
	}
}

// end releases the resources of a pair whose life has ended here. Requests and a
// connection are left when the life's effects on them were discarded.
func (p *pair) end() {
	p.box.shut(p.life.Gone())
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, c := range p.calls {
		c.cancel()
	}
	p.calls = nil
	if p.broker != nil {
		p.closeMQTT(p.broker.number)
	}
}

// Import has the agents of a move on their new host, before they are activated.
type Import struct {
	host  *Host
	pairs []*pair
	moved []*life.Moved
	lost  []*life.Moved // whose state is damaged; they start from their records
	why   tandem.Reason
	err   error
}

// Err says why agents cannot be taken now, by this node or at the moment. Then all must
// stay on their host.
func (im *Import) Err() error { return im.err }

// Import restores the machines of agents that another host has exported, without running
// them. why is for the agents' logs; it is "" for agents that return to their own host
// after a move that failed.
func (h *Host) Import(ctx context.Context, moved []*life.Moved, why tandem.Reason) *Import {
	h.init()
	im := &Import{host: h, why: why}
	for _, m := range moved {
		p, err := h.arrive(ctx, m)
		switch {
		case err == nil:
			im.moved, im.pairs = append(im.moved, m), append(im.pairs, p)
		case damaged(err):
			// The others of the move do not wait for this one.
			h.Logger.Error("the state of an agent that has moved here is damaged; it starts from its saved state",
				"agent", m.Agent, "device", m.Device, "err", err)
			im.lost = append(im.lost, m)
		default:
			im.err = err
		}
	}
	return im
}

// Origins returns the origins of the requests that wait for the agents' answers.
func (im *Import) Origins() (list []tandem.Origin) {
	for _, m := range im.moved {
		list = append(list, m.Origins...)
	}
	return list
}

// Activate resumes the agents and opens their shards.
func (im *Import) Activate(shards []int) {
	h := im.host
	for i, p := range im.pairs { // no other goroutine has them yet
		if ref := im.moved[i].Link; ref != nil {
			p.link = h.others.Link(*ref, p.device, p.agent)
		}
		p.box.put(arrival{event: &life.GoOn{Why: im.why}})
	}
	h.mu.Lock()
	for _, s := range shards {
		h.open[s] = true
	}
	for _, p := range im.pairs {
		h.devices.Store(p.device, p)
		h.agents.Store(p.agent, p)
	}
	h.mu.Unlock()
	for _, p := range im.pairs {
		h.spawn(func() { p.run(nil) })
	}
	for _, m := range im.lost {
		for _, origin := range m.Origins {
			h.others.Answered(origin, nil, life.ErrLost)
		}
		h.spawn(func() { h.revive(m.Agent) })
	}
}

// arrive makes a pair from the state of an exported one.
func (h *Host) arrive(ctx context.Context, m *life.Moved) (*pair, error) {
	l, unfit, err := life.Arrive(&h.config, h.now(), m, func(group string) (*life.Program, error) {
		pr, err := h.programOf(ctx, group)
		if err != nil {
			return nil, unavailable(err)
		}
		return &pr.Program, nil
	})
	if err != nil {
		return nil, err
	}
	if unfit != nil {
		h.Logger.Warn("agent cannot go on here; it starts from its saved state", "agent", m.Agent, "err", unfit)
	}
	p := h.newPair(l)
	p.box.door = m.Door()
	return p, nil
}

// damaged reports whether an agent cannot be taken because of its own state, on whatever
// node.
func damaged(err error) bool {
	kind := tandem.KindOf(err)
	return kind == tandem.Invalid || kind == tandem.Internal
}

// timedOut reports whether an error is a timeout or a cancellation.
func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// NodeLost tells the host that a node is lost: its outgoing requests for agents that are
// now here have failed. settled says that the node had announced that all is told of the links
// of its gateway. Links that have not ended end one by one, by Disconnect.
func (h *Host) NodeLost(node string, settled bool) {
	for _, p := range h.pairs() {
		p.bring(arrival{event: &life.NodeLost{Node: node, Settled: settled}})
	}
}

// NodeLostFor is NodeLost for one agent, which was on its way when the node was lost.
func (h *Host) NodeLostFor(node string, id tandem.AgentID) {
	if p, ok := h.agents.Load(id); ok {
		p.(*pair).bring(arrival{event: &life.NodeLost{Node: node}})
	}
}
