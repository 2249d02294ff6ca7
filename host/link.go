package host

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/store/record"
)

// peer is what the host knows of the device's side of a pair.
type peer struct {
	known       bool // it has said hello
	boot        uint64
	incarnation uint64
	code        string // SHA-256 of the device code it runs, in hexadecimal
}

// What travels on the sys topics, as JSON.
type (
	helloMessage struct {
		Boot        uint64        `json:"boot"`
		Incarnation uint64        `json:"incarnation"`
		Reason      tandem.Reason `json:"reason"`
		Runtime     string        `json:"runtime"`
		Code        string        `json:"code"`
	}
	statusMessage struct {
		Type string `json:"type"`
		Msg  string `json:"msg"`
	}
	agentMessage struct {
		Event       string        `json:"event"` // started, restarted, moved; running in answer to a hello
		Reason      tandem.Reason `json:"reason"`
		Incarnation uint64        `json:"incarnation"`
	}
	codeMessage struct {
		SHA  string            `json:"sha"`
		Code string            `json:"code"`
		Env  map[string]string `json:"env"` // members of the __EI enum
	}
	restartMessage struct {
		Reason tandem.Reason `json:"reason"`
	}
)

// Connect introduces a device's link. An older link of the device is closed: the
// newer one is the device's. next is the number of the first message that will
// come by it; what was before has been handled.
func (h *Host) Connect(ctx context.Context, id tandem.DeviceID, l tandem.Link, next uint64, address string) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if p.leaving {
		p.mu.Unlock()
		return ErrElsewhere
	}
	old, same := p.link, false
	p.link, p.address = l, address
	if next = max(next, 1); p.heard == l.Ref() {
		// It is the same, only by another way, unless it was broken between.
		old, same = nil, old != nil
		p.accepted = max(p.accepted, next-1)
	} else {
		p.heard, p.accepted = l.Ref(), next-1
	}
	p.mu.Unlock()
	if old != nil {
		old.Close("a newer connection of the device has taken over")
	}
	p.command(func() {
		p.graceUntil = time.Time{}
		p.linked()
		if !same {
			p.relinked()
		} else {
			p.sendPosts()
		}
	})
	return nil
}

// linked tells the agent that the device is there, unless it knows.
func (p *pair) linked() {
	p.mu.Lock()
	address, still := p.address, p.link != nil
	p.mu.Unlock()
	if p.connected || !still {
		return
	}
	p.connected = true
	p.log(tandem.LogStatus, "Device connected")
	p.seen(record.Sighting{Address: address})
	if p.state == absent {
		p.start(p.reason) // it lives as long as its device does
		return
	}
	p.tell(&agent.DeviceConnected{Address: address})
}

// Disconnect says that a link is no more. A clean end is the device's own
// wish; any other may be mended before the agent hears of it.
func (h *Host) Disconnect(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, end tandem.LinkEnd) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if p.leaving {
		p.mu.Unlock()
		return ErrElsewhere
	}
	mine := p.link != nil && p.link.Ref() == ref
	if mine {
		p.link = nil
	}
	p.mu.Unlock()
	if !mine {
		return nil
	}
	p.command(func() {
		p.mu.Lock()
		back := p.link != nil
		p.mu.Unlock()
		switch {
		case !p.connected || back:
		case end.Clean:
			p.lost()
		default:
			p.graceUntil = time.Now().Add(p.host.Grace)
		}
	})
	return nil
}

// lost tells the agent that the device is gone.
func (p *pair) lost() {
	p.connected, p.graceUntil = false, time.Time{}
	p.posts, p.unread = posts{pending: p.posts.pending}, nil // whoever comes next hears of it all
	p.log(tandem.LogStatus, "Device disconnected")
	p.seen(record.Sighting{})
	p.tell(&agent.DeviceDisconnected{})
}

// tell gives the agent an event about its device. An agent that does not run
// learns when it starts.
func (p *pair) tell(ev agent.Event) {
	if p.state != live && p.state != frozen && p.state != starting {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inbox = append(p.inbox, item{event: ev})
}

// FromDevice takes a message that a device has published; seq counts what comes
// by its link, from 1. handled is called once, when the message may be
// acknowledged: for one to the agent when its handler has completed, perhaps at
// once, perhaps on another goroutine. A message that the pair has already,
// whether this host or another got it, is not taken again; handled is called when
// it has been handled. With an error nothing has happened, and handled is not
// called: the link must introduce itself again, or the device is not here.
func (h *Host) FromDevice(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, seq uint64, topic string, m tandem.Message, handled func()) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	name, toAgent := strings.CutPrefix(topic, "agent/")
	switch verdict, err := p.expects(ref, seq, toAgent); {
	case err != nil:
		return err
	case verdict == taken:
		handled()
		return nil
	case verdict == stale:
		return nil
	}
	if toAgent {
		m.Name = name
		// Others' events must not keep the device's connection from being read.
		var done atomic.Bool
		it := item{event: &agent.DeviceMessage{Message: m}, handled: func() { done.Store(true); handled() }, seq: seq}
		err := p.deliver(it, done.Load)
		if tandem.KindOf(err) == tandem.Limit {
			h.over(tandem.OverInbox)
			p.log(tandem.LogAgentError, fmt.Sprintf("message %q of the device was dropped: %d events wait for the agent already", name, inboxLimit))
			handled()
			return nil
		}
		return err
	}
	// By the pair's queue, so that lines and starts are logged in the order in
	// which the device said them.
	p.commandHere(func() {
		p.said(topic, m.Data)
		handled() // not before, or what waits for a busy pair would have no bounds
	})
	return nil
}

// expectation is what is to become of a numbered message.
type expectation uint8

const (
	wanted expectation = iota
	taken              // the pair has had it
	stale              // nobody is to believe that it has been handled
)

// expects says what is to become of a numbered message: one to the agent is
// always wanted, because deliver knows what it has; of the others only new ones.
func (p *pair) expects(ref tandem.LinkRef, seq uint64, toAgent bool) (expectation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.leaving:
		return stale, ErrElsewhere
	case p.heard == tandem.LinkRef{}:
		// The host has lost the pair and got it back, and the link does not know
		// it yet: it must introduce itself.
		return stale, ErrElsewhere
	case p.heard != ref:
		return stale, nil // a newer link has taken over, and this one is being closed
	case seq > p.accepted+1:
		return stale, ErrElsewhere // one is missing; after an introduction all come again
	case toAgent:
		return wanted, nil
	case seq <= p.accepted:
		return taken, nil
	}
	p.accepted = seq
	return wanted, nil
}

// repeated takes a message that the pair has had: it is in the queue, being
// handled, or done.
func (p *pair) repeated(it item) {
	if p.handling && p.current.seq == it.seq {
		p.current.handled = it.handled
		return
	}
	p.mu.Lock()
	known := again(p.inbox, it) || again(p.unread, it)
	leaving := p.leaving
	p.mu.Unlock()
	if !known && !leaving {
		it.handled()
	}
}

// again has a message that is in the list be acknowledged as it says.
func again(list []item, it item) bool {
	for i := range list {
		if list[i].seq == it.seq {
			list[i].handled = it.handled
			return true
		}
	}
	return false
}

// said takes what a device publishes for the log, and about itself.
func (p *pair) said(topic string, data []byte) {
	switch topic {
	case "log":
		p.log(tandem.LogDevice, string(data))
	case "log/error":
		p.log(tandem.LogDeviceError, string(data))
	case "sys/status":
		var s statusMessage
		err := json.Unmarshal(data, &s)
		if err != nil || s.Type != tandem.LogStatus && s.Type != tandem.LogExitCode && s.Type != tandem.LogSleep {
			p.log(tandem.LogDeviceError, "sys/status is not what it should be: JSON with a type, status, lastexitcode or server.sleep, and a msg")
			return
		}
		p.log(s.Type, s.Msg)
	case "sys/handled":
		p.handledPost(data)
	case "sys/hello":
		var hello helloMessage
		if err := json.Unmarshal(data, &hello); err != nil {
			p.log(tandem.LogDeviceError, "sys/hello is not the JSON it should be: "+err.Error())
			return
		}
		p.hello(hello)
	}
}

// hello is what a device that runs our runtime says on each new connection and
// at each start of its code.
func (p *pair) hello(hello helloMessage) {
	old := p.peer
	p.peer = peer{known: true, boot: hello.Boot, incarnation: hello.Incarnation, code: hello.Code}
	if !old.known {
		old = p.lastPeer()
	}
	if hello.Code != "" && (old.boot != hello.Boot || old.incarnation != hello.Incarnation) {
		if p.connected && old.known && old.boot != hello.Boot && p.peer.boot != 0 {
			// The link came back before its loss was noticed, but to a device
			// that has lost its memory: code that counts on hearing of a
			// connection must hear of this one.
			p.tell(&agent.DeviceDisconnected{})
			p.tell(&agent.DeviceConnected{Address: p.address})
		}
		text := fmt.Sprintf("Device restarted: %s.", hello.Reason)
		switch {
		case hello.Reason == tandem.ReasonNone, hello.Incarnation == 1 && hello.Reason == tandem.ReasonReload:
			text = "Device started." // the first code it has ever had
		case hello.Reason == tandem.ReasonPowerOn, hello.Reason == tandem.ReasonWake:
			text = fmt.Sprintf("Device started: %s.", hello.Reason)
		}
		p.log(tandem.LogStatus, text)
		p.tell(&agent.PeerStarted{Reason: hello.Reason, Incarnation: hello.Incarnation})
		p.seen(record.Sighting{Runtime: hello.Runtime, Boot: hello.Boot, Incarnation: hello.Incarnation})
	}
	if p.state == live || p.state == frozen {
		p.sendSystem("sys/agent", agentMessage{Event: "running", Reason: p.began, Incarnation: p.incarnation})
	}
	p.offerCode()
}

// lastPeer is what the store remembers of the device from before this node
// started.
func (p *pair) lastPeer() peer {
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	d, err := p.host.Store.Device(ctx, p.device)
	if err != nil {
		p.host.Logger.Warn("the device's last start is not known", "device", p.device, "err", err)
		return peer{}
	}
	return peer{known: d.Boot != 0, boot: d.Boot, incarnation: d.Incarnation}
}

// seen remembers what is new of the device. Should it be forgotten, a start of
// the device may be logged twice.
func (p *pair) seen(s record.Sighting) {
	s.At = time.Now()
	p.host.Store.Seen(p.device, s, func(err error) {
		if err != nil {
			p.host.Logger.Warn("what was seen of the device is not remembered", "device", p.device, "err", err)
		}
	})
}

// offerCode sends a device its device group's code when it runs another.
func (p *pair) offerCode() {
	if !p.peer.known {
		return // some other MQTT client, which runs no code of ours
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeWait)
	defer cancel()
	pr, err := p.program(ctx)
	if err != nil {
		if tandem.KindOf(err) != tandem.NotFound {
			p.host.Logger.Warn("device code not offered", "device", p.device, "err", err)
		}
		return
	}
	if pr.deviceSHA == p.peer.code || pr.device == "" {
		return
	}
	if p.sendSystem("sys/code", codeMessage{SHA: pr.deviceSHA, Code: pr.device, Env: pr.env}) {
		p.log(tandem.LogStatus, fmt.Sprintf("Downloading new code; %.2f%% program storage used", 100*float64(len(pr.device))/programStorage))
	}
}

// programStorage is what a device has for its code, in bytes of source.
const programStorage = 256 << 10

// send gives the device a message if it has a link.
func (p *pair) send(topic string, m tandem.Message) bool {
	p.mu.Lock()
	l := p.link
	p.mu.Unlock()
	if l == nil {
		return false
	}
	l.Send(topic, m)
	return true
}

func (p *pair) sendSystem(topic string, v any) bool {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own plain structs
	}
	return p.send(topic, tandem.Message{Data: data})
}

// Online reports whether a device has a link now.
func (h *Host) Online(id tandem.DeviceID) bool {
	p := h.inMemory(id)
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link != nil
}
