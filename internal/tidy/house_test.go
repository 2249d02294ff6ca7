package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

const (
	maxFunction = 70 // lines: what fits a screen
	maxFile     = 1000
)

// longFunctions may pass maxFunction, up to the given number of lines. Each
// is one switch over a closed set, which splitting would only scatter.
var longFunctions = map[string]int{
	"squirrel.loop": 800, // the instructions
	"squirrel.slow": 100, // those that the loop leaves undone
}

// untested packages have no test file of their own.
var untested = []string{
	"bench/pair", // it measures, and checks what it measures as it goes
	"bench/squirrel/peers/goja",
	"bench/squirrel/peers/gopherlua",
}

// An interface says what its user needs, so it is small, and a package that
// declares many has not decided what it needs.
const (
	maxMethods    = 5
	maxInterfaces = 4 // in a package
)

// wideInterfaces may pass maxMethods, up to the given number.
var wideInterfaces = map[string]int{
	"central.Host": 7, // what the control plane asks of agents; two kinds of hosts give all of it
}

// emptyNames say nothing about what is inside. A core does: it is a state machine
// without I/O, of what its directory is named for.
var emptyNames = []string{"util", "utils", "helper", "helpers", "common", "misc", "shared", "base", "lib", "models", "types", "services", "manager"}

// unfinished are the words people leave behind for later.
var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

// source is one parsed Go file of ours.
type source struct {
	path  string // slash-separated, from the root
	lines int
	fset  *token.FileSet
	file  *ast.File
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) at(p token.Pos) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(p).Line)
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); n == "testdata" || n == "node_modules" || (n != ".." && strings.HasPrefix(n, ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s, err := parseSource(filepath.ToSlash(rel), src)
		if err != nil {
			return err
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func parseSource(name string, src []byte) (source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	return source{path: name, lines: bytes.Count(src, []byte("\n")), fset: fset, file: file}, err
}

// breaches returns what one file does against the rules.
func (s source) breaches() (bad []string) {
	if s.lines > maxFile {
		bad = append(bad, fmt.Sprintf("%s has %d lines, more than %d: split it by what a reader would look for", s.path, s.lines, maxFile))
	}
	if name := strings.TrimSuffix(s.file.Name.Name, "_test"); slices.Contains(emptyNames, name) {
		bad = append(bad, fmt.Sprintf("%s: package name %q says nothing: name it for what it provides", s.path, name))
	}
	for _, imp := range s.file.Imports {
		if imp.Path.Value == `"log"` {
			bad = append(bad, s.at(imp.Pos())+": use a *slog.Logger field (nil means discard) instead of package log")
		}
	}
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if unfinished.MatchString(c.Text) {
				bad = append(bad, s.at(c.Pos())+": finish it, or say what is so and why; what is to be done belongs into an issue")
			}
		}
	}
	for _, decl := range s.file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			bad = append(bad, s.functionBreaches(fn)...)
		}
	}
	if s.test() {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
					bad = append(bad, s.at(sel.Pos())+": time.Sleep in a test: wait for the event itself, or run under testing/synctest")
				}
			}
			return true
		})
	}
	return bad
}

func (s source) functionBreaches(fn *ast.FuncDecl) (bad []string) {
	if fn.Recv == nil && fn.Name.Name == "init" {
		bad = append(bad, s.at(fn.Pos())+": func init: do it in a constructor, or in a variable's initialiser")
	}
	name := path.Dir(s.path) + "." + fn.Name.Name
	limit := max(maxFunction, longFunctions[name])
	if n := s.fset.Position(fn.End()).Line - s.fset.Position(fn.Pos()).Line + 1; n > limit {
		bad = append(bad, fmt.Sprintf("%s: %s has %d lines, more than %d: name a part of it and move that out", s.at(fn.Pos()), name, n, limit))
	}
	return bad
}

func TestHouseRules(t *testing.T) {
	documented := map[string]bool{} // package directories, and whether one file has the package comment
	tested := map[string]bool{}
	interfaces := map[string][]string{}
	all := sources(t)
	methods := countInterfaces(all)
	for _, s := range all {
		for _, b := range s.breaches() {
			t.Error(b)
		}
		dir := path.Dir(s.path)
		if s.test() {
			tested[dir] = true
			continue
		}
		documented[dir] = documented[dir] || s.file.Doc != nil
		for _, name := range s.interfaces() {
			interfaces[dir] = append(interfaces[dir], name)
			full := dir + "." + name
			if n, limit := methods[full], max(maxMethods, wideInterfaces[full]); n > limit {
				t.Errorf("%s: %s asks for %d methods, embedded ones and fields of function type included, more than %d: "+
					"ask for what is used, or take the concrete type", s.path, name, n, limit)
			}
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment: say what the package is for and how it is used", dir)
		}
		if !tested[dir] && !slices.Contains(untested, dir) {
			t.Errorf("%s: no test file: show what the package does", dir)
		}
		if list := interfaces[dir]; len(list) > maxInterfaces {
			t.Errorf("%s: %d interfaces (%s), more than %d: use concrete types where there is one", dir, len(list), strings.Join(list, ", "), maxInterfaces)
		}
	}
}

func TestBreaches(t *testing.T) {
	long := "package p\nfunc f() {\n" + strings.Repeat("\tg()\n", maxFunction) + "}\n"
	for _, tc := range []struct{ name, path, src, want string }{
		{"fine", "p/p.go", "package p\nfunc f() {}\n", ""},
		{"long function", "p/p.go", long, "p.f has 72 lines"},
		{"long file", "p/p.go", "package p\n" + strings.Repeat("\n", maxFile), "has 1001 lines"},
		{"init", "p/p.go", "package p\nfunc init() {}\n", "func init"},
		{"a method may be called init", "p/p.go", "package p\nfunc (t T) init() {}\n", ""},
		{"empty name", "p/p.go", "package helpers\n", `"helpers" says nothing`},
		{"package log", "p/p.go", "package p\nimport \"log\"\n", "slog"},
		{"sleep in a test", "p/p_test.go", "package p\nfunc f() { time.Sleep(1) }\n", "time.Sleep"},
		{"something left to do", "p/p.go", "package p\n\n// TO" + "DO: more\n", "finish it"},
		{"todos is a word", "p/p.go", "package p\n\n// todos are fine\n", ""},
		{"sleep elsewhere", "p/p.go", "package p\nfunc f() { time.Sleep(1) }\n", ""},
	} {
		s, err := parseSource(tc.path, []byte(tc.src))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		got := strings.Join(s.breaches(), "\n")
		if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
