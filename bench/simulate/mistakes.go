package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tandem-iot/tandem/world"
)

// sweep switches on one mistake after the other and prints how many seeds it takes to
// notice each, and what is left of the story when it is shrunk.
func (o *options) sweep() error {
	names := world.Mistakes()
	if o.mistakes != "all" {
		names = strings.Split(o.mistakes, ",")
	}
	fmt.Println("| mistake | seeds | faults | steps | noticed as |\n|---|---|---|---|---|")
	missed := 0
	for _, name := range names {
		row := o.search(name)
		if row == "" {
			missed++
			row = fmt.Sprintf("not in %d", o.seeds)
		}
		fmt.Printf("| %s | %s |\n", name, row)
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d mistakes were not noticed", missed, len(names))
	}
	return nil
}

// search looks for the first seed that notices a mistake. It returns the rest of the row
// of the table; "" when there is no such seed.
func (o *options) search(mistake string) string {
	var next, found atomic.Uint64
	found.Store(o.seeds)
	var work sync.WaitGroup
	for range o.workers {
		work.Go(func() {
			for i := next.Add(1) - 1; i < found.Load(); i = next.Add(1) - 1 {
				if _, _, err := o.play(o.mistaken(mistake, o.from+i)); err != nil {
					lower(&found, i)
				}
			}
		})
	}
	work.Wait()
	if found.Load() == o.seeds {
		return ""
	}
	return o.row(mistake, found.Load())
}

// lower sets a number to one that is lower, if it is.
func lower(number *atomic.Uint64, to uint64) {
	for old := number.Load(); to < old && !number.CompareAndSwap(old, to); old = number.Load() {
	}
}

func (o *options) mistaken(mistake string, seed uint64) world.Config {
	c := o.config(seed)
	c.Mistake = mistake
	return c
}

// row shrinks what a seed has found.
func (o *options) row(mistake string, nth uint64) string {
	c := o.mistaken(mistake, o.from+nth)
	w, _, err := o.play(c)
	if world.New(c).Chaos(o.length) != nil { // a history of a register cannot be shrunk
		c.Story, err = world.Shrink(c, o.length, w.Story(), o.shrink)
		w = world.New(c)
		_ = w.Chaos(o.length)
	}
	return fmt.Sprintf("%d | %d | %d | %v", nth+1, len(w.Story()), w.Steps(), err)
}
