package mqtt

import "time"

type phase uint8

const (
	phaseNew       phase = iota // the server waits for CONNECT, the client for CONNACK
	phaseAccepting              // the application must answer a CONNECT
	phaseOpen
	phaseLeaving // Disconnect was called: queued output is sent, no input is taken
	phaseClosed
)

// maxAsked is the number of subscription requests that may wait for an answer.
const maxAsked = 16

// session is the part that both ends have in common.
type session struct {
	cfg *Config
	dec Decoder
	in  inbox
	out outbox

	opening *opening               // nil once open
	aliases *aliases               // nil until one is used
	answers []answer               // acknowledgements and pings to send
	asked   []asked                // subscription requests without an answer
	probe   *probe                 // of a client
	words   []byte                 // other packets to send, which are rare
	reasons map[uint16]*Properties // of refusals among in.queue and answers
	bye     *Disconnect

	deadline time.Time
	patience time.Duration // server: silence allowed; client: time between looks; 0 = no limit
	seen     int           // bytes fed but not consumed
	silent   int           // packets that the last Feed consumed without an event

	peerMaxSize  uint32 // 0 = no limit
	peerAliases  uint16
	peerMaxQoS   byte // of our messages
	maxQoS       byte // of the peer's messages
	noPeerRetain bool // the peer accepts no retained messages
	noRetain     bool // we accept none
	noExpiry     bool // the peer's session ends with the connection
	noReasons    bool // the peer wants properties in no acknowledgement

	phase  phase
	held   byte // first byte of the packet that Feed had no room for; 0 = none
	client bool
	opened bool // phaseOpen was reached
	heard  bool // client: bytes have arrived since the last look
	spoke  bool // client: bytes were sent since the last look
	pinged bool // client: a ping was sent at the last look

	delivered Delivered
}

// opening holds the fields that are needed only until the session is open.
type opening struct {
	connect *Connect
	state   *State // of a client
}

// answer is an acknowledgement or a ping to send.
type answer struct {
	id   uint16
	kind Type
	code Reason
}

// asked is a SUBSCRIBE or UNSUBSCRIBE that is not answered yet.
type asked struct {
	id    uint16
	count uint16 // filters
	kind  Type
}

// Feed takes bytes from the peer. It returns the number of bytes it consumed and the
// event it found, if any. After an event it must be called again with the rest of buf,
// even an empty rest. An error ends the session; it is an *Error if the peer caused it.
func (s *session) Feed(now time.Time, buf []byte) (n int, ev Event, err error) {
	if s.phase >= phaseLeaving {
		return 0, nil, ErrClosed
	}
	s.noteProgress(now, len(buf))
	if s.client {
		s.probe.now = now
	}
	s.held, s.silent = 0, 0
	if s.phase == phaseOpen && s.out.unreported > 0 {
		s.delivered = s.out.report()
		s.seen = len(buf)
		return 0, &s.delivered, nil
	}
	for ev == nil && n < len(buf) && s.phase < phaseLeaving {
		if s.phase == phaseAccepting {
			break
		}
		if !s.room(buf[n]) {
			s.held = buf[n]
			break
		}
		var size int
		if ev, size, err = s.step(buf[n:]); err != nil {
			if err == ErrIncomplete {
				err = nil
				break
			}
			s.fail(err)
			return n, nil, err
		}
		n += size
		if ev == nil {
			s.silent++
		}
	}
	if s.client && s.deadline.IsZero() {
		s.deadline = now.Add(s.patience)
	}
	s.seen = len(buf) - n
	return n, ev, nil
}

// room reports whether the packet that begins with first can be taken now.
func (s *session) room(first byte) bool {
	switch Type(first >> 4) {
	case TypePublish:
		return s.dec.Version >= V5 || first&0x06 == 0 || len(s.in.queue) < int(s.cfg.receiveMaximum())
	case TypeSubscribe, TypeUnsubscribe:
		return len(s.asked) < maxAsked
	}
	return true
}

// Answers returns the number of acknowledgements and pings that Output has still to give.
// It grows while a peer sends packets and Output is not called.
func (s *session) Answers() int { return len(s.answers) }

// Silent returns how many packets the last Feed consumed without an event: pings, and
// acknowledgements that end nothing.
func (s *session) Silent() int { return s.silent }

// Unsent reports that messages wait which Output cannot give now, because the peer has
// reached its receive maximum or the session has ended.
func (s *session) Unsent() bool { return int(s.out.next) < len(s.out.queue) }

// Blocked reports that Feed takes nothing until the application has answered a CONNECT,
// messages, or subscriptions. Meanwhile the owner must read nothing more from the peer.
// When Blocked has become false it must feed the bytes that it has.
func (s *session) Blocked() bool {
	return s.phase == phaseAccepting || s.phase == phaseOpen && s.held != 0 && !s.room(s.held)
}

// step handles the packet at the front of buf.
func (s *session) step(buf []byte) (Event, int, error) {
	if s.phase == phaseNew && Type(buf[0]>>4) != s.first() {
		return nil, 0, &Error{ProtocolError, "the first packet is not " + s.first().String()}
	}
	if s.phase == phaseOpen && Type(buf[0]>>4) == TypeConnect {
		return nil, 0, &Error{ProtocolError, "CONNECT in a session"} // not decoded: it would change the version
	}
	p, n, err := s.dec.Decode(buf)
	if err != nil {
		return nil, 0, err
	}
	ev, err := s.handle(p)
	return ev, n, err
}

// first returns the type of the packet that opens the session.
func (s *session) first() Type {
	if s.client {
		return TypeConnack
	}
	return TypeConnect
}

// handle handles the packets that both ends may receive, and passes the others on.
func (s *session) handle(p Packet) (Event, error) {
	switch p := p.(type) {
	case *Publish:
		return s.publish(p)
	case *Ack:
		return s.acknowledgement(p)
	case *Disconnect:
		return s.disconnect(p)
	}
	if s.client {
		return s.handleClient(p)
	}
	return s.handleServer(p)
}

func (s *session) publish(p *Publish) (Event, error) {
	switch {
	case p.QoS > s.maxQoS:
		return nil, &Error{QoSNotSupported, "PUBLISH with a QoS above the maximum that was told"}
	case p.Retain && s.noRetain:
		return nil, &Error{RetainNotSupported, "retained PUBLISH"}
	case !s.client && p.Props != nil && p.Props.SubscriptionIDs != nil:
		return nil, &Error{ProtocolError, "subscription identifier in a client's PUBLISH"}
	}
	if p.Props != nil && p.Props.TopicAlias.Set {
		if err := s.resolve(p); err != nil {
			return nil, err
		}
	}
	if p.QoS == 0 {
		return p, nil
	}
	fresh, err := s.in.arrive(p, s.dec.Version, s.cfg.receiveMaximum())
	if err != nil {
		return nil, err
	}
	if !fresh {
		s.answers = s.in.flush(s.answers, s.dec.Version)
		return nil, nil
	}
	return p, nil
}

func (s *session) acknowledgement(p *Ack) (Event, error) {
	if p.Kind == TypePubrel {
		code, err := s.in.release(p.PacketID)
		if err != nil {
			return nil, err
		}
		s.answers = append(s.answers, answer{p.PacketID, TypePubcomp, code})
		return nil, nil
	}
	outcome, err := s.out.acknowledge(p)
	switch {
	case err != nil:
		return nil, err
	case outcome == ackComplete:
		s.delivered = Delivered{PacketID: p.PacketID, Code: p.Code}
		if p.Kind == TypePubcomp {
			s.delivered.Code = Success // the peer has had the message since PUBREC
		}
		return &s.delivered, nil
	case outcome == ackReceived:
		s.answers = append(s.answers, answer{p.PacketID, TypePubrel, Success})
	case outcome == ackUnknown && p.Kind == TypePubrec && !p.Code.Failed():
		s.answers = append(s.answers, answer{p.PacketID, TypePubrel, PacketIDNotFound})
	}
	return nil, nil
}

func (s *session) disconnect(p *Disconnect) (Event, error) {
	switch {
	case s.client && s.dec.Version < V5:
		return nil, &Error{ProtocolError, "DISCONNECT from a 3.1.1 server"}
	case s.client && p.Props.given().SessionExpiry.Set:
		return nil, &Error{ProtocolError, "session expiry in a server's DISCONNECT"}
	case s.noExpiry && p.Props.given().SessionExpiry.Or(0) > 0:
		return nil, &Error{ProtocolError, "session expiry raised from 0 in DISCONNECT"}
	}
	s.phase = phaseClosed
	s.answers, s.words = nil, nil // the peer has ended the connection
	return p, nil
}

// fail closes the session and prepares the last packet for Output.
func (s *session) fail(err error) {
	before := s.phase
	s.phase = phaseClosed
	code := ReasonOf(err)
	if err == ErrTimeout {
		code = KeepAliveTimeout
	}
	switch {
	case before == phaseNew && !s.client:
		s.words = s.refusal(code)
	case s.dec.Version < V5 || before == phaseNew || s.client && err == ErrTimeout:
		return
	default:
		if !code.ValidIn(TypeDisconnect) {
			code = ProtocolError
		}
		s.bye = &Disconnect{Code: code, Props: explain(err)}
	}
}

func explain(err error) *Properties {
	if e, ok := err.(*Error); ok {
		return &Properties{ReasonString: e.Msg}
	}
	return nil
}

// active returns the error of a session that is not open, nil if it is.
func (s *session) active() error {
	switch {
	case s.phase < phaseOpen:
		return ErrNotConnected
	case s.phase > phaseOpen:
		return ErrClosed
	}
	return nil
}

// Publish queues a message and returns its packet identifier, 0 for QoS 0. The session
// chooses PacketID, Dup and topic aliases; MessageExpiry is sent as given. The session
// owns Topic, Payload and Props until Output has sent a QoS 0 message, or until
// Delivered. An *Error means that the peer would not accept the message, ErrQueueFull
// that there is no room before the peer acknowledges some.
func (s *session) Publish(p *Publish) (id uint16, err error) {
	if err := s.active(); err != nil {
		return 0, err
	}
	if int(s.out.live) >= s.cfg.queueLength() {
		return 0, ErrQueueFull
	}
	m := Outgoing{Message: *p}
	m.Message.Dup, m.Message.PacketID = false, 0
	if p.QoS > 0 {
		m.Message.PacketID = s.newID()
	}
	if err := s.sendable(&m.Message); err != nil {
		return 0, err
	}
	s.out.push(m)
	return m.Message.PacketID, nil
}

// newID chooses an identifier that is not in use. There always is one: at most as many as
// the queue and maxAsked hold are in use.
func (s *session) newID() uint16 {
	for {
		s.out.lastID++
		if id := s.out.lastID; id != 0 && s.out.find(id) < 0 && s.findAsked(id) < 0 {
			return id
		}
	}
}

func (s *session) findAsked(id uint16) int {
	for i := range s.asked {
		if s.asked[i].id == id {
			return i
		}
	}
	return -1
}

// sendable returns an error if the peer would not accept a message.
func (s *session) sendable(p *Publish) error {
	switch {
	case p.QoS > s.peerMaxQoS:
		return &Error{QoSNotSupported, "the peer does not take this QoS"}
	case p.Retain && s.noPeerRetain:
		return &Error{RetainNotSupported, "the peer does not take retained messages"}
	case p.Props != nil && p.Props.TopicAlias.Set:
		return &Error{TopicAliasInvalid, "topic aliases are chosen by the session"}
	case s.client && p.Props != nil && p.Props.SubscriptionIDs != nil:
		return &Error{ProtocolError, "subscription identifier in a client's PUBLISH"}
	}
	size, err := p.size(s.dec.Version)
	if err == nil && !s.fits(size) {
		err = &Error{PacketTooLarge, "the peer does not take packets of this size"}
	}
	return err
}

func (s *session) fits(size int) bool {
	return s.peerMaxSize == 0 || uint64(size) <= uint64(s.peerMaxSize)
}

// Ack says that the application has handled a message with QoS 1 or 2. A failure code
// refuses it, of which a 3.1.1 peer learns nothing. It returns ErrUnknownPacket when no
// such message waits for it.
func (s *session) Ack(id uint16, code Reason) error { return s.AckWith(id, code, nil) }

// AckWith is Ack with properties, which a v5 peer gets if it wants and accepts them. They are
// for a failure code.
func (s *session) AckWith(id uint16, code Reason, props *Properties) error {
	if err := s.active(); err != nil {
		return err
	}
	if !code.ValidIn(TypePuback) {
		return &Error{ProtocolError, "reason code not allowed in PUBACK"}
	}
	if !s.in.ack(id, code) {
		return ErrUnknownPacket
	}
	if props != nil && code.Failed() && !s.noReasons {
		if s.reasons == nil {
			s.reasons = map[uint16]*Properties{}
		}
		s.reasons[id] = props
	}
	s.answers = s.in.flush(s.answers, s.dec.Version)
	return nil
}

// Disconnect ends the session without an error. Output still returns queued messages and
// then, in the versions that allow it for this side, DISCONNECT with code and props,
// which may name another server. The owner closes the socket after that.
func (s *session) Disconnect(code Reason, props *Properties) error {
	if err := s.active(); err != nil {
		return err
	}
	bye := &Disconnect{Code: code, Props: props}
	if !s.client && props.given().SessionExpiry.Set {
		return &Error{ProtocolError, "session expiry in a server's DISCONNECT"}
	}
	if _, err := Append(nil, bye, V5); err != nil {
		return err
	}
	if s.client || s.dec.Version >= V5 {
		s.bye = bye
	}
	s.phase = phaseLeaving
	return nil
}

// fitsPeer stores the limits from the peer's CONNECT or CONNACK.
func (s *session) fitsPeer(props *Properties) {
	p := props.given()
	s.peerMaxSize = p.MaximumPacketSize.Or(0)
	s.peerAliases = p.TopicAliasMaximum.Or(0)
	s.peerMaxQoS = p.MaximumQoS.Or(2)
	s.noPeerRetain = p.RetainAvailable.Or(1) == 0
	s.noReasons = p.RequestProblemInfo.Or(1) == 0
	s.out.setWindow(p.ReceiveMaximum.Or(65535))
}

// begin opens the session and continues st, the rest of the last session.
func (s *session) begin(st *State, present bool) {
	s.phase, s.opened = phaseOpen, true
	s.opening = nil
	if st == nil {
		return
	}
	s.out.lastID = st.LastID
	if present {
		s.in.known = st.Incoming
	}
	for _, m := range st.Outgoing {
		m.Sent = m.Sent && present
		switch {
		case m.answered:
		case m.Released && present:
			s.answers = append(s.answers, answer{m.Message.PacketID, TypePubrel, Success})
		case m.Released:
			m.refuse(Success)
		default:
			if err := s.sendable(&m.Message); err != nil {
				m.refuse(ReasonOf(err))
			}
		}
		s.out.push(m)
	}
}

// State ends the session and returns the part that is kept for the next connection, or
// nil when the session was never open. CONNECT and CONNACK determine whether and how
// long it is kept. A State must be used for one session only.
func (s *session) State() *State {
	s.phase = phaseClosed
	switch {
	case s.opened:
	case s.opening != nil:
		return s.opening.state
	default:
		return nil
	}
	return &State{Outgoing: s.out.state(), Incoming: s.in.state(), LastID: s.out.lastID}
}
