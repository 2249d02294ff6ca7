package mqtt

// outputChunk is the number of bytes from which Output adds no further message.
const outputChunk = 64 << 10

// Output appends the bytes to send to dst. It stops at about 64 KiB, so it must be called
// until it appends none. The bytes count as sent.
func (s *session) Output(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, s.words...)
	s.words = nil
	for _, a := range s.answers {
		dst = s.appendAnswer(dst, a)
	}
	if s.answers = s.answers[:0]; cap(s.answers) > 4 {
		s.answers = nil
	}
	more := false
	if s.phase == phaseOpen || s.phase == phaseLeaving {
		dst, more = s.messages(dst, start)
	}
	if s.bye != nil && !more {
		dst = s.lastWords(dst)
	}
	s.spoke = s.spoke || len(dst) > start
	return dst
}

func (s *session) appendAnswer(dst []byte, a answer) []byte {
	w := writer{b: dst}
	switch a.kind {
	case TypePingreq, TypePingresp:
		w.u8(byte(a.kind << 4))
		w.u8(0)
		return w.b
	}
	p := Ack{Kind: a.kind, Code: a.code, PacketID: a.id}
	if a.code.Failed() && s.reasons != nil && (a.kind == TypePuback || a.kind == TypePubrec) {
		if b, ok := s.appendRefusal(dst, p); ok {
			return b
		}
	}
	w.ack(&p, s.dec.Version)
	return w.b
}

// appendRefusal appends an acknowledgement with its properties, unless there are none, or
// they make it larger than the peer accepts.
func (s *session) appendRefusal(dst []byte, p Ack) (_ []byte, ok bool) {
	p.Props = s.reasons[p.PacketID]
	delete(s.reasons, p.PacketID)
	if p.Props == nil {
		return dst, false
	}
	w := writer{b: dst}
	w.ack(&p, s.dec.Version)
	return w.b, w.err == nil && s.fits(len(w.b)-len(dst))
}

// messages appends messages while the peer's receive maximum allows, up to outputChunk
// after start. more reports that more messages could be sent now.
func (s *session) messages(dst []byte, start int) (_ []byte, more bool) {
	for m := s.out.sendable(); m != nil; m = s.out.sendable() {
		if len(dst)-start >= outputChunk {
			return dst, true
		}
		var err error
		dst, err = s.appendMessage(dst, m)
		s.out.sent(m, err)
	}
	s.out.trim()
	return dst, false
}

func (s *session) appendMessage(dst []byte, m *Outgoing) ([]byte, error) {
	p := m.Message
	p.Dup = m.Sent
	if b, ok := s.appendAliased(dst, &p); ok {
		return b, nil
	}
	w := writer{b: dst}
	w.publishHead(&p, s.dec.Version)
	if w.err != nil {
		return dst, w.err
	}
	return append(w.b, p.Payload...), nil
}

// lastWords appends the DISCONNECT, without its properties if the peer does not accept a
// packet that large.
func (s *session) lastWords(dst []byte) []byte {
	for _, p := range [...]*Disconnect{s.bye, {Code: s.bye.Code}} {
		if b, err := Append(dst, p, s.dec.Version); err == nil && s.fits(len(b)-len(dst)) {
			dst = b
			break
		}
	}
	s.bye = nil
	if s.phase == phaseLeaving {
		s.phase = phaseClosed
	}
	return dst
}
