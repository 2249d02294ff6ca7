package host

import (
	"context"
	"errors"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// Deployed and Assigned are told once, to all hosts. A pair that was between two hosts, or
// had none, at that moment has not heard of it. What is here may be told at any time: a
// pair that has heard is left alone.

// ReviewGroup is Review for the devices of a group. Without of it is for all of them, and
// the group's code is read again.
func (h *Host) ReviewGroup(ctx context.Context, group string, of func(tandem.AgentID) bool) error {
	h.init()
	if of == nil {
		h.forgetProgram(group, nil)
	}
	devices, _, err := h.Store.Devices(ctx, store.DeviceFilter{Group: group}, store.Page{})
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

// Review has both sides of a pair run what its group has now, unless they do. It is for
// a pair that of says so of; nil says so of all.
func (h *Host) Review(ctx context.Context, id tandem.DeviceID, of func(tandem.AgentID) bool) error {
	h.init()
	d, err := h.Store.Device(ctx, id)
	switch {
	case err != nil && tandem.KindOf(err) == tandem.NotFound:
		return nil // it was deleted since
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
		return nil // it has left again, and is reviewed where it is
	case err != nil:
		return err
	}
	p.bring(arrival{event: &life.Review{Group: d.Group}})
	return nil
}

// Remind tells a pair what its device said of itself before, by the link that it has: a
// host that took the pair over from a lost one has not heard it.
func (h *Host) Remind(id tandem.DeviceID, hello []byte) {
	if p := h.inMemory(id); p != nil {
		p.bring(arrival{event: &life.Remind{Data: hello}})
	}
}
