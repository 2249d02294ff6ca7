package trial

import (
	"context"
	"slices"
	"time"
)

// maxShrinks is how many stories are tried to make one shorter.
const maxShrinks = 80

// shrinker makes a story shorter that ends in the same way.
type shrinker struct {
	s      *Searcher
	best   Story
	breach Breach
	runs   int
	err    error
}

// Shrink returns the shortest story found that breaks the same as a story does.
func (s *Searcher) Shrink(ctx context.Context, name string, story Story, breach *Breach) (*Finding, error) {
	x := &shrinker{s: s, best: story, breach: *breach}
	for again := true; again && ctx.Err() == nil; {
		before := x.runs
		again = x.remove()
		again = x.simplify() || again
		again = x.shorten() || again
		again = x.earlier() || again
		if x.runs == before {
			break
		}
	}
	return &Finding{Name: name, Found: story, Story: x.best, Breach: x.breach, Runs: x.runs}, x.err
}

// try reports whether a story still ends in the same way, and takes it then.
func (x *shrinker) try(story Story) bool {
	if x.runs >= maxShrinks || x.err != nil {
		return false
	}
	x.runs++
	story.sort()
	b, err := x.s.Play(story)
	if err != nil || b == nil || b.Check != x.breach.Check {
		x.err = err
		return false
	}
	x.best, x.breach = story, *b
	return true
}

// with returns the best story with another blow in a place.
func (x *shrinker) with(i int, b Blow) Story {
	story := x.best
	story.Blows = slices.Clone(story.Blows)
	story.Blows[i] = b
	return story
}

func (x *shrinker) remove() (done bool) {
	for i := len(x.best.Blows) - 1; i >= 0; i-- {
		story := x.best
		story.Blows = slices.Delete(slices.Clone(story.Blows), i, i+1)
		done = x.try(story) || done
	}
	return done
}

func (x *shrinker) simplify() (done bool) {
	for i := range x.best.Blows {
		b := x.best.Blows[i]
		if k, _ := KindOf(b.Kind); k.Simpler != "" {
			simpler, _ := KindOf(k.Simpler)
			b.Kind, b.Span = k.Simpler, 0
			if simpler.Spans != nil {
				b.Span = simpler.Spans[0]
			}
			done = x.try(x.with(i, b)) || done
		}
	}
	return done
}

// shortest is a span that is not halved any more.
const shortest = 500 * time.Millisecond

func (x *shrinker) shorten() (done bool) {
	for i := range x.best.Blows {
		for b := x.best.Blows[i]; b.Span >= 2*shortest; done = true {
			b.Span = (b.Span / 2).Round(100 * time.Millisecond)
			if !x.try(x.with(i, b)) {
				break
			}
		}
	}
	return done
}

// earlier moves blows to the front: first far, then less.
func (x *shrinker) earlier() (done bool) {
	b, err := x.s.base(Story{Seed: x.best.Seed, Length: x.best.Length})
	if err != nil {
		x.err = err
		return false
	}
	for i := range x.best.Blows {
		later := func(p point, m Moment) int { return p.compare(m) }
		here, _ := slices.BinarySearchFunc(b.points, x.best.Blows[i].Moment, later)
		here = min(here, len(b.points))
		low := 0
		for low < here {
			middle := (low + here) / 2
			blow := x.best.Blows[i]
			blow.Moment = b.points[middle].Moment
			if x.try(x.with(i, blow)) {
				here, done = middle, true
			} else {
				low = middle + 1
			}
			if x.runs >= maxShrinks {
				break
			}
		}
	}
	return done
}
