package mqtt

import "unicode/utf8"

// Append appends p in the encoding of version v to dst. If p is not a packet that the
// peer could accept, it returns an *Error and dst unchanged. Fields that 3.1.1 does not
// have (properties, reason codes of acknowledgements) are left out.
func Append(dst []byte, p Packet, v Version) ([]byte, error) {
	w := writer{b: dst}
	switch p := p.(type) {
	case *Connect:
		w.connect(p)
	case *Connack:
		w.connack(p, v)
	case *Publish:
		w.publishHead(p, v)
		w.b = append(w.b, p.Payload...)
	case *Ack:
		w.ack(p, v)
	case *Subscribe:
		w.subscribe(p, v)
	case *Suback:
		w.suback(p, v)
	case *Unsubscribe:
		w.unsubscribe(p, v)
	case *Unsuback:
		w.unsuback(p, v)
	case *Ping:
		if p.Response {
			w.b = append(w.b, byte(TypePingresp<<4), 0)
		} else {
			w.b = append(w.b, byte(TypePingreq<<4), 0)
		}
	case *Disconnect:
		mark := w.header(TypeDisconnect)
		w.outcome(TypeDisconnect, p.Code, p.Props, v)
		w.close(mark, 0)
	case *Auth:
		mark := w.header(TypeAuth)
		w.outcome(TypeAuth, p.Code, p.Props, v)
		w.close(mark, 0)
		if v < V5 {
			w.fail(ProtocolError, "AUTH does not exist in 3.1.1")
		}
	default:
		panic("mqtt: unknown packet type")
	}
	if w.err != nil {
		return dst, w.err
	}
	return w.b, nil
}

// header writes the first byte and opens the body.
func (w *writer) header(t Type) int {
	w.u8(byte(t)<<4 | headerFlags[t])
	return w.open()
}

func (w *writer) connect(p *Connect) {
	if p.Version != V311 && p.Version != V5 {
		w.fail(UnsupportedVersion, "CONNECT has no known version")
	}
	if p.Version < V5 && p.HasPassword && !p.HasUsername {
		w.fail(ProtocolError, "password without user name")
	}
	mark := w.header(TypeConnect)
	w.text("MQTT")
	w.u8(byte(p.Version))
	w.u8(p.flags())
	w.u16(p.KeepAlive)
	w.properties(p.Props, TypeConnect, p.Version)
	w.text(p.ClientID)
	if p.Will != nil {
		w.properties(p.Will.Props, useWill, p.Version)
		w.text(p.Will.Topic)
		w.data(p.Will.Payload)
		if p.Will.QoS > 2 || !ValidTopic(p.Will.Topic) {
			w.fail(TopicNameInvalid, "will has QoS 3 or no topic name")
		}
	}
	if p.HasUsername {
		w.text(p.Username)
	}
	if p.HasPassword {
		w.data(p.Password)
	}
	w.close(mark, 0)
}

func (p *Connect) flags() (f byte) {
	if p.CleanStart {
		f |= 0x02
	}
	if p.Will != nil {
		f |= 0x04 | p.Will.QoS<<3
		if p.Will.Retain {
			f |= 0x20
		}
	}
	if p.HasPassword {
		f |= 0x40
	}
	if p.HasUsername {
		f |= 0x80
	}
	return f
}

func (w *writer) connack(p *Connack, v Version) {
	mark := w.header(TypeConnack)
	if p.SessionPresent && p.Code != Success {
		w.fail(ProtocolError, "a refusal has no session")
	}
	if p.SessionPresent {
		w.u8(1)
	} else {
		w.u8(0)
	}
	if v >= V5 {
		w.reason(TypeConnack, p.Code)
		w.properties(p.Props, TypeConnack, v)
	} else {
		w.u8(p.Code.returnCode())
	}
	w.close(mark, 0)
}

// publishHead writes a PUBLISH without its payload.
func (w *writer) publishHead(p *Publish, v Version) {
	first := byte(TypePublish)<<4 | p.QoS<<1
	if p.Retain {
		first |= 1
	}
	if p.Dup {
		first |= 8
	}
	w.u8(first)
	mark := w.open()
	if p.QoS > 2 || p.QoS == 0 && p.Dup {
		w.fail(ProtocolError, "QoS 3, or DUP at QoS 0")
	}
	aliased := v >= V5 && p.Props != nil && p.Props.TopicAlias.Set
	if !ValidTopic(p.Topic) && (p.Topic != "" || !aliased) {
		w.fail(TopicNameInvalid, "not a topic name")
	}
	w.text(p.Topic)
	if p.QoS > 0 {
		w.packetID(p.PacketID)
	}
	w.properties(p.Props, TypePublish, v)
	w.close(mark, len(p.Payload))
}

// size returns the length of the packet that Append will make, or its error. Without
// properties it is computed without encoding.
func (p *Publish) size(v Version) (int, error) {
	if v < V5 || p.Props == nil {
		body := 2 + len(p.Topic) + len(p.Payload)
		if p.QoS > 0 {
			body += 2
		}
		if v >= V5 {
			body++
		}
		if p.QoS <= 2 && body <= maxRemaining && ValidTopic(p.Topic) && utf8.ValidString(p.Topic) {
			return 1 + varintSize(body) + body, nil
		}
	}
	w := writer{}
	w.publishHead(p, v)
	return len(w.b) + len(p.Payload), w.err
}

func (w *writer) ack(p *Ack, v Version) {
	if p.Kind < TypePuback || p.Kind > TypePubcomp {
		w.fail(ProtocolError, "not an acknowledgement")
		return
	}
	mark := w.header(p.Kind)
	w.packetID(p.PacketID)
	w.outcome(p.Kind, p.Code, p.Props, v)
	w.close(mark, 0)
}

// outcome writes a reason code and properties, or less where the rest is the default.
func (w *writer) outcome(t Type, code Reason, props *Properties, v Version) {
	if v < V5 || code == Success && props == nil {
		return
	}
	w.reason(t, code)
	if props != nil || t == TypeAuth {
		w.properties(props, t, v)
	}
}

func (w *writer) subscribe(p *Subscribe, v Version) {
	mark := w.header(TypeSubscribe)
	w.packetID(p.PacketID)
	w.properties(p.Props, TypeSubscribe, v)
	w.items(len(p.Filters))
	if len(p.Filters) == 0 {
		w.fail(ProtocolError, "SUBSCRIBE without a filter")
	}
	for i := range p.Filters {
		w.subscription(&p.Filters[i], v)
	}
	w.close(mark, 0)
}

func (w *writer) subscription(s *Subscription, v Version) {
	if code, msg := s.check(v); msg != "" {
		w.fail(code, msg)
	}
	if s.QoS > 2 || s.RetainHandling > 2 {
		w.fail(ProtocolError, "subscription options are not valid")
	}
	options := s.QoS
	if v >= V5 {
		options |= s.RetainHandling << 4
		if s.NoLocal {
			options |= 0x04
		}
		if s.RetainAsPublished {
			options |= 0x08
		}
	}
	w.text(s.Filter)
	w.u8(options)
}

func (w *writer) suback(p *Suback, v Version) {
	mark := w.header(TypeSuback)
	w.packetID(p.PacketID)
	w.properties(p.Props, TypeSuback, v)
	w.codes(TypeSuback, p.Codes, v)
	w.close(mark, 0)
}

func (w *writer) codes(t Type, codes []Reason, v Version) {
	if len(codes) == 0 {
		w.fail(ProtocolError, t.String()+" without a code")
	}
	for _, code := range codes {
		if v < V5 && code.Failed() {
			code = UnspecifiedError
		}
		w.reason(t, code)
	}
}

func (w *writer) unsubscribe(p *Unsubscribe, v Version) {
	mark := w.header(TypeUnsubscribe)
	w.packetID(p.PacketID)
	w.properties(p.Props, TypeUnsubscribe, v)
	w.items(len(p.Filters))
	if len(p.Filters) == 0 {
		w.fail(ProtocolError, "UNSUBSCRIBE without a filter")
	}
	for _, filter := range p.Filters {
		if !ValidFilter(filter) {
			w.fail(TopicFilterInvalid, "topic filter is not valid")
		}
		w.text(filter)
	}
	w.close(mark, 0)
}

func (w *writer) unsuback(p *Unsuback, v Version) {
	mark := w.header(TypeUnsuback)
	w.packetID(p.PacketID)
	if v >= V5 {
		w.properties(p.Props, TypeUnsuback, v)
		w.codes(TypeUnsuback, p.Codes, v)
	}
	w.close(mark, 0)
}
