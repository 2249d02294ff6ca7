package cluster

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestAllGuarded: every goroutine and every timer of this package runs what it runs under
// guard, so that no message of another node can end this one.
func TestAllGuarded(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	functions := map[string]*ast.FuncDecl{}
	var parsed []*ast.File
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				functions[f.Name.Name] = f
			}
		}
	}
	found := 0
	check := func(at token.Pos, what ast.Expr) {
		found++
		if !guards(what, functions) {
			t.Errorf("%s: a goroutine or timer is not guarded: use apart or guard", set.Position(at))
		}
	}
	for _, file := range parsed {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				check(n.Pos(), n.Call.Fun)
			case *ast.CallExpr:
				s, ok := n.Fun.(*ast.SelectorExpr)
				switch {
				case ok && s.Sel.Name == "AfterFunc":
					check(n.Pos(), n.Args[len(n.Args)-1])
				case ok && s.Sel.Name == "Go":
					check(n.Pos(), n.Args[0])
				}
			}
			return true
		})
	}
	if found < 10 {
		t.Errorf("only %d were found: is the test right?", found)
	}
}

// unguarded are functions that cannot panic themselves: the effects that work carries out
// are guarded.
var unguarded = map[string]bool{"work": true}

// guards reports whether a function, or what it calls by name, calls guard.
func guards(f ast.Expr, functions map[string]*ast.FuncDecl) (ok bool) {
	var body ast.Node = f
	if s, named := f.(*ast.SelectorExpr); named {
		if unguarded[s.Sel.Name] {
			return true
		}
		if d := functions[s.Sel.Name]; d != nil {
			body = d
		}
	}
	ast.Inspect(body, func(n ast.Node) bool {
		if s, selector := n.(*ast.SelectorExpr); selector {
			ok = ok || s.Sel.Name == "guard" || s.Sel.Name == "guarded"
		}
		return true
	})
	return ok
}
