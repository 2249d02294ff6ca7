package mqtt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// unhex reads bytes written in hexadecimal, with spaces where they help.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// normal returns p without differences that have no meaning: an empty payload or
// none, properties without content or none.
func normal(p Packet) Packet {
	v := reflect.New(reflect.TypeOf(p).Elem())
	v.Elem().Set(reflect.ValueOf(p).Elem())
	if f := v.Elem().FieldByName("Props"); f.IsValid() && !f.IsNil() && f.Elem().IsZero() {
		f.SetZero()
	}
	q := v.Interface().(Packet)
	switch q := q.(type) {
	case *Publish:
		q.Payload = filled(q.Payload)
	case *Connect:
		q.Password = filled(q.Password)
		if q.Will != nil {
			will := *q.Will
			will.Payload = filled(will.Payload)
			if reflect.ValueOf(will.Props.given()).Elem().IsZero() {
				will.Props = nil
			}
			q.Will = &will
		}
	}
	return q
}

// filled returns b, or nil if it is empty.
func filled(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

var golden = []struct {
	name string
	v    Version
	p    Packet
	hex  string
}{
	{"connect", V311, &Connect{Version: V311, CleanStart: true, KeepAlive: 60, ClientID: "ab"},
		"10 0e 0004 4d515454 04 02 003c 0002 6162"},
	{"connect", V5, &Connect{Version: V5, CleanStart: true, KeepAlive: 60, ClientID: "ab"},
		"10 0f 0004 4d515454 05 02 003c 00 0002 6162"},
	{"connect with all", V311, &Connect{Version: V311, KeepAlive: 1, ClientID: "c", HasUsername: true, HasPassword: true,
		Username: "u", Password: []byte("p"), Will: &Will{Topic: "w", Payload: []byte{1}, QoS: 1, Retain: true}},
		"10 19 0004 4d515454 04 ec 0001 0001 63 0001 77 0001 01 0001 75 0001 70"},
	{"connect with all", V5, &Connect{Version: V5, KeepAlive: 1, ClientID: "c", HasPassword: true, Password: []byte("p"),
		Will:  &Will{Topic: "w", Payload: []byte{1}, QoS: 2, Props: &Properties{WillDelay: Some[uint32](5)}},
		Props: &Properties{SessionExpiry: Some[uint32](16), ReceiveMaximum: Some[uint16](3)}},
		"10 25 0004 4d515454 05 54 0001 08 11 00000010 21 0003 0001 63 05 18 00000005 0001 77 0001 01 0001 70"},
	{"connack", V311, &Connack{SessionPresent: true}, "20 02 01 00"},
	{"connack refused", V311, &Connack{Code: NotAuthorized}, "20 02 00 05"},
	{"connack", V5, &Connack{Props: &Properties{ServerKeepAlive: Some[uint16](10)}}, "20 06 00 00 03 13 000a"},
	{"connack elsewhere", V5, &Connack{Code: UseAnotherServer, Props: &Properties{ServerReference: "b"}}, "20 07 00 9c 04 1c 0001 62"},
	{"publish qos 0", V311, &Publish{Topic: "a/b", Payload: []byte("hi")}, "30 07 0003 612f62 6869"},
	{"publish qos 0", V5, &Publish{Topic: "a/b", Payload: []byte("hi")}, "30 08 0003 612f62 00 6869"},
	{"publish qos 1", V311, &Publish{Topic: "a", PacketID: 10, QoS: 1, Retain: true, Dup: true}, "3b 05 0001 61 000a"},
	{"publish qos 2", V5, &Publish{Topic: "a", PacketID: 10, QoS: 2, Payload: []byte{0}, Props: &Properties{
		User: []UserProperty{{"k", "v"}}, ContentType: "t", SubscriptionIDs: []uint32{1, 200}}},
		"34 17 0001 61 000a 10 03 0001 74 0b 01 0b c801 26 0001 6b 0001 76 00"},
	{"publish by alias", V5, &Publish{Payload: []byte{7}, Props: &Properties{TopicAlias: Some[uint16](2)}}, "30 07 0000 03 23 0002 07"},
	{"puback", V311, &Ack{Kind: TypePuback, PacketID: 1}, "40 02 0001"},
	{"puback", V5, &Ack{Kind: TypePuback, PacketID: 1}, "40 02 0001"},
	{"puback code", V5, &Ack{Kind: TypePuback, PacketID: 1, Code: QuotaExceeded}, "40 03 0001 97"},
	{"puback text", V5, &Ack{Kind: TypePuback, PacketID: 1, Code: QuotaExceeded, Props: &Properties{ReasonString: "x"}}, "40 08 0001 97 04 1f 0001 78"},
	{"pubrec", V311, &Ack{Kind: TypePubrec, PacketID: 2}, "50 02 0002"},
	{"pubrec", V5, &Ack{Kind: TypePubrec, PacketID: 2, Code: NoMatchingSubscribers}, "50 03 0002 10"},
	{"pubrel", V311, &Ack{Kind: TypePubrel, PacketID: 2}, "62 02 0002"},
	{"pubrel", V5, &Ack{Kind: TypePubrel, PacketID: 2, Code: PacketIDNotFound}, "62 03 0002 92"},
	{"pubcomp", V311, &Ack{Kind: TypePubcomp, PacketID: 2}, "70 02 0002"},
	{"pubcomp", V5, &Ack{Kind: TypePubcomp, PacketID: 2, Code: PacketIDNotFound}, "70 03 0002 92"},
	{"subscribe", V311, &Subscribe{PacketID: 3, Filters: []Subscription{{Filter: "a/#", QoS: 1}, {Filter: "+"}}}, "82 0c 0003 0003 612f23 01 0001 2b 00"},
	{"subscribe", V5, &Subscribe{PacketID: 3, Filters: []Subscription{{Filter: "a", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}},
		Props: &Properties{SubscriptionIDs: []uint32{9}}}, "82 09 0003 02 0b 09 0001 61 2e"},
	{"suback", V311, &Suback{PacketID: 3, Codes: []Reason{GrantedQoS1, UnspecifiedError}}, "90 04 0003 01 80"},
	{"suback", V5, &Suback{PacketID: 3, Codes: []Reason{GrantedQoS2, NotAuthorized}}, "90 05 0003 00 02 87"},
	{"unsubscribe", V311, &Unsubscribe{PacketID: 4, Filters: []string{"a"}}, "a2 05 0004 0001 61"},
	{"unsubscribe", V5, &Unsubscribe{PacketID: 4, Filters: []string{"a", "b"}}, "a2 09 0004 00 0001 61 0001 62"},
	{"unsuback", V311, &Unsuback{PacketID: 4}, "b0 02 0004"},
	{"unsuback", V5, &Unsuback{PacketID: 4, Codes: []Reason{Success, NoSubscriptionExisted}}, "b0 05 0004 00 00 11"},
	{"pingreq", V311, &Ping{}, "c0 00"},
	{"pingreq", V5, &Ping{}, "c0 00"},
	{"pingresp", V311, &Ping{Response: true}, "d0 00"},
	{"pingresp", V5, &Ping{Response: true}, "d0 00"},
	{"disconnect", V311, &Disconnect{}, "e0 00"},
	{"disconnect", V5, &Disconnect{}, "e0 00"},
	{"disconnect code", V5, &Disconnect{Code: SessionTakenOver}, "e0 01 8e"},
	{"disconnect elsewhere", V5, &Disconnect{Code: ServerMoved, Props: &Properties{ServerReference: "b"}}, "e0 06 9d 04 1c 0001 62"},
	{"auth", V5, &Auth{Code: ContinueAuthentication, Props: &Properties{AuthMethod: "m", AuthData: []byte{1}}}, "f0 0a 18 08 15 0001 6d 16 0001 01"},
	{"auth success", V5, &Auth{}, "f0 00"},
}

func TestGolden(t *testing.T) {
	for _, tc := range golden {
		want := unhex(t, tc.hex)
		got, err := Append([]byte{0xAA}, tc.p, tc.v)
		if err != nil || !bytes.Equal(got[1:], want) || got[0] != 0xAA {
			t.Errorf("%s (%d): Append gives % x, %v, want % x", tc.name, tc.v, got, err, want)
		}
		p, n, err := Decode(append(want, 0x55), tc.v, 0)
		if err != nil || n != len(want) || !reflect.DeepEqual(normal(p), normal(tc.p)) {
			t.Errorf("%s (%d): Decode gives %+v, %d, %v, want %+v", tc.name, tc.v, p, n, err, tc.p)
		}
		for i := range want {
			if _, _, err := Decode(want[:i], tc.v, 0); err != ErrIncomplete {
				t.Errorf("%s (%d): Decode of %d of %d bytes gives %v", tc.name, tc.v, i, len(want), err)
			}
		}
		if n := Size(want); n != len(want) {
			t.Errorf("%s (%d): Size = %d, want %d", tc.name, tc.v, n, len(want))
		}
	}
}

// malformed is what neither version, or the given one, may send.
var malformed = []struct {
	name string
	v    Version
	hex  string
	code Reason
}{
	{"type 0", V5, "00 00", MalformedPacket},
	{"AUTH in 3.1.1", V311, "f0 00", MalformedPacket},
	{"flags of PUBREL", V5, "60 02 0001", MalformedPacket},
	{"flags of SUBSCRIBE", V311, "80 06 0001 0001 61 00", MalformedPacket},
	{"flags of PINGREQ", V311, "c1 00", MalformedPacket},
	{"length of five bytes", V311, "30 ff ff ff ff 01", MalformedPacket},
	{"overlong length", V5, "c0 80 00", MalformedPacket},
	{"content in PINGREQ", V5, "c0 01 00", MalformedPacket},
	{"content in a 3.1.1 PUBACK", V311, "40 03 0001 00", MalformedPacket},
	{"content in a 3.1.1 DISCONNECT", V311, "e0 01 00", MalformedPacket},
	{"other protocol", V5, "10 0d 0004 48545450 04 02 003c 0001 61", ProtocolError},
	{"MQTT 3.1", V5, "10 0f 0006 4d5149736470 03 02 003c 0001 61", UnsupportedVersion},
	{"MQTT 6", V5, "10 0d 0004 4d515454 06 02 003c 0001 61", UnsupportedVersion},
	{"reserved flag of CONNECT", V311, "10 0d 0004 4d515454 04 03 003c 0001 61", MalformedPacket},
	{"will QoS without will", V311, "10 0d 0004 4d515454 04 0a 003c 0001 61", MalformedPacket},
	{"will QoS 3", V311, "10 13 0004 4d515454 04 1e 003c 0001 61 0001 77 0001 01", MalformedPacket},
	{"password only", V311, "10 10 0004 4d515454 04 42 003c 0001 61 0001 70", MalformedPacket},
	{"CONNECT cut short", V311, "10 0a 0004 4d515454 04 02 003c", MalformedPacket},
	{"wildcard in will", V311, "10 13 0004 4d515454 04 06 003c 0001 61 0001 23 0001 01", TopicNameInvalid},
	{"will delay in CONNECT", V5, "10 13 0004 4d515454 05 02 003c 05 18 00000001 0001 61", MalformedPacket},
	{"receive maximum 0", V5, "10 11 0004 4d515454 05 02 003c 03 21 0000 0001 61", ProtocolError},
	{"packet size 0", V5, "10 13 0004 4d515454 05 02 003c 05 27 00000000 0001 61", ProtocolError},
	{"property twice", V5, "10 14 0004 4d515454 05 02 003c 06 21 0001 21 0001 0001 61", ProtocolError},
	{"flag property 2", V5, "10 10 0004 4d515454 05 02 003c 02 17 02 0001 61", ProtocolError},
	{"auth data alone", V5, "10 12 0004 4d515454 05 02 003c 04 16 0001 01 0001 61", ProtocolError},
	{"CONNACK flags", V311, "20 02 02 00", MalformedPacket},
	{"CONNACK code", V311, "20 02 00 06", MalformedPacket},
	{"session in a refusal", V5, "20 03 01 87 00", MalformedPacket},
	{"QoS 3", V311, "36 05 0001 61 0001", MalformedPacket},
	{"DUP at QoS 0", V5, "38 04 0001 61 00", MalformedPacket},
	{"identifier 0", V311, "32 05 0001 61 0000", MalformedPacket},
	{"wildcard in topic", V311, "30 03 0001 2b", TopicNameInvalid},
	{"no topic", V311, "30 02 0000", ProtocolError},
	{"no topic, no alias", V5, "30 03 0000 00", ProtocolError},
	{"alias 0", V5, "30 07 0001 61 03 23 0000", TopicAliasInvalid},
	{"topic not UTF-8", V311, "30 03 0001 ff", MalformedPacket},
	{"topic with NUL", V311, "30 03 0001 00", MalformedPacket},
	{"surrogate in topic", V311, "30 05 0003 eda080", MalformedPacket},
	{"topic beyond the end", V311, "30 03 0005 61", MalformedPacket},
	{"properties beyond the end", V5, "30 04 0001 61 05", MalformedPacket},
	{"overlong property length", V5, "30 05 0001 61 8000", MalformedPacket},
	{"unknown property", V5, "30 06 0001 61 02 7f 00", MalformedPacket},
	{"response topic with wildcard", V5, "30 08 0001 61 04 08 0001 23", ProtocolError},
	{"subscription identifier 0", V5, "30 06 0001 61 02 0b 00", ProtocolError},
	{"code not for PUBACK", V5, "40 03 0001 92", MalformedPacket},
	{"code not for PUBREL", V5, "62 03 0001 80", MalformedPacket},
	{"SUBSCRIBE to nothing", V311, "82 02 0001", MalformedPacket},
	{"subscribe QoS 3", V311, "82 06 0001 0001 61 03", MalformedPacket},
	{"reserved option", V5, "82 07 0001 00 0001 61 40", MalformedPacket},
	{"v5 option in 3.1.1", V311, "82 06 0001 0001 61 04", MalformedPacket},
	{"retain handling 3", V5, "82 07 0001 00 0001 61 30", MalformedPacket},
	{"filter a#", V311, "82 07 0001 0002 6123 00", TopicFilterInvalid},
	{"filter #/a", V311, "82 08 0001 0003 232f61 00", TopicFilterInvalid},
	{"no local, shared", V5, "82 10 0001 00 000a 2473686172652f672f61 04", ProtocolError},
	{"shared without filter", V5, "82 0e 0001 00 0008 2473686172652f67 00", TopicFilterInvalid},
	{"SUBACK without code", V311, "90 02 0001", MalformedPacket},
	{"SUBACK code", V311, "90 03 0001 87", MalformedPacket},
	{"UNSUBSCRIBE from nothing", V5, "a2 03 0001 00", MalformedPacket},
	{"UNSUBACK without code", V5, "b0 03 0001 00", MalformedPacket},
	{"code not for DISCONNECT", V5, "e0 01 84", MalformedPacket},
	{"code not for AUTH", V5, "f0 01 80", MalformedPacket},
}

func TestMalformed(t *testing.T) {
	for _, tc := range malformed {
		_, _, err := Decode(unhex(t, tc.hex), tc.v, 0)
		var e *Error
		if !errors.As(err, &e) || e.Code != tc.code {
			t.Errorf("%s: Decode says %v, want %v", tc.name, err, tc.code)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	long := strings.Repeat("x", 65536)
	for _, tc := range []struct {
		name string
		v    Version
		p    Packet
		code Reason
	}{
		{"no version", V5, &Connect{}, UnsupportedVersion},
		{"password only", V311, &Connect{Version: V311, HasPassword: true}, ProtocolError},
		{"will topic", V5, &Connect{Version: V5, Will: &Will{Topic: "#"}}, TopicNameInvalid},
		{"long client identifier", V5, &Connect{Version: V5, ClientID: long}, PacketTooLarge},
		{"refusal with session", V5, &Connack{SessionPresent: true, Code: Banned}, ProtocolError},
		{"wildcard", V5, &Publish{Topic: "+"}, TopicNameInvalid},
		{"alias in 3.1.1", V311, &Publish{Props: &Properties{TopicAlias: Some[uint16](1)}}, TopicNameInvalid},
		{"QoS 3", V5, &Publish{Topic: "a", QoS: 3, PacketID: 1}, ProtocolError},
		{"no identifier", V5, &Publish{Topic: "a", QoS: 1}, ProtocolError},
		{"not UTF-8", V5, &Publish{Topic: "\xff"}, MalformedPacket},
		{"long property", V5, &Publish{Topic: "a", Props: &Properties{ContentType: long}}, PacketTooLarge},
		{"property of another packet", V5, &Publish{Topic: "a", Props: &Properties{ReasonString: "x"}}, ProtocolError},
		{"kind", V5, &Ack{Kind: TypeConnect, PacketID: 1}, ProtocolError},
		{"code", V5, &Ack{Kind: TypePuback, PacketID: 1, Code: Banned}, ProtocolError},
		{"no filter", V5, &Subscribe{PacketID: 1}, ProtocolError},
		{"two subscription identifiers", V5, &Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "a"}}, Props: &Properties{SubscriptionIDs: []uint32{1, 2}}}, ProtocolError},
		{"large subscription identifier", V5, &Publish{Topic: "a", Props: &Properties{SubscriptionIDs: []uint32{1 << 28}}}, ProtocolError},
		{"no code", V5, &Suback{PacketID: 1}, ProtocolError},
		{"filter", V5, &Unsubscribe{PacketID: 1, Filters: []string{"a#"}}, TopicFilterInvalid},
		{"AUTH in 3.1.1", V311, &Auth{}, ProtocolError},
	} {
		b, err := Append([]byte{1}, tc.p, tc.v)
		if ReasonOf(err) != tc.code || err == nil || len(b) != 1 {
			t.Errorf("%s: Append gives %d bytes and %v, want %v", tc.name, len(b), err, tc.code)
		}
	}
}

func TestDecodeMaxSize(t *testing.T) {
	b, err := Append(nil, &Publish{Topic: "a", Payload: make([]byte, 200)}, V5)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Decode(b[:3], V5, len(b)-1); ReasonOf(err) != PacketTooLarge {
		t.Errorf("a packet that is too large is not refused by its header: %v", err)
	}
	if _, _, err := Decode(b, V5, len(b)); err != nil {
		t.Errorf("a packet of the largest size is refused: %v", err)
	}
}

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a", false}, {"a", "a/b", false},
		{"a/#", "a", true}, {"a/#", "a/b/c", true}, {"#", "a", true}, {"#", "$a", false},
		{"+", "a", true}, {"+", "a/b", false}, {"+/+", "/a", true}, {"a/+", "a", false},
		{"$a/#", "$a/b", true}, {"+/b", "$a/b", false}, {"a/+/c", "a//c", true},
	} {
		if got := Match(tc.filter, tc.topic); got != tc.want {
			t.Errorf("Match(%q, %q) = %v", tc.filter, tc.topic, got)
		}
	}
}
