package mqtt

// State is the half of a session that one side keeps between connections. Its owner may
// read it or store it.
type State struct {
	Outgoing []Outgoing // in the order of Publish
	Incoming []Incoming
	LastID   uint16 // the last packet identifier that was assigned
}

// Outgoing is a message of ours without a complete acknowledgement.
type Outgoing struct {
	Message  Publish // with its packet identifier
	Sent     bool    // it may have arrived, so it is repeated with DUP
	Released bool    // QoS 2: the peer has it, and only the rest of the handshake is missing

	window   bool // it counts against the peer's receive maximum
	answered bool // a Delivered with code is still to be reported
	done     bool // everything about the message is done
	code     Reason
}

// refuse makes Feed report the message as refused, without asking the peer.
func (m *Outgoing) refuse(code Reason) { m.answered, m.code = true, code }

// Incoming is a QoS 2 message that must not be delivered again.
type Incoming struct {
	PacketID uint16
	Acked    bool   // the application has called Ack with Code
	Answered bool   // PUBREC was sent, PUBREL is due from the peer
	Code     Reason // of Ack
}
