package trial

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/rehearsal"
)

// pairs returns the names of the pairs in testdata.
func pairs(t testing.TB) (names []string) {
	t.Helper()
	list, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		names = append(names, d.Name())
	}
	return names
}

// open opens a pair of testdata: as it is, or corrected.
func open(t testing.TB, name string, right bool) *Project {
	t.Helper()
	read := func(dir, file string) string {
		b, err := os.ReadFile(filepath.Join("testdata", name, dir, file))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	dir := ""
	if right {
		dir = "right"
	}
	code := rehearsal.Code{Agent: read(dir, "agent.nut"), Device: read(dir, "device.nut")}
	p, err := Of(code, read("", Assertions))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

func newSearcher(t testing.TB, p *Project, o Options) *Searcher {
	t.Helper()
	s, err := NewSearcher(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// told returns a finding as text.
func told(t testing.TB, s *Searcher, f *Finding) string {
	t.Helper()
	var b strings.Builder
	if err := s.WriteFinding(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// seedsOfPairs are where TestPairs begins; more take long.
var seedsOfPairs = []uint64{1}

// TestPairs finds what is wrong with each pair of testdata, from any seed: by an assertion, or as
// what is wrong for any pair. The story is short, and ends in the same way when it is played again.
func TestPairs(t *testing.T) {
	for _, name := range pairs(t) {
		for _, first := range seedsOfPairs {
			s := newSearcher(t, open(t, name, false), Options{Seeds: 3000, First: first, NoSingles: true})
			r, err := s.Search(context.Background())
			if err != nil || r.Finding == nil {
				t.Errorf("%s, from %d: nothing was found: %v", name, first, err)
				continue
			}
			text := told(t, s, r.Finding)
			t.Logf("%s, from %d: found with seed %s, %s of the pair", name, first, r.Finding.Name, s.Virtual())
			if n := strings.Count(text, "\n"); n > screen+2 || len(r.Finding.Story.Blows) > 3 {
				t.Errorf("%s, from %d: %d lines:\n%s", name, first, n, text)
			}
			if again := told(t, s, r.Finding); again != text {
				t.Errorf("%s, from %d:\n%s\nand then\n%s", name, first, text, again)
			}
		}
	}
}

// TestFirstUsers tells the bug that the first users had in at most twelve lines.
func TestFirstUsers(t *testing.T) {
	s := newSearcher(t, open(t, "session", false), Options{Seeds: 1000})
	r, err := s.Search(context.Background())
	if err != nil || r.Finding == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	text := told(t, s, r.Finding)
	_, story, _ := strings.Cut(text, "\n")
	if n := strings.Count(story, "\n"); n > 12 || !strings.Contains(story, "BROKEN  every reading is acknowledged") {
		t.Errorf("%d lines:\n%s", n, text)
	}
}

// TestCorrected finds nothing wrong with the corrected pairs.
func TestCorrected(t *testing.T) {
	for _, name := range pairs(t) {
		s := newSearcher(t, open(t, name, true), Options{Seeds: 6, First: 100, NoSingles: true})
		r, err := s.Search(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if r.Finding != nil {
			t.Errorf("%s:\n%s", name, told(t, s, r.Finding))
		}
	}
}

// TestWorkers finds the same whatever the number of workers, and whatever a Searcher has done before.
func TestWorkers(t *testing.T) {
	var found []*Finding
	var covers []Cover
	for _, workers := range []int{1, 7} {
		s := newSearcher(t, open(t, "timer", false), Options{Seeds: 1000, Workers: workers})
		r, err := s.Search(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		found, covers = append(found, r.Finding), append(covers, r.Cover)
		story, err := s.Named(r.Finding.Name)
		if err != nil || !reflect.DeepEqual(story, r.Finding.Found) {
			t.Errorf("%s is %v, not %v: %v", r.Finding.Name, story, r.Finding.Found, err)
		}
	}
	if !reflect.DeepEqual(found[0], found[1]) || !reflect.DeepEqual(covers[0], covers[1]) {
		t.Errorf("%+v\nand then\n%+v", found[0], found[1])
	}
}

// TestEachKind strikes with each kind of fault: a line of the log says so, the pair is whole again,
// and the faults of a story have the effect of a story that is written down and read.
func TestEachKind(t *testing.T) {
	p := open(t, "session", true)
	p.sleeps = true
	s := newSearcher(t, p, Options{})
	for i := range Kinds {
		k := &Kinds[i]
		for _, d := range append(slices.Clone(k.Spans), 0)[:max(1, len(k.Spans))] {
			w := Written{Story: Story{Seed: 3, Length: DefaultLength}, Broken: "a check"}
			w.Blows = []Blow{{Moment{time.Minute, 2}, k.Name, d}}
			r, err := s.p.play(&w.Story, false)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.run(); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
			struck := slices.ContainsFunc(r.w.Log(), func(l rehearsal.Line) bool { return l.Type == rehearsal.LogFault })
			if !struck || !r.whole || !r.w.Whole() && k.Name != "sleep" {
				t.Errorf("%s: struck %v, whole %v", k.Name, struck, r.whole)
			}
			var text bytes.Buffer
			if err := w.Write(&text); err != nil {
				t.Fatal(err)
			}
			if again, err := Read(&text, "x"); err != nil || !reflect.DeepEqual(again, w) {
				t.Errorf("%s: %+v is read as %+v, %v", k.Name, w, again, err)
			}
		}
	}
}

// TestRead refuses what is no story, and says where.
func TestRead(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "needs a length",
		"length 1000h":                           "needs a length",
		"length x":                               "a.story:1",
		"seed 1\nseed x":                         "a.story:2",
		"length 1m\nat 1s thunder":               `there is no fault "thunder"`,
		"length 1m\nat x cut for 1s":             "a.story:2",
		"length 1m\nat 1s +x cut for 1s":         "a.story:2",
		"length 1m\nat 1s cut for ever":          "a.story:2",
		"length 1m\nonce upon a time\n":          "a line begins with",
		"length 1m\nat 1s power for 1s\nat 2s  ": "there is no fault",
	} {
		if _, err := Read(strings.NewReader(text), "a.story"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
