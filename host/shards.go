package host

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
)

// In a cluster, agents are divided among the hosts by shard. Which shards a
// host has is decided elsewhere (package placement); the host only keeps to
// it: what concerns an agent of another shard is refused with ErrElsewhere.

// Errors that say where to turn to.
var (
	// ErrElsewhere: the agent is not on this host, or is about to leave it.
	// Nothing has been done; ask whoever has it.
	ErrElsewhere = errors.New("host: the agent is on another node")
	// ErrMoved: the agent has left with the request, and will answer it from
	// wherever it is.
	ErrMoved = errors.New("host: the agent has moved, and the request with it")
	// ErrLost: the host had lost the agent to another node before it answered;
	// whether the request had an effect is not known.
	ErrLost = errors.New("host: the agent was lost to another node")
)

// Others is the rest of the cluster. Its methods do not block.
type Others interface {
	// Answered carries the answer to a request that has moved with its agent.
	Answered(o tandem.Origin, r *tandem.Response, err error)
	// Link returns a link by its reference.
	Link(ref tandem.LinkRef, device tandem.DeviceID, agent tandem.AgentID) tandem.Link
	// Fetched carries what came of an outgoing request to its agent, which has
	// moved since: a part of the body, or the end. taken is called when it is on its
	// way: what is given after that does not overtake it.
	Fetched(f tandem.FetchRef, r *tandem.Response, part []byte, taken func())
	// CancelFetch ends an outgoing request that another node makes.
	CancelFetch(f tandem.FetchRef)
}

// Join makes the host one of a cluster's: it has no shards yet, and runs
// nothing while it has no lease. It is called before Run.
func (h *Host) Join(others Others, node string, shards int) {
	h.init()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.others, h.node = others, node
	h.open = make([]bool, shards)
	h.base = time.Now()
	h.leaseChanged = make(chan struct{})
}

// Lease lets agents run until a time, by this machine's monotonic clock. When
// it has passed, whoever is about to run an agent, or to do what an agent
// wants done, waits for the next lease, or for Abandon.
func (h *Host) Lease(until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaseEnd.Store(int64(until.Sub(h.base)))
	h.wakeWaiting()
}

// leased waits until the host may act for the pair. It returns false when the
// host has lost it; then the pair is no more.
func (p *pair) leased() bool {
	h := p.host
	if h.others == nil {
		return true
	}
	for !p.abandoned.Load() {
		if int64(time.Since(h.base)) < h.leaseEnd.Load() {
			return true
		}
		h.mu.Lock()
		changed := h.leaseChanged
		h.mu.Unlock()
		if int64(time.Since(h.base)) < h.leaseEnd.Load() || p.abandoned.Load() {
			continue
		}
		<-changed
	}
	p.vanish()
	return false
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

// OpenShards gives the host shards that nobody had, or whose agents it has
// taken over with Import already.
func (h *Host) OpenShards(shards []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range shards {
		h.open[s] = true
	}
}

// closeShards takes shards away; it returns their pairs.
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

// TakeUp brings back the agents of shards that the host has been given and
// nobody has handed over: those that were put to sleep go on, those whose node
// was lost start anew.
func (h *Host) TakeUp(ctx context.Context, shards []int) error {
	running, err := h.Store.RunningIn(ctx, shards)
	if err != nil {
		return err
	}
	return h.resumeThese(ctx, running)
}

// Abandon drops everything: others have the host's agents now. Nothing that they
// still want done is done; when it returns the last of them has stopped.
func (h *Host) Abandon() {
	h.mu.Lock()
	for i := range h.open {
		h.open[i] = false
	}
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
		p.command(func() {
			p.vanish()
			left.Done()
		})
	}
	h.await(&left)
}

// await waits for what pairs are to do. It returns false when the host has ended,
// whose pairs run no more.
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

// wakeWaiting has those who wait for a lease look again. The lock is held.
func (h *Host) wakeWaiting() {
	close(h.leaseChanged)
	h.leaseChanged = make(chan struct{})
}

// vanish ends the pair on this host without a trace.
func (p *pair) vanish() {
	if p.state == stopped {
		return
	}
	switch p.state {
	case live, starting:
		p.host.counts.live.Add(-1)
	case frozen:
		p.host.counts.frozen.Add(-1)
	}
	p.retire()
	for _, cancel := range p.fetches {
		cancel()
	}
	p.fetches, p.fetchedAt, p.uploads = nil, nil, nil
	p.mu.Lock()
	waiting := p.waiting
	p.waiting, p.inbox = nil, nil
	p.mu.Unlock()
	for _, w := range waiting {
		err := ErrElsewhere
		if w.begun {
			err = ErrLost
		}
		w.finish(p.host, nil, err)
	}
}

// retire makes the pair take nothing any more.
func (p *pair) retire() {
	p.state = stopped
	p.machine, p.frozen, p.held, p.result = nil, nil, nil, nil
	p.leaveMQTT()
	p.connected, p.graceUntil = false, time.Time{}
	p.current, p.handling = item{}, false
	if p.timer != nil {
		p.timer.Stop()
	}
	p.runs.Store(false)
	p.mu.Lock()
	p.leaving, p.link = true, nil
	p.mu.Unlock()
}
