package host

import (
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/placement"
)

// In a cluster, agents are divided among the hosts by shard. Package cluster decides
// which shards a host has; the host refuses everything for agents of other shards with
// life.ErrElsewhere.

// Others is the rest of the cluster. Its methods do not block.
type Others interface {
	// Answered sends the answer to a request that has moved with its agent.
	Answered(o tandem.Origin, r *tandem.Response, err error)
	// Link returns a link by its reference.
	Link(ref tandem.LinkRef, device tandem.DeviceID, agent tandem.AgentID) tandem.Link
	// Fetched sends the result of an outgoing request to its agent, which has moved
	// since: a part of the body, or the end. taken is called when the result is on its
	// way, so that results sent afterwards do not overtake it.
	Fetched(f tandem.FetchRef, r *tandem.Response, part []byte, taken func())
	// CancelFetch ends an outgoing request that another node makes.
	CancelFetch(f tandem.FetchRef)
}

// Join makes the host part of a cluster: it has no shards yet, and runs no agent
// without a lease. It must be called before Run.
func (h *Host) Join(others Others, node string, shards int) {
	h.init()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.others, h.node = others, node
	h.open = make([]bool, shards)
	h.leaseChanged = make(chan struct{})
}

// Lease lets agents run until a time, by this machine's monotonic clock. After that
// time, the owner of a pair waits for the next lease, or for Abandon, before it runs the
// agent or carries out its effects.
func (h *Host) Lease(until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaseEnd.Store(int64(until.Sub(h.start)))
	h.wakeWaiting()
}

// leased waits until the host has a lease for the pair. It returns false when the pair
// was abandoned.
func (p *pair) leased() bool {
	h := p.host
	if h.others == nil || p.life.Ended() {
		return true
	}
	for !p.abandoned.Load() {
		if h.holdsLease() {
			return true
		}
		h.mu.Lock()
		changed := h.leaseChanged
		h.mu.Unlock()
		if !h.holdsLease() && !p.abandoned.Load() {
			<-changed
			p.now = h.now()
		}
	}
	return false
}

func (h *Host) holdsLease() bool { return int64(time.Since(h.start)) < h.leaseEnd.Load() }

// discard replaces perform for the effects of an abandoned agent. Callers that wait for
// an answer get ErrLost.
func (p *pair) discard(effects []life.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case *life.Answer:
			p.tokens.take(e.Token).wait.finish(nil, life.ErrLost)
		case *life.AnswerAway:
			p.host.others.Answered(e.Origin, nil, life.ErrLost)
		case *life.Left, *life.End, *life.Stopped:
			p.depart(departure{})
		}
	}
}

// vanish ends the life of a pair that another node now owns, or whose device has been
// deleted.
func (p *pair) vanish() {
	p.now = p.host.now()
	p.hold()
	var end life.Event = &life.Vanish{}
	if p.deleted.Load() {
		end = &life.Deleted{}
	}
	p.perform(p.life.Take(p.now, 0, end))
	p.gauge()
}

// Has reports whether the host has an agent's shard.
func (h *Host) Has(id tandem.AgentID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.has(id)
}

func (h *Host) has(id tandem.AgentID) bool {
	return h.open == nil || h.open[placement.ShardOf(id, len(h.open))]
}

// OpenShards gives the host shards that no host had, or whose agents it has already
// taken with Import.
func (h *Host) OpenShards(shards []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range shards {
		h.open[s] = true
	}
}

// closeShards takes shards away and returns their pairs.
func (h *Host) closeShards(shards []int) (pairs []*pair) {
	h.mu.Lock()
	defer h.mu.Unlock()
	closing := map[int]bool{}
	for _, s := range shards {
		h.open[s] = false
		closing[s] = true
	}
	for _, x := range h.agents.Range {
		if p := x.(*pair); closing[placement.ShardOf(p.agent, len(h.open))] {
			pairs = append(pairs, p)
		}
	}
	return pairs
}

// Abandon drops all agents and shards, because other nodes own them. Pending effects of
// the agents are discarded; when Abandon returns all agents have stopped.
func (h *Host) Abandon() {
	h.mu.Lock()
	for i := range h.open {
		h.open[i] = false
	}
	clear(h.programs) // a deployment meanwhile may have been missed
	all := h.pairs()
	for _, p := range all {
		p.abandoned.Store(true)
		h.devices.Delete(p.device)
		h.agents.Delete(p.agent)
	}
	h.wakeWaiting()
	h.mu.Unlock()
	var left sync.WaitGroup
	for _, p := range all {
		left.Add(1)
		p.bring(arrival{event: &life.Leave{}, left: func(departure) { left.Done() }})
	}
	h.await(&left)
}

// await waits for work of pairs. It returns false when the host has ended, after which
// no pair runs.
func (h *Host) await(work *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-h.ended:
		return false
	}
}

// wakeWaiting wakes the owners that wait for a lease. The lock is held.
func (h *Host) wakeWaiting() {
	close(h.leaseChanged)
	h.leaseChanged = make(chan struct{})
}
