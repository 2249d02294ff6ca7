package session

import (
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mqtt"
)

// rated is a device that is let in and whose messages are handled at once, with a shell that
// counts what its session takes.
type rated struct {
	t     *testing.T
	s     Session
	now   time.Duration
	in    []byte
	taken map[string]int // messages, by topic
	acks  int
	over  map[string]int
}

func newRated(t *testing.T, v mqtt.Version) *rated {
	r := &rated{t: t, taken: map[string]int{}, over: map[string]int{}}
	stamp := hlc.Timestamp(0)
	cfg := &Config{
		KeepAlive: 40 * time.Second, Stamp: func() hlc.Timestamp { stamp++; return stamp }, Rates: DeviceRates,
	}
	r.s = New(cfg, r.time())
	r.send(v, 1, &mqtt.Connect{
		Version: v, CleanStart: true, KeepAlive: 10, ClientID: deviceID,
		HasUsername: true, Username: deviceID, HasPassword: true, Password: []byte(key),
	})
	r.proceed()
	return r
}

func (r *rated) time() tandem.Now { return tandem.Now{Wall: time.Unix(0, 0).Add(r.now), Mono: r.now} }

// send is a packet of the device, some times.
func (r *rated) send(v mqtt.Version, times int, p mqtt.Packet) {
	raw, err := mqtt.Append(nil, p, v)
	if err != nil {
		r.t.Fatal(err)
	}
	for range times {
		r.in = append(r.in, raw...)
	}
}

// proceed has the session take what it takes now.
func (r *rated) proceed() {
	for again := true; again && !r.s.Leaving() && !r.s.Full(); {
		var n int
		n, again = r.s.Feed(r.time(), r.in)
		r.in = r.in[n:]
		r.ask()
	}
	for _, n := range r.s.Notices() {
		r.over[n.Over]++
	}
	for out := r.s.Output(nil); len(out) > 0; out = r.s.Output(nil) {
		r.acks++
		r.s.Written(r.now, nil)
	}
}

func (r *rated) ask() {
	var q Question
	for r.s.Next(&q) {
		switch q.Kind {
		case Authenticate:
			r.s.Authenticated(nil)
		case Connect:
			r.s.Connected(r.time(), nil)
		case Deliver:
			r.taken[q.Topic]++
			r.s.Handled(r.now, q.Seq)
			r.s.Taken(q.Seq, nil)
		}
	}
}

// last lets time pass, as the shell does: it ticks when the session wants it.
func (r *rated) last(length time.Duration) {
	for until := r.now + length; ; {
		at, ok := r.s.Deadline()
		if !ok || at > until {
			r.now = until
			return
		}
		r.now = max(at, r.now)
		r.s.Tick(r.time())
		r.proceed()
	}
}

// TestRates has a device do a thing 30,000 times at once, and looks at what is taken then, and
// in the minute that follows.
func TestRates(t *testing.T) {
	sub := &mqtt.Subscribe{PacketID: 1}
	for range 99 {
		sub.Filters = append(sub.Filters, mqtt.Subscription{Filter: "elsewhere"})
	}
	for _, tc := range []struct {
		name         string
		packet       mqtt.Packet
		limit        string
		atOnce, then int // packets; each burst, and each minute
	}{
		{"QoS 0", &mqtt.Publish{Topic: "agent/x"}, tandem.OverDeviceMessages, 500, 60_000},
		{"log", &mqtt.Publish{Topic: "log"}, tandem.OverDeviceMessages, 500, 60_000},
		{"hello", &mqtt.Publish{Topic: "sys/hello"}, tandem.OverDeviceReports, 40, 60},
		{"status", &mqtt.Publish{Topic: "sys/status"}, tandem.OverDeviceReports, 40, 60},
		{"not allowed", &mqtt.Publish{Topic: "x", QoS: 1, PacketID: 1}, tandem.OverDeviceMessages, 500, 60_000},
		{"large", &mqtt.Publish{Topic: "agent/x", Payload: make([]byte, 100_000)}, tandem.OverDeviceBytes, 167, 600},
		{"subscribe", sub, tandem.OverDeviceMessages, 5, 600},
		{"unsubscribe", &mqtt.Unsubscribe{PacketID: 1, Filters: []string{"x"}}, tandem.OverDeviceMessages, 250, 30_000},
		{"ping", &mqtt.Ping{}, tandem.OverDeviceMessages, 500, 60_000},
		{"puback", &mqtt.Ack{Kind: mqtt.TypePuback, PacketID: 7}, tandem.OverDeviceMessages, 500, 60_000},
		{"pubrec", &mqtt.Ack{Kind: mqtt.TypePubrec, PacketID: 7}, tandem.OverDeviceMessages, 500, 60_000},
		{"pubrel", &mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: 7}, tandem.OverDeviceMessages, 500, 60_000},
		{"pubcomp", &mqtt.Ack{Kind: mqtt.TypePubcomp, PacketID: 7}, tandem.OverDeviceMessages, 500, 60_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRated(t, mqtt.V5)
			raw, err := mqtt.Append(nil, tc.packet, mqtt.V5)
			if err != nil {
				t.Fatal(err)
			}
			// The shell reads some KB at a time, and no more than it is asked for.
			taken := 0
			offer := func() {
				for !r.s.Full() && !r.s.Leaving() {
					before := len(r.in)
					if before < len(raw) {
						for len(r.in) < 4<<10 || len(r.in) < len(raw) {
							r.in = append(r.in, raw...)
							before += len(raw)
						}
					}
					r.proceed()
					taken += (before - len(r.in)) / len(raw)
				}
			}
			offer()
			if taken < tc.atOnce || taken > tc.atOnce+atOnceMore(tc.packet, len(raw)) {
				t.Errorf("%d packets are taken at once, want %d", taken, tc.atOnce)
			}
			taken = 0
			for start := r.now; r.now < start+time.Minute; offer() {
				r.now += time.Millisecond
				if at, ok := r.s.Deadline(); ok && at <= r.now {
					r.s.Tick(r.time())
				}
			}
			if taken < tc.then*9/10 || taken > tc.then*11/10 {
				t.Errorf("%d packets are taken in the minute that follows, want %d", taken, tc.then)
			}
			if r.s.Leaving() {
				t.Error("the device is cut off instead of slowed down")
			}
			if r.over[tc.limit] != 1 {
				t.Errorf("limits that are noted: %v", r.over)
			}
		})
	}
}

// atOnceMore returns how many packets beyond its rate are taken of a device: the one that goes over
// it, or those of a read where the session is not asked about each.
func atOnceMore(p mqtt.Packet, size int) int {
	switch p.(type) {
	case *mqtt.Ping, *mqtt.Ack:
		return 4096/size + 1
	}
	return 1
}

// TestBacklog: messages of a week with QoS 1, one every ten seconds, are all acknowledged, within
// minutes.
func TestBacklog(t *testing.T) {
	const week = 7 * 24 * 60 * 6
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		r := newRated(t, v)
		sent := 0
		for start := r.now; r.taken["agent/x"] < week; r.now += time.Millisecond {
			if len(r.in) == 0 {
				for range 32 { // what may be under way
					sent++
					p := &mqtt.Publish{Topic: "agent/x", QoS: 1, PacketID: uint16(sent%32 + 1), Payload: make([]byte, 100)}
					r.send(v, 1, p)
				}
			}
			if at, ok := r.s.Deadline(); ok && at <= r.now {
				r.s.Tick(r.time())
			}
			r.proceed()
			if r.now-start > 2*time.Minute || r.s.Leaving() {
				t.Fatalf("%d of %d messages after %v, leaving %v", r.taken["agent/x"], week, r.now-start, r.s.Leaving())
			}
		}
	}
}

// TestRestIsNotSilence: a device that is slowed down is not held to its keep-alive meanwhile, and
// is held to it afterwards.
func TestRestIsNotSilence(t *testing.T) {
	r := newRated(t, mqtt.V311)
	r.send(mqtt.V311, 100, &mqtt.Publish{Topic: "sys/status"}) // takes a minute; keep-alive is 10 s
	r.proceed()
	r.last(70 * time.Second)
	if r.s.Leaving() || r.taken["sys/status"] != 100 {
		t.Fatalf("taken %v, leaving %v", r.taken, r.s.Leaving())
	}
	r.last(20 * time.Second)
	if !r.s.Leaving() {
		t.Error("a silent device is not disconnected")
	}
}

// TestFragments: reads that complete nothing are counted, four for a message.
func TestFragments(t *testing.T) {
	r := newRated(t, mqtt.V311)
	raw, err := mqtt.Append(nil, &mqtt.Publish{Topic: "agent/x", Payload: make([]byte, 5000)}, mqtt.V311)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		r.in = append(r.in, raw[i])
		if r.proceed(); r.s.Full() {
			if i < 1900 || i > 2100 {
				t.Errorf("the device is slowed down after %d reads", i)
			}
			return
		}
	}
	t.Error("the device is not slowed down")
}

// TestBudget: what was used on one connection is used on the next.
func TestBudget(t *testing.T) {
	r := newRated(t, mqtt.V5)
	r.send(mqtt.V5, 501, &mqtt.Publish{Topic: "agent/x"})
	r.proceed()
	if !r.s.Full() || r.taken["agent/x"] != 501 {
		t.Fatalf("taken %v", r.taken)
	}
	used := r.s.Budget()
	next := newRated(t, mqtt.V5)
	next.s.budget.Merge(used)
	next.send(mqtt.V5, 2, &mqtt.Publish{Topic: "agent/x"})
	if next.proceed(); next.taken["agent/x"] != 1 || next.over[tandem.OverDeviceMessages] != 0 {
		t.Errorf("taken %v, noted %v", next.taken, next.over)
	}
	if !used.Used(400*time.Millisecond) || used.Used(time.Second) {
		t.Error("the budget is not restored when it should be")
	}
}
