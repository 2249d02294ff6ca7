package host

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// A panic in an agent's machine ends its incarnation; package life sees to that. A panic
// in the life itself, or in the shell around it, leaves a pair of which nothing can be
// trusted any more. It is dropped, as if its node had been lost: callers get an error, the
// device's connection is closed without an acknowledgement, and the pair is made again from
// its record. Another goroutine is never affected.

const (
	wreckMemory = 10 * time.Minute // as long as package life counts faults
	reviveDelay = time.Second      // in which a move that the wreck has failed puts the shard back
)

var errWrecked = &tandem.Error{
	Kind: tandem.Internal,
	Msg:  "the server met a fault of its own before the agent answered; its operator can read about it in the node's log",
}

// wreck drops a pair after a panic, and leaves a life that has ended in its place, to
// answer what is on its way to it. The caller owns the pair.
func (p *pair) wreck(fault any, stack []byte) {
	h := p.host
	h.counts.faults.Add(1)
	h.Logger.Error("a fault of the server in a pair; it is made again from its record", "agent", p.agent,
		"device", p.device, "panic", fault, "stack", string(stack))
	h.wrecked(p)
	link, dead := p.link, p.owner
	p.owner = owner{now: h.now(), timer: dead.timer, calls: dead.calls, broker: dead.broker, left: dead.left}
	p.life = life.New(&h.config, p.device, p.agent)
	for _, outside := range dead.tokens.list {
		if outside.wait != nil {
			outside.wait.finish(nil, errWrecked)
		}
		if outside.always {
			outside.done()
		}
	}
	for _, a := range append(dead.taking, dead.soon...) {
		p.refuse(a)
	}
	p.live, p.frozen = dead.live, dead.frozen
	p.depart(departure{err: errWrecked})
	p.perform(p.life.Take(p.now, 0, &life.Vanish{}))
	p.gauge()
	if link != nil {
		link.Close("the server met a fault of its own: connect again")
	}
	time.AfterFunc(reviveDelay, func() { h.spawn(func() { h.revive(p.agent) }) })
}

// refuse ends an arrival that the life of a wreck has not been given.
func (p *pair) refuse(a arrival) {
	if a.wait != nil {
		a.wait.finish(nil, errWrecked)
	}
	if a.left != nil {
		p.left = append(p.left, a.left)
	}
	if _, fetched := a.event.(*life.Fetched); fetched && a.done != nil {
		a.done() // gives back the room of the response
	}
}

// wrecked takes a pair out of the host, and remembers when that was.
func (h *Host) wrecked(p *pair) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.devices.CompareAndDelete(p.device, p)
	h.agents.CompareAndDelete(p.agent, p)
	now := h.now().Mono
	for id, times := range h.wrecks {
		times = slices.DeleteFunc(times, func(at time.Duration) bool { return now-at > wreckMemory })
		if h.wrecks[id] = times; len(times) == 0 {
			delete(h.wrecks, id)
		}
	}
	if h.wrecks == nil {
		h.wrecks = map[tandem.AgentID][]time.Duration{}
	}
	h.wrecks[p.agent] = append(h.wrecks[p.agent], now)
}

// revive brings back the agent of a pair that was wrecked.
func (h *Host) revive(id tandem.AgentID) {
	ctx, cancel := context.WithTimeout(context.Background(), readWait)
	defer cancel()
	err := h.resume(ctx, []tandem.AgentID{id})
	if err != nil && !errors.Is(err, life.ErrStopping) {
		h.Logger.Error("an agent is not brought back after a fault; its next event does so", "agent", id, "err", err)
	}
}

// contain ends a panic of a goroutine of the host that is not about one pair.
func (h *Host) contain() {
	if fault := recover(); fault != nil {
		h.counts.faults.Add(1)
		h.Logger.Error("a fault of the server in a goroutine of the host", "panic", fault, "stack", string(debug.Stack()))
	}
}

// contained calls a part of run. It reports whether that ended in a panic, after which the
// pair is a wreck.
func (p *pair) contained(part func()) (failed bool) {
	defer func() {
		if fault := recover(); fault != nil {
			failed = true
			p.wreck(fault, debug.Stack())
		}
	}()
	part()
	return false
}
