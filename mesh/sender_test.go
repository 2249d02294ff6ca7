package mesh

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// TestWire: nodes of different versions have to understand each other during an
// upgrade. When a frame looks different, so does its version.
func TestWire(t *testing.T) {
	got := encode(nil, &packet{
		from: Peer{Node: "node", Session: 1}, to: Peer{Session: 2}, flags: flagGap, stamp: 3, number: 4, accepted: 5, done: 6,
		pieces: []piece{{[]byte("ab"), false}, {[]byte("c"), true}},
	})
	const want = "0102" + "0000000000000001" + "0000000000000002" + "0000000000000003" +
		"0000000000000004" + "0000000000000005" + "0000000000000006" + "046e6f6465" + "046162" + "0363"
	if hex.EncodeToString(got) != want {
		t.Errorf("got %x\nwant %s", got, want)
	}
}

// TestMalformed: what is not a frame, to the byte.
func TestMalformed(t *testing.T) {
	whole := packet{
		from: Peer{Node: "node", Session: 1}, to: Peer{Session: 2}, number: 7,
		pieces: []piece{{[]byte("message"), false}, {nil, true}},
	}
	data := encode(nil, &whole)
	p, err := decode(data)
	if err != nil || p.from != whole.from || len(p.pieces) != 2 || string(p.pieces[0].data) != "message" || !p.pieces[1].more {
		t.Fatalf("%+v, %v", p, err)
	}
	pieces := fixedHeader + len("node") // where they begin
	for n := range data {
		_, err := decode(data[:n])
		if boundary := n == pieces+8; (err == nil) != boundary { // between two pieces
			t.Errorf("%d bytes of %d: %v", n, len(data), err)
		}
	}
	change := func(what string, at int, b byte) {
		t.Helper()
		changed := bytes.Clone(data)
		changed[at] = b
		if _, err := decode(changed); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	change("another version", 0, wireVersion+1)
	change("no name", fixedHeader-1, 0)
	change("a name beyond the end", fixedHeader-1, 255)
	change("a piece beyond the end", pieces, 9<<1)
	change("a length without end", len(data)-1, 0x80)
	change("a question with pieces", 1, flagAsk)
	change("news with a number and pieces", 1, flagNews)
	for _, tc := range []struct {
		what string
		p    packet
		ok   bool
	}{
		{"no number and no pieces", packet{}, true},
		{"a number without pieces", packet{number: 1}, false},
		{"pieces without a number", packet{pieces: []piece{{}}}, false},
		{"a question", packet{flags: flagAsk, number: 3}, true},
		{"news", packet{flags: flagNews, pieces: []piece{{}}}, true},
	} {
		tc.p.from.Node = "n"
		if _, err := decode(encode(nil, &tc.p)); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.what, err)
		}
	}
}

// TestPatience: how long a sender waits before it asks, by what it has measured
// and how often it has asked in vain.
func TestPatience(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		measured  []time.Duration
		doublings int
		want      time.Duration
	}{
		{nil, 0, 200 * ms}, {nil, 1, 400 * ms}, {nil, 2, 800 * ms}, {nil, 3, time.Second}, {nil, 99, time.Second},
		{[]time.Duration{10 * ms}, 0, 50 * ms},             // 10 + 4 × 5 is less than the least
		{[]time.Duration{100 * ms}, 0, 300 * ms},           // 100 + 4 × 50
		{[]time.Duration{100 * ms, 100 * ms}, 0, 250 * ms}, // 100 + 4 × 37.5
		{[]time.Duration{100 * ms, 180 * ms}, 0, 340 * ms}, // 110 + 4 × 57.5
		{[]time.Duration{100 * ms, 20 * ms}, 0, 320 * ms},  // 90 + 4 × 57.5
		{[]time.Duration{100 * ms}, 1, 600 * ms},
		{[]time.Duration{900 * ms}, 0, time.Second},
	} {
		var s sender
		for _, rtt := range tc.measured {
			s.measured(rtt)
		}
		s.doublings = tc.doublings
		if got := s.patience(); got != tc.want {
			t.Errorf("after %v and %d questions: %v, want %v", tc.measured, tc.doublings, got, tc.want)
		}
	}
}

// TestSenderBounds: how large a message may be, how many may wait, and how far a
// window opens.
func TestSenderBounds(t *testing.T) {
	large := make([]byte, maxMessage+1)
	var s sender
	if err := s.add(large); tandem.KindOf(err) != tandem.Limit {
		t.Errorf("a byte too many: %v", err)
	}
	if err := s.add(large[:maxMessage]); err != nil {
		t.Errorf("the largest: %v", err)
	}
	rest := maxWaiting - maxMessage - messageCost
	if err := s.add(large[:rest+1]); tandem.KindOf(err) != tandem.Limit || s.messages != 1 {
		t.Errorf("a byte more than may wait: %v", err)
	}
	if err := s.add(large[:rest]); err != nil || s.messages != 2 || s.bytes != maxMessage+rest {
		t.Errorf("as much as may wait: %v, %d messages, %d bytes", err, s.messages, s.bytes)
	}
	const limit = 1 << 20
	for s.cut(limit) {
	}
	if len(s.frames) != 4 || s.flying != 4*limit {
		t.Errorf("the window: %d frames, %d bytes", len(s.frames), s.flying)
	}
	var small sender
	for range 3 * windowFrames {
		if err := small.add(large[:batchSize-pieceHeader]); err != nil {
			t.Fatal(err)
		}
	}
	for small.cut(limit) {
	}
	if len(small.frames) != windowBytes/batchSize {
		t.Errorf("%d frames of %d bytes are under way", len(small.frames), batchSize)
	}
	var tiny sender
	for range windowFrames + 1 {
		if err := tiny.add([]byte("x")); err != nil || !tiny.cut(limit) && len(tiny.frames) < windowFrames {
			t.Fatal(err, len(tiny.frames))
		}
	}
	if tiny.cut(limit) || len(tiny.frames) != windowFrames || len(tiny.waiting) != 1 {
		t.Errorf("%d frames, %d messages wait", len(tiny.frames), len(tiny.waiting))
	}
}

// TestBatches: small messages share a frame up to its size, to the byte.
func TestBatches(t *testing.T) {
	for over, frames := range []int{1, 2} {
		var s sender
		for _, n := range []int{1000, batchSize - 1000 - 2*pieceHeader + over} {
			if err := s.add(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
		}
		for s.cut(1 << 20) {
		}
		if len(s.frames) != frames {
			t.Errorf("%d bytes over: %d frames", over, len(s.frames))
		}
	}
}

// TestAcked: what a peer says it has is believed when it can be, and ends the
// waiting for it and for nothing else.
func TestAcked(t *testing.T) {
	var s sender
	flushes := make([]chan error, 3)
	for i := range flushes {
		if err := s.add(make([]byte, 10)); err != nil || !s.cut(1<<20) {
			t.Fatal(err)
		}
		flushes[i] = make(chan error, 1)
		s.flushes = append(s.flushes, flush{uint64(i + 1), flushes[i]})
	}
	s.doublings = 2
	for _, tc := range []struct {
		accepted, done uint64
		progress       bool
		frames, ended  int
	}{
		{0, 0, false, 3, 0}, {4, 0, false, 3, 0}, {1, 2, false, 3, 0}, // nothing new, and what cannot be
		{2, 0, true, 3, 0}, {2, 0, false, 3, 0}, {2, 1, true, 2, 1}, {1, 1, false, 2, 0}, {3, 3, true, 0, 2},
	} {
		before := s.doublings
		if got := s.acked(0, tc.accepted, tc.done); got != tc.progress || len(s.frames) != tc.frames {
			t.Errorf("%d and %d: %v, %d frames are left", tc.accepted, tc.done, got, len(s.frames))
		}
		if want := map[bool]int{true: 0, false: before}[tc.progress]; s.doublings != want {
			t.Errorf("%d and %d: %d doublings", tc.accepted, tc.done, s.doublings)
		}
		ended := 0
		for _, f := range flushes {
			if len(f) > 0 {
				ended++
				<-f
			}
		}
		if ended != tc.ended {
			t.Errorf("%d and %d: %d flushes have ended, want %d", tc.accepted, tc.done, ended, tc.ended)
		}
	}
	if s.messages != 0 || s.bytes != 0 || s.flying != 0 || s.received != 3 || len(s.flushes) != 0 {
		t.Errorf("at the end: %+v", s)
	}
}

// TestTooLongInPieces: a message that is too long in all its pieces ends its lane,
// and nothing of it is kept; one byte less is taken.
func TestTooLongInPieces(t *testing.T) {
	for over := range 2 {
		w := newWorld(t, "a", "b")
		a, b := w.stations[0], w.stations[1]
		var frames [][]piece
		for range maxMessage >> 20 {
			frames = append(frames, []piece{{make([]byte, 1<<20), true}})
		}
		frames[0] = []piece{{make([]byte, 1<<20-10), true}}
		frames = append(frames, []piece{{make([]byte, 9), true}},
			[]piece{{make([]byte, 1+over), false}, {make([]byte, 1), false}})
		for i, pieces := range frames {
			l, err := b.arrive(w.now, &packet{from: a.self, to: b.self, number: uint64(i + 1), pieces: pieces})
			if last := i == len(frames)-1; (err != nil) != (last && over > 0) {
				t.Fatalf("%d bytes over, frame %d: %v", over, i, err)
			}
			if want := uint64(min(i+1, len(frames)-over)); l.recv.accepted != want {
				t.Errorf("%d bytes over: %d frames are accepted, want %d", over, l.recv.accepted, want)
			}
			if err == nil {
				b.received(w.now, l)
			}
		}
	}
}
