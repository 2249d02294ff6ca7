package mqtt

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// end is what Server and Client have in common for tests.
type end interface {
	Feed(now time.Time, buf []byte) (int, Event, error)
	Output(dst []byte) []byte
	Publish(p *Publish) (uint16, error)
	Ack(id uint16, code Reason) error
	Blocked() bool
	Deadline() time.Time
	Tick(now time.Time) error
	Disconnect(code Reason, props *Properties) error
	State() *State
}

// drain returns all output of a session.
func drain(s end) []byte {
	var all []byte
	for {
		b := s.Output(nil)
		if len(b) == 0 {
			return all
		}
		all = append(all, b...)
	}
}

// feed gives b to a session and returns copies of all events.
func feed(t testing.TB, now time.Time, s end, b []byte) []Event {
	t.Helper()
	var events []Event
	for {
		n, ev, err := s.Feed(now, b)
		if err != nil {
			t.Fatalf("Feed: %v", err)
		}
		b = b[n:]
		if ev == nil {
			if len(b) > 0 {
				t.Fatalf("%d bytes are left", len(b))
			}
			return events
		}
		events = append(events, keep(ev))
		if _, last := ev.(*Disconnect); last {
			return events
		}
		if _, connect := ev.(*Connect); connect {
			return events
		}
	}
}

// keep copies an event that is only valid until the next Feed.
func keep(ev Event) Event {
	switch ev := ev.(type) {
	case *Publish:
		p := *ev
		p.Payload = append([]byte(nil), ev.Payload...)
		return &p
	case *Delivered:
		d := *ev
		return &d
	}
	return ev
}

// connected returns the two ends of an open connection.
func connected(t testing.TB, c *Connect, client, server *Config, cst, sst *State) (*Client, *Server) {
	t.Helper()
	cl, err := NewClient(t0, client, c, cst)
	if err != nil {
		t.Fatal(err)
	}
	sv := NewServer(t0, server)
	feed(t, t0, sv, drain(cl))
	if err := sv.Accept(t0, nil, sst); err != nil {
		t.Fatal(err)
	}
	feed(t, t0, cl, drain(sv))
	return cl, sv
}

// half is one side of the story that TestLoopback tells, across connections.
type half struct {
	end
	name     string
	state    *State
	inbound  []byte // on the wire, towards this side
	sent     [3][]int
	got      [3][]int
	unacked  []uint16 // Acks due for QoS 1; they end with the connection
	unacked2 []uint16 // Acks due for QoS 2
	waiting  map[uint16]bool
	next     int
}

func (h *half) publish(t *rapid.T) {
	qos := genQoS.Draw(t, "qos")
	id, err := h.Publish(&Publish{
		Topic: rapid.SampledFrom([]string{"short", "a/longer/topic"}).Draw(t, "topic"), QoS: qos,
		Payload: fmt.Append(nil, h.next),
	})
	if err == ErrQueueFull {
		return
	}
	if err != nil {
		t.Fatalf("%s: Publish: %v", h.name, err)
	}
	if qos > 0 {
		if h.waiting[id] {
			t.Fatalf("%s: identifier %d is used twice", h.name, id)
		}
		h.waiting[id] = true
	}
	h.sent[qos] = append(h.sent[qos], h.next)
	h.next++
}

func (h *half) event(t *rapid.T, ev Event) {
	switch ev := ev.(type) {
	case *Publish:
		var n int
		if _, err := fmt.Sscan(string(ev.Payload), &n); err != nil {
			t.Fatal(err)
		}
		h.got[ev.QoS] = append(h.got[ev.QoS], n)
		switch ev.QoS {
		case 1:
			h.unacked = append(h.unacked, ev.PacketID)
		case 2:
			h.unacked2 = append(h.unacked2, ev.PacketID)
		}
	case *Delivered:
		if !h.waiting[ev.PacketID] || ev.Code.Failed() {
			t.Fatalf("%s: %+v", h.name, ev)
		}
		delete(h.waiting, ev.PacketID)
	}
}

// ack acknowledges a message that waits for it, not always the oldest.
func (h *half) ack(t *rapid.T) {
	list := &h.unacked
	if len(*list) == 0 || len(h.unacked2) > 0 && rapid.Bool().Draw(t, "qos 2") {
		list = &h.unacked2
	}
	if len(*list) == 0 {
		return
	}
	i := rapid.IntRange(0, len(*list)-1).Draw(t, "which")
	id := (*list)[i]
	*list = append((*list)[:i], (*list)[i+1:]...)
	if err := h.Ack(id, Success); err != nil {
		t.Fatalf("%s: Ack of %d: %v", h.name, id, err)
	}
}

// step takes in some of what is on the wire, up to one event.
func (h *half) step(t *rapid.T, amount int) (Event, bool) {
	n, ev, err := h.Feed(t0, h.inbound[:min(amount, len(h.inbound))])
	if err != nil {
		t.Fatalf("%s: Feed: %v", h.name, err)
	}
	h.inbound = h.inbound[n:]
	if ev != nil {
		h.event(t, ev)
	}
	return ev, n > 0 || ev != nil
}

type story struct {
	v      Version
	cfg    [2]*Config
	client half
	server half
}

func (s *story) connect(t *rapid.T) {
	c := &Connect{Version: s.v, ClientID: "x", CleanStart: s.client.state == nil}
	if s.v >= V5 {
		c.Props = &Properties{SessionExpiry: Some[uint32](60)}
	}
	cl, err := NewClient(t0, s.cfg[0], c, s.client.state)
	if err != nil {
		t.Fatal(err)
	}
	s.client.end, s.server.end = cl, NewServer(t0, s.cfg[1])
	s.client.inbound, s.server.inbound = nil, nil
	s.client.unacked, s.server.unacked = nil, nil
	for open := false; !open; {
		s.server.inbound = s.client.Output(s.server.inbound)
		if ev, _ := s.server.step(t, 1000); ev != nil {
			if err := s.server.end.(*Server).Accept(t0, nil, s.server.state); err != nil {
				t.Fatal(err)
			}
		}
		s.client.inbound = s.server.Output(s.client.inbound)
		ev, _ := s.client.step(t, len(s.client.inbound))
		_, open = ev.(*Connack)
	}
}

// lose breaks the connection: what is on the wire is gone.
func (s *story) lose(t *rapid.T) {
	s.client.state, s.server.state = s.client.State(), s.server.State()
	s.connect(t)
}

// settle runs until nothing is left to say or to acknowledge.
func (s *story) settle(t *rapid.T) {
	for busy := true; busy; {
		busy = false
		for _, h := range []*half{&s.client, &s.server} {
			before := len(s.other(h).inbound)
			s.other(h).inbound = h.Output(s.other(h).inbound)
			_, moved := h.step(t, len(h.inbound))
			busy = busy || moved || len(s.other(h).inbound) > before || len(h.unacked)+len(h.unacked2) > 0
			h.ack(t)
		}
	}
}

func (s *story) other(h *half) *half {
	if h == &s.client {
		return &s.server
	}
	return &s.client
}

// check compares what one side sent with what the other got.
func (s *story) check(t *rapid.T, from, to *half) {
	if len(from.waiting) > 0 {
		t.Fatalf("%s: not delivered: %v", from.name, from.waiting)
	}
	if fmt.Sprint(from.sent[2]) != fmt.Sprint(to.got[2]) {
		t.Fatalf("QoS 2 from %s: sent %v, got %v", from.name, from.sent[2], to.got[2])
	}
	var first []int
	seen := map[int]bool{}
	for _, n := range to.got[1] {
		if !seen[n] {
			first = append(first, n)
		}
		seen[n] = true
	}
	if fmt.Sprint(from.sent[1]) != fmt.Sprint(first) {
		t.Fatalf("QoS 1 from %s: sent %v, got %v", from.name, from.sent[1], to.got[1])
	}
	last := -1
	for _, n := range to.got[0] {
		if n <= last {
			t.Fatalf("QoS 0 from %s: got %v", from.name, to.got[0])
		}
		last = n
	}
}

// TestLoopback has both sides publish and acknowledge at random over connections
// that break at random: QoS 1 arrives at least once, QoS 2 exactly once, in order.
func TestLoopback(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &story{v: genVersion.Draw(t, "version")}
		for i := range s.cfg {
			s.cfg[i] = &Config{ReceiveMaximum: rapid.Uint16Range(1, 4).Draw(t, "receive maximum"),
				QueueLength: rapid.IntRange(1, 20).Draw(t, "queue"), TopicAliases: rapid.Uint16Range(0, 2).Draw(t, "aliases")}
		}
		s.client = half{name: "client", waiting: map[uint16]bool{}}
		s.server = half{name: "server", waiting: map[uint16]bool{}}
		s.connect(t)
		for range rapid.IntRange(50, 400).Draw(t, "steps") {
			h := &s.client
			if rapid.Bool().Draw(t, "server") {
				h = &s.server
			}
			switch rapid.IntRange(0, 40).Draw(t, "action") {
			case 0:
				s.lose(t)
			case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
				h.publish(t)
			case 11, 12, 13, 14, 15, 16:
				h.ack(t)
			case 17, 18, 19, 20, 21, 22, 23, 24, 25, 26:
				s.other(h).inbound = h.Output(s.other(h).inbound)
			default:
				h.step(t, rapid.IntRange(0, 100).Draw(t, "bytes"))
			}
		}
		s.settle(t)
		s.check(t, &s.client, &s.server)
		s.check(t, &s.server, &s.client)
		for _, h := range []*half{&s.client, &s.server} {
			if st := h.State(); len(st.Outgoing) > 0 || len(st.Incoming) > 0 {
				t.Fatalf("%s: something is left of the session: %+v", h.name, st)
			}
		}
	})
}
