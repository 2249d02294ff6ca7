package tidy

import (
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// interfaces returns the names of what asks its user for methods: interfaces, and
// exported structs with exported fields of function type. Constraints of type
// parameters and closed sets of types, which have no method that is exported, do
// not.
func (s source) interfaces() []string {
	return slices.Sorted(maps.Keys(s.requirers()))
}

// requirer is what a declaration asks for.
type requirer struct {
	methods  int      // of its own
	embedded []string // interfaces, as countInterfaces names them
}

func (s source) requirers() map[string]requirer {
	found := map[string]requirer{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		switch typ := spec.Type.(type) {
		case *ast.InterfaceType:
			if r, exported := s.methods(typ); exported || len(r.embedded) > 0 {
				found[spec.Name.Name] = r
			}
		case *ast.StructType:
			if n := functions(typ); spec.Name.IsExported() && n > 0 {
				found[spec.Name.Name] = requirer{methods: n}
			}
		}
		return true
	})
	return found
}

func (s source) methods(i *ast.InterfaceType) (r requirer, exported bool) {
	for _, m := range i.Methods.List {
		switch typ := m.Type.(type) {
		case *ast.Ident:
			if len(m.Names) == 0 && typ.Name != "comparable" && typ.Name != "error" && !basic[typ.Name] {
				r.embedded = append(r.embedded, path.Dir(s.path)+"."+typ.Name)
			}
		case *ast.SelectorExpr:
			r.embedded = append(r.embedded, s.imported(typ.X.(*ast.Ident).Name)+"."+typ.Sel.Name)
		}
		for _, name := range m.Names {
			r.methods++
			exported = exported || name.IsExported()
		}
	}
	return r, exported
}

// basic types occur in constraints.
var basic = map[string]bool{"int": true, "int64": true, "uint64": true, "float64": true, "string": true}

// imported returns the directory of one of our packages by its name in a file.
func (s source) imported(name string) string {
	for _, imp := range s.file.Imports {
		p := strings.Trim(imp.Path.Value, `"`)
		if path.Base(p) == name {
			return strings.TrimPrefix(p, module+"/")
		}
	}
	return name
}

// functions returns how many exported fields of a struct are of function type.
func functions(typ *ast.StructType) (count int) {
	for _, f := range typ.Fields.List {
		if _, ok := f.Type.(*ast.FuncType); !ok {
			continue
		}
		for _, name := range f.Names {
			if name.IsExported() {
				count++
			}
		}
	}
	return count
}

// countInterfaces returns how many methods each of them asks for, by directory and
// name. Embedded ones of ours count with all their methods.
func countInterfaces(all []source) map[string]int {
	found := map[string]requirer{}
	for _, s := range all {
		if s.test() {
			continue
		}
		for name, r := range s.requirers() {
			found[path.Dir(s.path)+"."+name] = r
		}
	}
	var total func(string) int
	total = func(name string) int {
		r := found[name]
		n := r.methods
		for _, e := range r.embedded {
			n += total(e)
		}
		return n
	}
	counts := map[string]int{}
	for name := range found {
		counts[name] = total(name)
	}
	return counts
}

func TestInterfaces(t *testing.T) {
	var all []source
	for name, src := range map[string]string{
		"p/p.go": `package p
type Sum interface{ sum() }
type Number interface{ ~int | ~float64 }
type Any interface{}
type Small interface{ Read(); Write() }
type Wide interface{ A(); B(); C(); D(); E(); F() }
func f() { type inner interface{ X() } }
`,
		"q/q.go": `package q
import "` + module + `/p"
type Cut interface { Half; p.Small }
type Half interface { A(); B(); C(); D() }
type Hooks struct { Now func() int; Log, Trace func(string); hidden func(); N int }
type private struct { Now func() int }
`,
	} {
		s, err := parseSource(name, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	want := map[string]int{"p.Small": 2, "p.Wide": 6, "p.inner": 1, "q.Cut": 6, "q.Half": 4, "q.Hooks": 3}
	if got := countInterfaces(all); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
