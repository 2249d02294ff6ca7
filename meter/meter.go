// Package meter has counters of what a node does. The parts of a node hold them;
// package server reads them and exports them to Prometheus.
//
//	type counts struct {
//		saves  meter.Times
//		starts meter.Labelled // by reason
//	}
//
// The zero values are ready to use and safe for concurrent use. They must not be copied.
package meter

import (
	"sync"
	"sync/atomic"
	"time"
)

// Labelled counts by label. Labels must come from a small closed set, never from
// ids, because each label is kept until the process ends.
type Labelled struct{ m sync.Map } // string → *atomic.Int64

// Add adds n to a label's count.
func (l *Labelled) Add(label string, n int64) {
	c, ok := l.m.Load(label)
	if !ok {
		c, _ = l.m.LoadOrStore(label, new(atomic.Int64))
	}
	c.(*atomic.Int64).Add(n)
}

// All returns the counts of all labels.
func (l *Labelled) All() map[string]int64 {
	all := map[string]int64{}
	for label, c := range l.m.Range {
		all[label.(string)] = c.(*atomic.Int64).Load()
	}
	return all
}

// timeBounds and sizeBounds are the upper bounds of the buckets.
var (
	timeBounds = [...]time.Duration{
		time.Millisecond / 2, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
		25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
		10 * time.Minute,
	}
	sizeBounds = [...]int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
)

// Times is a histogram of durations, from half a millisecond to ten minutes.
type Times struct {
	buckets [len(timeBounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

// Observe counts a duration.
func (t *Times) Observe(d time.Duration) {
	i := 0
	for i < len(timeBounds) && d > timeBounds[i] {
		i++
	}
	t.buckets[i].Add(1)
	t.sum.Add(int64(d))
}

// Read returns the histogram, in seconds.
func (t *Times) Read() Histogram {
	return read(t.buckets[:], float64(t.sum.Load())/float64(time.Second),
		func(i int) float64 { return timeBounds[i].Seconds() })
}

// Sizes is a histogram of numbers of things, in powers of two up to 512.
type Sizes struct {
	buckets [len(sizeBounds) + 1]atomic.Uint64
	sum     atomic.Int64
}

// Observe counts n things.
func (s *Sizes) Observe(n int) {
	i := 0
	for i < len(sizeBounds) && n > sizeBounds[i] {
		i++
	}
	s.buckets[i].Add(1)
	s.sum.Add(int64(n))
}

// Read returns the histogram.
func (s *Sizes) Read() Histogram {
	return read(s.buckets[:], float64(s.sum.Load()), func(i int) float64 { return float64(sizeBounds[i]) })
}

// Histogram is the state of a histogram.
type Histogram struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64 // number of observations up to the bound
}

// read makes a Histogram from counters that may change meanwhile.
func read(buckets []atomic.Uint64, sum float64, bound func(int) float64) Histogram {
	h := Histogram{Sum: sum, Buckets: map[float64]uint64{}}
	for i := range buckets {
		h.Count += buckets[i].Load()
		if i < len(buckets)-1 {
			h.Buckets[bound(i)] = h.Count
		}
	}
	return h
}
