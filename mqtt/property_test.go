package mqtt

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

var (
	genText    = rapid.StringMatching(`[a-zäß€𝄞]{1,12}`)
	genTopic   = rapid.StringMatching(`[a-z$]{0,3}(/[a-z0-9 ]{0,4}){0,3}x`)
	genFilter  = rapid.StringMatching(`([a-z]{0,3}|\+)(/([a-z]{0,3}|\+)){0,2}(/#|/x)`)
	genData    = rapid.SliceOfN(rapid.Byte(), 1, 200)
	genID      = rapid.Uint16Range(1, 65535)
	genQoS     = rapid.ByteRange(0, 2)
	genVersion = rapid.SampledFrom([]Version{V311, V5})
)

// genReason draws a code that may stand in a packet of type kind.
func genReason(t *rapid.T, kind Type) Reason {
	var valid []Reason
	for r := range 256 {
		if Reason(r).ValidIn(kind) {
			valid = append(valid, Reason(r))
		}
	}
	return rapid.SampledFrom(valid).Draw(t, "code")
}

// genProps draws properties for a packet of type kind, or for a will.
func genProps(t *rapid.T, kind Type, v Version) *Properties {
	if v < V5 {
		return nil
	}
	p := &Properties{}
	for id := range byte(propCount) {
		if properties[id].use&(1<<kind) == 0 || properties[id].kind == kindNone || !rapid.Bool().Draw(t, "has") {
			continue
		}
		switch properties[id].kind {
		case kindByte:
			*p.byteField(id) = Some(rapid.ByteRange(0, 1).Draw(t, "byte"))
		case kindU16:
			*p.u16Field(id) = Some(genID.Draw(t, "u16"))
		case kindU32:
			*p.u32Field(id) = Some(rapid.Uint32Min(1).Draw(t, "u32"))
		case kindText:
			*p.textField(id) = genText.Draw(t, "text")
		case kindData:
			*p.dataField(id) = genData.Draw(t, "data")
		case kindSubID:
			n := 1
			if kind == TypePublish {
				n = 3
			}
			p.SubscriptionIDs = rapid.SliceOfN(rapid.Uint32Range(1, maxRemaining), 1, n).Draw(t, "subscription")
		case kindUser:
			p.User = append(p.User, UserProperty{genText.Draw(t, "key"), genText.Draw(t, "value")})
		}
	}
	if p.AuthMethod == "" {
		p.AuthData = nil
	}
	if reflect.DeepEqual(p, &Properties{}) {
		return nil
	}
	return p
}

func genConnect(t *rapid.T, v Version) *Connect {
	p := &Connect{
		Version:     v,
		CleanStart:  rapid.Bool().Draw(t, "clean"),
		KeepAlive:   rapid.Uint16().Draw(t, "keep alive"),
		ClientID:    genText.Draw(t, "client"),
		HasUsername: rapid.Bool().Draw(t, "has user"),
		Props:       genProps(t, TypeConnect, v),
	}
	if p.HasUsername {
		p.Username = genText.Draw(t, "user")
	}
	if p.HasPassword = (p.HasUsername || v >= V5) && rapid.Bool().Draw(t, "has password"); p.HasPassword {
		p.Password = genData.Draw(t, "password")
	}
	if rapid.Bool().Draw(t, "will") {
		p.Will = &Will{Topic: genTopic.Draw(t, "topic"), Payload: genData.Draw(t, "payload"), QoS: genQoS.Draw(t, "qos"),
			Retain: rapid.Bool().Draw(t, "retain"), Props: genProps(t, useWill, v)}
	}
	return p
}

func genPublish(t *rapid.T, v Version) *Publish {
	p := &Publish{
		Topic: genTopic.Draw(t, "topic"), Payload: genData.Draw(t, "payload"), Props: genProps(t, TypePublish, v),
		QoS: genQoS.Draw(t, "qos"), Retain: rapid.Bool().Draw(t, "retain"),
	}
	if p.QoS > 0 {
		p.PacketID = genID.Draw(t, "id")
		p.Dup = rapid.Bool().Draw(t, "dup")
	}
	return p
}

func genSubscribe(t *rapid.T, v Version) *Subscribe {
	p := &Subscribe{PacketID: genID.Draw(t, "id"), Props: genProps(t, TypeSubscribe, v)}
	for range rapid.IntRange(1, 4).Draw(t, "filters") {
		s := Subscription{Filter: genFilter.Draw(t, "filter"), QoS: genQoS.Draw(t, "qos")}
		if v >= V5 {
			s.NoLocal, s.RetainAsPublished = rapid.Bool().Draw(t, "local"), rapid.Bool().Draw(t, "retain")
			s.RetainHandling = genQoS.Draw(t, "handling")
		}
		p.Filters = append(p.Filters, s)
	}
	return p
}

// genPacket draws a packet that version v can express in full.
func genPacket(t *rapid.T, v Version) Packet {
	last := TypeAuth
	if v < V5 {
		last = TypeDisconnect
	}
	kind := Type(rapid.IntRange(int(TypeConnect), int(last)).Draw(t, "type"))
	code := func() Reason {
		if v < V5 {
			return Success
		}
		return genReason(t, kind)
	}
	switch kind {
	case TypeConnect:
		return genConnect(t, v)
	case TypeConnack:
		p := &Connack{Code: code(), Props: genProps(t, kind, v)}
		p.SessionPresent = p.Code == Success && rapid.Bool().Draw(t, "present")
		return p
	case TypePublish:
		return genPublish(t, v)
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		return &Ack{Kind: kind, PacketID: genID.Draw(t, "id"), Code: code(), Props: genProps(t, kind, v)}
	case TypeSubscribe:
		return genSubscribe(t, v)
	case TypeSuback:
		return &Suback{PacketID: genID.Draw(t, "id"), Codes: []Reason{code(), code()}, Props: genProps(t, kind, v)}
	case TypeUnsubscribe:
		return &Unsubscribe{
			PacketID: genID.Draw(t, "id"), Filters: rapid.SliceOfN(genFilter, 1, 4).Draw(t, "filters"),
			Props: genProps(t, kind, v),
		}
	case TypeUnsuback:
		p := &Unsuback{PacketID: genID.Draw(t, "id"), Props: genProps(t, kind, v)}
		if v >= V5 {
			p.Codes = []Reason{code()}
		}
		return p
	case TypePingreq, TypePingresp:
		return &Ping{Response: kind == TypePingresp}
	case TypeDisconnect:
		return &Disconnect{Code: code(), Props: genProps(t, kind, v)}
	}
	return &Auth{Code: code(), Props: genProps(t, kind, v)}
}

// TestDecodeIsInverseOfAppend also shows that packets are found in a stream.
func TestDecodeIsInverseOfAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genVersion.Draw(t, "version")
		want := []Packet{genPacket(t, v), genPacket(t, v)}
		var b []byte
		for _, p := range want {
			var err error
			start := len(b)
			if b, err = Append(b, p, v); err != nil {
				t.Fatalf("Append of %+v: %v", p, err)
			}
			if m, ok := p.(*Publish); ok {
				if n, err := m.size(v); err != nil || n != len(b)-start {
					t.Fatalf("size of %+v is %d, %v, want %d", p, n, err, len(b)-start)
				}
			}
		}
		for _, p := range want {
			got, n, err := Decode(b, v, 0)
			if err != nil {
				t.Fatalf("Decode of %+v: %v", p, err)
			}
			if !reflect.DeepEqual(normal(got), normal(p)) {
				t.Fatalf("got %+v\nwant %+v", got, p)
			}
			b = b[n:]
		}
		if len(b) > 0 {
			t.Fatalf("%d bytes are left", len(b))
		}
	})
}

// TestAppendIsInverseOfDecode: what can be decoded at all, be it damaged, is
// encoded to something of the same meaning, and that to the same bytes.
func TestAppendIsInverseOfDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genVersion.Draw(t, "version")
		b, err := Append(nil, genPacket(t, v), v)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 3).Draw(t, "damage") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		if err := recode(b, v); err != nil {
			t.Fatal(err)
		}
	})
}

// recode checks that decoding and encoding agree on b.
func recode(b []byte, v Version) error {
	p, n, err := Decode(b, v, 0)
	if err != nil {
		return nil
	}
	if n != Size(b) || n > len(b) {
		return errors.New("the size is wrong")
	}
	if c, ok := p.(*Connect); ok {
		v = c.Version
	}
	once, err := Append(nil, p, v)
	if err != nil {
		return err
	}
	q, n, err := Decode(once, v, 0)
	if err != nil {
		return err
	}
	if n != len(once) || !reflect.DeepEqual(normal(p), normal(q)) {
		return errors.New("the meaning has changed")
	}
	twice, err := Append(nil, q, v)
	if err != nil {
		return err
	}
	if !bytes.Equal(once, twice) {
		return errors.New("the bytes have changed")
	}
	return nil
}

func FuzzDecode(f *testing.F) {
	for _, tc := range golden {
		f.Add(unhex(f, tc.hex), tc.v == V5)
	}
	for _, tc := range malformed {
		f.Add(unhex(f, tc.hex), tc.v == V5)
	}
	f.Fuzz(func(t *testing.T, b []byte, v5 bool) {
		v := V311
		if v5 {
			v = V5
		}
		if err := recode(b, v); err != nil {
			t.Fatal(err)
		}
	})
}
