package host

import (
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem/meter"
)

// counts is what a host counts of all its agents together; an agent's log has
// what concerns it alone.
type counts struct {
	live, frozen, events atomic.Int64
	toAgent, toDevice    atomic.Int64
	saves                meter.Times
	unsaved              atomic.Int64
	restarts, moves      meter.Labelled
	over                 meter.Labelled
}

// Activity is what has happened since the start.
type Activity struct {
	Live, Frozen      int64 // agents in memory now, as machines and as bytes
	Events            int64 // given to agents
	ToAgent, ToDevice int64 // messages
	Saves             meter.Histogram
	Unsaved           int64            // saves that failed
	Restarts          map[string]int64 // of agents, by reason
	Moves             map[string]int64 // of agents to this host, by reason
	Over              map[string]int64 // how often a limit was met, by those of tandem.Over that agents and the host keep
}

// Activity reports what has happened since the start.
func (h *Host) Activity() Activity {
	c := &h.counts
	return Activity{
		Live: c.live.Load(), Frozen: c.frozen.Load(), Events: c.events.Load(),
		ToAgent: c.toAgent.Load(), ToDevice: c.toDevice.Load(),
		Saves: c.saves.Read(), Unsaved: c.unsaved.Load(),
		Restarts: c.restarts.All(), Moves: c.moves.All(), Over: c.over.All(),
	}
}

func (h *Host) over(limit string) { h.counts.over.Add(limit, 1) }

// saved counts a save that was begun at a time.
func (c *counts) saved(began time.Time, err error) {
	if err != nil {
		c.unsaved.Add(1)
		return
	}
	c.saves.Observe(time.Since(began))
}
