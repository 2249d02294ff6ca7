package host

import (
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem/meter"
)

// counts has the host's counters, over all of its agents.
type counts struct {
	live, frozen, events atomic.Int64
	toAgent, toDevice    atomic.Int64
	saves                meter.Times
	unsaved              atomic.Int64
	faults               atomic.Int64
	restarts, moves      meter.Labelled
	over                 meter.Labelled
}

// Activity is the counters since the start of the host.
type Activity struct {
	Live, Frozen      int64 // agents in memory now, as machines and as bytes
	Events            int64 // given to agents
	ToAgent, ToDevice int64 // messages
	Saves             meter.Histogram
	Unsaved           int64            // saves that failed
	Faults            int64            // of the server, which ended an incarnation or a pair
	Restarts          map[string]int64 // of agents, by reason
	Moves             map[string]int64 // of agents to this host, by reason
	Over              map[string]int64 // how often each limit of agents and the host was met, by name in tandem.Over
}

// Activity returns the counters since the start of the host.
func (h *Host) Activity() Activity {
	c := &h.counts
	return Activity{
		Live: c.live.Load(), Frozen: c.frozen.Load(), Events: c.events.Load(),
		ToAgent: c.toAgent.Load(), ToDevice: c.toDevice.Load(),
		Saves: c.saves.Read(), Unsaved: c.unsaved.Load(), Faults: c.faults.Load(),
		Restarts: c.restarts.All(), Moves: c.moves.All(), Over: c.over.All(),
	}
}

func (h *Host) over(limit string) { h.counts.over.Add(limit, 1) }

// saved counts a save that began at a time.
func (c *counts) saved(began time.Time, err error) {
	if err != nil {
		c.unsaved.Add(1)
		return
	}
	c.saves.Observe(time.Since(began))
}
