package regexp

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const plenty = 1 << 24 // steps

// describe does with a pattern and a subject all that there is to do, and
// returns the outcome in the form of testdata/original.tsv: the number of
// groups, 1 for a whole match, and what was found: the match, then all groups.
func describe(pattern, s string) string {
	re, err := Compile([]byte(pattern))
	if err != nil {
		return "error " + err.Error()
	}
	budget := purse(plenty)
	whole, err := re.Match([]byte(s), &budget)
	if err != nil {
		return err.Error()
	}
	span, found, err := re.Search([]byte(s), 0, &budget)
	if err != nil {
		return err.Error()
	}
	groups, err := re.Capture([]byte(s), 0, &budget)
	if err != nil {
		return err.Error()
	}
	out := fmt.Sprint(re.Groups(), " 0")
	if whole {
		out = fmt.Sprint(re.Groups(), " 1")
	}
	if !found {
		return out + " none"
	}
	for _, g := range append([]Span{span}, groups...) {
		out += fmt.Sprintf(" %d,%d", g.Begin, g.End)
	}
	return out
}

// TestLikeTheOriginal repeats what the C++ implementation (of release 3.2,
// bytes unsigned) answered to random patterns.
func TestLikeTheOriginal(t *testing.T) {
	data, err := os.ReadFile("testdata/original.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		pattern, perr := strconv.Unquote(field[0])
		s, serr := strconv.Unquote(field[1])
		if perr != nil || serr != nil {
			t.Fatal(line, perr, serr)
		}
		if got := describe(pattern, s); got != field[2] {
			t.Errorf("%q on %q: got %s, want %s", pattern, s, got, field[2])
		}
	}
}

func TestKnown(t *testing.T) {
	for _, tt := range []struct{ pattern, s, want string }{
		{`(\d+)-(\d+)`, "ab 12-34 z", "3 0 3,8 3,8 3,5 6,8"},
		{`(\d+)-(\d+)`, "12-34", "3 1 0,5 0,5 0,2 3,5"},
		// The example with which Electric Imp's documentation warns.
		{"(b+)(bbb)", "bbbbbbb", "3 0 0,4 0,4 0,1 1,4"},
		{`(\d+) ([a-zA-Z]+)(\p)`, "stuff 123 Test;", "4 0 6,15 6,15 6,9 10,14 14,15"},
		{"[a-zA-Z]+", "123 Test;", "1 0 4,8 4,8"},
		{`\m()`, "123 Test; f(str, g(), (a+(b/c)));", "1 0 11,32 11,32"},
		{"a*?", "aa?", "1 1 0,3 0,3"},
		{"a**", "a", "error unexpected character"},
		{"(a", "a", "error expected paren"},
		{"()", "", "error expected paren"},
		{"", "", "error letter expected"},
		{"a|", "a", "error letter expected"},
		{"^", "a", "error letter expected"},
		{"a^b", "a^b", "1 1 0,3 0,3"},
		{"[]", "", "error empty class"},
		{"[^]", "", "error empty class"},
		{"[ab", "", "error letter expected"},
		{"[z-a]", "", "error invalid range"},
		{`[\d-z]`, "", "error invalid range"},
		{"a{", "", "error number expected"},
		{"a{1", "", "error , or } expected"},
		{"a{1,2", "", "error expected paren"},
		{"a{1234567890}", "", "error overflow in numeric constant"},
		{"a{65537}", "a", "1 1 0,1 0,1"},
		{`a\`, "", "error letter expected for argument of escape sequence"},
		{`\m(`, "", "error balanced chars expected"},
		{`\m((`, "", "error open/close char can't be the same"},
		{"\xc3\xa9", "", "error letter expected"},
		{"\\\xc3\\\xa9+", "caf\xc3\xa9\xa9", "1 0 3,6 3,6"},
		{"a.", "a", "1 0 none"}, // nothing matches at the end
		{"a[^b]", "a", "1 0 none"},
		{".*", "", "1 1 none"},      // an empty subject matches but is not searched
		{"x*", "ab", "1 0 0,0 0,0"}, // the empty match at 0
		{"(a)|(b)", "b", "3 1 0,1 0,1 0,0 0,1"},
		{`\bx\b`, "ax x ", "1 0 1,2 1,2"},
		{"ab", "a\x00ab", "1 0 none"}, // NUL ends the subject
		{"a\x00(", "a", "1 1 0,1 0,1"},
		{"[a-c]{2}$", "xxab", "1 0 2,4 2,4"},
		{"(?:ab)+c", "ababc", "1 1 0,5 0,5"},
		{"(?=a)", "", "error expected paren"},
		{strings.Repeat("(", maxDepth+1), "", "error expression too complex"},
		{strings.Repeat("a", maxNodes), "", "error expression too complex"},
		{strings.Repeat("b|", 1000) + "a", "a", "1 1 0,1 0,1"},
	} {
		if got := describe(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%.40q on %q: got %s, want %s", tt.pattern, tt.s, got, tt.want)
		}
	}
}

func TestClasses(t *testing.T) {
	sample := "aZ5_ \t.~\x7f\x01\xe9"
	for pattern, want := range map[string]string{
		`\a`: "aZ", `\A`: "5_ \t.~\x7f\x01\xe9",
		`\d`: "5", `\D`: "aZ_ \t.~\x7f\x01\xe9",
		`\w`: "aZ5_", `\W`: " \t.~\x7f\x01\xe9",
		`\s`: " \t", `\S`: "aZ5_.~\x7f\x01\xe9",
		`\x`: "a5", `\X`: "Z_ \t.~\x7f\x01\xe9",
		`\c`: "\t\x7f\x01", `\C`: "aZ5_ .~\xe9",
		`\p`: "_.~", `\P`: "aZ5 \t\x7f\x01\xe9",
		`\l`: "a", `\u`: "Z",
		`[-\d_]`: "5_", `[^\d_]`: "aZ \t.~\x7f\x01\xe9",
	} {
		re, err := Compile([]byte(pattern))
		if err != nil {
			t.Fatal(pattern, err)
		}
		got := ""
		for i := range len(sample) {
			budget := purse(plenty)
			if ok, _ := re.Match([]byte(sample[i:i+1]), &budget); ok {
				got += sample[i : i+1]
			}
		}
		if got != want {
			t.Errorf("%s matches %q, want %q", pattern, got, want)
		}
	}
}

func TestStart(t *testing.T) {
	re, err := Compile([]byte("^(a)b"))
	if err != nil {
		t.Fatal(err)
	}
	s := []byte("abxab\x00ab")
	for start, want := range map[int][]Span{
		-1: nil, 0: {{0, 2}, {0, 1}}, 1: nil, 3: {{3, 5}, {3, 4}}, 4: nil, 5: nil, 6: {{6, 8}, {6, 7}}, 8: nil, 99: nil,
	} {
		budget := purse(plenty)
		if got, err := re.Capture(s, start, &budget); !slices.Equal(got, want) || err != nil {
			t.Errorf("from %d: %v, %v; want %v", start, got, err, want)
		}
	}
}

// TestBudget has two patterns. Each a+( of the first looks ahead at all that is
// inside it whenever it has one letter more: as many steps as there are ways to
// choose 40 of 60 letters. The second takes about 40*40 steps.
func TestBudget(t *testing.T) {
	re, err := Compile([]byte(strings.Repeat("a+(", 40) + "c" + strings.Repeat(")", 40)))
	if err != nil {
		t.Fatal(err)
	}
	s := []byte(strings.Repeat("a", 60) + "b")
	budget := purse(100_000)
	if _, found, err := re.Search(s, 0, &budget); found || !errors.Is(err, errBudget) || budget >= portion {
		t.Errorf("Search: %v, %v with %d steps left", found, err, budget)
	}
	if re, err = Compile([]byte(strings.Repeat("a+", 40) + "c")); err != nil {
		t.Fatal(err)
	}
	budget = 10_000
	if ok, err := re.Match([]byte(strings.Repeat("a", 40)+"c"), &budget); !ok || err != nil || budget <= 8000 ||
		budget >= 8400 {
		t.Errorf("Match: %v, %v with %d steps left", ok, err, budget)
	}
	budget = 0
	if ok, err := re.Match([]byte("c"), &budget); ok || !errors.Is(err, errBudget) {
		t.Errorf("Match without a budget: %v, %v", ok, err)
	}
}

func FuzzRegexp(f *testing.F) {
	f.Add(`(\d+)-(\d+)`, "ab 12-34", 1)
	f.Add(`(a|b*)*c{2,}[^x-z]`, "aabcc", 0)
	f.Add(`\m()\b`, "(())", 0)
	f.Fuzz(func(t *testing.T, pattern, s string, start int) {
		re, err := Compile([]byte(pattern))
		if err != nil {
			if !errors.As(err, new(SyntaxError)) {
				t.Fatalf("Compile: %v", err)
			}
			return
		}
		budget := purse(20_000)
		span, found, serr := re.Search([]byte(s), start, &budget)
		if serr != nil && found || budget < 0 {
			t.Fatalf("Search: %v and %v with %d steps left", found, serr, budget)
		}
		budget = 20_000
		groups, err := re.Capture([]byte(s), start, &budget)
		if found != (groups != nil) || !errors.Is(err, serr) {
			t.Fatalf("Search found %v, %v; Capture %v, %v", found, serr, groups, err)
		}
		if found && span.End > span.Begin && groups[0] != span {
			t.Fatalf("Search found %v, Capture %v", span, groups)
		}
		if err != nil && groups != nil || budget < 0 {
			t.Fatalf("%v and %v with %d steps left", groups, err, budget)
		}
		if groups != nil && len(groups) != re.Groups() {
			t.Fatalf("%d groups of %d", len(groups), re.Groups())
		}
		for _, g := range groups {
			if g != (Span{}) && (g.Begin < start || g.End <= g.Begin || g.End > len(s)) {
				t.Fatalf("group %v in %q from %d", g, s, start)
			}
		}
	})
}

var errBudget = errors.New("the budget is used up")

// purse is a Meter with a number of steps.
type purse int

func (p *purse) Pay(steps int) error {
	if steps > int(*p) {
		return errBudget
	}
	*p -= purse(steps)
	return nil
}
