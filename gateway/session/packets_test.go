package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
)

// sample returns a valid packet of a type, and nil for a type that the version does not have.
func sample(t mqtt.Type, v mqtt.Version) mqtt.Packet {
	switch t {
	case mqtt.TypeConnect:
		return &mqtt.Connect{
			Version: v, CleanStart: true, ClientID: deviceID, HasUsername: true, Username: deviceID,
			HasPassword: true, Password: []byte(key),
		}
	case mqtt.TypeConnack:
		return &mqtt.Connack{}
	case mqtt.TypePublish:
		return &mqtt.Publish{Topic: "agent/x", QoS: 1, PacketID: 1}
	case mqtt.TypePuback, mqtt.TypePubrec, mqtt.TypePubrel, mqtt.TypePubcomp:
		return &mqtt.Ack{Kind: t, PacketID: 1}
	case mqtt.TypeSubscribe:
		return &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.Subscription{{Filter: "device/#"}}}
	case mqtt.TypeSuback:
		return &mqtt.Suback{PacketID: 1, Codes: []mqtt.Reason{0}}
	case mqtt.TypeUnsubscribe:
		return &mqtt.Unsubscribe{PacketID: 1, Filters: []string{"device/#"}}
	case mqtt.TypeUnsuback:
		return &mqtt.Unsuback{PacketID: 1, Codes: []mqtt.Reason{0}}
	case mqtt.TypePingreq, mqtt.TypePingresp:
		return &mqtt.Ping{Response: t == mqtt.TypePingresp}
	case mqtt.TypeDisconnect:
		return &mqtt.Disconnect{}
	case mqtt.TypeAuth:
		if v >= mqtt.V5 {
			return &mqtt.Auth{Code: mqtt.ContinueAuthentication, Props: &mqtt.Properties{AuthMethod: "x"}}
		}
	}
	return nil
}

// TestPacketTypes gives a session each type of packet before CONNECT, while CONNECT waits for its
// answer, and after it. What a device may send is taken; whatever else ends the connection, and
// reaches the host at no time.
func TestPacketTypes(t *testing.T) {
	const closed = "closed"
	open := map[mqtt.Type]string{
		mqtt.TypePublish: "PUBACK", mqtt.TypeSubscribe: "SUBACK", mqtt.TypeUnsubscribe: "UNSUBACK",
		mqtt.TypePingreq: "PINGRESP", mqtt.TypeDisconnect: "goodbye",
		// Acknowledgements of what was not sent.
		mqtt.TypePuback: "", mqtt.TypePubcomp: "", mqtt.TypePubrec: "PUBREL", mqtt.TypePubrel: "PUBCOMP",
	}
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		for typ := range mqtt.Type(16) {
			raw := []byte{byte(typ << 4), 0}
			p := sample(typ, v)
			if p != nil {
				var err error
				if raw, err = mqtt.Append(nil, p, v); err != nil {
					t.Fatal(err)
				}
			}
			for _, stage := range []string{"before", "waiting", "open"} {
				t.Run(fmt.Sprint(v, typ, stage), func(t *testing.T) {
					want := closed
					if text, ok := open[typ]; ok && stage == "open" {
						want = text
					}
					switch {
					case stage == "before" && typ == mqtt.TypeConnect:
						want = "authenticate"
					case stage == "waiting":
						want = "not taken"
					}
					if got := receive(t, v, stage, raw); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				})
			}
		}
	}
}

// receive returns what comes of bytes at a stage.
func receive(t *testing.T, v mqtt.Version, stage string, raw []byte) (got string) {
	t.Helper()
	stamp := hlc.Timestamp(0)
	s := New(&Config{Stamp: func() hlc.Timestamp { stamp++; return stamp }, Rates: DeviceRates}, tandem.Now{})
	connect, err := mqtt.Append(nil, sample(mqtt.TypeConnect, v), v)
	if err != nil {
		t.Fatal(err)
	}
	var q Question
	if stage != "before" {
		if n, _ := s.Feed(tandem.Now{}, connect); n != len(connect) || !s.Next(&q) {
			t.Fatal("CONNECT is not taken")
		}
	}
	if stage == "open" {
		s.Authenticated(nil)
		s.Next(&q)
		s.Connected(tandem.Now{}, nil)
		s.Output(nil)
		s.Written(0, nil)
	}
	n, _ := s.Feed(tandem.Now{Mono: time.Second}, raw)
	for s.Next(&q) {
		switch q.Kind {
		case Authenticate:
			return "authenticate"
		case Deliver:
			s.Handled(0, q.Seq)
			s.Taken(q.Seq, nil)
		default:
			t.Errorf("the host is asked %+v", q)
		}
	}
	switch {
	case s.clean:
		return "goodbye"
	case s.Leaving():
		return "closed"
	case n == 0:
		return "not taken"
	}
	for out := s.Output(nil); len(out) > 0; {
		p, n, err := mqtt.Decode(out, v, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got != "" {
			got += " "
		}
		got, out = got+p.Type().String(), out[n:]
	}
	return got
}
