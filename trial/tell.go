package trial

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/impunit"
	"github.com/tandem-iot/tandem/rehearsal"
)

// Lines of a story that people see.
const (
	screen = 22  // at most
	width  = 110 // of a line, in runes
)

// Telling is a story as people read it.
type Telling struct {
	Lines  []string
	Breach *Breach
}

// Tell plays a story, and returns what happened in it, by the order of its causes.
func (s *Searcher) Tell(story Story) (*Telling, error) {
	breach, err := s.Play(story)
	if err != nil {
		return nil, err
	}
	r, err := s.p.play(&story, true)
	if err != nil {
		return nil, err
	}
	if err := r.run(); err != nil {
		return nil, err
	}
	lines := rehearsal.Merge(r.w.Log(), r.w.MessagesFrom(0))
	t := &Telling{Breach: breach}
	for _, e := range shorten(episodes(lines), screen) {
		t.Lines = append(t.Lines, e.String())
	}
	return t, nil
}

// episode is lines of the same shape between two faults.
type episode struct {
	first rehearsal.Line
	last  time.Duration
	times int
	part  int // of the story: 0 until the first fault, and so on
}

func (e *episode) fault() bool { return e.first.Type == rehearsal.LogFault }

func (e *episode) String() string {
	text := impunit.LineText(e.first)
	if runes := []rune(text); len(runes) > width {
		text = string(runes[:width-1]) + "…"
	}
	if e.times > 1 {
		text += fmt.Sprintf("  [%d times until %s]", e.times, impunit.Clock(e.last))
	}
	return text
}

// episodes puts lines of the same shape together, but not over a fault.
func episodes(lines []rehearsal.Line) (list []*episode) {
	part := 0
	known := map[string]*episode{}
	for _, l := range lines {
		if strings.HasPrefix(l.Text, "Downloading new code") {
			continue // it says nothing that the start of the code does not say
		}
		if l.Type == rehearsal.LogFault {
			part++
			clear(known)
		}
		key := l.Type + shape(l.Text)
		if e := known[key]; e != nil && l.Type != rehearsal.LogFault {
			e.times++
			e.last = l.At
			continue
		}
		e := &episode{l, l.At, 1, part}
		known[key] = e
		list = append(list, e)
	}
	return list
}

// weight says how much a line is needed to understand a story, as long as there are others.
func (e *episode) weight(parts int) int {
	w := 0
	switch e.first.Type {
	case rehearsal.LogFault:
		return 100
	case tandem.LogAgentError, tandem.LogDeviceError:
		w = 8
	case tandem.LogStatus:
		w = 6
	case rehearsal.LogMessage, rehearsal.LogHTTP:
		w = 5
	default:
		w = 3
	}
	if strings.HasPrefix(e.first.Text, "  at ") {
		w = 0
	}
	if e.part == parts { // what has happened since the last fault
		w += 4
	}
	return w
}

// shorten leaves out the least needed lines, of those the ones farthest from the faults.
func shorten(list []*episode, most int) []*episode {
	if len(list) == 0 {
		return nil
	}
	parts := list[len(list)-1].part
	for len(list) > most {
		worst := -1
		for i, e := range list {
			if e.fault() {
				continue
			}
			if worst < 0 || e.weight(parts) < list[worst].weight(parts) ||
				e.weight(parts) == list[worst].weight(parts) && e.part == parts {
				worst = i
			}
		}
		if worst < 0 {
			return list
		}
		list = slices.Delete(list, worst, worst+1)
	}
	return list
}

// WriteFinding writes a finding for people.
func (s *Searcher) WriteFinding(w io.Writer, f *Finding) error {
	t, err := s.Tell(f.Story)
	if err != nil {
		return err
	}
	switch {
	case len(f.Found.Blows) == 0 && len(f.Story.Blows) == 0:
		fmt.Fprintf(w, "without any fault\n")
	case strings.HasSuffix(f.Name, Suffix):
		fmt.Fprintf(w, "%s, with %s\n", f.Name, faults(len(f.Story.Blows)))
	case f.Runs == 0 || len(f.Found.Blows) == len(f.Story.Blows):
		fmt.Fprintf(w, "seed %s, %s\n", f.Name, faults(len(f.Story.Blows)))
	default:
		fmt.Fprintf(w, "seed %s, shrunk from %s to %d\n", f.Name, faults(len(f.Found.Blows)), len(f.Story.Blows))
	}
	for _, line := range t.Lines {
		fmt.Fprintln(w, line)
	}
	b := f.Breach
	fmt.Fprintf(w, "%s  BROKEN  %s", impunit.Clock(b.At), b.Check)
	if b.Why != "" {
		fmt.Fprintf(w, "  (%s)", b.Why)
	}
	_, err = fmt.Fprintln(w)
	return err
}

func faults(n int) string {
	if n == 1 {
		return "1 fault"
	}
	return fmt.Sprintf("%d faults", n)
}
