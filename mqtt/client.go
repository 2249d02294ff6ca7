package mqtt

import "time"

// connackTimeout is how long a client waits for CONNACK.
const connackTimeout = time.Minute

// Client is the client's end of one connection. Its events are *Connack; *Publish,
// answered with Ack unless its QoS is 0; *Suback; *Unsuback; *Delivered; and
// *Disconnect, which is the last, as is a Connack with an error.
type Client struct{ session }

// NewClient returns the session of a new connection, with the CONNECT to send. The limits
// of cfg need not be in the CONNECT; nil is the zero Config, and cfg must not change
// afterwards. st is the result of State of the last session, which continues if the
// server has kept its half; see also CleanStart.
func NewClient(now time.Time, cfg *Config, c *Connect, st *State) (*Client, error) {
	if cfg == nil {
		cfg = new(Config)
	}
	connect := *c
	if connect.Version >= V5 {
		connect.Props = cfg.properties(c.Props)
	}
	if connect.Props.given().AuthMethod != "" {
		return nil, &Error{BadAuthMethod, "enhanced authentication is not supported"}
	}
	words, err := Append(nil, &connect, connect.Version)
	if err != nil {
		return nil, err
	}
	s := &Client{session{cfg: cfg, client: true, maxQoS: 2, words: words, probe: &probe{sent: now}}}
	s.opening = &opening{connect: &connect, state: st}
	s.dec.Version, s.dec.MaxSize = connect.Version, cfg.maxPacketSize()
	s.noExpiry = connect.Version >= V5 && connect.Props.SessionExpiry.Or(0) == 0
	s.deadline = now.Add(connackTimeout)
	return s, nil
}

func (s *session) handleClient(p Packet) (Event, error) {
	switch p := p.(type) {
	case *Connack:
		return s.connack(p)
	case *Suback:
		return p, s.settle(p.PacketID, TypeSuback, len(p.Codes))
	case *Unsuback:
		return p, s.settle(p.PacketID, TypeUnsuback, len(p.Codes))
	case *Ping:
		if p.Response {
			s.probe.pong()
			return nil, nil
		}
	}
	return nil, &Error{ProtocolError, p.Type().String() + " from a server, or at this point"}
}

func (s *session) connack(p *Connack) (Event, error) {
	if s.phase != phaseNew {
		return nil, &Error{ProtocolError, "a second CONNACK"}
	}
	s.probe.measure()
	if p.Code.Failed() {
		s.phase = phaseClosed
		return p, nil
	}
	c, st := s.opening.connect, s.opening.state
	if p.SessionPresent && (c.CleanStart || st == nil) {
		return nil, &Error{ProtocolError, "the server goes on with a session that the client has not"}
	}
	s.fitsPeer(p.Props)
	keepAlive := p.Props.given().ServerKeepAlive.Or(c.KeepAlive)
	// Two looks in a row without a packet of ours must not be further apart than the
	// keep alive time.
	s.patience = time.Duration(keepAlive) * time.Second / 2
	s.deadline = time.Time{} // Feed sets it, because it knows the time
	s.begin(st, p.SessionPresent)
	return p, nil
}

// settle removes the answered request from the list.
func (s *session) settle(id uint16, kind Type, codes int) error {
	at := s.findAsked(id)
	if at < 0 || s.asked[at].kind != kind {
		return &Error{ProtocolError, kind.String() + " that answers no request"}
	}
	if int(s.asked[at].count) != codes && (kind == TypeSuback || s.dec.Version >= V5) {
		return &Error{ProtocolError, kind.String() + " needs one code for each filter"}
	}
	s.answered(at)
	return nil
}

// Behind says that the server has sent bytes that have not been fed yet. An application
// that is behind must call it before Tick, which would otherwise count the server as
// silent.
func (c *Client) Behind() { c.heard = true }

// Patient says how long the server's answers may take on this link: CONNACK a minute at least, and
// the answer to a ping until the next look at least, which is half the keep-alive time. Until then
// the client goes on pinging.
func (c *Client) Patient(d time.Duration) {
	c.probe.patience = d
	if c.phase == phaseNew {
		c.deadline = c.probe.sent.Add(max(d, connackTimeout))
	}
}

// RoundTrip returns how long the answer to CONNECT or to a ping has taken that came last. It
// returns false when none has come since the last call.
func (c *Client) RoundTrip() (d time.Duration, ok bool) {
	d, ok = c.probe.trip, c.probe.measured
	c.probe.measured = false
	return d, ok
}

// Subscribe subscribes and returns the packet identifier of the *Suback that will answer.
// A request without an answer ends with the connection.
func (c *Client) Subscribe(filters ...Subscription) (id uint16, err error) {
	return c.request(TypeSuback, len(filters), func(id uint16) Packet {
		return &Subscribe{PacketID: id, Filters: filters}
	})
}

// Unsubscribe ends subscriptions and returns the packet identifier of the
// *Unsuback that will answer.
func (c *Client) Unsubscribe(filters ...string) (id uint16, err error) {
	return c.request(TypeUnsuback, len(filters), func(id uint16) Packet {
		return &Unsubscribe{PacketID: id, Filters: filters}
	})
}

func (c *Client) request(kind Type, count int, packet func(id uint16) Packet) (uint16, error) {
	if err := c.active(); err != nil {
		return 0, err
	}
	if len(c.asked) >= maxAsked {
		return 0, ErrQueueFull
	}
	id := c.newID()
	words, err := Append(c.words, packet(id), c.dec.Version)
	if err != nil {
		return 0, err
	}
	if !c.fits(len(words) - len(c.words)) {
		return 0, &Error{PacketTooLarge, "the server does not take a request of this size"}
	}
	c.words = words
	return id, c.ask(id, count, kind)
}
