package host

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// stopPatience is how long a stopping node lets its agents finish what they
// are in the middle of.
const stopPatience = 5 * time.Second

// stopAll puts every agent to sleep in the store.
func (h *Host) stopAll() error {
	h.mu.Lock()
	h.stopping = true
	h.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range h.pairs() {
		wg.Add(1)
		until := time.Now().Add(stopPatience)
		p.command(func() { p.stop(until, wg.Done) })
	}
	wg.Wait()
	for _, cancel := range h.away.Range { // requests for agents that have left; nobody waits so long
		cancel.(context.CancelFunc)()
	}
	h.mu.Lock()
	h.closed = true
	close(h.ended)
	h.mu.Unlock()
	h.work.Wait()
	h.crew.End()
	return nil
}

// Stopping says that the node stops. In a cluster the host needs a lease to put
// agents to sleep, and whoever brings them something waits for it. From now on, when
// there has been none for a while, it drops its agents, as if it had been lost.
func (h *Host) Stopping() {
	if h.others != nil {
		h.spawn(h.dropWithoutLease)
	}
}

func (h *Host) dropWithoutLease() {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	told := false
	for {
		select {
		case <-h.ended:
			return
		case now := <-look.C:
			if now.Sub(h.base) < time.Duration(h.leaseEnd.Load())+stopPatience {
				continue
			}
			if !told {
				h.Logger.Error("the node stops without a lease: agents that have not been put to sleep yet start anew elsewhere")
				told = true
			}
			h.Abandon() // again and again: a move that fails gives agents back
		}
	}
}

// stop ends the pair's life on this node: a machine goes to the store, to be
// taken up by the next node to run, as if nothing had been. ended is called
// when that is durable.
func (p *pair) stop(until time.Time, ended func()) {
	if p.unsettled() && time.Now().Before(until) {
		time.AfterFunc(20*time.Millisecond, func() { p.command(func() { p.stop(until, ended) }) })
		return
	}
	was, m := p.state, p.machine
	p.state, p.machine = stopped, nil // what it waits for comes too late
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, cancel := range p.fetches {
		cancel()
	}
	p.leaveMQTT()
	p.refuseWaiting()
	data := p.frozen
	p.frozen = nil
	switch was {
	case live:
		snapshot, err := m.Snapshot()
		if err != nil {
			p.host.Logger.Error("agent cannot be kept over the restart of the node", "agent", p.agent, "err", err)
			data = noMemory
		} else {
			data = pack(snapshot)
		}
	case frozen:
	case delayed:
		data = noMemory
	default:
		ended()
		return
	}
	if p.incarnation == 0 {
		ended() // nothing of it has ever run here
		return
	}
	p.host.Store.End(p.agent, p.incarnation, data, func(err error) {
		if err != nil {
			p.host.Logger.Error("agent not put to sleep; it will start anew", "agent", p.agent, "err", err)
		}
		ended()
	})
}

// unsettled reports whether the machine is in the middle of something.
func (p *pair) unsettled() bool {
	return p.state == starting || p.posts.pending > 0 || p.state == live && (p.machine.Busy() || len(p.fetches) > 0)
}

// Refuse answers all requests that wait for an agent with Unavailable. A node
// that stops calls it when it has waited for them long enough.
func (h *Host) Refuse() {
	for _, p := range h.pairs() {
		p.refuseWaiting()
	}
}

func (p *pair) refuseWaiting() {
	p.mu.Lock()
	waiting := p.waiting
	p.waiting = nil
	p.mu.Unlock()
	for _, w := range waiting {
		w.finish(p.host, nil, errStopping)
	}
}

// resumeAll brings back the agents that ran when the node last stopped: those
// it put to sleep go on where they were, those it did not are started anew.
func (h *Host) resumeAll(ctx context.Context) error {
	running, err := h.Store.Running(ctx)
	if err != nil {
		return err
	}
	return h.resumeThese(ctx, running)
}

func (h *Host) resumeThese(ctx context.Context, running []tandem.AgentID) error {
	for _, id := range running {
		p, err := h.pairOfAgent(ctx, id)
		if err == nil && p.runs.Load() {
			continue // it is here, and well
		}
		if tandem.KindOf(err) == tandem.NotFound || errors.Is(err, ErrElsewhere) {
			continue // deleted, or somebody else's already
		}
		if err != nil {
			return err
		}
		p.command(p.resume)
	}
	return nil
}

// resume takes the agent's snapshot out of the store. From then on the bytes
// are history: should the node be lost, the agent must not go back to them. So
// everything that may fail for another reason is done before.
func (p *pair) resume() {
	if p.state != absent {
		return // an event was faster, and has seen to it
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	rec, err := p.host.Store.Record(ctx, p.agent)
	if err != nil {
		p.startLater("the agent's record cannot be read", err)
		return
	}
	pr, err := p.program(ctx)
	if err == nil {
		err = pr.agentErr
	}
	switch {
	case tandem.KindOf(err) == tandem.NotFound || pr != nil && err != nil:
		p.codelessFor(err)
		return
	case err != nil:
		p.startLater("the agent's code cannot be read", err)
		return
	}
	p.code = pr.agent
	p.state = starting
	p.host.Store.TakeSnapshot(p.agent, func(snapshot []byte, err error) {
		p.command(func() { p.resumed(rec.Incarnation, snapshot, err) })
	})
}

// noMemory stands for the snapshot of an agent that is to go on, but of whose
// memory there is nothing to go on with.
var noMemory = []byte{0}

func (p *pair) resumed(incarnation uint64, snapshot []byte, err error) {
	if p.state != starting {
		return // the node stops again
	}
	p.state = absent
	if err != nil {
		p.startLater("the agent cannot be taken up", err)
		return
	}
	switch {
	case snapshot == nil:
		p.start(tandem.ReasonHostLost)
		return
	case bytes.Equal(snapshot, noMemory):
		p.start(tandem.ReasonShutdown)
		return
	}
	if !p.leased() { // it may have taken long
		return
	}
	p.incarnation = incarnation
	if err := p.goOn(snapshot); err != nil {
		p.host.Logger.Warn("agent cannot be resumed and starts anew", "agent", p.agent, "err", err)
		p.start(tandem.ReasonBytecode)
		return
	}
	if p.machine != nil && len(p.machine.PostsAwaited()) > 0 {
		p.knowPosts()
	}
	p.restartAgain()
}

// goOn makes a snapshot of an earlier node the pair's machine.
func (p *pair) goOn(snapshot []byte) error {
	m, err := p.restore(snapshot)
	if err != nil {
		return err
	}
	now := time.Now()
	p.machine, p.state, p.started, p.active = m, live, now, now
	p.host.counts.live.Add(1)
	p.host.counts.moves.Add(string(tandem.ReasonShutdown), 1)
	p.log(tandem.LogStatus, "Agent moved: shutdown.")
	p.sendSystem("sys/agent", agentMessage{Event: "moved", Reason: tandem.ReasonShutdown, Incarnation: p.incarnation})
	// The requests it had under way are lost with the node that made them.
	for _, id := range m.Fetching() {
		p.giveBack(item{event: &agent.Fetched{ID: id, Response: &tandem.Response{Status: tandem.FetchReceiveFailed}}})
	}
	if id := m.MQTT(); id != 0 {
		p.lostMQTT(id)
	}
	if m.Saving() {
		p.step(&agent.Saved{Err: errStopping})
	}
	if m.Posting() {
		p.step(&agent.Posted{Err: errStopping})
	}
	p.mu.Lock()
	back, address := p.link != nil, p.address
	p.mu.Unlock()
	switch {
	case back: // and logged already; the agent ignores what it knows
		p.connected, p.graceUntil = true, time.Time{}
		p.tell(&agent.DeviceConnected{Address: address})
	case m.Connected():
		p.connected, p.graceUntil = true, now.Add(p.host.Grace)
	default:
		p.connected = false
	}
	return nil
}
