package host

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// Export ends the life of some shards' agents on this host and returns all
// that is needed for them to go on at another. Each is stopped between two
// events, or where its program waits; a save under way, or a start, is waited
// for. From the moment of the call the shards' agents are elsewhere. When ctx
// ends before all could be stopped the error says so; those that were are
// returned all the same, to be given to Import.
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

// leave gives a pair that has left to those who asked it to.
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

// depart tells those who asked the pair to leave or to stop how that went.
func (p *pair) depart(d departure) {
	asked := p.left
	p.left = nil
	for _, left := range asked {
		left(d)
	}
}

// end lets go of what the shell of a life that has ended here has. Of its requests
// and its connection there are some left when what the life wanted of them was
// discarded.
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

// Import is the other half of a move.
type Import struct {
	host  *Host
	pairs []*pair
	moved []*life.Moved
	why   tandem.Reason
	err   error
}

// Err says why some of the agents cannot be taken at the moment. They are to stay
// where they are.
func (im *Import) Err() error { return im.err }

// Import makes machines of what another host has exported, but lets nothing
// happen yet. why is for the agents' logs; "" is for agents that come back to
// the host that they did not leave after all.
func (h *Host) Import(ctx context.Context, moved []*life.Moved, why tandem.Reason) *Import {
	h.init()
	im := &Import{host: h, why: why}
	for _, m := range moved {
		p, err := h.arrive(ctx, m)
		if err != nil {
			im.err = err
			continue
		}
		im.moved, im.pairs = append(im.moved, m), append(im.pairs, p)
	}
	return im
}

// Origins returns where answers that the agents owe are to go.
func (im *Import) Origins() (list []tandem.Origin) {
	for _, m := range im.moved {
		list = append(list, m.Origins...)
	}
	return list
}

// Activate lets the agents go on. Their shards are open from then on.
func (im *Import) Activate(shards []int) {
	h := im.host
	for i, p := range im.pairs { // no other goroutine knows them yet
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
}

// arrive makes a pair of what has arrived.
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

// timedOut reports whether an error is of the moment.
func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// NodeLost tells the host that a node is gone: what it was doing for agents that are
// here now has failed. The links of its gateway end one by one, by Disconnect.
func (h *Host) NodeLost(node string, emptied bool) {
	for _, p := range h.pairs() {
		p.bring(arrival{event: &life.NodeLost{Node: node, Emptied: emptied}})
	}
}

// NodeLostFor is NodeLost for one agent, which was on its way when the node was lost.
func (h *Host) NodeLostFor(node string, id tandem.AgentID) {
	if p, ok := h.agents.Load(id); ok {
		p.(*pair).bring(arrival{event: &life.NodeLost{Node: node}})
	}
}
