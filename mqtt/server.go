package mqtt

import (
	"math"
	"time"
)

// connectTimeout is how long a server waits for CONNECT. It is for links of 30 s each way on
// which every fifth packet is lost: TCP repeats a packet after 120 s at the most. Before CONNECT
// the client has to get what it was last told, such as the answer to the request for a WebSocket,
// so each of the two may be lost two times in a row.
const connectTimeout = 10 * time.Minute

// Server is the server's end of one connection. Its events are *Connect, which is
// answered with Accept or Refuse; *Publish, answered with Ack unless its QoS is
// 0; *Subscribe, answered with Suback; *Unsubscribe, answered with Unsuback;
// *Delivered; and *Disconnect, the last.
type Server struct{ session }

// NewServer returns the session of a new connection. A nil cfg is the zero Config. cfg
// must not change afterwards.
func NewServer(now time.Time, cfg *Config) *Server {
	if cfg == nil {
		cfg = new(Config)
	}
	s := &Server{session{cfg: cfg, maxQoS: 2}}
	s.dec.MaxSize = cfg.maxPacketSize()
	s.deadline = now.Add(connectTimeout)
	return s
}

func (s *session) handleServer(p Packet) (Event, error) {
	switch p := p.(type) {
	case *Connect:
		return s.connect(p)
	case *Subscribe:
		if err := s.ask(p.PacketID, len(p.Filters), TypeSuback); err != nil {
			return nil, err
		}
		return p, nil
	case *Unsubscribe:
		if err := s.ask(p.PacketID, len(p.Filters), TypeUnsuback); err != nil {
			return nil, err
		}
		return p, nil
	case *Ping:
		if !p.Response {
			s.answers = append(s.answers, answer{kind: TypePingresp})
			return nil, nil
		}
	}
	return nil, &Error{ProtocolError, p.Type().String() + " from a client, or at this point"}
}

func (s *session) connect(p *Connect) (Event, error) {
	switch {
	case p.Props.given().AuthMethod != "":
		return nil, &Error{BadAuthMethod, "enhanced authentication is not offered"}
	case p.Version < V5 && p.ClientID == "" && !p.CleanStart:
		return nil, &Error{ClientIDInvalid, "a session that is to last needs a client identifier"}
	}
	s.phase = phaseAccepting
	s.opening = &opening{connect: p}
	s.noExpiry = p.Version >= V5 && p.Props.given().SessionExpiry.Or(0) == 0
	s.fitsPeer(p.Props)
	return p, nil
}

func (s *session) ask(id uint16, count int, kind Type) error {
	if s.findAsked(id) >= 0 {
		return &Error{ProtocolError, "packet identifier of an unanswered request is used again"}
	}
	s.asked = append(s.asked, asked{id, uint16(min(count, math.MaxUint16)), kind})
	return nil
}

// Accept answers the CONNECT. st is the result of State of the client's last session,
// which continues unless the client wants a clean start: then only the unacknowledged
// messages are kept, as new ones. The limits of Config need not be in props.
// ServerKeepAlive, MaximumQoS and RetainAvailable in props apply from now on for a v5
// client; a client without an identifier needs AssignedClientID. After an error the
// CONNECT must still be answered, for instance with Refuse.
func (s *Server) Accept(now time.Time, props *Properties, st *State) error {
	if s.phase != phaseAccepting {
		return s.unexpected()
	}
	c := s.opening.connect
	ack := &Connack{SessionPresent: st != nil && !c.CleanStart}
	keepAlive := c.KeepAlive
	if c.Version >= V5 {
		ack.Props = s.cfg.properties(props)
		keepAlive = ack.Props.ServerKeepAlive.Or(keepAlive)
		s.maxQoS = ack.Props.MaximumQoS.Or(2)
		s.noRetain = ack.Props.RetainAvailable.Or(1) == 0
		s.noExpiry = ack.Props.SessionExpiry.Or(c.Props.given().SessionExpiry.Or(0)) == 0
		if c.ClientID == "" && ack.Props.AssignedClientID == "" {
			return &Error{ClientIDInvalid, "the client has no identifier and is assigned none"}
		}
	}
	words, err := Append(nil, ack, c.Version)
	if err != nil {
		return err
	}
	if !s.fits(len(words)) {
		return &Error{PacketTooLarge, "the client does not take a CONNACK of this size"}
	}
	s.words = words
	s.patience = time.Duration(keepAlive) * time.Second * 3 / 2
	s.deadline = now.Add(s.patience)
	s.begin(st, ack.SessionPresent)
	return nil
}

// Refuse answers the CONNECT with a failure and ends the session. props may name another
// server.
func (s *Server) Refuse(code Reason, props *Properties) error {
	if s.phase != phaseAccepting {
		return s.unexpected()
	}
	if !code.Failed() {
		return &Error{ProtocolError, "a refusal needs the code of a failure"}
	}
	words, err := Append(nil, &Connack{Code: code, Props: props}, s.dec.Version)
	if err != nil {
		return err
	}
	if !s.fits(len(words)) {
		words = s.refusal(code)
	}
	s.words, s.phase = words, phaseClosed
	return nil
}

func (s *Server) unexpected() error {
	if err := s.active(); err != nil {
		return err
	}
	return &Error{ProtocolError, "CONNECT has been answered"}
}

// refusal returns the CONNACK for an invalid CONNECT, nil if the peer would not understand
// it either.
func (s *session) refusal(code Reason) []byte {
	switch {
	case s.dec.Version == 0:
		return nil
	case s.dec.Version < V5 && code != UnsupportedVersion && code != ClientIDInvalid && code.returnCode() == 3:
		return nil // 3.1.1 has no code for it: the connection is closed
	case !code.ValidIn(TypeConnack):
		code = UnspecifiedError
	}
	words, err := Append(nil, &Connack{Code: code}, s.dec.Version)
	if err != nil {
		return nil
	}
	return words
}

// Suback answers a Subscribe with one code for each filter.
func (s *Server) Suback(id uint16, codes ...Reason) error {
	return s.answer(id, TypeSuback, &Suback{PacketID: id, Codes: codes}, len(codes))
}

// Unsuback answers an Unsubscribe with one code for each filter.
func (s *Server) Unsuback(id uint16, codes ...Reason) error {
	return s.answer(id, TypeUnsuback, &Unsuback{PacketID: id, Codes: codes}, len(codes))
}

func (s *Server) answer(id uint16, kind Type, p Packet, count int) error {
	if err := s.active(); err != nil {
		return err
	}
	at := s.findAsked(id)
	if at < 0 || s.asked[at].kind != kind {
		return ErrUnknownPacket
	}
	if int(s.asked[at].count) != min(count, math.MaxUint16) {
		return &Error{ProtocolError, kind.String() + " needs one code for each filter"}
	}
	words, err := Append(s.words, p, s.dec.Version)
	if err != nil {
		return err
	}
	if !s.fits(len(words) - len(s.words)) {
		return &Error{PacketTooLarge, "the client does not take a " + kind.String() + " of this size"}
	}
	s.words = words
	s.answered(at)
	return nil
}

func (s *session) answered(at int) {
	s.asked = append(s.asked[:at], s.asked[at+1:]...)
	if len(s.asked) == 0 {
		s.asked = nil
	}
}
