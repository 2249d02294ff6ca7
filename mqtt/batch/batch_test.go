package batch

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/tandem-iot/tandem/mqtt"
)

func message(n int, payload string) *mqtt.Publish {
	user := []mqtt.UserProperty{{Key: "boot", Value: "3"}, {Key: "seq", Value: fmt.Sprint(n)}}
	return &mqtt.Publish{
		Topic: "agent/reading", QoS: 1, PacketID: 7, Dup: true, Payload: []byte(payload),
		Props: &mqtt.Properties{ContentType: "application/json", User: user},
	}
}

// TestRoundTrip: what goes in comes out, compressed or not, and alike messages take little room.
func TestRoundTrip(t *testing.T) {
	for _, count := range []int{0, 1, 2, 1000} {
		var packets []byte
		for i := range count {
			var err error
			if packets, err = Append(packets, message(i, fmt.Sprintf(`{"celsius": %d}`, i%30))); err != nil {
				t.Fatal(err)
			}
		}
		payload := Pack(packets)
		if count == 1000 && len(payload) > len(packets)/5 || len(payload) > len(packets)+1 {
			t.Errorf("%d messages of %d bytes take %d", count, len(packets), len(payload))
		}
		rest, err := Unpack(payload, len(packets))
		if err != nil || !bytes.Equal(rest, packets) {
			t.Fatal(err)
		}
		for i := range count {
			var p *mqtt.Publish
			if p, rest, err = Next(rest); err != nil {
				t.Fatal(err)
			}
			seq, _ := p.Props.Get("seq")
			data := fmt.Sprintf(`{"celsius": %d}`, i%30)
			if p.Topic != "agent/reading" || p.QoS != 0 || seq != fmt.Sprint(i) || string(p.Payload) != data {
				t.Fatalf("%+v", p)
			}
		}
		if len(rest) != 0 {
			t.Errorf("%d bytes are left", len(rest))
		}
	}
}

func TestRefused(t *testing.T) {
	packet := func(p mqtt.Packet) []byte {
		b, err := mqtt.Append(nil, p, mqtt.V5)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	alias := &mqtt.Publish{Topic: "a", Props: &mqtt.Properties{TopicAlias: mqtt.Some[uint16](1)}}
	large := bytes.Repeat([]byte("a"), 1<<20)
	for _, tc := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"nothing", nil, ErrPacking},
		{"another packing", []byte{2, 0}, ErrPacking},
		{"no deflate", []byte{1, 0xff, 0xff, 0xff}, ErrPacking},
		{"cut deflate", Pack(large[:500])[:5], ErrPacking},
		{"a bomb", Pack(large), ErrSize},
		{"large and plain", append([]byte{0}, large...), ErrSize},
		{"no packet", []byte{0, 0xff}, ErrPacket},
		{"half a packet", []byte{0, 0x30, 100, 0}, ErrPacket},
		{"a ping", append([]byte{0}, packet(&mqtt.Ping{})...), ErrPacket},
		{"QoS 1", append([]byte{0}, packet(message(1, "x"))...), ErrPacket},
		{"an alias", append([]byte{0}, packet(alias)...), ErrPacket},
	} {
		packets, err := Unpack(tc.payload, 1000)
		if err == nil {
			_, _, err = Next(packets)
		}
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// FuzzUnpack: no payload makes more than the limit of bytes, panics, or has messages without end.
func FuzzUnpack(f *testing.F) {
	packets, err := Append(nil, message(1, "x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0})
	f.Add(Pack(packets))
	f.Add(Pack(bytes.Repeat(packets, 20)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		const limit = 4096
		rest, err := Unpack(payload, limit)
		if err != nil {
			return
		}
		if len(rest) > limit {
			t.Fatalf("%d bytes", len(rest))
		}
		for len(rest) > 0 {
			p, left, err := Next(rest)
			if err != nil {
				return
			}
			if p.QoS != 0 || len(left) >= len(rest) {
				t.Fatalf("%+v leaves %d of %d", p, len(left), len(rest))
			}
			rest = left
		}
	})
}
