package admit

import (
	"sync"
	"time"
)

// Tally counts what clients did wrong, so that the log gets a line for many: one at once,
// and then one a minute at most. The zero value is ready to use.
type Tally struct {
	mu sync.Mutex
	n  int
	by map[Source]int
	at time.Time // of the last count that was taken
}

// takeEvery is the least time between two counts.
const takeEvery = time.Minute

// talliedSources bounds the memory of a tally. Further sources are counted together.
const talliedSources = 1024

// Add counts one.
func (t *Tally) Add(s Source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	if t.by == nil {
		t.by = map[Source]int{}
	}
	if _, ok := t.by[s]; ok || len(t.by) < talliedSources {
		t.by[s]++
	}
}

// Count is what a tally has counted.
type Count struct {
	N       int
	Sources int    // at most 1,024
	Most    Source // the one that occurs most
	MostN   int
}

// Take returns the count and begins again. It returns none when one was taken within the
// last minute.
func (t *Tally) Take(now time.Time) Count {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == 0 || !t.at.IsZero() && now.Sub(t.at) < takeEvery {
		return Count{}
	}
	t.at = now
	c := Count{N: t.n, Sources: len(t.by)}
	for s, n := range t.by {
		if n > c.MostN || n == c.MostN && s.addr.Less(c.Most.addr) {
			c.Most = s
			c.MostN = n
		}
	}
	t.n = 0
	t.by = nil
	return c
}
