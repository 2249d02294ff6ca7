package trial

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
)

// Moment is a place between two things that happen in a world: after so many of those of a time.
type Moment struct {
	At    time.Duration
	After uint64
}

func (m Moment) compare(o Moment) int {
	if m.At != o.At {
		return int(max(min(m.At-o.At, 1), -1))
	}
	return int(min(m.After, o.After+1)) - int(min(o.After, m.After+1))
}

// Blow is a fault that happens in a story.
type Blow struct {
	Moment
	Kind string
	Span time.Duration
}

// end is when the fault is over, as far as that is known before.
func (b *Blow) end() time.Duration {
	if k, ok := KindOf(b.Kind); ok && k.lasts() {
		return b.At + max(b.Span, 0)
	}
	return b.At
}

// Story is all that a run of a pair depends on.
type Story struct {
	Seed   uint64
	Length time.Duration
	Blows  []Blow // by their moments
}

// silent returns the story's blows of kind quiet: what a run without faults shares with it.
func (s *Story) silent() Story {
	base := Story{Seed: s.Seed, Length: s.Length}
	for _, b := range s.Blows {
		if b.Kind == quiet {
			base.Blows = append(base.Blows, b)
		}
	}
	return base
}

const quiet = "quiet"

// faultless reports whether the story is one of silent.
func (s *Story) faultless() bool {
	return !slices.ContainsFunc(s.Blows, func(b Blow) bool { return b.Kind != quiet })
}

// over is when the last fault is over.
func (s *Story) over() (at time.Duration) {
	for i := range s.Blows {
		at = max(at, s.Blows[i].end())
	}
	return at
}

func (s *Story) sort() {
	slices.SortStableFunc(s.Blows, func(a, b Blow) int { return a.compare(b.Moment) })
}

// Suffix is that of files with a story.
const Suffix = ".story"

// Written is a story in a file, with what it was kept for.
type Written struct {
	Story
	Broken string // the assertion, or what is wrong for any pair
}

// Write writes the story as text. Read reads it.
func (s *Written) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# tandem rehearse has found this story, and tandem test plays it: nothing may be wrong in it.\n")
	fmt.Fprintf(&b, "broken %s\nseed %d\nlength %s\n", s.Broken, s.Seed, s.Length)
	for _, x := range s.Blows {
		fmt.Fprintf(&b, "at %s", x.At)
		if x.After != 0 {
			fmt.Fprintf(&b, " +%d", x.After)
		}
		fmt.Fprintf(&b, " %s", x.Kind)
		if x.Span != 0 {
			fmt.Fprintf(&b, " for %s", x.Span)
		}
		fmt.Fprintln(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Read reads a story. name is that of the file, for errors.
func Read(r io.Reader, name string) (s Written, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		word, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch word {
		case "", "#":
		case "broken":
			s.Broken = rest
		case "seed":
			s.Seed, err = strconv.ParseUint(rest, 10, 64)
		case "length":
			s.Length, err = time.ParseDuration(rest)
		case "at":
			var x Blow
			x, err = readBlow(rest)
			s.Blows = append(s.Blows, x)
		default:
			err = fmt.Errorf("a line begins with broken, seed, length or at")
		}
		if err != nil {
			return s, tandem.Errorf(tandem.Invalid, "%s:%d: %v", name, n, err)
		}
	}
	if s.Length <= 0 || s.Length > longest {
		return s, tandem.Errorf(tandem.Invalid, "%s: the story needs a length, of %s at most", name, longest)
	}
	s.sort()
	return s, lines.Err()
}

func readBlow(text string) (b Blow, err error) {
	at, rest, _ := strings.Cut(text, " ")
	if b.At, err = time.ParseDuration(at); err != nil {
		return b, err
	}
	if after, tail, ok := strings.Cut(rest, " "); ok && strings.HasPrefix(after, "+") {
		rest = tail
		if b.After, err = strconv.ParseUint(after[1:], 10, 64); err != nil {
			return b, err
		}
	}
	kind, span, lasts := strings.Cut(rest, " for ")
	if b.Kind = kind; lasts {
		b.Span, err = time.ParseDuration(span)
	}
	if _, ok := KindOf(kind); !ok && err == nil {
		err = fmt.Errorf("there is no fault %q", kind)
	}
	return b, err
}
