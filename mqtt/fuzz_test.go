package mqtt

import (
	"testing"
	"time"
)

// script hands out the decisions of a fuzz input, zeros when they have run out.
type script []byte

func (s *script) next(n int) int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b) % n
}

// app answers events in the way a script says.
type app struct {
	*Server
	script  script
	unacked []uint16
}

func (a *app) answer(t *testing.T, now time.Time, ev Event) {
	codes := make([]Reason, 0, 8)
	switch ev := ev.(type) {
	case *Connect:
		var err error
		switch a.script.next(8) {
		case 0:
			err = a.Refuse(NotAuthorized, nil)
		case 1:
			err = a.Accept(now, &Properties{MaximumQoS: Some[byte](1), RetainAvailable: Some[byte](0)}, nil)
		case 2:
			err = a.Accept(now, nil, &State{
				Outgoing: []Outgoing{{Message: Publish{Topic: "a", QoS: 1, PacketID: 1}, Sent: true},
					{Message: Publish{Topic: "b", QoS: 2, PacketID: 2}, Sent: true, Released: true}},
				Incoming: []Incoming{{PacketID: 1}, {PacketID: 2, Answered: true}}})
		default:
			err = a.Accept(now, nil, nil)
		}
		if err != nil && ReasonOf(err) != PacketTooLarge && ReasonOf(err) != ClientIDInvalid {
			t.Fatalf("answer to %+v: %v", ev, err)
		}
	case *Publish:
		if ev.Topic == "" || ev.QoS > 2 {
			t.Fatalf("got %+v", ev)
		}
		if ev.QoS > 0 {
			a.unacked = append(a.unacked, ev.PacketID)
		}
	case *Subscribe:
		for _, f := range ev.Filters {
			codes = append(codes, Reason(f.QoS))
		}
		a.must(t, a.Suback(ev.PacketID, codes...))
	case *Unsubscribe:
		a.must(t, a.Unsuback(ev.PacketID, append(codes, make([]Reason, len(ev.Filters))...)...))
	}
}

func (a *app) must(t *testing.T, err error) {
	if err != nil && ReasonOf(err) != PacketTooLarge {
		t.Fatal(err)
	}
}

// act does one of the things an application does on its own.
func (a *app) act(t *testing.T, now time.Time) {
	switch a.script.next(6) {
	case 0:
		if len(a.unacked) > 0 {
			i := a.script.next(len(a.unacked))
			id := a.unacked[i]
			a.unacked = append(a.unacked[:i], a.unacked[i+1:]...)
			if err := a.Ack(id, []Reason{Success, QuotaExceeded}[a.script.next(2)]); err != nil && err != ErrClosed {
				t.Fatal(err)
			}
		}
	case 1:
		m := &Publish{Topic: "a/topic/of/length", QoS: byte(a.script.next(3)), Payload: make([]byte, a.script.next(256))}
		if _, err := a.Publish(m); err != nil && err != ErrClosed && err != ErrNotConnected && err != ErrQueueFull {
			a.must(t, err)
		}
	case 2:
		if err := a.Tick(now); err != nil && err != ErrTimeout {
			t.Fatal(err)
		}
	case 3:
		if a.script.next(16) == 1 {
			if err := a.Disconnect(ServerMoved, &Properties{ServerReference: "b"}); err != nil && err != ErrClosed &&
				err != ErrNotConnected {
				t.Fatal(err)
			}
		}
	}
}

// FuzzServerFeed has an arbitrary peer talk to an arbitrary application: the
// server does not panic, comes to an end, keeps its bounds, and all that it says
// is MQTT.
func FuzzServerFeed(f *testing.F) {
	for _, v := range []string{
		"10 0d 0004 4d515454 04 02 003c 0001 61", "10 10 0004 4d515454 05 02 003c 03 22 0009 0001 61",
	} {
		all := unhex(f, v)
		for _, tc := range golden {
			f.Add(append(unhex(f, v), unhex(f, tc.hex)...), []byte{3, 20, 1, 1, 1, 3, 2})
			if _, connect := tc.p.(*Connect); !connect {
				all = append(all, unhex(f, tc.hex)...)
			}
		}
		f.Add(all, []byte{4, 9, 0, 1, 2, 200})
		f.Add(append(unhex(f, v), unhex(f, "34 06 0001 61 0002 00 62 02 0002 40 02 0001 c000 e000")...), []byte{2, 2, 2, 2})
	}
	f.Fuzz(func(t *testing.T, wire, decisions []byte) {
		now := t0
		cfg := &Config{ReceiveMaximum: 3, MaxPacketSize: 4096, TopicAliases: 4, QueueLength: 5}
		a := &app{Server: NewServer(now, cfg), script: decisions}
		var said []byte
		for end, open := 0, true; open; {
			now = now.Add(time.Duration(a.script.next(4)) * time.Second)
			n, ev, err := a.Feed(now, wire[:end])
			wire, end = wire[n:], end-n
			if ev != nil {
				a.answer(t, now, ev)
			}
			a.act(t, now)
			said = a.Output(said)
			if err != nil {
				open = false
			}
			if len(a.in.queue) > 3 || a.out.live > 5 || len(a.asked) > maxAsked {
				t.Fatal("a bound is exceeded")
			}
			switch {
			case ev != nil || n > 0 || err != nil:
			case a.Blocked() && len(a.unacked) > 0:
				a.must(t, a.Ack(a.unacked[0], Success))
				a.unacked = a.unacked[1:]
			case end == len(wire):
				open = false
			default:
				end = min(len(wire), end+1+a.script.next(32))
			}
		}
		said = append(said, drain(a)...)
		for len(said) > 0 {
			p, n, err := Decode(said, a.dec.Version, 0)
			if err != nil {
				t.Fatalf("said % x: %v", said, err)
			}
			if p.Type() == TypeConnect || p.Type() == TypeSubscribe || p.Type() == TypePingreq {
				t.Fatalf("a server said %v", p.Type())
			}
			said = said[n:]
		}
		if st := a.State(); st != nil && len(st.Outgoing) > 7 {
			t.Fatalf("State has %d messages", len(st.Outgoing))
		}
	})
}

// FuzzClientFeed is the same for a client, whose application only listens.
func FuzzClientFeed(f *testing.F) {
	for _, tc := range golden {
		f.Add(append(unhex(f, "20 06 00 00 03 22 0002"), unhex(f, tc.hex)...), true)
		f.Add(append(unhex(f, "20 02 00 00"), unhex(f, tc.hex)...), false)
	}
	f.Fuzz(func(t *testing.T, wire []byte, v5 bool) {
		c := &Connect{Version: V311, ClientID: "a"}
		if v5 {
			c.Version = V5
		}
		s, err := NewClient(t0, &Config{ReceiveMaximum: 3, MaxPacketSize: 4096}, c, &State{
			Outgoing: []Outgoing{{Message: Publish{Topic: "a/long/topic", QoS: 1, PacketID: 1}, Sent: true}}})
		if err != nil {
			t.Fatal(err)
		}
		said := s.Output(nil)
		for open := true; open; {
			n, ev, err := s.Feed(t0, wire)
			wire = wire[n:]
			switch ev := ev.(type) {
			case *Connack:
				for qos := range byte(3) {
					if _, err := s.Publish(&Publish{Topic: "b/long/topic", QoS: qos}); err != nil && err != ErrClosed &&
						ReasonOf(err) == UnspecifiedError {
						t.Fatal(err)
					}
				}
			case *Publish:
				if ev.QoS > 0 {
					if err := s.Ack(ev.PacketID, Success); err != nil {
						t.Fatal(err)
					}
				}
			}
			said = append(said, drain(s)...)
			open = ev != nil && err == nil
		}
		for len(said) > 0 {
			_, n, err := Decode(said, c.Version, 0)
			if err != nil {
				t.Fatalf("said % x: %v", said, err)
			}
			said = said[n:]
		}
	})
}
