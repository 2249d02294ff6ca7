package mqtt

// outbox keeps our messages, in the order of Publish, until they are answered. A message
// that is done is removed when all older messages are done too.
type outbox struct {
	queue      []Outgoing
	head       int32 // the first message that is not removed; all before are done
	next       int32 // the first message that was not sent on this connection
	live       int32 // messages that are not done
	unreported int32 // messages with a Delivered to report
	window     int32 // messages that the peer accepts at the moment
	maxWindow  int32
	lastID     uint16
}

func (o *outbox) setWindow(n uint16) { o.window, o.maxWindow = int32(n), int32(n) }

func (o *outbox) push(m Outgoing) {
	if len(o.queue) == cap(o.queue) && int(o.live) <= len(o.queue)/2 {
		o.compact()
	}
	if m.answered {
		o.unreported++
	}
	o.live++
	o.queue = append(o.queue, m)
}

// compact removes all messages that are done, so that the queue does not grow behind a
// message that the peer is slow to acknowledge.
func (o *outbox) compact() {
	left, next := o.queue[:0], int32(0)
	for i, m := range o.queue {
		if m.done {
			continue
		}
		left = append(left, m)
		if i < int(o.next) {
			next = int32(len(left))
		}
	}
	clear(o.queue[len(left):])
	o.queue = left
	o.head = 0
	o.next = next
}

// finish marks a message as done.
func (o *outbox) finish(m *Outgoing) {
	m.done = true
	o.live--
}

// find returns the index of the message with this identifier, -1 if there is none.
func (o *outbox) find(id uint16) int {
	for i := int(o.head); i < len(o.queue); i++ {
		if m := &o.queue[i]; m.Message.PacketID == id && !m.done {
			return i
		}
	}
	return -1
}

// sendable returns the next message to send, nil if there is none or the peer's receive
// maximum is reached.
func (o *outbox) sendable() *Outgoing {
	for ; int(o.next) < len(o.queue); o.next++ {
		m := &o.queue[o.next]
		if m.answered || m.Released || m.done {
			continue
		}
		if o.window == 0 {
			return nil // also for QoS 0, which would overtake the others
		}
		return m
	}
	return nil
}

// sent notes that the message of sendable was sent, or the error.
func (o *outbox) sent(m *Outgoing, err error) {
	o.next++
	switch {
	case m.Message.QoS == 0: // it ends here; Publish has made sure that it can be sent
		o.finish(m)
	case err != nil:
		m.refuse(ReasonOf(err))
		o.unreported++
	default:
		m.Sent, m.window = true, true
		o.window--
	}
}

// ackOutcome is the result of an acknowledgement.
type ackOutcome uint8

const (
	ackUnknown  ackOutcome = iota // there is no such message, or not any more
	ackReceived                   // PUBREL must be sent
	ackComplete                   // the message is delivered, or refused
)

// acknowledge handles a PUBACK, PUBREC or PUBCOMP.
func (o *outbox) acknowledge(p *Ack) (ackOutcome, error) {
	i := o.find(p.PacketID)
	if i < 0 || o.queue[i].answered {
		return ackUnknown, nil
	}
	m := &o.queue[i]
	qos := byte(2)
	if p.Kind == TypePuback {
		qos = 1
	}
	if m.Message.QoS != qos || !m.Sent || p.Kind == TypePubcomp && !m.Released {
		return ackUnknown, &Error{ProtocolError, p.Kind.String() + " does not fit the message"}
	}
	if p.Kind == TypePubrec && (m.Released || !p.Code.Failed()) {
		m.Released = true
		m.Message.Payload, m.Message.Props = nil, nil // they will not be sent again
		return ackReceived, nil
	}
	o.finish(m)
	if m.window {
		o.window = min(o.window+1, o.maxWindow)
	}
	o.trim()
	return ackComplete, nil
}

// report removes and returns the first Delivered to report.
func (o *outbox) report() Delivered {
	for i := o.head; ; i++ {
		if m := &o.queue[i]; m.answered && !m.done {
			d := Delivered{PacketID: m.Message.PacketID, Code: m.code}
			o.finish(m)
			o.unreported--
			o.trim()
			return d
		}
	}
}

// trim removes the messages that are done from the front.
func (o *outbox) trim() {
	for int(o.head) < len(o.queue) && o.queue[o.head].done {
		o.queue[o.head] = Outgoing{}
		o.head++
	}
	o.next = max(o.next, o.head)
	if int(o.head) < len(o.queue) {
		return
	}
	o.queue = o.queue[:0]
	o.head = 0
	o.next = 0
	if cap(o.queue) > 1 {
		o.queue = nil
	}
}

// state returns the messages that are not done, without QoS 0.
func (o *outbox) state() []Outgoing {
	var left []Outgoing
	for _, m := range o.queue[o.head:] {
		if !m.done && m.Message.QoS > 0 {
			m.window = false
			left = append(left, m)
		}
	}
	return left
}
