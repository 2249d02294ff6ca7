// Package client has the clients of the measurements and trials: they take little of the
// processor time that they share with the node under test.
package client

import (
	"slices"
	"time"
)

// Sample has the times of one run of one load.
type Sample struct {
	Took    []time.Duration // sorted
	Elapsed time.Duration
	CPU     time.Duration // the server's, during the run
}

// NewSample gathers the times of a run.
func NewSample(elapsed time.Duration, parts ...[]time.Duration) Sample {
	s := Sample{Took: slices.Concat(parts...), Elapsed: elapsed}
	slices.Sort(s.Took)
	return s
}

// PerSecond is the rate.
func (s Sample) PerSecond() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(len(s.Took)) / s.Elapsed.Seconds()
}

// MS returns a percentile in milliseconds.
func (s Sample) MS(percent float64) float64 {
	if len(s.Took) == 0 {
		return 0
	}
	i := min(len(s.Took)-1, int(float64(len(s.Took))*percent/100))
	return float64(s.Took[i]) / float64(time.Millisecond)
}

// CPUEach is the server's processor time per request in microseconds: the
// figure that a busy machine disturbs least.
func (s Sample) CPUEach() float64 {
	if len(s.Took) == 0 {
		return 0
	}
	return float64(s.CPU) / float64(len(s.Took)) / float64(time.Microsecond)
}

// Median returns the run with the median rate.
func Median(runs []Sample) Sample {
	slices.SortFunc(runs, func(a, b Sample) int {
		switch x, y := a.PerSecond(), b.PerSecond(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return runs[len(runs)/2]
}
