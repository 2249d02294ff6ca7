package impunit

import (
	"time"

	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/stand"
)

// ground is where a pair and its tests run: a world in virtual time, or a Stand.
type ground interface {
	// next lets the pair go on until there may be reports, or until a time.
	next(limit time.Duration) turn
	// log returns what was logged from a number on, and the newest messages since.
	log(from int) (lines, messages []rehearsal.Line)
	close() error
}

// turn is how a ground is after a step.
type turn struct {
	reports []rehearsal.Report
	idle    bool          // the limit has come before anything happened
	now     time.Duration // since the ground began
	steps   uint64
	used    time.Duration // of processor time, by the measure of the machines
	err     error
}

// open makes the ground of a session.
func (r *run) open() (ground, error) {
	script := rehearsal.Script{Tester: r.tester, Values: r.values}
	if r.o.Real {
		s, err := stand.Start(r.ctx, stand.Config{Code: r.code, Script: script, Module: r.o.Module, Longest: r.o.Limit})
		return real{s}, err
	}
	w, err := rehearsal.New(rehearsal.Config{Seed: r.o.Seed, Pair: r.pair, Module: r.o.Module, Script: &script})
	return virtual{w}, err
}

// virtual is a world in virtual time.
type virtual struct{ w *rehearsal.World }

func (v virtual) next(limit time.Duration) turn {
	idle := !v.w.Step(limit)
	return turn{v.w.Reports(), idle, v.w.Now(), v.w.Steps(), v.w.Used(), v.w.Err()}
}

func (v virtual) log(from int) (lines, messages []rehearsal.Line) {
	return v.w.LogFrom(from), v.w.MessagesFrom(from)
}

func (virtual) close() error { return nil }

// real is a pair in real time, where the time that passes says enough.
type real struct{ s *stand.Stand }

func (r real) next(limit time.Duration) turn {
	idle := !r.s.Step(limit)
	return turn{reports: r.s.Reports(), idle: idle, now: r.s.Now(), err: r.s.Err()}
}

func (r real) log(from int) (lines, messages []rehearsal.Line) {
	return r.s.LogFrom(from), r.s.MessagesFrom(from)
}

func (r real) close() error { return r.s.Close() }
