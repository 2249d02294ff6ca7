package host

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/life"
)

// stopPatience is how long a stopping node waits for agents in the middle of an event.
const stopPatience = 5 * time.Second

// stopAll stops all agents and saves them in the store.
func (h *Host) stopAll() error {
	h.mu.Lock()
	h.stopping = true
	h.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range h.pairs() {
		wg.Add(1)
		p.bring(arrival{event: &life.Stop{Patience: stopPatience}, left: func(departure) { wg.Done() }})
	}
	wg.Wait()
	for _, cancel := range h.away.Range { // do not wait for requests of agents that have moved
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

// putToSleep stores the final state of a life.
func (p *pair) putToSleep(e *life.End) {
	p.end()
	asked := p.left
	p.left = nil
	p.host.Store.End(p.agent, e.Incarnation, e.Data, func(err error) {
		p.report("agent not put to sleep; it will start from its saved state", e.Incarnation, err)
		for _, left := range asked {
			left(departure{})
		}
	})
}

// Stopping says that the node is stopping. In a cluster the host needs a lease to save
// agents. From this call on, when the host has had no lease for stopPatience, it drops
// its agents, as if the node had been lost.
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
			if now.Sub(h.start) < time.Duration(h.leaseEnd.Load())+stopPatience {
				continue
			}
			if !told {
				h.Logger.Error("the node stops without a lease: agents that have not been put to sleep yet restart on other nodes")
				told = true
			}
			h.Abandon() // repeatedly, because a move that fails returns agents
		}
	}
}

// Refuse answers all requests that wait for an agent with Unavailable. A stopping node
// calls it when it has waited long enough for the agents' answers.
func (h *Host) Refuse() {
	for _, p := range h.pairs() {
		p.bring(arrival{event: &life.Refuse{}})
	}
}
