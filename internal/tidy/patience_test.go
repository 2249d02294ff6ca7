package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// leastPatience is how long a test waits at least for what must happen. Another machine may
// be a tenth as fast, or stand still for seconds.
const leastPatience = time.Minute

// brief are the functions of tests that wait less by the clock, or compare what the clock
// says, with the reason why none of them fails on a slow machine.
var brief = map[string]string{
	"admit isClosed":                 "a pipe whose other end is closed says so, however late it is asked",
	"cluster short":                  "for what cannot succeed",
	"cluster TestUnreachable":        "for what cannot succeed",
	"egress TestTooManyAtOnce":       "for what cannot succeed",
	"gateway TestUnreadAnswers":      "a write that is late ends the flood",
	"gateway TestWebSocketFragments": "a write that is late ends the flood",
	"gateway raw":                    "what is not taken is kept for the next write",
	"gateway TestAcceptFails":        "a slow machine takes longer, and the test wants the least",
	"gateway write":                  "it runs in bubbles",
	"hlc TestZeroClock":              "the limit is a minute",
	"host TestPosts":                 "for what must not come",
	"host TestStopBetweenSaves":      "for what must not happen",
	"host TestLostEndsRequests":      "the lease may end at any time",
	"host Fetched":                   "nothing waits for it",
	"ingress open":                   "it runs in bubbles",
	"internal/badlink silent":        "for what must not come",
	"internal/child TestStart":       "for what must not come",
	"logbook TestMends":              "the limit is a second for each of the lines together",
	"logbook TestEndedContexts":      "for what cannot succeed",
	"server TestStopWhileBusy":       "ten times what it may take",
	"server TestStopWithoutDatabase": "for what cannot succeed",
	"store wantSoon":                 "a minute more than it may take",
}

// TestPatience looks through all tests for what fails because a machine is slow: waits that
// end within a minute, and times that are measured and compared. In a bubble of synctest
// the time is virtual, and benchmarks measure.
func TestPatience(t *testing.T) {
	used := map[string]bool{}
	for _, dir := range testDirs(t) {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var list []*ast.File
		set := token.NewFileSet()
		for _, name := range files {
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, file)
		}
		in := bubblesOf(list)
		for _, file := range list {
			for _, what := range hastes(file, in) {
				key := strings.TrimPrefix(filepath.ToSlash(dir), root+"/") + " " + what.in
				if used[key] = true; brief[key] == "" {
					t.Errorf("%s: %s %s; wait for an event with patience, use synctest, or give the reason in brief",
						set.Position(what.at), what.in, what.does)
				}
			}
		}
	}
	for key := range brief {
		if !used[key] {
			t.Errorf("brief has %q, which is as patient as the others: remove it", key)
		}
	}
}

// testDirs returns the directories of all modules that have tests.
func testDirs(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if n := d.Name(); n == "testdata" || n == "node_modules" || n != ".." && strings.HasPrefix(n, ".") {
			return fs.SkipDir
		}
		dirs = append(dirs, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// haste is a place of a test that depends on the clock.
type haste struct {
	at   token.Pos
	in   string // function
	does string
}

// bubblesOf returns the functions whose function arguments run in a bubble: synctest.Test,
// and those of the package that call it.
func bubblesOf(files []*ast.File) map[string]bool {
	in := map[string]bool{"synctest.Test": true}
	for _, file := range files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok && nameOf(c.Fun) == "synctest.Test" {
					in[f.Name.Name] = true
				}
				return true
			})
		}
	}
	return in
}

// nameOf returns the name of a function or method as it is called: f, x.f or pkg.f.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
		return "." + e.Sel.Name
	}
	return ""
}

// hastes returns the places of a file that depend on the clock, outside of bubbles.
func hastes(file *ast.File, bubbles map[string]bool) (list []haste) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || strings.HasPrefix(f.Name.Name, "Benchmark") || bubbles[f.Name.Name] {
			continue
		}
		measured := map[string]bool{}
		polls := pollsOf(f)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if bubbles[nameOf(n.Fun)] {
					return false
				}
				if d, ok := waits(n); ok && d < leastPatience && !polls[n] {
					list = append(list, haste{n.Pos(), f.Name.Name, "waits for " + d.String()})
				}
			case *ast.AssignStmt:
				for i, x := range n.Rhs {
					if name, ok := n.Lhs[i].(*ast.Ident); ok && isSince(x) {
						measured[name.Name] = true
					}
				}
			case *ast.BinaryExpr:
				if compares(n.Op) && (times(n.X, measured) && !patient(n.Y) || times(n.Y, measured) && !patient(n.X)) {
					list = append(list, haste{n.Pos(), f.Name.Name, "compares what the clock says"})
				}
			}
			return true
		})
	}
	return list
}

// pollsOf returns the calls of time.After in a function that are only the pause of a loop,
// whose end does not depend on them.
func pollsOf(f *ast.FuncDecl) map[*ast.CallExpr]bool {
	polls := map[*ast.CallExpr]bool{}
	pause := func(s ast.Stmt) {
		e, ok := s.(*ast.ExprStmt)
		if !ok {
			return
		}
		if u, ok := e.X.(*ast.UnaryExpr); ok && u.Op == token.ARROW {
			if c, ok := u.X.(*ast.CallExpr); ok {
				polls[c] = true
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		var body *ast.BlockStmt
		switch n := n.(type) {
		case *ast.ForStmt:
			pause(n.Post)
			body = n.Body
		case *ast.RangeStmt:
			body = n.Body
		default:
			return true
		}
		for _, s := range body.List {
			pause(s)
		}
		return true
	})
	return polls
}

func compares(op token.Token) bool {
	return op == token.LSS || op == token.GTR || op == token.LEQ || op == token.GEQ
}

// patient reports whether an expression is the constant of most packages, which is long.
func patient(e ast.Expr) bool { return nameOf(e) == "patience" }

// times reports whether an expression is a time that was measured.
func times(e ast.Expr, measured map[string]bool) bool {
	name, ok := e.(*ast.Ident)
	return ok && measured[name.Name] || isSince(e)
}

func isSince(e ast.Expr) bool {
	c, ok := e.(*ast.CallExpr)
	return ok && nameOf(c.Fun) == "time.Since"
}

// waits returns how long a call waits by the clock at most, when that is a constant.
func waits(c *ast.CallExpr) (d time.Duration, ok bool) {
	switch name := nameOf(c.Fun); {
	case len(c.Args) == 0:
		return 0, false
	case name == "time.After", name == "time.NewTimer", name == "time.AfterFunc":
		return constant(c.Args[0])
	case name == "context.WithTimeout":
		return constant(c.Args[len(c.Args)-1])
	case strings.HasSuffix(name, "Deadline"):
		if add, is := c.Args[0].(*ast.CallExpr); is && len(add.Args) == 1 && nameOf(add.Fun) == ".Add" {
			return constant(add.Args[0])
		}
	}
	return 0, false
}

// constant returns the value of a duration such as 20 * time.Second.
func constant(e ast.Expr) (d time.Duration, ok bool) {
	units := map[string]time.Duration{
		"time.Nanosecond": 1, "time.Microsecond": time.Microsecond, "time.Millisecond": time.Millisecond,
		"time.Second": time.Second, "time.Minute": time.Minute, "time.Hour": time.Hour,
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		n, err := strconv.Atoi(e.Value)
		return time.Duration(n), err == nil
	case *ast.SelectorExpr:
		d, ok = units[nameOf(e)]
		return d, ok
	case *ast.ParenExpr:
		return constant(e.X)
	case *ast.BinaryExpr:
		x, okX := constant(e.X)
		y, okY := constant(e.Y)
		switch {
		case !okX || !okY:
		case e.Op == token.MUL:
			return x * y, true
		case e.Op == token.QUO && y != 0:
			return x / y, true
		}
	}
	return 0, false
}
