package trial

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/chance"
)

// Options say how much is searched.
type Options struct {
	Length    time.Duration // of a run; 0: DefaultLength
	Seeds     int           // of stories with several faults, after those with one
	First     uint64        // of these seeds
	Kinds     []string      // of faults; nil: all
	NoSingles bool          // go to the seeds at once
	Oracles   Oracles
	Workers   int // 0: one for each processor
}

// Oracles says what is judged.
type Oracles int

// What is judged.
const (
	All Oracles = iota // assertions, and what is wrong for any pair
	AssertionsOnly
	OraclesOnly
)

// DefaultLength is how long a run is. Faults happen in its first two fifths.
const DefaultLength = 10 * time.Minute

// worlds is how many seeds of worlds there are: their runs without faults are kept.
const worlds = 8

// point is a place in a run at which a fault can happen, and what has happened there.
type point struct {
	Moment
	agent bool
	what  string
}

// base is a run without faults.
type base struct {
	points  []point
	end     *end
	breach  *Breach
	checks  []assertion
	without []string
	mistake string // the first line about an error
}

// Searcher plays stories of a project. It may be used by several goroutines.
type Searcher struct {
	p *Project
	o Options

	mu      sync.Mutex
	known   map[string]*base
	virtual time.Duration // of all runs
}

// NewSearcher looks at the run of a project without faults. An error is one of the project.
func NewSearcher(p *Project, o Options) (*Searcher, error) {
	if o.Length == 0 {
		o.Length = DefaultLength
	}
	s := &Searcher{p: p, o: o, known: map[string]*base{}}
	b, err := s.base(Story{Seed: 1, Length: o.Length})
	if err != nil {
		return nil, err
	}
	for _, name := range b.without {
		if _, ok := KindOf(name); !ok {
			return nil, tandem.Errorf(tandem.Invalid, "%s: without(%q): there is no such fault; there are %s", Assertions, name,
				KindNames())
		}
	}
	for _, name := range o.Kinds {
		if _, ok := KindOf(name); !ok {
			return nil, tandem.Errorf(tandem.Invalid, "there is no fault %q; there are %s", name, KindNames())
		}
	}
	for _, a := range b.checks {
		if !a.decided && b.breach == nil {
			return nil, tandem.Errorf(tandem.Invalid, "%s: %q can never be looked at, also without faults: %s", Assertions,
				a.text, cmp.Or(b.mistake, a.why))
		}
	}
	return s, nil
}

// KindNames returns the names of all kinds of faults, for people.
func KindNames() string {
	var names []string
	for _, k := range Kinds {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}

// base plays a story without faults, or returns what it was played for before.
func (s *Searcher) base(story Story) (*base, error) {
	key := fmt.Sprint(story)
	s.mu.Lock()
	b := s.known[key]
	s.mu.Unlock()
	if b != nil {
		return b, nil
	}
	r, err := s.p.play(&story, false)
	if err != nil {
		return nil, err
	}
	b = &base{}
	until := s.window()
	r.point = func(agent bool) {
		if now := r.w.Now(); now < until {
			b.points = append(b.points, point{Moment{now, r.same}, agent, r.w.What(agent)})
		}
	}
	if err := r.run(); err != nil {
		return nil, err
	}
	b.breach, b.without = r.breach, r.without
	b.checks, b.mistake = r.checks, r.firstMistake()
	b.end = r.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) < maxBases || story.Blows == nil {
		s.known[key] = b
	}
	return b, nil
}

// maxBases bounds how many runs without faults are kept.
const maxBases = 64

// window is the time in which faults happen.
func (s *Searcher) window() time.Duration { return s.o.Length * 2 / 5 }

// kinds returns the kinds of faults that are tried.
func (s *Searcher) kinds(b *base) (list []*Kind) {
	for i := range Kinds {
		k := &Kinds[i]
		can := s.p.pair.HasDevice || k.Where == AtAgent && !onLink(k.Name)
		can = can && (s.p.sleeps || k.Name != "sleep")
		if can && !slices.Contains(b.without, k.Name) && (s.o.Kinds == nil || slices.Contains(s.o.Kinds, k.Name)) {
			list = append(list, k)
		}
	}
	return list
}

func onLink(name string) bool {
	return slices.Contains([]string{"slow", "lossy", "half a deployment"}, name)
}

// Single is a story with one fault, at a point.
type Single struct {
	Kind string
	Span time.Duration
	What string // has happened there
	Blow Blow
}

// Singles returns all stories with one fault, in an order in which early ones differ much.
func (s *Searcher) Singles() ([]Single, error) {
	b, err := s.base(Story{Seed: 1, Length: s.o.Length})
	if err != nil {
		return nil, err
	}
	var list []Single
	for _, k := range s.kinds(b) {
		for _, p := range b.points {
			if k.Where == AtAgent && !p.agent || k.Where == AtDevice && p.agent {
				continue
			}
			who := "device: "
			if p.agent {
				who = "agent: "
			}
			for _, d := range append(k.Spans, make([]time.Duration, max(0, 1-len(k.Spans)))...) {
				list = append(list, Single{k.Name, d, who + p.what, Blow{p.Moment, k.Name, d}})
			}
		}
	}
	c := chance.Source(1)
	for i := len(list) - 1; i > 0; i-- {
		j := c.Below(uint64(i + 1))
		list[i], list[j] = list[j], list[i]
	}
	return list, nil
}

// mixture returns the story of a seed, with several faults.
func (s *Searcher) mixture(seed uint64) (Story, error) {
	story := Story{Seed: 1 + seed%worlds, Length: s.o.Length}
	b, err := s.base(story)
	if err != nil {
		return story, err
	}
	c := chance.Source(seed)
	c.Next()
	kinds := s.kinds(b)
	if len(kinds) == 0 || len(b.points) == 0 {
		return story, nil
	}
	for range 1 + c.Below(5) {
		k := kinds[c.Below(uint64(len(kinds)))]
		at := b.points[c.Below(uint64(len(b.points)))].Moment
		if n := len(story.Blows); n > 0 && c.Below(10) < 6 {
			at = Moment{At: story.Blows[n-1].At + time.Duration(c.Below(uint64(20*time.Second))) + time.Millisecond}
		}
		if at.At >= s.window() {
			continue
		}
		x := Blow{Moment: at, Kind: k.Name}
		if k.Spans != nil {
			x.Span = k.Spans[c.Below(uint64(len(k.Spans)))]
			x.Span = min(x.Span*time.Duration(25+c.Below(376))/100, s.o.Length*3/20)
			x.Span = x.Span.Round(time.Millisecond)
		}
		story.Blows = append(story.Blows, x)
	}
	// Traffic heals much: in some stories it ends soon after the faults.
	if n := len(story.Blows); n > 0 && s.p.asserts && c.Below(3) == 0 && slices.Contains(kinds, kindOf(quiet)) {
		at := story.Blows[n-1].At + time.Duration(c.Below(uint64(30*time.Second)))
		story.Blows = append(story.Blows, Blow{Moment: Moment{At: at}, Kind: quiet})
	}
	story.sort()
	return story, nil
}

// Play plays a story, and returns what was wrong in it; nil: nothing was.
func (s *Searcher) Play(story Story) (*Breach, error) {
	if story.faultless() {
		b, err := s.base(story)
		if err != nil || s.o.Oracles == OraclesOnly {
			return nil, err
		}
		return b.breach, nil
	}
	r, err := s.p.play(&story, false)
	if err != nil {
		return nil, err
	}
	if err := r.run(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.virtual += r.w.Now()
	s.mu.Unlock()
	switch {
	case r.breach != nil && (s.o.Oracles != OraclesOnly || r.breach.Check == neverRests):
		return r.breach, nil
	case s.o.Oracles == AssertionsOnly || r.breach != nil:
		return nil, nil
	}
	b, err := s.base(story.silent())
	if err != nil || b.breach != nil {
		return nil, err
	}
	return judge(r.end(), b.end, story.Length), nil
}

// Virtual returns how long the pair has run in all stories that were played.
func (s *Searcher) Virtual() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.virtual
}

// Named returns the story that a name stands for: a seed, or 1.N for the single fault with the
// number N.
func (s *Searcher) Named(name string) (Story, error) {
	whole, point, single := strings.Cut(name, ".")
	seed, err := strconv.ParseUint(whole, 10, 64)
	number, err2 := uint64(0), error(nil)
	if single {
		number, err2 = strconv.ParseUint(point, 10, 32)
	}
	switch {
	case err != nil || err2 != nil || single && seed != 1:
		return Story{}, tandem.Errorf(tandem.Invalid,
			"a seed is a number, or 1.N for the single fault with the number N; %q is neither", name)
	case !single:
		return s.mixture(seed)
	}
	list, err := s.Singles()
	if err != nil {
		return Story{}, err
	}
	if number >= uint64(len(list)) {
		return Story{}, tandem.Errorf(tandem.NotFound,
			"there are %d single faults, from 1.0 on; %s is none of them", len(list), name)
	}
	return s.single(&list[number]), nil
}

func (s *Searcher) single(x *Single) Story {
	return Story{Seed: 1, Length: s.o.Length, Blows: []Blow{x.Blow}}
}

// Finding is what a search has found.
type Finding struct {
	Name   string // of the story, for Named; "": it has no faults
	Found  Story
	Story  Story // the shortest with the same breach
	Breach Breach
	Runs   int // that shrinking took
}

// Result is what came of a search.
type Result struct {
	Finding           *Finding // nil: nothing was found
	Singles, Mixtures int      // that were played
	Cover             Cover
}

// Search plays stories until something is wrong in one.
func (s *Searcher) Search(ctx context.Context) (*Result, error) {
	res := &Result{}
	b, err := s.base(Story{Seed: 1, Length: s.o.Length})
	if err != nil {
		return nil, err
	}
	if b.breach != nil && s.o.Oracles != OraclesOnly {
		story := Story{Seed: 1, Length: s.o.Length}
		res.Finding = &Finding{Found: story, Story: story, Breach: *b.breach}
		return res, nil
	}
	if !s.o.NoSingles {
		list, err := s.Singles()
		if err != nil {
			return nil, err
		}
		n, at, breach, err := s.each(ctx, len(list), func(i int) (Story, error) { return s.single(&list[i]), nil })
		if err != nil {
			return nil, err
		}
		res.Singles = n
		for i := range list[:n] {
			res.Cover.add(&list[i], i == at)
		}
		if breach != nil {
			return res, s.found(ctx, res, fmt.Sprintf("1.%d", at), s.single(&list[at]), breach)
		}
	}
	mixture := func(i int) (Story, error) { return s.mixture(s.o.First + uint64(i)) }
	n, at, breach, err := s.each(ctx, s.o.Seeds, mixture)
	res.Mixtures = n
	if err != nil || breach == nil {
		return res, err
	}
	story, err := mixture(at)
	if err != nil {
		return nil, err
	}
	return res, s.found(ctx, res, fmt.Sprint(s.o.First+uint64(at)), story, breach)
}

func (s *Searcher) found(ctx context.Context, res *Result, name string, story Story, breach *Breach) error {
	f, err := s.Shrink(ctx, name, story, breach)
	res.Finding = f
	return err
}

// each plays stories by their numbers, until one is wrong: the first, whatever the order in which
// they are played. It returns how many have been played up to it.
func (s *Searcher) each(ctx context.Context, n int, story func(int) (Story, error)) (
	played, at int, breach *Breach, err error,
) {
	var mu sync.Mutex
	next, end := 0, n
	work := func() {
		for {
			mu.Lock()
			i := next
			if i >= end || err != nil || ctx.Err() != nil {
				mu.Unlock()
				return
			}
			next++
			mu.Unlock()
			var b *Breach
			x, bad := story(i)
			if bad == nil {
				b, bad = s.Play(x)
			}
			mu.Lock()
			switch {
			case bad != nil:
				err = bad
			case b != nil && i < end:
				at, end = i, i
				breach = b
			}
			mu.Unlock()
		}
	}
	var group sync.WaitGroup
	workers := s.o.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	for range workers {
		group.Go(work)
	}
	group.Wait()
	switch {
	case err != nil:
		return 0, 0, nil, err
	case ctx.Err() != nil:
		return 0, 0, nil, ctx.Err()
	case breach != nil:
		return at + 1, at, breach, nil
	}
	return n, -1, nil, nil
}
