package host

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// Drills are what a person does to an agent on a host that is alone, to see how the pair bears it. Each
// takes the way of the real thing: an agent that is lost starts from its record as after the loss of
// its node, and one that moves is put to sleep and taken up as when a node is stopped and started.

// drillWait bounds a drill, and the time for which a request waits for one.
const drillWait = 30 * time.Second

// drill is a Lose or a Move under way.
type drill struct{ over chan struct{} }

// drilled runs a drill with an agent, one at a time. In the end the agent goes on as the store has it.
func (h *Host) drilled(ctx context.Context, id tandem.DeviceID, end func(p *pair, left func(departure))) error {
	ctx, cancel := context.WithTimeout(ctx, drillWait)
	defer cancel()
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	d := &drill{make(chan struct{})}
	if _, busy := h.drills.LoadOrStore(p.agent, d); busy {
		return tandem.Errorf(tandem.Conflict, "the agent is on its way already")
	}
	defer func() { h.drills.Delete(p.agent); close(d.over) }()
	gone := make(chan error, 1)
	end(p, func(d departure) { gone <- d.err })
	select {
	case err = <-gone:
	case <-h.ended:
		err = life.ErrStopping
	}
	if err != nil {
		return err
	}
	return h.resume(ctx, []tandem.AgentID{p.agent})
}

// Lose drops what the host has of a device's agent, and the device's connection with it, as the loss of
// a node does. The agent starts from its record.
func (h *Host) Lose(ctx context.Context, id tandem.DeviceID) error {
	return h.drilled(ctx, id, func(p *pair, left func(departure)) {
		p.bring(arrival{event: &life.Vanish{}, left: left})
	})
}

// Move puts a device's agent to sleep and takes it up again, with its whole memory, as a node does
// that is stopped and started. The device's connection ends, and comes back within the grace.
func (h *Host) Move(ctx context.Context, id tandem.DeviceID) error {
	var link tandem.Link
	if err := h.Aside(ctx, id, func() { link = h.inMemory(id).link }); err != nil {
		return err
	}
	return h.drilled(ctx, id, func(p *pair, left func(departure)) {
		p.box.shut(life.ErrStopping) // what comes waits for the end of the drill
		p.bring(arrival{event: &life.Stop{Patience: stopPatience}, left: func(d departure) {
			p.forget()
			if link != nil {
				link.Close("the agent moves: connect again")
			}
			left(d)
		}})
	})
}

// Starve leaves a device's agent no memory, so that its next event ends it. It reports whether the
// agent runs.
func (h *Host) Starve(ctx context.Context, id tandem.DeviceID) (runs bool, err error) {
	err = h.Aside(ctx, id, func() { runs = h.inMemory(id).life.Starve() })
	return runs, err
}

// RestartFor is RestartAgent for another reason.
func (h *Host) RestartFor(ctx context.Context, id tandem.DeviceID, reason tandem.Reason) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	p.bring(arrival{event: &life.Restart{Reason: reason}})
	return nil
}

// Linked reports whether a device has a link.
func (h *Host) Linked(id tandem.DeviceID) bool {
	p := h.inMemory(id)
	if p == nil {
		return false
	}
	_, linked := p.box.linked()
	return linked
}

// Aside calls f between two events of a device's agent, and waits for that. f may look at the agent's
// machine, and have its timers be due.
func (h *Host) Aside(ctx context.Context, id tandem.DeviceID, f func()) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	done := make(chan struct{})
	p.bring(arrival{event: &life.Tick{}, done: func() { f(); close(done) }})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-h.ended:
		return life.ErrStopping
	}
}

// drilling waits for the end of a drill with an agent, and reports whether there was one.
func (h *Host) drilling(ctx context.Context, id tandem.AgentID) bool {
	d, ok := h.drills.Load(id)
	if !ok {
		return false
	}
	select {
	case <-d.(*drill).over:
		return true
	case <-ctx.Done():
		return false
	}
}

// vanishes prepares the end of a pair in a drill. Its next pair may be made from now on.
func (p *pair) vanishes(left func(departure)) {
	p.left = append(p.left, left)
	p.forget()
	if p.link != nil {
		p.link.Close("the agent's node is lost: connect again")
	}
}

// forget takes the pair out of the host.
func (p *pair) forget() {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	p.host.devices.CompareAndDelete(p.device, p)
	p.host.agents.CompareAndDelete(p.agent, p)
}
