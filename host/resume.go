package host

import (
	"context"
	"errors"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/record"
)

// resumeAll brings back the agents that ran when the node last stopped: agents with a
// snapshot resume, others restart.
func (h *Host) resumeAll(ctx context.Context) error {
	running, err := h.Store.Running(ctx)
	if err != nil {
		return err
	}
	return h.resume(ctx, running)
}

// TakeUp brings back the agents of shards that the host got without their agents: agents
// with a snapshot resume, agents whose node was lost restart.
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
			continue // it already runs here
		}
		if tandem.KindOf(err) == tandem.NotFound || errors.Is(err, life.ErrElsewhere) {
			continue // it was deleted, or another node has it
		}
		if damage := new(record.Damaged); errors.As(err, &damage) {
			h.Logger.Error("agent not resumed: its device's record is damaged", "agent", id, "err", err)
			continue
		}
		if err != nil {
			return err
		}
		p.bring(arrival{event: &life.Resume{}})
	}
	return nil
}
