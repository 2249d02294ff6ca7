package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// cores are the packages that decide and do nothing: events and the time go in, effects
// come out. What they link beside these rules is in reaches.
var cores = []string{"life", "gateway/session", "device/core", "device/identity", "cluster/protocol", "store/record", "placement", "agent", "device", "mqtt", "codec"}

// outside is what a core must not import: locks, goroutines' means, the outside world, and
// chance.
var outside = []string{
	"sync", "sync/atomic", "net", "net/http", "os", "os/exec", "io/fs", "context", "log", "log/slog", "database/sql",
	"math/rand", "math/rand/v2", "crypto/rand", "runtime", "syscall",
}

// clock are the functions of package time that read a clock or wait.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}

// excused are imports of cores that do not break what the rule is for, with the reason.
var excused = map[string]string{
	"agent sync":  "what all machines share is made once: the library, and the patterns of regexp2",
	"device sync": "the library and the modules' pins are made once",
}

// TestCores keeps the cores pure: no lock, no goroutine, no clock, no chance, no I/O.
func TestCores(t *testing.T) {
	used := map[string]bool{}
	for _, pkg := range cores {
		files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: there is no such core: mend the list (%v)", pkg, err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				checkCore(t, pkg, name, used)
			}
		}
	}
	for what := range excused {
		if !used[what] {
			t.Errorf("%q is excused and does not occur: remove it", what)
		}
	}
}

func checkCore(t *testing.T, pkg, name string, used map[string]bool) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, nil, 0)
	if err != nil {
		t.Error(err)
		return
	}
	for _, imp := range file.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		if err != nil || !slices.Contains(outside, path) {
			continue
		}
		if what := pkg + " " + path; excused[what] != "" {
			used[what] = true
			continue
		}
		t.Errorf("%s: the core %s imports %s: have its shell do that, and bring the outcome as an event", set.Position(imp.Pos()), pkg, path)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s: the core %s starts a goroutine", set.Position(n.Pos()), pkg)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
				t.Errorf("%s: the core %s uses time.%s: take the time as an argument", set.Position(n.Pos()), pkg, n.Sel.Name)
			}
		}
		return true
	})
}
