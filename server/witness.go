package server

import (
	"context"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/gateway"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/host"
)

// Witness is told what goes in and out of the agents of a node that is alone, for a person who develops
// one, or a test. Its methods are called by the goroutines that do the work.
type Witness interface {
	Saw(*Sight)
	// Answer returns the response to an agent's outgoing request in place of the server, nil for the
	// server's own. It may take until ctx ends.
	Answer(ctx context.Context, f *tandem.Fetch) *tandem.Response
}

// Sight is a message, or a request that has ended: one of Message, Request and Fetch is not nil. They
// belong to others, and are valid until Saw returns.
type Sight struct {
	Clock   uint64          // when it was seen, as lines of the log have it
	Device  tandem.DeviceID // of a message
	Message *tandem.Message // its Name is without the topic's first part
	ToAgent bool
	Handled bool // a message to the agent has been handled; it was seen before

	Agent    tandem.AgentID  // of a Request
	Request  *tandem.Request // to the agent
	Fetch    *tandem.Fetch   // of the agent
	Response *tandem.Response
	Err      error // of a Request, instead of a Response
	Took     time.Duration
}

// witness has the node's Witness see what there is.
func (n *node) witness() {
	if n.Witness == nil {
		return
	}
	w := witnessed{n.Witness, n.clock}
	n.host.Fetcher = seenFetches{n.host.Fetcher, w}
	n.agents = seenRequests{n.agents, w}
	n.gateway.Host = seenMessages{n.gateway.Host, w}
}

// witnessed is a Witness with the clock of what it sees.
type witnessed struct {
	Witness
	clock *hlc.Clock
}

func (w witnessed) saw(s *Sight) {
	s.Clock = uint64(w.clock.Now())
	w.Saw(s)
}

// seenRequests are requests to agents that are seen.
type seenRequests struct {
	requester
	witness witnessed
}

func (s seenRequests) Request(ctx context.Context, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error) {
	began := time.Now()
	resp, err := s.requester.Request(ctx, id, r)
	s.witness.saw(&Sight{Agent: id, Request: r, Response: resp, Err: err, Took: time.Since(began)})
	return resp, err
}

// seenFetches are requests of agents that are seen.
type seenFetches struct {
	host.Fetcher
	witness witnessed
}

func (s seenFetches) Fetch(ctx context.Context, f *tandem.Fetch, part func([]byte), done func(*tandem.Response)) {
	began := time.Now()
	seen := func(r *tandem.Response) {
		s.witness.saw(&Sight{Fetch: f, Response: r, Took: time.Since(began)})
		done(r)
	}
	go func() { // ends with ctx
		r := s.witness.Answer(ctx, f)
		switch {
		case r == nil:
			s.Fetcher.Fetch(ctx, f, part, seen)
			return
		case f.Stream && len(r.Body) > 0:
			part(r.Body)
			r.Body = nil
		}
		seen(r)
	}()
}

// seenMessages are messages between devices and agents that are seen.
type seenMessages struct {
	gateway.Host
	witness witnessed
}

func (s seenMessages) Connect(
	ctx context.Context, id tandem.DeviceID, l tandem.Link, next uint64, address string,
) error {
	return s.Host.Connect(ctx, id, seenLink{l, id, s.witness}, next, address)
}

func (s seenMessages) FromDevice(
	ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, seq uint64, topic string, m tandem.Message,
	handled func(),
) error {
	name, toAgent := strings.CutPrefix(topic, "agent/")
	if !toAgent {
		return s.Host.FromDevice(ctx, id, ref, seq, topic, m, handled)
	}
	seen := m
	seen.Name = name
	s.witness.saw(&Sight{Device: id, Message: &seen, ToAgent: true})
	return s.Host.FromDevice(ctx, id, ref, seq, topic, m, func() {
		handled()
		s.witness.saw(&Sight{Device: id, Message: &seen, ToAgent: true, Handled: true})
	})
}

// seenLink is a device's link.
type seenLink struct {
	tandem.Link
	device  tandem.DeviceID
	witness witnessed
}

func (l seenLink) Send(topic string, m tandem.Message) bool {
	sent := l.Link.Send(topic, m)
	if name, toDevice := strings.CutPrefix(topic, "device/"); toDevice && sent {
		m.Name = name
		l.witness.saw(&Sight{Device: l.device, Message: &m})
	}
	return sent
}
