package host

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// Connect introduces a device's new link and closes an older link of the device. next is
// the number of the first message that will come on it; all messages before have been
// handled.
func (h *Host) Connect(ctx context.Context, id tandem.DeviceID, l tandem.Link, next uint64, address string) error {
	return h.Introduce(ctx, id, func() tandem.Link { return l }, life.Introduction{Next: next}, address)
}

// Introduce is Connect for a link that other hosts may have known. It makes the link when
// the pair is here: the pair may arrive from another node while the store looks for it. The
// error is life.ErrReplaced when the device has a newer link: this one is to be closed.
func (h *Host) Introduce(
	ctx context.Context, id tandem.DeviceID, link func() tandem.Link, in life.Introduction, address string,
) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	l := link()
	a := arrival{event: &life.Linked{Ref: l.Ref(), Address: address}, link: l}
	owner, err := p.box.introduce(l.Ref(), in, a)
	if owner {
		h.spawn(func() { p.run(nil) })
	}
	return err
}

// Disconnect says that a link has ended. After a clean end, which is the device's own
// choice, the agent is told at once; after any other the device may reconnect within
// the grace period, and the agent is not told.
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

// FromDevice takes a message that a device has published. seq is the number of the
// message on its link, from 1. handled is called at most once, when the message may be
// acknowledged: for a message to the agent when its handler has completed, perhaps
// before FromDevice returns, perhaps on another goroutine. A message that the pair
// already has, from this host or another, is not taken again; handled is called when it
// has been handled. After an error the message was not taken, and handled is not
// called: the link must be introduced again, the device is not here, or too many of its
// messages wait.
func (h *Host) FromDevice(
	ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, seq uint64,
	topic string, m tandem.Message, handled func(),
) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}

	var a arrival
	name, toAgent := strings.CutPrefix(topic, "agent/")
	if toAgent {
		m.Name = name
		a = arrival{event: &life.Message{Seq: seq, Message: m}, done: handled}
	} else {
		a = arrival{event: &life.Said{
			Seq: seq, Topic: topic, Data: m.Data, Mark: m.Mark, Where: m.Name, Written: m.Written,
		}, done: handled}
	}
	owner, verdict, why := p.box.message(ref, seq, a)
	switch verdict {
	case life.Shut:
		return why
	case life.Unintroduced:
		return life.ErrElsewhere
	case life.Full:
		return p.crowded()
	}
	if verdict == life.Wanted && toAgent {
		h.counts.toAgent.Add(1)
	}
	if owner {
		// Other events must not keep this goroutine from reading the device's connection.
		turns := 0
		p.run(func() bool { turns++; return turns > 2 })
	}
	return nil
}

// crowded refuses a message because too many wait. It is not acknowledged, so the
// device keeps it.
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

// RestartDevice asks a device to restart its code. It fails when the device is offline.
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
