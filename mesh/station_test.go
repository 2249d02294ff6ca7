package mesh

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
)

// route is a direction between two runs.
type route struct{ from, to Peer }

// world is some stations and a network that can do anything to their packets.
type world struct {
	t        rapid.TB
	now      time.Duration
	stations []*station
	air      []flight
	cut      bool // what is put out is lost
	sent     map[route][][]byte
	got      map[route]int // messages received, which are the first of those sent
	count    uint64        // makes every message different

	frames, asks int // packets put out
}

type flight struct {
	to   Peer
	wire []byte
}

const testLimit = 200 // bytes; small, so that messages are split

func newWorld(t rapid.TB, names ...string) *world {
	w := &world{t: t, now: 1, sent: map[route][][]byte{}, got: map[route]int{}}
	for _, name := range names {
		w.stations = append(w.stations, newStation(Peer{name, 1}, testLimit))
	}
	return w
}

// collect moves what a station has put out into the air.
func (w *world) collect(st *station) {
	for _, p := range st.out {
		switch {
		case p.flags&flagAsk != 0:
			w.asks++
		case p.number != 0:
			w.frames++
		}
		if !w.cut {
			w.air = append(w.air, flight{p.to, encode(nil, &p)})
		}
	}
	st.out = nil
}

func (w *world) send(st *station, to Peer, size int) {
	data := make([]byte, size)
	if size >= 8 {
		w.count++
		binary.BigEndian.PutUint64(data, w.count)
	}
	err := st.post(w.now, to, data)
	w.collect(st)
	if err == nil {
		r := route{st.self, to}
		w.sent[r] = append(w.sent[r], data)
	} else if k := tandem.KindOf(err); k != tandem.NotFound {
		w.t.Fatalf("send: %v", err)
	}
}

// deliver takes flight i out of the air.
func (w *world) deliver(i int) {
	f := w.air[i]
	w.air = slices.Delete(w.air, i, i+1)
	for _, st := range w.stations {
		if st.self.Node != f.to.Node {
			continue
		}
		p, err := decode(f.wire)
		if err != nil {
			w.t.Fatalf("decode: %v", err)
		}
		if _, err := st.arrive(w.now, &p); err != nil {
			w.t.Fatalf("arrive: %v", err)
		}
		w.collect(st)
	}
}

// receive does what Receive does, for one frame of every lane.
func (w *world) receive(st *station) (any bool) {
	for _, l := range st.lanes {
		if !l.hasFrames() {
			continue
		}
		any = true
		r := route{l.peer, st.self}
		for _, data := range l.recv.inbox[0].messages {
			n := w.got[r]
			if n >= len(w.sent[r]) || !bytes.Equal(data, w.sent[r][n]) {
				w.t.Fatalf("%v: message %d of %d is not what was sent", r, n, len(w.sent[r]))
			}
			w.got[r]++
		}
		st.received(w.now, l)
		w.collect(st)
	}
	return any
}

func (w *world) tick() {
	for _, st := range w.stations {
		if st.due <= w.now {
			st.tick(w.now)
			w.collect(st)
		}
	}
}

// friends are the directions in which everything must arrive: both runs live
// and neither has dropped the other.
func (w *world) friends() (all []route) {
	lost := func(a, b *station) bool {
		last, ok := a.over[b.self.Node]
		return ok && last >= b.self.Session
	}
	for _, a := range w.stations {
		for _, b := range w.stations {
			if !lost(a, b) && !lost(b, a) {
				all = append(all, route{a.self, b.self})
			}
		}
	}
	return all
}

// settle lets the network work and time pass until all has arrived that must.
func (w *world) settle() {
	arrived := func(r route) bool { return w.got[r] == len(w.sent[r]) && w.waiting(r) == 0 }
	for range 20_000 {
		for len(w.air) > 0 {
			w.deliver(0)
		}
		busy := false
		for _, st := range w.stations {
			busy = w.receive(st) || busy
		}
		if busy || len(w.air) > 0 {
			continue
		}
		if !slices.ContainsFunc(w.friends(), func(r route) bool { return !arrived(r) }) {
			return
		}
		due := never
		for _, st := range w.stations {
			due = min(due, st.due)
		}
		if due == never {
			break
		}
		w.now = max(w.now, due)
		w.tick()
	}
	for _, r := range w.friends() {
		if !arrived(r) {
			w.t.Errorf("%v: %d of %d messages have arrived, %d wait", r, w.got[r], len(w.sent[r]), w.waiting(r))
		}
	}
}

func (w *world) waiting(r route) int {
	for _, st := range w.stations {
		if l := st.lanes[r.to.Node]; st.self == r.from && l != nil && l.peer == r.to {
			return l.send.messages
		}
	}
	return 0
}

// TestAnyNetwork sends through a network that loses, doubles, reorders, delays
// and cuts, between nodes that restart and drop each other.
func TestAnyNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, "a", "b", "c")
		station := rapid.IntRange(0, len(w.stations)-1)
		inAir := func(t *rapid.T) int {
			if len(w.air) == 0 {
				t.Skip("nothing in the air")
			}
			return rapid.IntRange(0, len(w.air)-1).Draw(t, "flight")
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				st, to := w.stations[station.Draw(t, "from")], w.stations[station.Draw(t, "to")].self
				to.Session -= int64(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "back"))
				for range rapid.SampledFrom([]int{1, 1, 3, 2 * windowFrames}).Draw(t, "times") {
					w.send(st, to, rapid.SampledFrom([]int{0, 8, 30, 180, 195, 196, 1000}).Draw(t, "size"))
				}
			},
			"deliver": func(t *rapid.T) { w.deliver(inAir(t)) },
			"deliver many": func(t *rapid.T) {
				for n := inAir(t); n > 0; n-- {
					w.deliver(0)
				}
			},
			"lose": func(t *rapid.T) { i := inAir(t); w.air = slices.Delete(w.air, i, i+1) },
			"double": func(t *rapid.T) {
				w.air = append(w.air, w.air[inAir(t)])
			},
			"cut":     func(t *rapid.T) { w.cut = !w.cut },
			"receive": func(t *rapid.T) { w.receive(w.stations[station.Draw(t, "at")]) },
			"wait": func(t *rapid.T) {
				w.now += time.Duration(rapid.IntRange(1, 300).Draw(t, "ms")) * time.Millisecond
				w.tick()
			},
			"restart": func(t *rapid.T) {
				i := station.Draw(t, "node")
				self := w.stations[i].self
				self.Session++
				w.stations[i] = newStation(self, testLimit)
			},
			"drop": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
					t.Skip("drops are rare")
				}
				st, other := w.stations[station.Draw(t, "by")], w.stations[station.Draw(t, "whom")].self
				st.drop(other)
				if err := st.post(w.now, other, nil); tandem.KindOf(err) != tandem.NotFound {
					t.Fatalf("send to a dropped peer: %v", err)
				}
			},
		})
		w.cut = false
		w.settle()
	})
}

// TestFrugal bounds what goes over the network.
func TestFrugal(t *testing.T) {
	const messages = 3 * windowFrames
	w := newWorld(t, "a", "b")
	a, b := w.stations[0], w.stations[1]
	for range messages {
		w.send(a, b.self, 150)
	}
	w.settle()
	if w.frames != messages || w.asks != 0 {
		t.Errorf("without losses: %d frames and %d asks for %d messages", w.frames, w.asks, messages)
	}

	w.frames, w.cut = 0, true
	for range messages {
		w.send(a, b.self, 150)
	}
	for end := w.now + time.Minute; w.now < end; w.now += time.Millisecond {
		w.tick()
	}
	if w.frames != windowFrames || w.asks < 50 || w.asks > 70 {
		t.Errorf("a minute cut off: %d frames and %d asks for a window of %d", w.frames, w.asks, windowFrames)
	}

	w.cut = false
	w.settle()
	if again := w.frames - messages; again != windowFrames {
		t.Errorf("%d frames were sent again, want the %d lost", again, windowFrames)
	}
}

// TestGap loses the first frame of several: it is sent again without a wait.
func TestGap(t *testing.T) {
	w := newWorld(t, "a", "b")
	a, b := w.stations[0], w.stations[1]
	for range 5 {
		w.send(a, b.self, 150)
	}
	w.air = w.air[1:]
	begin := w.now
	w.settle()
	if w.now != begin || w.frames != 10 || w.asks != 0 {
		t.Errorf("%v, %d frames, %d asks; want no time, 10, 0", w.now-begin, w.frames, w.asks)
	}
}

// TestGapNoticeOnce: a receiver tells of a missing frame once, and of the next one again.
func TestGapNoticeOnce(t *testing.T) {
	w := newWorld(t, "a", "b")
	a, b := w.stations[0], w.stations[1]
	notices := func(lost, n int) (count int) {
		for range n {
			w.send(a, b.self, 150)
		}
		w.air = slices.Delete(w.air, lost, lost+1)
		for range n - 1 {
			w.deliver(0)
		}
		for _, f := range w.air {
			if p, err := decode(f.wire); err == nil && p.flags&flagGap != 0 {
				count++
			}
		}
		w.settle()
		return count
	}
	for lost := range 2 {
		if n := notices(lost, 5); n != 1 {
			t.Errorf("%d notices of a missing frame", n)
		}
	}
}

// TestRoundTrip: what a sender measures is the time from a frame to its
// acknowledgement, and not that of a frame that it has sent twice.
func TestRoundTrip(t *testing.T) {
	const ms = time.Millisecond
	w := newWorld(t, "a", "b")
	a, b := w.stations[0], w.stations[1]
	rtt := func() time.Duration { return a.lanes["b"].send.rtt }
	w.now = 1000 * ms
	w.send(a, b.self, 150)
	w.now += 40 * ms
	w.settle()
	if rtt() != 40*ms {
		t.Errorf("measured %v, want 40ms", rtt())
	}
	w.now += 500 * ms
	w.send(a, b.self, 150)
	w.now += 40 * ms
	w.settle()
	if rtt() != 40*ms {
		t.Errorf("measured %v, want 40ms", rtt())
	}
	w.send(a, b.self, 150)
	w.send(a, b.self, 150)
	w.now += 30 * ms // less than it waits for
	w.air = w.air[1:]
	for len(w.air) > 0 { // the notice of the gap, and what is sent again
		w.now += 30 * ms
		w.deliver(0)
	}
	w.settle()
	if rtt() != 40*ms {
		t.Errorf("after a frame that was sent twice it is %v, want 40ms", rtt())
	}
}

// TestGapNoticeAgain doubles and delays the notice of a gap: what is missing
// is sent again once.
func TestGapNoticeAgain(t *testing.T) {
	w := newWorld(t, "a", "b")
	a, b := w.stations[0], w.stations[1]
	for range 3 {
		w.send(a, b.self, 150)
	}
	w.air = w.air[1:]
	w.deliver(0)
	notice := w.air[len(w.air)-1]
	w.air = append(w.air, notice)
	w.settle()
	w.send(a, b.self, 150)
	w.send(a, b.self, 150)
	w.air = w.air[1:]
	w.settle()
	w.send(a, b.self, 150)
	w.air = append(w.air, notice)
	w.settle()
	if w.frames != 3+3+2+2+1 {
		t.Errorf("%d frames for 6 messages of which two were lost, want 11", w.frames)
	}
}

// TestSteady checks that nobody asks while acknowledgements come.
func TestSteady(t *testing.T) {
	w := newWorld(t, "a", "b")
	a, b := w.stations[0], w.stations[1]
	for range 1000 {
		w.send(a, b.self, 150)
		w.now += 30 * time.Millisecond
		for n := len(w.air); n > 1; n-- { // one is always under way
			w.deliver(0)
		}
		w.receive(b)
		w.tick()
	}
	w.settle()
	if w.asks != 0 || w.frames != 1000 {
		t.Errorf("%d asks, %d frames for 1000 messages", w.asks, w.frames)
	}
}

// TestNonsense checks that acknowledgements of what was never sent do nothing.
func TestNonsense(t *testing.T) {
	w := newWorld(t, "a", "b")
	a, b := w.stations[0], w.stations[1]
	w.send(a, b.self, 150)
	for _, p := range []packet{{accepted: 2, done: 2}, {accepted: 0, done: 1}, {accepted: 9, flags: flagGap}} {
		p.from, p.to = b.self, a.self
		if _, err := a.arrive(w.now, &p); err != nil {
			t.Error(err)
		}
	}
	if n := w.waiting(route{a.self, b.self}); n != 1 {
		t.Errorf("%d messages wait, want 1", n)
	}
	w.settle()
}

func TestSmallShareFrames(t *testing.T) {
	w := newWorld(t, "a", "b")
	a, b := w.stations[0], w.stations[1]
	for range windowFrames + 1000 {
		w.send(a, b.self, 8)
	}
	w.settle()
	each := testLimit / (8 + pieceHeader)
	if want := windowFrames + (1000+each-1)/each; w.frames > want {
		t.Errorf("%d frames, want at most %d", w.frames, want)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.cut = true
	a, b := w.stations[0], w.stations[1]
	if err := a.post(1, b.self, make([]byte, maxMessage+1)); tandem.KindOf(err) != tandem.Limit {
		t.Errorf("a message too large: %v", err)
	}
	for range maxWaiting/maxMessage - 1 {
		if err := a.post(1, b.self, make([]byte, maxMessage)); err != nil {
			t.Errorf("the largest message: %v", err)
		}
	}
	if err := a.post(1, b.self, make([]byte, maxMessage-messageCost*(maxWaiting/maxMessage-1))); err != nil {
		t.Errorf("as much as may wait: %v", err)
	}
	if err := a.post(1, b.self, nil); tandem.KindOf(err) != tandem.Limit {
		t.Errorf("one more: %v", err)
	}
	if err := a.post(1, Peer{"c", 1}, nil); err != nil {
		t.Errorf("to another: %v", err)
	}
	a.drop(b.self)
	b.self.Session++
	if err := a.post(1, b.self, nil); err != nil {
		t.Errorf("to the next run: %v", err)
	}
}

func TestFlushInTheStation(t *testing.T) {
	w := newWorld(t, "a", "b")
	a, b := w.stations[0], w.stations[1]
	state := func(done <-chan error) string {
		select {
		case err := <-done:
			return fmt.Sprint(err)
		default:
			return "waits"
		}
	}
	flush := func(to Peer) <-chan error {
		done, err := a.flush(to)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	if got := state(flush(b.self)); got != "<nil>" {
		t.Errorf("nothing sent: %s", got)
	}
	w.send(a, b.self, 1000)
	done := flush(b.self)
	for len(w.air) > 0 {
		w.deliver(0)
	}
	if got := state(done); got != "waits" {
		t.Errorf("before Receive: %s", got)
	}
	w.settle()
	if got := state(done); got != "<nil>" {
		t.Errorf("after Receive: %s", got)
	}
	w.send(a, b.self, 8)
	done = flush(b.self)
	w.air = nil
	w.stations[1] = newStation(Peer{"b", 2}, testLimit)
	w.settle() // the ask of a reaches the new run, which says so
	w.now += time.Second
	w.tick()
	w.settle()
	if err := <-done; tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("a newer run: %v", err)
	}
	if _, err := a.flush(b.self); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("flush to the older run: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(nil, &packet{from: Peer{"a", 1}, number: 1, pieces: []piece{{data: []byte("x")}, {data: []byte("y"), more: true}}}))
	f.Add(encode(nil, &packet{from: Peer{"a", 1}, flags: flagAsk, number: 7}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decode(b)
		if err != nil {
			return
		}
		again, err := decode(encode(nil, &p))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(p) {
			t.Errorf("%v became %v, %v", p, again, err)
		}
		st := newStation(Peer{"b", p.to.Session}, testLimit)
		st.arrive(1, &p)
	})
}
