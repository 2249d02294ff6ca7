package board

import (
	"errors"
	"math"
	"time"
)

// A Wave is a signal that repeats. It goes on for ever, and its phase is that of the
// clock: a period begins at the Unix epoch.
type Wave struct {
	Square    bool    // else a sine
	Hertz     float64 // above 0, MaxHertz at most
	Low, High float64 // levels between which it moves
}

// MaxHertz is the highest frequency of a Wave.
const MaxHertz = 1e6

func (w *Wave) check() error {
	if !(w.Hertz > 0 && w.Hertz <= MaxHertz) {
		return errors.New("the frequency of a wave must be above 0 and 1 MHz at most")
	}
	return nil
}

// position returns the number of whole periods since the epoch, and how much of the
// present one is over, 0 to 1. Whole seconds are counted apart: a float64 of
// nanoseconds since 1970 would be too coarse.
func (w *Wave) position(at time.Time) (periods int64, phase float64) {
	whole, rest := math.Modf(float64(at.Unix()) * w.Hertz)
	rest += float64(at.Nanosecond()) * w.Hertz / 1e9
	more := math.Floor(rest)
	return int64(whole) + int64(more), rest - more
}

func (w *Wave) level(at time.Time) float64 {
	_, phase := w.position(at)
	switch {
	case !w.Square:
		return (w.Low+w.High)/2 + (w.High-w.Low)/2*math.Sin(2*math.Pi*phase)
	case phase < 0.5:
		return w.High
	}
	return w.Low
}

// crosses reports whether the wave passes the level at which an input changes.
func (w *Wave) crosses() bool { return (w.Low >= 0.5) != (w.High >= 0.5) }

// edges returns how many rising and falling edges there were since the epoch: one of
// each in a period, if the wave passes the level at which an input changes.
func (w *Wave) edges(at time.Time) (rising, falling int64) {
	if !w.crosses() {
		return 0, 0
	}
	periods, phase := w.position(at)
	if phase >= 0.5 {
		return periods, periods + 1
	}
	return periods, periods
}
