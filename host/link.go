package host

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// Connect introduces a device's new link. An older link of the device is closed: the
// newer one is the device's. next is the number of the first message that will
// come by it; what was before has been handled.
func (h *Host) Connect(ctx context.Context, id tandem.DeviceID, l tandem.Link, next uint64, address string) error {
	return h.Introduce(ctx, id, l, life.Introduction{Next: next}, address)
}

// Introduce is Connect for a link that other hosts may have known. The error is
// life.ErrReplaced when the device has a newer one: this one is to be closed.
func (h *Host) Introduce(
	ctx context.Context, id tandem.DeviceID, l tandem.Link, in life.Introduction, address string,
) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	a := arrival{event: &life.Linked{Ref: l.Ref(), Address: address}, link: l}
	owner, err := p.box.introduce(l.Ref(), in, a)
	if owner {
		h.spawn(func() { p.run(nil) })
	}
	return err
}

// Disconnect says that a link is no more. A clean end is the device's own
// wish; any other may be mended before the agent hears of it.
func (h *Host) Disconnect(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, end tandem.LinkEnd) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	owner, err := p.box.end(ref, arrival{event: &life.Unlinked{Ref: ref, End: end}})
	if owner {
		h.spawn(func() { p.run(nil) })
	}
	return err
}

// FromDevice takes a message that a device has published; seq counts what comes
// by its link, from 1. handled is called at most once, when the message may be
// acknowledged: for one to the agent when its handler has completed, perhaps at
// once, perhaps on another goroutine. A message that the pair has already,
// whether this host or another got it, is not taken again; handled is called when
// it has been handled. With an error nothing has happened, and handled is not
// called: the link must introduce itself again, or the device is not here, or too
// much of it waits already.
func (h *Host) FromDevice(
	ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, seq uint64,
	topic string, m tandem.Message, handled func(),
) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}

	var a, again arrival
	name, toAgent := strings.CutPrefix(topic, "agent/")
	if toAgent {
		m.Name = name
		a = arrival{event: &life.Message{Seq: seq, Message: m}, done: handled}
		again = arrival{event: &life.Again{Seq: seq}, done: handled}
	} else {
		a = arrival{event: &life.Said{Topic: topic, Data: m.Data}, done: handled}
	}
	owner, verdict, why := p.box.message(ref, seq, a, again)
	switch verdict {
	case life.Shut:
		return why
	case life.Elsewhere:
		return life.ErrElsewhere
	case life.Full:
		return p.crowded()
	case life.Taken:
		if !toAgent {
			handled()
		}
	}
	if verdict == life.Wanted && toAgent {
		h.counts.toAgent.Add(1)
	}
	if owner {
		// Others' events must not keep the device's connection from being read.
		turns := 0
		p.run(func() bool { turns++; return turns > 2 })
	}
	return nil
}

// crowded refuses a message because too many wait. The device keeps it: it is not
// acknowledged.
func (p *pair) crowded() error {
	if p.box.crowd() {
		p.host.over(tandem.OverInbox)
		msg := fmt.Sprintf("the device has to wait: %d of its messages wait for the agent already", life.MaxMessages)
		p.host.Log.Append(tandem.LogEntry{Device: p.device, TS: time.Now(), Type: tandem.LogAgentError, Msg: msg})
	}
	return tandem.Errorf(tandem.Limit,
		"%d messages of the device wait for its agent already; send them again later", life.MaxMessages)
}

// Online reports whether a device has a link now.
func (h *Host) Online(id tandem.DeviceID) bool {
	p := h.inMemory(id)
	if p == nil {
		return false
	}
	_, online := p.box.linked()
	return online
}

// RestartDevice asks a device to restart its code. It is an error when the
// device is offline, for then it cannot hear.
func (h *Host) RestartDevice(ctx context.Context, id tandem.DeviceID) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	if _, online := p.box.linked(); !online {
		return tandem.Errorf(tandem.Unavailable, "device %s is offline: it cannot be told to restart", id)
	}
	p.bring(arrival{event: &life.RestartDevice{}})
	return nil
}
