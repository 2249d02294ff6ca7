package life

import (
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

func TestCrashDelay(t *testing.T) {
	for n, want := range []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60} {
		if got := crashDelay(n); got != want*time.Second {
			t.Errorf("after %d crashes the delay is %v, not %v", n, got, want*time.Second)
		}
	}
}

// TestHog: only an agent whose program can answer for the time is a hog.
func TestHog(t *testing.T) {
	for _, c := range []struct {
		took, used time.Duration
		hog        bool
	}{
		{10 * time.Millisecond, 40 * time.Millisecond, true},
		{10 * time.Millisecond, 10 * time.Microsecond, false},
		{10 * time.Microsecond, 10 * time.Millisecond, false},
	} {
		l := New(&Config{}, testDevice, testAgent)
		for range 30 {
			l.Charge(tandem.Now{Wall: begin, Mono: time.Hour}, c.took, c.used)
		}
		if l.Hog() != c.hog {
			t.Errorf("took %v, used %v: hog %v", c.took, c.used, l.Hog())
		}
	}
}

// TestQueue: of many requests that come and go behind one that waits, the queue keeps
// little more than those that wait, in the order in which they came.
func TestQueue(t *testing.T) {
	var q queue
	var alive []*pending
	for n := range uint64(1000) {
		r := &pending{Number: n}
		if n%100 == 0 {
			alive = append(alive, r)
		}
		q.add(r, len(alive))
		r.done = n%100 != 0
		if len(q) > 2*len(alive)+17 {
			t.Fatalf("the queue has %d requests, and %d wait", len(q), len(alive))
		}
	}
	for _, want := range alive {
		if got := q.first(waits); got != want {
			t.Fatalf("the first is %+v, want %+v", got, want)
		}
		want.done = true
	}
	if got := q.first(waits); got != nil {
		t.Errorf("the last is %+v", got)
	}
}
