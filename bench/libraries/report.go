package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// tally counts the tests of a repository, or of our own programs.
type tally struct {
	files, skipped        int
	passed, failed, known int
}

// report collects outcomes.
type report struct {
	names   []string
	tallies map[string]*tally
	failed  []string
	known   []string
	skipped []string
}

// tally returns the tally of a program: that of its first word, or for tests that of their
// repository.
func (r *report) tally(p *program) *tally {
	words := strings.SplitN(p.name, "/", 3)
	name := words[0]
	if name == "test" {
		name = words[1]
	}
	if r.tallies == nil {
		r.tallies = map[string]*tally{}
	}
	if r.tallies[name] == nil {
		r.tallies[name] = &tally{}
		r.names = append(r.names, name)
	}
	return r.tallies[name]
}

func (r *report) add(p *program) {
	t := r.tally(p)
	if p.skipped != "" {
		t.skipped++
		r.skipped = append(r.skipped, fmt.Sprintf("%s: %s", p.name, p.skipped))
		return
	}
	t.files++
	for _, o := range p.outcomes {
		if o.reason == "" {
			t.passed++
			continue
		}
		name := strings.TrimPrefix(p.name, "test/") + " " + o.test
		if why := reasonKnown(p, name); why != "" {
			t.known++
			r.known = append(r.known, fmt.Sprintf("%s: %s (%s)", name, why, o.reason))
			continue
		}
		t.failed++
		r.failed = append(r.failed, fmt.Sprintf("%s: %s", name, o.reason))
	}
}

// reasonKnown returns the manifest's reason why a test fails, if it has one.
func reasonKnown(p *program, name string) (why string) {
	for prefix, reason := range p.known {
		if _, rest, _ := strings.Cut(name, "/"); strings.Contains(rest, prefix) {
			why = cmp.Or(why, reason)
		}
	}
	return why
}

func (r *report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tfiles\tnot tried\ttests\tpassed\tfailed\tfailed, known\t")
	var sum tally
	row := func(name string, t tally) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, t.files, t.skipped, t.passed+t.failed+t.known,
			t.passed, t.failed, t.known)
	}
	for _, name := range r.names {
		t := *r.tallies[name]
		row(name, t)
		sum.files += t.files
		sum.skipped += t.skipped
		sum.passed += t.passed
		sum.failed += t.failed
		sum.known += t.known
	}
	row("all", sum)
	w.Flush()
	for _, part := range []struct {
		title string
		list  []string
	}{{"failed", r.failed}, {"failed, known", r.known}, {"not tried", r.skipped}} {
		if part.list != nil {
			fmt.Fprintf(out, "\n%s:\n  %s\n", part.title, strings.Join(part.list, "\n  "))
		}
	}
}

func (r *report) err() error {
	if r.failed == nil {
		return nil
	}
	return fmt.Errorf("%d tests failed", len(r.failed))
}
