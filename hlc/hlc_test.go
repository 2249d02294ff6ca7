package hlc

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackwardsWallClock(t *testing.T) {
	wall := time.UnixMilli(1_000_000)
	c := New(func() time.Time { return wall })
	before := c.Now()
	wall = wall.Add(-time.Hour)
	after := c.Now()
	if after != before+1 {
		t.Errorf("after the wall clock was set back: %d, want %d", after, before+1)
	}
	wall = wall.Add(2 * time.Hour)
	if got := c.Now(); got != At(wall) {
		t.Errorf("after the wall clock caught up: %d, want %d", got, At(wall))
	}
}

func TestCounterOverflow(t *testing.T) {
	wall := time.UnixMilli(1_000_000)
	c := New(func() time.Time { return wall })
	last := c.Now()
	for range 1<<counterBits + 10 {
		next := c.Now()
		if next <= last {
			t.Fatalf("%d after %d", next, last)
		}
		last = next
	}
	if want := At(wall.Add(time.Millisecond)); last <= want {
		t.Errorf("the counter did not carry: %d, want more than %d", last, want)
	}
	wall = wall.Add(time.Millisecond)
	if got := c.Now(); got != last+1 {
		t.Errorf("within the borrowed millisecond: %d, want %d", got, last+1)
	}
}

func TestObserve(t *testing.T) {
	wall := time.UnixMilli(1_000_000)
	for _, tt := range []struct {
		name     string
		t        Timestamp
		believed bool
		next     Timestamp
	}{
		{"older", At(wall) - 5, true, At(wall) + 1},
		{"no stamp", 0, true, At(wall) + 1},
		{"newer", At(wall) + 5, true, At(wall) + 6},
		{"as far ahead as may be", At(wall.Add(MaxAhead)), true, At(wall.Add(MaxAhead)) + 1},
		{"too far ahead", At(wall.Add(MaxAhead)) + 1, false, At(wall) + 1},
		{"absurd", 1<<64 - 1, false, At(wall) + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := New(func() time.Time { return wall })
			c.Now()
			if got := c.Observe(tt.t); got != tt.believed {
				t.Errorf("Observe(%d) = %v, want %v", tt.t, got, tt.believed)
			}
			if got := c.Now(); got != tt.next {
				t.Errorf("next stamp %d, want %d", got, tt.next)
			}
		})
	}
}

func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Timestamp(rapid.Uint64().Draw(t, "stamp"))
		if got, err := Parse(want.String()); err != nil || got != want {
			t.Fatalf("%d came back as %d, %v", want, got, err)
		}
	})
	for _, s := range []string{"", "-1", "x", "18446744073709551616"} {
		if _, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) gave no error", s)
		}
	}
}

func TestZeroClock(t *testing.T) {
	var c Clock
	if d := time.Since(c.Now().Time()); d < -time.Second || d > time.Minute {
		t.Errorf("the zero clock is off by %v", d)
	}
}

// TestCausality lets machines with bad wall clocks do things and send each
// other messages, and checks that what could have caused an event has the
// smaller stamp.
func TestCausality(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const machines = 3
		var walls [machines]time.Time
		var clocks [machines]*Clock
		var latest [machines]Timestamp // the newest stamp in this machine's past
		for i := range machines {
			walls[i] = time.UnixMilli(100_000_000)
			clocks[i] = New(func() time.Time { return walls[i] })
		}
		stamp := func(i int) {
			now := clocks[i].Now()
			if now <= latest[i] {
				t.Fatalf("machine %d: %d has a cause stamped %d", i, now, latest[i])
			}
			latest[i] = now
		}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			i := rapid.IntRange(0, machines-1).Draw(t, "machine")
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				// Within ±10 s, so that no pair is more than MaxAhead apart.
				walls[i] = time.UnixMilli(100_000_000 + rapid.Int64Range(-10_000, 10_000).Draw(t, "wall"))
			case 1:
				stamp(i)
			case 2:
				to := rapid.IntRange(0, machines-1).Draw(t, "to")
				stamp(i)
				if !clocks[to].Observe(latest[i]) {
					t.Fatalf("machine %d did not believe %d", to, latest[i])
				}
				latest[to] = max(latest[to], latest[i])
				stamp(to)
			}
		}
	})
}

func TestConcurrentStampsDiffer(t *testing.T) {
	c := New(func() time.Time { return time.UnixMilli(1) })
	const workers, each = 4, 5000
	stamps := make([][]Timestamp, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				stamps[w] = append(stamps[w], c.Now())
			}
		})
	}
	wg.Wait()
	seen := map[Timestamp]bool{}
	for _, s := range stamps {
		for i, v := range s {
			if seen[v] || i > 0 && v <= s[i-1] {
				t.Fatalf("stamp %d is not new", v)
			}
			seen[v] = true
		}
	}
}

func BenchmarkNow(b *testing.B) {
	var c Clock
	for b.Loop() {
		c.Now()
	}
}
