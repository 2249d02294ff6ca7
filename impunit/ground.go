package impunit

import (
	"time"

	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/stand"
)

// ground is where a pair and its tests run: a world in virtual time, or a Stand.
type ground interface {
	Step(limit time.Duration) bool // until there may be reports; false: the limit has come before
	Reports() []rehearsal.Report
	LogFrom(number int) []rehearsal.Line
	MessagesFrom(number int) []rehearsal.Line
	Now() time.Duration
	Steps() uint64
	Used() time.Duration
	Err() error
	Close() error
}

// virtual is a world, which leaves nothing to be closed.
type virtual struct{ *rehearsal.World }

func (virtual) Close() error { return nil }

// open makes the ground of a session.
func (r *run) open() (ground, error) {
	script := rehearsal.Script{Tester: r.tester, Values: r.values}
	if r.o.Real {
		return stand.Start(r.ctx, stand.Config{Code: r.code, Script: script, Module: r.o.Module, Longest: r.o.Limit})
	}
	w, err := rehearsal.New(rehearsal.Config{Seed: r.o.Seed, Pair: r.pair, Module: r.o.Module, Script: &script})
	return virtual{w}, err
}
