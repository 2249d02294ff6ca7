// Command simulate runs worlds (package world): whole clusters with their devices, in
// virtual time, each decided by one seed.
//
//	go run ./simulate -seeds 200             // from seed 1, as many at a time as there are processors
//	go run ./simulate -seeds 0 -budget 1m    // as many as there is time for
//	go run ./simulate -seed 4711             // one, with a trace of what happened
//
// A failure is shrunk to the faults that it needs and printed with its seed; the exit
// status is 1 then.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/world"
)

// gcPercent lets worlds make more garbage than usual before it is collected: they are
// small, and there are few at a time.
const gcPercent = 800

type options struct {
	seeds, from, seed uint64
	length, budget    time.Duration
	workers, shrink   int
	faults, mistake   string
	mistakes, only    string
	trace             string
	on                bool
}

func main() {
	var o options
	flag.Uint64Var(&o.seeds, "seeds", 200, "how many seeds; 0: as many as the budget allows")
	flag.Uint64Var(&o.from, "from", 1, "the first seed")
	flag.Uint64Var(&o.seed, "seed", 0, "run this seed alone, with a trace")
	flag.DurationVar(&o.length, "for", time.Minute, "virtual time of faults under load")
	flag.DurationVar(&o.budget, "budget", 0, "begin no seed after this time; 0: no limit")
	flag.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "seeds at the same time")
	flag.IntVar(&o.shrink, "shrink", 100, "attempts to find a shorter story of a failure")
	flag.StringVar(&o.faults, "faults", "", "kinds of faults, with commas; empty: all of "+strings.Join(world.Kinds(), ","))
	flag.StringVar(&o.mistake, "mistake", "", "switch a mistake on that the simulation is to find: "+strings.Join(world.Mistakes(), ","))
	flag.StringVar(&o.mistakes, "mistakes", "", "print a table of the first seed that notices each of these; \"all\": all")
	flag.StringVar(&o.only, "only", "", "with -seed: only these of its faults, by their numbers; \"none\": none")
	flag.BoolVar(&o.on, "on", false, "go on after a failure, and list all seeds that fail")
	flag.StringVar(&o.trace, "trace", "", "write the trace of -seed to this file; empty: to standard output after a failure")
	flag.Parse()
	debug.SetGCPercent(gcPercent)
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (o *options) run() error {
	switch {
	case o.mistakes != "":
		return o.sweep()
	case o.seed != 0:
		return o.one()
	}
	return o.many()
}

func (o *options) config(seed uint64) world.Config {
	c := world.Config{Seed: seed, Nodes: 3, Agents: 300, Pairs: 100, Registers: 6, Mistake: o.mistake}
	if o.faults != "" {
		c.Faults = strings.Split(o.faults, ",")
	}
	return c
}

// play runs one world, and checks its registers.
func (o *options) play(c world.Config) (*world.World, int, error) {
	w := world.New(c)
	if err := w.Chaos(o.length); err != nil {
		return w, 0, err
	}
	checked, err := linearisable(w.Registers())
	return w, checked, err
}

// one runs a seed with a trace.
func (o *options) one() error {
	c := o.config(o.seed)
	c.Trace = true
	if err := o.choose(&c); err != nil {
		return err
	}
	w, _, err := o.play(c)
	for i, f := range w.Story() {
		fmt.Printf("fault %d: %v\n", i, f)
	}
	if o.trace != "" {
		if err := os.WriteFile(o.trace, []byte(w.Trace()+"\n"), 0o644); err != nil {
			return err
		}
	} else if err != nil {
		fmt.Println(w.Trace())
	}
	asked, saved, failed, restarted := w.Counts()
	fmt.Printf("seed %d: %d steps, %d answers, %d saves, %d failed requests, %d restarts\n", o.seed, w.Steps(), asked, saved, failed, restarted)
	return err
}

// choose leaves those of the seed's faults that are wanted.
func (o *options) choose(c *world.Config) error {
	if o.only == "" {
		return nil
	}
	all := world.Story(*c, o.length)
	c.Story = []world.Fault{}
	for number := range strings.SplitSeq(strings.TrimPrefix(o.only, "none"), ",") {
		if number == "" {
			continue
		}
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(all) {
			return fmt.Errorf("-only: %q is not the number of one of %d faults", number, len(all))
		}
		c.Story = append(c.Story, all[i])
	}
	return nil
}

// totals are what was checked.
type totals struct {
	mu                                              sync.Mutex
	seeds, asked, saved, failed, restarted, checked int
	steps                                           uint64
	broken                                          []uint64
	err                                             error
}

// many runs seeds until one is broken.
func (o *options) many() error {
	began := time.Now()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	seeds := make(chan uint64)
	var t totals
	var work sync.WaitGroup
	for range o.workers {
		work.Go(func() {
			for seed := range seeds {
				w, checked, err := o.play(o.config(seed))
				t.add(w, checked)
				if err != nil {
					t.fail(seed, err)
					if !o.on {
						stop()
					}
				}
			}
		})
	}
	for seed := o.from; o.seeds == 0 || seed < o.from+o.seeds; seed++ {
		if ctx.Err() != nil || o.budget > 0 && time.Since(began) > o.budget {
			break
		}
		seeds <- seed
	}
	close(seeds)
	work.Wait()
	fmt.Printf("simulate: %d seeds of %v in %v, %d steps: %d answers checked, %d acknowledged saves, %d failed requests, %d restarts, %d operations on registers linearisable\n",
		t.seeds, o.length, time.Since(began).Round(time.Millisecond), t.steps, t.asked, t.saved, t.failed, t.restarted, t.checked)
	if t.err != nil && o.on {
		return fmt.Errorf("%d seeds fail", len(t.broken))
	}
	if t.err != nil {
		return o.explain(slices.Min(t.broken))
	}
	return nil
}

func (t *totals) add(w *world.World, checked int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	asked, saved, failed, restarted := w.Counts()
	t.seeds++
	t.asked += asked
	t.saved += saved
	t.failed += failed
	t.restarted += restarted
	t.checked += checked
	t.steps += w.Steps()
}

func (t *totals) fail(seed uint64, err error) {
	fmt.Fprintf(os.Stderr, "seed %d: %v\n", seed, err)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = append(t.broken, seed)
	t.err = err
}

// explain shrinks a failure and says how to see it again.
func (o *options) explain(seed uint64) error {
	c := o.config(seed)
	w, _, first := o.play(c)
	story, err := world.Shrink(c, o.length, w.Story(), o.shrink)
	if len(story) == len(w.Story()) {
		err = first
	}
	var text, numbers strings.Builder
	fmt.Fprintf(&text, "seed %d: %v\n", seed, first)
	fmt.Fprintf(&text, "%d of %d faults are needed (with them alone: %v):\n", len(story), len(w.Story()), err)
	for i, f := range w.Story() {
		if slices.Contains(story, f) {
			fmt.Fprintf(&text, "  %v\n", f)
			fmt.Fprintf(&numbers, ",%d", i)
		}
	}
	only := cmp.Or(strings.TrimPrefix(numbers.String(), ","), "none")
	fmt.Fprintf(&text, "again, with a trace: go run ./simulate -seed %d -for %v -only %s", seed, o.length, only)
	return fmt.Errorf("%s", text.String())
}
