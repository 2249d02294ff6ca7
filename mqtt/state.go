package mqtt

// State is the half of a session that one side keeps between connections. It is
// data: an owner may look at it, or store it.
type State struct {
	Outgoing []Outgoing // in the order of Publish
	Incoming []Incoming
	LastID   uint16 // the packet identifier that was given last
}

// Outgoing is a message of ours that the peer has not acknowledged in full.
type Outgoing struct {
	Message  Publish // with its packet identifier
	Sent     bool    // it may have arrived, so it is repeated with DUP
	Released bool    // QoS 2: the peer has it, only the end of the handshake is missing

	window   bool // it counts against the peer's receive maximum
	answered bool // there is a Delivered to report, with code
	done     bool // there is nothing left to do
	code     Reason
}

// refuse makes the message one that Feed reports without asking the peer.
func (m *Outgoing) refuse(code Reason) { m.answered, m.code = true, code }

// Incoming is a QoS 2 message that must not be delivered again.
type Incoming struct {
	PacketID uint16
	Acked    bool   // the application has said Ack, with Code
	Answered bool   // PUBREC was sent, PUBREL is due from the peer
	Code     Reason // of Ack
}
