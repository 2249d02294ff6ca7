package tidy

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// outsideMarks are what a test file has in it that runs programs of others.
var outsideMarks = []string{module + `/internal/pgtest"`, `"mosquitto_`}

// runsOutside reports whether a file of a package's tests runs programs of others.
func runsOutside(name, text string) bool {
	return strings.HasSuffix(name, "_test.go") &&
		slices.ContainsFunc(outsideMarks, func(mark string) bool { return strings.Contains(text, mark) })
}

// TestTiers: the packages that the Makefile keeps for the tier of real servers are those
// whose tests run some. The others need Go and a C compiler alone.
func TestTiers(t *testing.T) {
	want := map[string]bool{"internal/pgtest": true}
	for _, s := range sources(t) {
		dir := path.Dir(s.path)
		if !s.test() || dir == "internal/tidy" || strings.HasPrefix(dir, "bench/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(s.path)))
		if err != nil {
			t.Fatal(err)
		}
		if runsOutside(s.path, string(text)) {
			want[dir] = true
		}
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(makefile), "\nSERVERS = ")
	line, _, _ := strings.Cut(rest, "\n")
	have := strings.Fields(line)
	for dir := range want {
		if !slices.Contains(have, dir) {
			t.Errorf("the tests of %s run programs of others: add it to SERVERS in the Makefile", dir)
		}
	}
	for _, dir := range have {
		if !want[dir] {
			t.Errorf("the tests of %s run no programs of others: take it out of SERVERS in the Makefile", dir)
		}
	}
}

func TestRunsOutside(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       bool
	}{
		{"a/a_test.go", "import \"" + module + "/internal/pgtest\"", true},
		{"a/a.go", "import \"" + module + "/internal/pgtest\"", false},
		{"a/a_test.go", "exec.Command(\"mosquitto_pub\")", true},
		{"a/a_test.go", "// as mosquitto does", false},
	} {
		if got := runsOutside(tc.name, tc.text); got != tc.want {
			t.Errorf("%s, %s: %v", tc.name, tc.text, got)
		}
	}
}
