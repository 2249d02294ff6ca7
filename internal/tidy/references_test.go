package tidy

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// code is a code span of a document, on one line and without spaces.
var code = regexp.MustCompile("`([A-Za-z0-9_./-]+)`")

// names is what documents may refer to.
type names struct {
	exists func(path string) bool     // a file or directory, from the root
	idents map[string]map[string]bool // by the last element of a package's path: its identifiers
}

// stale reports whether a code span in a document of a directory refers to a
// package, a path or an identifier of ours that does not exist. Go files with their
// directory are TestNamedFiles' part.
func (n names) stale(dir, span string) bool {
	span = strings.TrimSuffix(strings.TrimSuffix(span, "/..."), "/")
	exists := func(p string) bool { return n.exists(p) || n.exists(path.Join(dir, p)) }
	pkg, ident, _ := strings.Cut(path.Base(span), ".")
	if idents := n.idents[pkg]; idents != nil && ident != "" && ast.IsExported(ident) {
		for part := range strings.SplitSeq(ident, ".") {
			if !idents[part] {
				return true
			}
		}
		return false
	}
	if strings.HasSuffix(span, ".go") && strings.Contains(span, "/") {
		return false // TestNamedFiles looks for it
	}
	first, _, deep := strings.Cut(span, "/")
	return deep && first != "" && n.exists(first) && !exists(span)
}

// ourNames returns the names of the repository.
func ourNames(t *testing.T) names {
	t.Helper()
	n := names{idents: map[string]map[string]bool{}, exists: func(p string) bool {
		_, err := os.Stat(filepath.Join(root, filepath.FromSlash(p)))
		return err == nil
	}}
	for _, s := range sources(t) {
		pkg := path.Base(path.Dir(s.path))
		if pkg == "." {
			pkg = path.Base(module)
		}
		if n.idents[pkg] == nil {
			n.idents[pkg] = map[string]bool{}
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			if id, ok := node.(*ast.Ident); ok {
				n.idents[pkg][id.Name] = true
			}
			return true
		})
	}
	return n
}

// TestReferences: code spans of documents name packages, paths and identifiers
// that exist. The change log tells of earlier versions.
func TestReferences(t *testing.T) {
	n := ourNames(t)
	for _, name := range documents(t) {
		if name == "CHANGELOG.md" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range code.FindAllStringSubmatch(string(text), -1) {
			if n.stale(path.Dir(name), m[1]) {
				t.Errorf("%s: there is no %s: say where it is now, or delete the sentence", name, m[1])
			}
		}
	}
}

func TestStale(t *testing.T) {
	files := map[string]bool{"host": true, "host/stop.go": true, "host/testdata": true}
	idents := map[string]map[string]bool{"host": {"Host": true, "Run": true}}
	n := names{exists: func(p string) bool { return files[p] }, idents: idents}
	for _, tc := range []struct {
		span string
		want bool
	}{
		{"host", false},
		{"host/stop.go", false},
		{"host/gone.go", false}, // TestNamedFiles finds it
		{"host/testdata/", false},
		{"host/gone", true},
		{"host/...", false},
		{"host.Host.Run", false},
		{"host.FromLink", true},
		{"host.send", false}, // of a program, not of the package
		{"text/plain", false},
		{"/metrics", false},
		{"server.save", false},
	} {
		if got := n.stale("host", tc.span); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.span, got, tc.want)
		}
	}
}
