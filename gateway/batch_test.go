package gateway

import (
	"fmt"
	"net"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/mqtt/batch"
)

// TestBatch: a batch of more messages than the host may have at a time is taken as the host handles them,
// in order, each with its mark, before what comes after it, and acknowledged after the last.
func TestBatch(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := newHost()
	h.hold.Store(true)
	serve(t, &Gateway{Host: h}, l)
	d := join(t, l.Addr().String(), mqtt.V5)
	h.next(t, "connect")
	const count = 400
	var packets []byte
	for i := range count {
		packets, err = batch.Append(packets, &mqtt.Publish{Topic: "agent/n", Payload: []byte("1"), Props: &mqtt.Properties{
			User: []mqtt.UserProperty{{Key: "boot", Value: "1"}, {Key: "seq", Value: fmt.Sprint(i + 1)}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	id := d.publish(batch.Topic, string(batch.Pack(packets)), 1, nil)
	after := d.publish("agent/after", "1", 1, nil)
	for i := range count {
		ev := h.next(t, "agent/n")
		if want := (tandem.Mark{Boot: 1, Seq: uint64(i + 1)}); ev.message.Mark != want {
			t.Fatalf("%+v instead of %+v", ev.message.Mark, want)
		}
		ev.handled()
	}
	h.next(t, "agent/after").handled()
	d.delivered(id, mqtt.Success)
	d.delivered(after, mqtt.Success)
}
