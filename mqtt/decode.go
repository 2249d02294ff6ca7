package mqtt

import "strings"

// A Decoder decodes the packets of one connection. It reuses the PUBLISH and the
// acknowledgement that it returns: they are valid until the next call.
type Decoder struct {
	Version Version // version of the packets; set by a CONNECT
	MaxSize int     // limit of a whole packet; 0 = the protocol's limit

	publish Publish
	ack     Ack
}

// Decode decodes the packet at the front of buf and returns its size in bytes. It returns
// ErrIncomplete when the packet is not complete, and an *Error as soon as the packet is
// known to be invalid. v does not matter for a CONNECT, which has its own version.
// Packets larger than maxSize are refused (0 = no limit).
func Decode(buf []byte, v Version, maxSize int) (p Packet, n int, err error) {
	d := Decoder{Version: v, MaxSize: maxSize}
	return d.Decode(buf)
}

// Size returns the size of the packet at the front of buf, or 0 when buf has too little
// of it to tell.
func Size(buf []byte) int {
	if len(buf) < 2 {
		return 0
	}
	v, n := varint(buf[1:])
	if n <= 0 {
		return 0
	}
	return 1 + n + int(v)
}

// Decode decodes the packet at the front of buf; see the function Decode.
func (d *Decoder) Decode(buf []byte) (p Packet, n int, err error) {
	t, body, n, err := d.frame(buf)
	if err != nil {
		return nil, 0, err
	}
	r := reader{b: body}
	p = d.body(&r, t, buf[0]&0x0F)
	if err := r.end(); err != nil {
		return nil, 0, err
	}
	return p, n, nil
}

// headerFlags are the required low bits of the first byte, by type.
var headerFlags = [16]byte{TypePubrel: 2, TypeSubscribe: 2, TypeUnsubscribe: 2}

// frame finds the body of the packet at the front of buf. Errors in the first bytes are
// reported before the rest has arrived.
func (d *Decoder) frame(buf []byte) (t Type, body []byte, n int, err error) {
	if len(buf) == 0 {
		return 0, nil, 0, ErrIncomplete
	}
	t, flags := Type(buf[0]>>4), buf[0]&0x0F
	if t == 0 || t == TypeAuth && d.Version < V5 {
		return 0, nil, 0, &Error{MalformedPacket, "reserved packet type"}
	}
	if t != TypePublish && flags != headerFlags[t] {
		return 0, nil, 0, &Error{MalformedPacket, "reserved flags of " + t.String()}
	}
	length, size := varint(buf[1:])
	if size < 0 || d.Version >= V5 && size > 1 && length>>(7*(size-1)) == 0 {
		return 0, nil, 0, &Error{MalformedPacket, "remaining length is badly encoded"}
	}
	if size == 0 {
		return 0, nil, 0, ErrIncomplete
	}
	n = 1 + size + int(length)
	if d.MaxSize > 0 && n > d.MaxSize {
		return 0, nil, 0, &Error{PacketTooLarge, t.String() + " is larger than this side accepts"}
	}
	if len(buf) < n {
		return 0, nil, 0, ErrIncomplete
	}
	return t, buf[1+size : n], n, nil
}

// body decodes the content of a packet; the reader keeps the error.
func (d *Decoder) body(r *reader, t Type, flags byte) Packet {
	switch t {
	case TypeConnect:
		p := new(Connect)
		p.unpack(r)
		if p.Version != 0 {
			d.Version = p.Version // so that the client understands the answer to an invalid CONNECT
		}
		return p
	case TypePublish:
		d.publish.unpack(r, flags, d.Version)
		return &d.publish
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		d.ack.unpack(r, t, d.Version)
		return &d.ack
	case TypePingreq, TypePingresp:
		if t == TypePingreq {
			return pingreq
		}
		return pingresp
	case TypeConnack:
		p := new(Connack)
		p.unpack(r, d.Version)
		return p
	case TypeSubscribe:
		p := new(Subscribe)
		p.unpack(r, d.Version)
		return p
	case TypeSuback:
		p := new(Suback)
		p.unpack(r, d.Version)
		return p
	case TypeUnsubscribe:
		p := new(Unsubscribe)
		p.unpack(r, d.Version)
		return p
	case TypeUnsuback:
		p := new(Unsuback)
		p.unpack(r, d.Version)
		return p
	case TypeDisconnect:
		p := new(Disconnect)
		p.Code, p.Props = r.outcome(t, d.Version)
		return p
	default:
		p := new(Auth)
		p.Code, p.Props = r.outcome(t, d.Version)
		return p
	}
}

// A ping has no content, so all pings are one of these two.
var (
	pingreq  = &Ping{}
	pingresp = &Ping{Response: true}
)

func (p *Connect) unpack(r *reader) {
	name, level := r.text(), r.u8()
	if r.err != nil {
		return
	}
	if name != "MQTT" || level != byte(V311) && level != byte(V5) {
		p.unsupported(r, name, level)
		return
	}
	p.Version = Version(level)
	flags := r.u8()
	p.KeepAlive = r.u16()
	p.CleanStart = flags&0x02 != 0
	p.HasUsername, p.HasPassword = flags&0x80 != 0, flags&0x40 != 0
	switch {
	case flags&0x01 != 0:
		r.fail(MalformedPacket, "reserved flag of CONNECT")
	case flags&0x04 == 0 && flags&0x38 != 0:
		r.fail(MalformedPacket, "will flags without a will")
	case flags&0x18 == 0x18:
		r.fail(MalformedPacket, "will QoS is 3")
	case p.Version < V5 && p.HasPassword && !p.HasUsername:
		r.fail(MalformedPacket, "password without user name")
	}
	if p.Version >= V5 {
		p.Props = r.properties(TypeConnect)
	}
	p.ClientID = r.text()
	if flags&0x04 != 0 {
		p.Will = &Will{QoS: flags >> 3 & 3, Retain: flags&0x20 != 0}
		p.Will.unpack(r, p.Version)
	}
	if p.HasUsername {
		p.Username = r.text()
	}
	if p.HasPassword {
		p.Password = r.data()
	}
}

// unsupported refuses another protocol version in the nearest one that is supported.
func (p *Connect) unsupported(r *reader, name string, level byte) {
	if name != "MQTT" && name != "MQIsdp" {
		r.fail(ProtocolError, "this is not MQTT")
		return
	}
	p.Version = V311
	if level > byte(V5) {
		p.Version = V5
	}
	r.fail(UnsupportedVersion, "only MQTT 5.0 and 3.1.1 are spoken here")
}

func (p *Will) unpack(r *reader, v Version) {
	if v >= V5 {
		p.Props = r.properties(useWill)
	}
	p.Topic = r.text()
	p.Payload = r.data()
	if r.err == nil && !ValidTopic(p.Topic) {
		r.fail(TopicNameInvalid, "will topic is not a topic name")
	}
}

func (p *Connack) unpack(r *reader, v Version) {
	flags := r.u8()
	p.SessionPresent = flags&1 != 0
	if v >= V5 {
		p.Code = r.reason(TypeConnack)
		p.Props = r.properties(TypeConnack)
	} else if code := int(r.u8()); code < len(connack311) {
		p.Code = connack311[code]
	} else {
		r.fail(MalformedPacket, "reserved return code in CONNACK")
	}
	if flags > 1 || p.SessionPresent && p.Code != Success {
		r.fail(MalformedPacket, "reserved flags of CONNACK")
	}
}

// unpack decodes a PUBLISH into p, and keeps p's former topic if it is the same.
func (p *Publish) unpack(r *reader, flags byte, v Version) {
	topic := r.data()
	*p = Publish{Topic: p.Topic, QoS: flags >> 1 & 3, Retain: flags&1 != 0, Dup: flags&8 != 0}
	if p.Topic != string(topic) {
		p.Topic = string(topic)
		if !validText(topic) {
			r.fail(MalformedPacket, "topic is not valid UTF-8")
		} else if strings.ContainsAny(p.Topic, "+#") {
			r.fail(TopicNameInvalid, "wildcard in the topic of PUBLISH")
		}
	}
	if p.QoS == 3 || p.QoS == 0 && p.Dup {
		r.fail(MalformedPacket, "QoS 3, or DUP at QoS 0")
	}
	if p.QoS > 0 {
		p.PacketID = r.packetID()
	}
	if v >= V5 {
		p.Props = r.properties(TypePublish)
	}
	if r.err != nil {
		p.Topic = "" // it may be invalid, so it must not be reused as a valid one
		return
	}
	if p.Topic == "" && (p.Props == nil || !p.Props.TopicAlias.Set) {
		r.fail(ProtocolError, "PUBLISH without a topic")
	}
	p.Payload = r.take(len(r.b))
}

func (p *Ack) unpack(r *reader, t Type, v Version) {
	*p = Ack{Kind: t, PacketID: r.packetID()}
	if v >= V5 {
		p.Code, p.Props = r.outcome(t, v)
	}
}

// outcome reads the reason code and properties at the end of a packet, where
// either may be left out.
func (r *reader) outcome(t Type, v Version) (code Reason, props *Properties) {
	if v >= V5 && len(r.b) > 0 {
		code = r.reason(t)
	}
	if v >= V5 && len(r.b) > 0 {
		props = r.properties(t)
	}
	return code, props
}

func (p *Subscribe) unpack(r *reader, v Version) {
	p.PacketID = r.packetID()
	if v >= V5 {
		p.Props = r.properties(TypeSubscribe)
	}
	for more := true; more && r.err == nil; more = len(r.b) > 0 {
		s := Subscription{Filter: r.text()}
		s.options(r, r.u8(), v)
		r.room(len(p.Filters))
		p.Filters = append(p.Filters, s)
	}
}

func (s *Subscription) options(r *reader, b byte, v Version) {
	s.QoS = b & 3
	s.NoLocal = b&0x04 != 0
	s.RetainAsPublished = b&0x08 != 0
	s.RetainHandling = b >> 4 & 3
	if s.QoS == 3 || b&0xC0 != 0 || s.RetainHandling == 3 || v < V5 && b > 2 {
		r.fail(MalformedPacket, "reserved bits in subscription options")
	}
	if r.err != nil {
		return
	}
	if code, msg := s.check(v); msg != "" {
		r.fail(code, msg)
	}
}

// check returns the reason why a subscription is invalid, "" if it is valid.
func (s *Subscription) check(v Version) (Reason, string) {
	if !ValidFilter(s.Filter) {
		return TopicFilterInvalid, "topic filter is not valid"
	}
	shared, valid := Shared(s.Filter)
	if v < V5 || !shared {
		return Success, ""
	}
	if !valid {
		return TopicFilterInvalid, "shared subscription is not valid"
	}
	if s.NoLocal {
		return ProtocolError, "no local on a shared subscription"
	}
	return Success, ""
}

func (p *Suback) unpack(r *reader, v Version) {
	p.PacketID = r.packetID()
	if v >= V5 {
		p.Props = r.properties(TypeSuback)
	}
	p.Codes = r.codes(TypeSuback)
	if v >= V5 {
		return
	}
	for _, code := range p.Codes {
		if code > GrantedQoS2 && code != UnspecifiedError {
			r.fail(MalformedPacket, "reserved return code in SUBACK")
		}
	}
}

func (p *Unsuback) unpack(r *reader, v Version) {
	p.PacketID = r.packetID()
	if v >= V5 {
		p.Props = r.properties(TypeUnsuback)
		p.Codes = r.codes(TypeUnsuback)
	}
}

// codes reads reason codes up to the end of the packet, at least one.
func (r *reader) codes(t Type) []Reason {
	var codes []Reason
	for more := true; more && r.err == nil; more = len(r.b) > 0 {
		codes = append(codes, r.reason(t))
	}
	return codes
}

func (p *Unsubscribe) unpack(r *reader, v Version) {
	p.PacketID = r.packetID()
	if v >= V5 {
		p.Props = r.properties(TypeUnsubscribe)
	}
	for more := true; more && r.err == nil; more = len(r.b) > 0 {
		filter := r.text()
		if r.err == nil && !ValidFilter(filter) {
			r.fail(TopicFilterInvalid, "topic filter is not valid")
		}
		r.room(len(p.Filters))
		p.Filters = append(p.Filters, filter)
	}
}
