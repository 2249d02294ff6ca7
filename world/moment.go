package world

import (
	"math/rand/v2"
	"time"
)

// moments are what a fault can wait for: the node that it happens to is in the middle of
// something then, which at a random time it hardly ever is.
var moments = []string{
	"export", "prepare", "handover", "unsure", "activate", "return", "register", "begin", "open",
	"stop", "empty", "abandon", "lost", "link",
}

// aimed are the kinds of fault that wait for moments, as often as they are likely.
var aimed = []string{
	"kill", "kill", "stop", "stop", "pause", "blink", "apart", "apart", "split", "split", "cut", "database",
	"sever", "power", "restart", "deploy", "deploy", "drain", "undrain",
}

// Story returns the faults that a world of a configuration has.
func Story(cfg Config, length time.Duration) []Fault {
	w := New(cfg)
	return w.profile.story(w.fate, length, len(w.nodes))
}

// story makes up what is to happen.
func (p *profile) story(r *rand.Rand, length time.Duration, nodes int) (story []Fault) {
	for at := firstFault; at < length; at += gapLeast + time.Duration(r.Int64N(int64(gapMost-gapLeast))) {
		story = append(story, Fault{At: at, Kind: pick(r, p.kinds...), Node: r.IntN(nodes), Seed: r.Uint64()})
		for range r.IntN(p.burst + 1) {
			soon := at + time.Duration(r.Int64N(int64(2*time.Second)))
			f := Fault{At: soon, Kind: pick(r, p.kinds...), Node: r.IntN(nodes), Seed: r.Uint64()}
			if r.IntN(2) == 0 {
				f.When, f.Kind = pick(r, moments...), pick(r, aimed...)
				f.Node = pick(r, 0, 0, 1, 2) % nodes
			}
			story = append(story, f)
		}
	}
	return story
}

// moment has the faults happen that have waited for a node to be in the middle of this.
func (w *World) moment(what string, n *node) {
	for i, f := range w.waiting {
		if f.When != what {
			continue
		}
		w.waiting = append(w.waiting[:i:i], w.waiting[i+1:]...)
		f.Node = (n.index + f.Node) % len(w.nodes)
		w.after(f.soon(), func() { w.happen(f) })
		return
	}
}

// chance is the randomness of a fault, so that it is the same in a shorter story.
func (f Fault) chance() *rand.Rand { return rand.New(rand.NewPCG(f.Seed, 0x6661_756c)) }

// soon is how long after its moment a fault happens.
func (f Fault) soon() time.Duration {
	r := f.chance()
	most := pick(r, time.Microsecond, 2*ms, 20*ms, 200*ms, 2*time.Second)
	return time.Duration(r.Int64N(int64(most)))
}

// lasts is how long a fault lasts.
func (f Fault) lasts(low, high time.Duration) time.Duration {
	return low + time.Duration(f.chance().Int64N(int64(high-low)+1))
}
