package brokertest

import (
	"net"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/mqtt"
)

// TestBroker: a client gets back what it sends.
func TestBroker(t *testing.T) {
	b := Start(t)
	conn, err := net.Dial("tcp", b.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, err := mqtt.NewClient(time.Now(), nil, &mqtt.Connect{Version: mqtt.V311, CleanStart: true, ClientID: "me"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var in []byte
	next := func() mqtt.Event {
		buf := make([]byte, 100)
		for {
			n, ev, err := c.Feed(time.Now(), in)
			in = in[n:]
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(c.Output(nil)); err != nil {
				t.Fatal(err)
			}
			if ev != nil {
				return ev
			}
			if n, err = conn.Read(buf); err != nil {
				t.Fatal(err)
			}
			in = append(in, buf[:n]...)
		}
	}
	if _, ok := next().(*mqtt.Connack); !ok {
		t.Fatal("no CONNACK")
	}
	b.Expect("connect me")
	if _, err := c.Subscribe(mqtt.Subscription{Filter: "a/#", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	if _, ok := next().(*mqtt.Suback); !ok {
		t.Fatal("no SUBACK")
	}
	b.Expect("subscribe me a/# 1")
	b.Publish("a/b", "text", 1)
	p, ok := next().(*mqtt.Publish)
	if !ok || string(p.Payload) != "text" {
		t.Fatalf("%+v", p)
	}
	if err := c.Ack(p.PacketID, mqtt.Success); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(c.Output(nil)); err != nil {
		t.Fatal(err)
	}
	b.Expect("delivered me")
	b.Kick()
	b.Expect("gone me")
}
