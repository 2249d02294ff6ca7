package meter

import (
	"maps"
	"sync"
	"testing"
	"time"
)

func TestLabelled(t *testing.T) {
	var l Labelled
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				l.Add("a", 1)
				l.Add("b", 2)
			}
		})
	}
	wg.Wait()
	if got, want := l.All(), (map[string]int64{"a": 8000, "b": 16000}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTimes(t *testing.T) {
	var x Times
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, time.Second, time.Hour} {
		x.Observe(d)
	}
	h := x.Read()
	if h.Count != 5 || h.Sum < 3601 || h.Sum > 3601.1 {
		t.Errorf("count %d, sum %v", h.Count, h.Sum)
	}
	for bound, want := range map[float64]uint64{0.0005: 1, 0.001: 2, 0.0025: 3, 0.5: 3, 1: 4, 600: 4} {
		if h.Buckets[bound] != want {
			t.Errorf("%d were up to %v s, want %d", h.Buckets[bound], bound, want)
		}
	}
}

func TestSizes(t *testing.T) {
	var x Sizes
	for _, n := range []int{1, 2, 3, 512, 513} {
		x.Observe(n)
	}
	h := x.Read()
	if h.Count != 5 || h.Sum != 1031 || h.Buckets[1] != 1 || h.Buckets[4] != 3 || h.Buckets[512] != 4 {
		t.Errorf("%+v", h)
	}
}
