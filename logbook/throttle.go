package logbook

import (
	"time"

	"github.com/tandem-iot/tandem"
)

const (
	lineCost = 60_000 / tandem.LogRatePerMinute // ms of allowance that a line uses
	capacity = tandem.LogBurst * lineCost       // ms
	reopen   = 100 * lineCost                   // ms of allowance with which a closed throttle opens again
)

// allowance is the number of lines that may still be written, kept as the time, in
// ms, at which it will be full again. Zero is full.
type allowance int64

// left returns the allowance at now, in ms.
func (a allowance) left(now int64) int64 { return capacity - max(int64(a)-now, 0) }

func (a allowance) full(now int64) bool { return int64(a) <= now }

func (a *allowance) use(now int64) { *a = allowance(max(int64(*a), now) + lineCost) }

// lateFor is how long ago a line may have been written that counts against the allowance of that time.
const lateFor = 30 * 24 * time.Hour

// earn gives a device that has kept its lines the allowance of the time from one to the next: they
// come all at once, and are no more for that.
func (w *writer) earn(written, now time.Time) {
	if written.IsZero() || written.After(now) {
		return
	}
	at := max(written.UnixMilli(), now.Add(-lateFor).UnixMilli())
	if w.late != 0 && at > w.late {
		w.allowance -= allowance(at - w.late)
	}
	w.late = max(w.late, at)
}

// verdict is the throttle's decision about a line.
type verdict uint8

const (
	pass    verdict = iota
	closing         // the line is the first to be discarded
	closed          // the line is discarded
	opening         // the line passes, the first one after discarded lines
)

// throttle decides about a line at now, in ms, and counts it.
func (w *writer) throttle(kind string, now int64) verdict {
	if kind == tandem.LogStatus || kind == tandem.LogExitCode {
		return pass
	}
	left := w.allowance.left(now)
	switch {
	case w.discarded == 0 && left >= lineCost:
		w.allowance.use(now)
		return pass
	case w.discarded == 0:
		w.discarded = 1
		return closing
	case left < reopen:
		w.discarded++
		return closed
	}
	w.allowance.use(now)
	return opening
}
