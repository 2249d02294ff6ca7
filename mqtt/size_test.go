package mqtt

import (
	"testing"
	"time"
	"unsafe"
)

var t0 = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// TestServerIsSmall counts what a server session holds when nothing goes on, after
// it has had work of every usual kind.
func TestServerIsSmall(t *testing.T) {
	cl, s := connected(t, &Connect{Version: V5, ClientID: "c", CleanStart: true, KeepAlive: 60}, nil, nil, nil, nil)
	if _, err := cl.Subscribe(Subscription{Filter: "device/#", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	for qos := range byte(3) {
		for _, from := range []end{cl, s} {
			if _, err := from.Publish(&Publish{Topic: "device/message", QoS: qos}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, ev := range feed(t, t0, s, drain(cl)) {
		switch ev := ev.(type) {
		case *Subscribe:
			if err := s.Suback(ev.PacketID, GrantedQoS1); err != nil {
				t.Fatal(err)
			}
		case *Publish:
			if ev.QoS > 0 {
				if err := s.Ack(ev.PacketID, Success); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for range 4 {
		for _, ev := range feed(t, t0, cl, drain(s)) {
			if p, ok := ev.(*Publish); ok && p.QoS > 0 {
				if err := cl.Ack(p.PacketID, Success); err != nil {
					t.Fatal(err)
				}
			}
		}
		feed(t, t0, s, drain(cl))
	}
	if s.out.live > 0 || len(s.in.known) > 0 {
		t.Fatal("the session is not idle")
	}
	size := unsafe.Sizeof(*s) +
		uintptr(cap(s.answers))*unsafe.Sizeof(answer{}) +
		uintptr(cap(s.asked))*unsafe.Sizeof(asked{}) +
		uintptr(cap(s.words)) +
		uintptr(cap(s.in.queue))*unsafe.Sizeof(arrival{}) +
		uintptr(cap(s.in.known))*unsafe.Sizeof(Incoming{}) +
		uintptr(cap(s.out.queue))*unsafe.Sizeof(Outgoing{}) +
		uintptr(len(s.dec.publish.Topic))
	if s.opening != nil || s.aliases != nil || s.bye != nil {
		t.Error("an idle session has parts it does not need")
	}
	if size >= 512 {
		t.Errorf("an idle server session holds %d bytes", size)
	}
}

// TestPublishAllocatesNothing has messages go both ways in the usual case: QoS 1, no
// properties, the same topic.
func TestPublishAllocatesNothing(t *testing.T) {
	for _, v := range []Version{V311, V5} {
		cl, s := connected(t, &Connect{Version: v, ClientID: "c", CleanStart: true, KeepAlive: 60}, nil, nil, nil, nil)
		m := &Publish{Topic: "agent/reading", QoS: 1, Payload: make([]byte, 100)}
		buf := make([]byte, 0, 4096)
		exchange := func(from, to end) {
			if _, err := from.Publish(m); err != nil {
				t.Fatal(err)
			}
			buf = from.Output(buf[:0])
			_, ev, err := to.Feed(t0, buf)
			if err != nil {
				t.Fatal(err)
			}
			if err := to.Ack(ev.(*Publish).PacketID, Success); err != nil {
				t.Fatal(err)
			}
			buf = to.Output(buf[:0])
			if _, ev, err = from.Feed(t0, buf); err != nil {
				t.Fatal(err)
			}
			if _, ok := ev.(*Delivered); !ok {
				t.Fatalf("got %T", ev)
			}
		}
		if n := testing.AllocsPerRun(100, func() { exchange(cl, s) }); n > 0 {
			t.Errorf("version %d, to the server: %v allocations a message", v, n)
		}
		if n := testing.AllocsPerRun(100, func() { exchange(s, cl) }); n > 0 {
			t.Errorf("version %d, to the client: %v allocations a message", v, n)
		}
	}
}
