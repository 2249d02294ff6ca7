package world

import (
	"math/rand/v2"
	"time"
)

// profile is what distinguishes the worlds of two seeds: how long things take, how often
// they fail, and which faults are likely. One world for all would hide what needs a slow
// store, or two faults of one kind.
type profile struct {
	commit span // until a transaction is made
	read   span // until the database is read
	answer span // until a node hears what has come of either
	wire   span // of a message between nodes
	step   span // until a goroutine has a processor

	breaks   int // a transaction has no answer once in so many
	handover int // and one that moves shards
	unheard  int // a broadcast is not heard once in so many
	part     int // bytes in a part of an offer; 0: as in production

	kinds []string // of faults, as often as they are likely
	burst int      // faults that come soon after another, at most
	dark  bool     // devices without power or network stay so until the world is quiet
}

// span is a range of durations.
type span struct{ low, high time.Duration }

func (w *World) in(s span) time.Duration { return w.between(s.low, s.high) }

const ms = time.Millisecond

// usual is how long things take in a good network.
var usual = profile{
	commit: span{300 * time.Microsecond, 2 * ms}, read: span{200 * time.Microsecond, 2 * ms},
	answer: span{0, ms}, wire: span{100 * time.Microsecond, 2 * ms}, step: span{0, 100 * time.Microsecond},
	breaks: 1000, handover: 8, unheard: 50, burst: 1,
}

// draw makes up the profile of a world.
func draw(cfg Config, r *rand.Rand) profile {
	p := usual
	p.commit = pick(r, p.commit, p.commit, p.commit, span{20 * ms, 120 * ms}, span{50 * ms, 400 * ms})
	p.read = pick(r, p.read, p.read, span{5 * ms, 100 * ms}, span{0, 700 * ms})
	p.answer = pick(r, p.answer, p.answer, span{0, 50 * ms}, span{0, 700 * ms})
	p.wire = pick(r, p.wire, p.wire, span{ms, 20 * ms}, span{5 * ms, 150 * ms})
	p.step = pick(r, p.step, p.step, span{0, 5 * ms}, span{0, 60 * ms})
	p.breaks = pick(r, 1000, 1000, 100, 30)
	p.handover = pick(r, 8, 8, 3, 2)
	p.unheard = pick(r, 50, 50, 2, 1)
	p.part = pick(r, 0, 0, 100_000)
	p.burst = pick(r, 0, 1, 2, 3)
	p.dark = r.IntN(2) == 0
	p.kinds = cfg.Faults
	if p.kinds == nil {
		p.kinds = swarm(r)
	}
	return p
}

// swarm chooses kinds of faults: all of them alike, or some of them more than others and
// others not at all. What takes a fault of a kind twice, or its absence, is seen sooner.
func swarm(r *rand.Rand) (kinds []string) {
	all := Kinds()
	if r.IntN(4) == 0 {
		return all
	}
	for _, k := range all {
		for range pick(r, 0, 0, 1, 3) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return all
	}
	return kinds
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
