package host

import (
	"context"
	"errors"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// resumeAll brings back the agents that ran when the node last stopped: those
// it put to sleep go on where they were, those it did not are restarted.
func (h *Host) resumeAll(ctx context.Context) error {
	running, err := h.Store.Running(ctx)
	if err != nil {
		return err
	}
	return h.resume(ctx, running)
}

// TakeUp brings back the agents of shards that the host has been given without
// their agents: those that were put to sleep go on, those whose node was lost
// restart.
func (h *Host) TakeUp(ctx context.Context, shards []int) error {
	running, err := h.Store.RunningIn(ctx, shards)
	if err != nil {
		return err
	}
	return h.resume(ctx, running)
}

func (h *Host) resume(ctx context.Context, running []tandem.AgentID) error {
	for _, id := range running {
		p, err := h.pairOfAgent(ctx, id)
		if err == nil && p.runs.Load() {
			continue // it is here, and well
		}
		if tandem.KindOf(err) == tandem.NotFound || errors.Is(err, life.ErrElsewhere) {
			continue // it was deleted, or another node has it
		}
		if err != nil {
			return err
		}
		p.bring(arrival{event: &life.Resume{}})
	}
	return nil
}
