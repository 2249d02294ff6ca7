package main

import (
	"slices"
	"time"
)

// sample has the times of one run of one load.
type sample struct {
	took    []time.Duration // sorted
	elapsed time.Duration
	cpu     time.Duration // the server's, during the run
}

func newSample(elapsed time.Duration, parts ...[]time.Duration) sample {
	s := sample{took: slices.Concat(parts...), elapsed: elapsed}
	slices.Sort(s.took)
	return s
}

func (s sample) perSecond() float64 {
	if s.elapsed <= 0 {
		return 0
	}
	return float64(len(s.took)) / s.elapsed.Seconds()
}

// ms returns a percentile in milliseconds.
func (s sample) ms(percent float64) float64 {
	if len(s.took) == 0 {
		return 0
	}
	i := min(len(s.took)-1, int(float64(len(s.took))*percent/100))
	return float64(s.took[i]) / float64(time.Millisecond)
}

// cpuEach is the server's processor time per request in microseconds: the
// figure that a busy machine disturbs least.
func (s sample) cpuEach() float64 {
	if len(s.took) == 0 {
		return 0
	}
	return float64(s.cpu) / float64(len(s.took)) / float64(time.Microsecond)
}

// median returns the run with the median rate.
func median(runs []sample) sample {
	slices.SortFunc(runs, func(a, b sample) int {
		switch x, y := a.perSecond(), b.perSecond(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return runs[len(runs)/2]
}
