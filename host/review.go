package host

import (
	"context"
	"errors"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/record"
)

// Deployed and Assigned are called once on all hosts. A pair that was between two hosts, or
// had none, at that moment has missed them. The methods here may be called at any time: they
// do not affect a pair that is up to date.

// ReviewGroup is Review for the devices of a group. If of is nil it is for all of them, and
// the group's code is read again.
func (h *Host) ReviewGroup(ctx context.Context, group string, of func(tandem.AgentID) bool) error {
	h.init()
	if of == nil {
		h.forgetProgram(group, nil)
	}
	devices, err := h.devicesOf(ctx, group)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if err := h.review(d, of); err != nil {
			return err
		}
	}
	return nil
}

// Review makes both sides of a pair run its group's current code, unless they already do.
// It ignores a pair for which of returns false; nil means all pairs.
func (h *Host) Review(ctx context.Context, id tandem.DeviceID, of func(tandem.AgentID) bool) error {
	h.init()
	d, err := h.Store.Device(ctx, id)
	switch {
	case err != nil && tandem.KindOf(err) == tandem.NotFound:
		return nil // the device has been deleted since
	case err != nil:
		return err
	}
	return h.review(d, of)
}

func (h *Host) review(d record.Device, of func(tandem.AgentID) bool) error {
	if of != nil && !of(d.Agent) {
		return nil
	}
	p, err := h.enter(d)
	switch {
	case errors.Is(err, life.ErrElsewhere):
		return nil // the pair has moved on, and is reviewed on its host
	case err != nil:
		return err
	}
	p.bring(arrival{event: &life.Review{Group: d.Group}})
	return nil
}

// Remind gives a pair the last hello of its device on its current link, which a host that
// took the pair over from a lost one has not received.
func (h *Host) Remind(id tandem.DeviceID, hello []byte) {
	if p := h.inMemory(id); p != nil {
		p.bring(arrival{event: &life.Remind{Data: hello}})
	}
}
