package admit

import "sync"

// Tally counts what clients did wrong, so that the log gets a line for many. The zero
// value is ready to use.
type Tally struct {
	mu sync.Mutex
	n  int
	by map[Source]int
}

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

// Take returns the count and begins again.
func (t *Tally) Take() Count {
	t.mu.Lock()
	defer t.mu.Unlock()
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
