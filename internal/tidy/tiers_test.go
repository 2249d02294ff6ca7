package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
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
	have := makeList(t, "SERVERS")
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

// makeList returns the words of a variable of the Makefile.
func makeList(t *testing.T, name string) []string {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(makefile), "\\\n", "")
	_, rest, _ := strings.Cut(text, "\n"+name+" = ")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Fields(line)
}

// TestPure: the packages that the Makefile tests without the race detector, and their tests, start
// no goroutines: no race could be found there.
func TestPure(t *testing.T) {
	list := makeList(t, "PURE")
	if len(list) == 0 {
		t.Fatal("the Makefile has no PURE")
	}
	for _, dir := range list {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: there is no such package: mend PURE in the Makefile (%v)", dir, err)
		}
		for _, name := range files {
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range goroutines(file) {
				t.Errorf("%s: a goroutine: take %s out of PURE in the Makefile", set.Position(at), dir)
			}
		}
	}
}

// goroutines returns the places of a file that start goroutines.
func goroutines(file *ast.File) (list []token.Pos) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			list = append(list, n.Pos())
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if ok && (s.Sel.Name == "Go" || s.Sel.Name == "Parallel" || s.Sel.Name == "AfterFunc") {
				list = append(list, n.Pos())
			}
		}
		return true
	})
	return list
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
