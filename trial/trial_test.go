package trial

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
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
	dir := filepath.Join("testdata", name)
	read := func(file ...string) string {
		b, err := os.ReadFile(filepath.Join(append([]string{dir}, file...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	asserted := read("rehearse.nut")
	if right {
		dir = filepath.Join(dir, "right")
	}
	p, err := Of(rehearsal.Code{Agent: read("agent.nut"), Device: read("device.nut")}, asserted)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// TestPairs finds what is wrong with each pair.
func TestPairs(t *testing.T) {
	for _, name := range pairs(t) {
		if x := os.Getenv("ONLY"); x != "" && x != name {
			continue
		}
		p := open(t, name, false)
		s, err := NewSearcher(p, Options{Seeds: 1000, NoSingles: false})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		began := time.Now()
		r, err := s.Search(context.Background())
		if err != nil || r.Finding == nil {
			t.Errorf("%s: %+v, %v", name, r, err)
			continue
		}
		f := r.Finding
		var b strings.Builder
		s.WriteFinding(&b, f)
		t.Log(b.String())
		t.Logf("%s: %s, singles %d, seeds %d, %v: %v: %q %q", name, f.Name, r.Singles, r.Mixtures, time.Since(began), f.Story, f.Breach.Check, f.Breach.Why)
	}
}

func TestTwins(t *testing.T) {
	seeds := 50
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil {
		seeds = n
	}
	for _, name := range pairs(t) {
		if x := os.Getenv("ONLY"); x != "" && x != name {
			continue
		}
		p := open(t, name, true)
		s, err := NewSearcher(p, Options{Seeds: seeds, NoSingles: os.Getenv("NOSINGLES") != ""})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		began := time.Now()
		r, err := s.Search(context.Background())
		if err != nil {
			t.Errorf("%s: %+v, %v", name, r, err)
			continue
		}
		t.Logf("%s: singles %d, seeds %d, %v", name, r.Singles, r.Mixtures, time.Since(began))
		if r.Finding != nil {
			var b strings.Builder
			s.WriteFinding(&b, r.Finding)
			t.Error(b.String())
		}
	}
}
