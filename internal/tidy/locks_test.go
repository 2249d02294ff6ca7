package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// shells are the packages around the cores, with goroutines and locks.
var shells = []string{"host", "cluster", "gateway", "device/runner", "mesh"}

// TestLocks: a struct with a lock consists of the lock, which comes first, and of what the
// lock protects. A larger struct embeds such a one. So no comment has to say which fields a
// lock is for.
func TestLocks(t *testing.T) {
	structs := 0
	for _, dir := range shells {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: there is no such shell: mend the list (%v)", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Error(err)
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.StructType); ok {
					for i, f := range s.Fields.List {
						if !isLock(f.Type) {
							continue
						}
						structs++
						if i != 0 {
							t.Errorf("%s: the lock is not the first field: move it, with what it protects, to a struct of its own",
								set.Position(f.Pos()))
						}
					}
				}
				return true
			})
		}
	}
	if structs < 5 {
		t.Errorf("only %d structs with a lock were found: is the test right?", structs)
	}
}

// isLock reports whether a type is sync.Mutex or sync.RWMutex.
func isLock(typ ast.Expr) bool {
	s, ok := typ.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "sync" && (s.Sel.Name == "Mutex" || s.Sel.Name == "RWMutex")
}
