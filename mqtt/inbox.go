package mqtt

import "slices"

// maxKnown bounds the number of QoS 2 messages that the peer has not released. In 3.1.1
// and across connections no receive maximum does.
const maxKnown = 4096

// inbox keeps account of the QoS 1 and 2 messages from the peer.
type inbox struct {
	queue  []arrival  // arrived on this connection and not answered, in order
	known  []Incoming // QoS 2 only: answered, or arrived on an earlier connection
	window int        // v5: messages that count against our receive maximum
}

// arrival is a message that waits for Ack, or for its turn to be answered.
type arrival struct {
	id    uint16
	qos   byte
	acked bool
	code  Reason
}

func (in *inbox) find(id uint16) int {
	return slices.IndexFunc(in.queue, func(a arrival) bool { return a.id == id })
}

func (in *inbox) findKnown(id uint16) int {
	return slices.IndexFunc(in.known, func(k Incoming) bool { return k.PacketID == id })
}

// arrive adds a message. fresh reports that the application has not had it yet.
func (in *inbox) arrive(p *Publish, v Version, limit uint16) (fresh bool, err error) {
	if i := in.find(p.PacketID); i >= 0 {
		if v < V5 && p.Dup && in.queue[i].qos == p.QoS {
			return false, nil // 3.1.1 does not forbid a peer to repeat a message early
		}
		return false, &Error{ProtocolError, "packet identifier of an unacknowledged message is used again"}
	}
	if v >= V5 && in.window >= int(limit) {
		return false, &Error{ReceiveMaximumExceeded, "more unacknowledged messages than the receive maximum"}
	}
	a := arrival{id: p.PacketID, qos: p.QoS}
	i := in.findKnown(p.PacketID)
	if i >= 0 {
		if p.QoS != 2 {
			return false, &Error{ProtocolError, "packet identifier of an unreleased message is used again"}
		}
		// It is answered in its place among the messages of this connection.
		k := in.known[i]
		in.known = slices.Delete(in.known, i, i+1)
		a.acked, a.code = k.Acked || k.Answered, k.Code
		if k.Answered && v >= V5 {
			in.window-- // it may count already
		}
	} else if p.QoS == 2 && len(in.known) >= maxKnown {
		return false, &Error{QuotaExceeded, "too many QoS 2 messages are not released"}
	}
	in.window++
	in.queue = append(in.queue, a)
	return i < 0, nil
}

// ack notes the application's answer. It reports whether an answer was due.
func (in *inbox) ack(id uint16, code Reason) bool {
	if i := in.find(id); i >= 0 {
		a := &in.queue[i]
		if a.acked {
			return false
		}
		a.acked, a.code = true, code
		return true
	}
	if i := in.findKnown(id); i >= 0 {
		k := &in.known[i]
		if k.Acked || k.Answered {
			return false
		}
		k.Acked, k.Code = true, code // the answer waits until the peer has repeated the message
		return true
	}
	return false
}

// flush moves the answers whose turn has come to the end of answers.
func (in *inbox) flush(answers []answer, v Version) []answer {
	n := 0
	for ; n < len(in.queue) && in.queue[n].acked; n++ {
		a := in.queue[n]
		kind := TypePuback
		if a.qos == 2 {
			kind = TypePubrec
		}
		answers = append(answers, answer{a.id, kind, a.code})
		if a.qos == 2 && (v < V5 || !a.code.Failed()) {
			in.known = append(in.known, Incoming{PacketID: a.id, Acked: true, Answered: true, Code: a.code})
		} else {
			in.window--
		}
	}
	if n > 0 {
		in.queue = slices.Delete(in.queue, 0, n)
	}
	if len(in.queue) == 0 && cap(in.queue) > 4 {
		in.queue = nil
	}
	return answers
}

// release handles a PUBREL and returns the code of the PUBCOMP.
func (in *inbox) release(id uint16) (Reason, error) {
	i := in.findKnown(id)
	switch {
	case in.find(id) >= 0 || i >= 0 && !in.known[i].Answered:
		return 0, &Error{ProtocolError, "PUBREL for a message that was not acknowledged"}
	case i < 0:
		return PacketIDNotFound, nil
	}
	in.known = slices.Delete(in.known, i, i+1)
	if len(in.known) == 0 {
		in.known = nil
	}
	in.window--
	return Success, nil
}

// state returns the messages that the next connection must know.
func (in *inbox) state() []Incoming {
	known := in.known
	for _, a := range in.queue {
		if a.qos == 2 {
			known = append(known, Incoming{PacketID: a.id, Acked: a.acked, Code: a.code})
		}
	}
	return known
}
