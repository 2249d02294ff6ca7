package tidy

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var lower = flag.Bool("lower", false, "write counts that have fallen to testdata/ratchet.txt")

// ratchetFile has the counts of each directory as they are today. They may only
// fall. A directory that is not in it has none.
const ratchetFile = "testdata/ratchet.txt"

const ratchetHeader = `# What each directory still has too much of; see ratchet_test.go. The counts may only fall:
# go test ./internal/tidy -run TestRatchet -lower writes those that have fallen.
# directory columns assignments words
`

const maxColumns = 120

// counts is what a ratchet counts in a directory.
type counts struct {
	columns     int // lines of more than maxColumns characters, a tab being one
	assignments int // of three or more values at once; results of one call are no such
	words       int // see mannered
}

func (c counts) plus(d counts) counts {
	return counts{c.columns + d.columns, c.assignments + d.assignments, c.words + d.words}
}

// mannered are words that stand in for the field's terms: say "no node",
// "the caller", "a client", "again".
var mannered = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{"nobo" + "dy", "whoe" + "ver", "someb" + "ody", "an" + "ew"}, "|") + `)\b`)

// count counts in one file. Rows of tables in tests are vectors, which may be as
// long as they are.
func count(name string, text []byte, file *ast.File) (c counts) {
	test := strings.HasSuffix(name, "_test.go")
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		c.words += len(mannered.FindAll(line, -1))
		row := test && bytes.IndexAny(bytes.TrimLeft(line, "\t "), "{\"`") == 0
		if file != nil && !row && utf8.RuneCount(line) > maxColumns {
			c.columns++
		}
	}
	if file == nil {
		return c
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) > 2 && len(a.Rhs) > 1 {
			c.assignments++
		}
		return true
	})
	return c
}

// ratchet compares counts with those of before. It returns what is wrong, and the
// counts of before with those lowered that have fallen.
func ratchet(before, now map[string]counts) (bad []string, lowered map[string]counts) {
	lowered = map[string]counts{}
	for _, dir := range slices.Sorted(maps.Keys(merge(before, now))) {
		b, n := before[dir], now[dir]
		for _, r := range []struct {
			before, now int
			what        string
		}{
			{b.columns, n.columns, fmt.Sprintf("lines over %d columns: break them", maxColumns)},
			{b.assignments, n.assignments, "assignments of three or more values at once: write one a line"},
			{b.words, n.words, "mannered words: name who does it, or say \"again\""},
		} {
			switch {
			case r.now > r.before:
				bad = append(bad, fmt.Sprintf("%s: %d, not %d, %s", dir, r.now, r.before, r.what))
			case r.now < r.before:
				what, _, _ := strings.Cut(r.what, ":")
				bad = append(bad, fmt.Sprintf("%s: only %d %s are left of %d: lower the count with -lower", dir, r.now, what, r.before))
			}
		}
		l := counts{min(b.columns, n.columns), min(b.assignments, n.assignments), min(b.words, n.words)}
		if l != (counts{}) {
			lowered[dir] = l
		}
	}
	return bad, lowered
}

func merge(a, b map[string]counts) map[string]counts {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func parseRatchet(text string) (map[string]counts, error) {
	all := map[string]counts{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var dir string
		var c counts
		if _, err := fmt.Sscan(line, &dir, &c.columns, &c.assignments, &c.words); err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		all[dir] = c
	}
	return all, nil
}

func formatRatchet(all map[string]counts) string {
	var b strings.Builder
	b.WriteString(ratchetHeader)
	for _, dir := range slices.Sorted(maps.Keys(all)) {
		c := all[dir]
		fmt.Fprintf(&b, "%s %d %d %d\n", dir, c.columns, c.assignments, c.words)
	}
	return b.String()
}

func TestRatchet(t *testing.T) {
	text, err := os.ReadFile(ratchetFile)
	if err != nil {
		t.Fatal(err)
	}
	before, err := parseRatchet(string(text))
	if err != nil {
		t.Fatal(err)
	}
	now := map[string]counts{}
	add := func(name string, file *ast.File) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		now[path.Dir(name)] = now[path.Dir(name)].plus(count(name, text, file))
	}
	for _, s := range sources(t) {
		add(s.path, s.file)
	}
	for _, name := range documents(t) {
		add(name, nil)
	}
	bad, lowered := ratchet(before, now)
	if *lower {
		if err := os.WriteFile(ratchetFile, []byte(formatRatchet(lowered)), 0o600); err != nil {
			t.Fatal(err)
		}
		bad = slices.DeleteFunc(bad, func(b string) bool { return strings.Contains(b, "-lower") })
	}
	for _, b := range bad {
		t.Error(b)
	}
}

func TestCount(t *testing.T) {
	long := strings.Repeat("é", maxColumns)
	for _, tc := range []struct {
		name, path, src string
		want            counts
	}{
		{"fine", "p/p.go", "package p\n// " + long[6:] + "\n", counts{}},
		{"a comment", "p/p.go", "package p\n// " + long + "\n", counts{columns: 1}},
		{"a statement in a test", "p/p_test.go", "package p\nvar x = \"" + long + "\"\n", counts{columns: 1}},
		{"a row of a table in a test", "p/p_test.go", "package p\nvar x = []string{\n\t\"" + long + "\",\n}\n", counts{}},
		{"two at once", "p/p.go", "package p\nfunc f() { a, b = 1, 2 }\n", counts{}},
		{"three at once", "p/p.go", "package p\nfunc f() { a, b, c = 1, 2, 3 }\n", counts{assignments: 1}},
		{"three results", "p/p.go", "package p\nfunc f() { a, b, c := g() }\n", counts{}},
		{"words", "p/p.go", "package p\n// Nobo" + "dy starts an" + "ew, renewed.\n", counts{words: 2}},
	} {
		s, err := parseSource(tc.path, []byte(tc.src))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if got := count(tc.path, []byte(tc.src), s.file); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
	document := []byte(strings.Repeat("word ", maxColumns) + "someb" + "ody")
	if got, want := count("a.md", document, nil), (counts{words: 1}); got != want {
		t.Errorf("a document: got %+v, want %+v", got, want)
	}
}

func TestRatchetOnlyFalls(t *testing.T) {
	before := map[string]counts{"a": {columns: 3, words: 1}, "b": {assignments: 2}, "gone": {words: 1}}
	now := map[string]counts{"a": {columns: 2, words: 2}, "b": {assignments: 2}, "new": {columns: 1}}
	bad, lowered := ratchet(before, now)
	want := []string{
		"a: only 2 lines over 120 columns are left of 3", "a: 2, not 1, mannered words",
		"gone: only 0 mannered words are left of 1", "new: 1, not 0, lines over 120 columns",
	}
	if !slices.EqualFunc(bad, want, strings.HasPrefix) {
		t.Errorf("got %q, want %q", bad, want)
	}
	if want := (map[string]counts{"a": {columns: 2, words: 1}, "b": {assignments: 2}}); !maps.Equal(lowered, want) {
		t.Errorf("lowered: got %+v, want %+v", lowered, want)
	}
	again, err := parseRatchet(formatRatchet(lowered))
	if err != nil || !maps.Equal(again, lowered) {
		t.Errorf("read again: got %+v, %v", again, err)
	}
	if _, err := parseRatchet("a 1\n"); err == nil {
		t.Error("a line that lacks counts is taken")
	}
}
