package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
)

var strangeNames = []string{
	"", "a/b", "/", "+", "#", "a+#/\x00\n", "$SYS/x", "50%", "%41", "%>", "\xff\xfe", "é\ufffe", " ",
	strings.Repeat("n", 64<<10), strings.Repeat("é", 40<<10), strings.Repeat("+", 60<<10),
}

// TestNamesOnTheWire: a message arrives on both sides under the name that it was given, over
// both versions of MQTT.
func TestNamesOnTheWire(t *testing.T) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		s := opened(t, v)
		device := func(p mqtt.Packet) {
			raw, err := mqtt.Append(nil, p, v)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := s.Feed(tandem.Now{}, raw); n != len(raw) {
				t.Fatalf("%d of %d bytes are taken", n, len(raw))
			}
		}
		device(&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.Subscription{{Filter: "device/#"}}})
		s.Output(nil)
		for _, name := range strangeNames {
			wire, data := tandem.EscapeName(name), []byte("{}")
			p := mqtt.Publish{QoS: 1, PacketID: 1}
			p.Topic, p.Payload = tandem.WriteTopic("agent/"+wire, data)
			device(&p)
			var q Question
			if !s.Next(&q) || q.Kind != Deliver || q.Topic != "agent/"+wire || q.Message.Name != wire ||
				string(q.Message.Data) != "{}" {
				t.Errorf("%.50q to the agent: %+v", name, q)
			}
			s.Taken(q.Seq, nil)
			s.Handled(0, q.Seq)
			s.Output(nil)

			s.Send("device/"+wire, tandem.Message{Name: wire, Data: data})
			raw := s.Output(nil)
			got, n, err := mqtt.Decode(raw, v, 0)
			if err != nil || n != len(raw) {
				t.Fatalf("%.50q to the device: %v", name, err)
			}
			back, rest, ok := tandem.ReadTopic("device/", got.(*mqtt.Publish).Topic, got.(*mqtt.Publish).Payload)
			if !ok || tandem.UnescapeName(back) != name || string(rest) != "{}" {
				t.Errorf("%.50q to the device: %.50q", name, back)
			}
			s.Written(0, nil)
		}
		if s.Leaving() {
			t.Error("the session has ended")
		}
	}
}

// A client may escape what need not be, and write "%" as it is: the agent hears the same name.
func TestNamesAsClientsWriteThem(t *testing.T) {
	for topic, want := range map[string]string{
		"agent/a": "a", "agent/%61": "a", "agent/a%2fb": "a/b", "agent/a/b": "a/b", "agent/%": "%",
		"agent/%C3%A9": "é", "agent/é": "é", "agent/x%>": "x%25>", "agent/\x01": "%01",
	} {
		s := opened(t, mqtt.V311)
		raw, err := mqtt.Append(nil, &mqtt.Publish{Topic: topic, Payload: []byte("1")}, mqtt.V311)
		if err != nil {
			t.Fatal(err)
		}
		s.Feed(tandem.Now{}, raw)
		var q Question
		if !s.Next(&q) || fmt.Sprintf("%s %s", q.Message.Name, q.Message.Data) != want+" 1" {
			t.Errorf("%s: %q %q", topic, q.Message.Name, q.Message.Data)
		}
	}
}

// opened returns the session of a device that has been let in.
func opened(t *testing.T, v mqtt.Version) *Session {
	t.Helper()
	stamp := hlc.Timestamp(0)
	s := New(&Config{Stamp: func() hlc.Timestamp { stamp++; return stamp }}, tandem.Now{})
	raw, err := mqtt.Append(nil, sample(mqtt.TypeConnect, v), v)
	if err != nil {
		t.Fatal(err)
	}
	var q Question
	s.Feed(tandem.Now{}, raw)
	s.Next(&q)
	s.Authenticated(nil)
	s.Next(&q)
	s.Connected(tandem.Now{}, nil)
	s.Output(nil)
	s.Written(0, nil)
	return &s
}
