package logbook

import "github.com/tandem-iot/tandem"

const (
	lineCost = 60_000 / tandem.LogRatePerMinute // ms of allowance that a line uses
	capacity = tandem.LogBurst * lineCost       // ms
	reopen   = 100 * lineCost                   // ms of allowance with which a closed throttle opens again
)

// allowance is how many lines may still be written, as the time, in ms, when
// it will be full again. Zero is full.
type allowance int64

// left returns the ms of allowance at now.
func (a allowance) left(now int64) int64 { return capacity - max(int64(a)-now, 0) }

func (a allowance) full(now int64) bool { return int64(a) <= now }

func (a *allowance) use(now int64) { *a = allowance(max(int64(*a), now) + lineCost) }

// verdict is what becomes of a line.
type verdict uint8

const (
	pass    verdict = iota
	closing         // it is the first to be discarded
	closed          // it is discarded
	opening         // it passes, the first after others that were discarded
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
