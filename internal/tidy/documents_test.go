package tidy

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxDependencies is the budget of the main module: every module we build on
// is somebody we depend on for years.
const maxDependencies = 17

// TestDependencies compares what our packages and tests import with the tables
// in RATIONALE.md: one for the main module, one for what the others have
// besides.
func TestDependencies(t *testing.T) {
	rationale, err := os.ReadFile(filepath.Join(root, "RATIONALE.md"))
	if err != nil {
		t.Fatal(err)
	}
	ours := imported(t, ".")
	if len(ours) > maxDependencies {
		t.Errorf("%d modules are imported, the budget is %d: %s", len(ours), maxDependencies, strings.Join(ours, " "))
	}
	var others []string
	for _, dir := range modules[1:] {
		for _, m := range imported(t, dir) {
			if m != module && !slices.Contains(ours, m) {
				others = append(others, m)
			}
		}
	}
	for heading, list := range map[string][]string{"Dependencies": ours, "Dependencies of other modules": others} {
		for _, b := range compareDependencies(list, reasons(string(rationale), heading)) {
			t.Errorf("%s: %s", heading, b)
		}
	}
}

// imported returns the modules that one of ours imports packages of.
func imported(t *testing.T, dir string) []string {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join(root, dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const format = `{{join .Imports "\n"}}{{"\n"}}{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}`
	return importedModules(requirements(string(mod)), strings.Fields(goList(t, dir, "-f", format, "./...")))
}

func compareDependencies(imported, reasons []string) (bad []string) {
	for _, m := range imported {
		if !slices.Contains(reasons, m) {
			bad = append(bad, m+": give its reason in RATIONALE.md, under this heading")
		}
	}
	for _, m := range reasons {
		if !slices.Contains(imported, m) {
			bad = append(bad, m+": nothing imports it; take it out of RATIONALE.md, and of go.mod with go mod tidy")
		}
	}
	return bad
}

// requirements returns the modules a go.mod requires.
func requirements(mod string) (all []string) {
	block := false
	for line := range strings.Lines(mod) {
		line = strings.TrimSpace(line)
		switch {
		case line == "require (":
			block = true
			continue
		case line == ")":
			block = false
		}
		rest, single := strings.CutPrefix(line, "require ")
		if f := strings.Fields(rest); (block || single) && len(f) >= 2 {
			all = append(all, f[0])
		}
	}
	return all
}

// importedModules returns those modules that have one of the packages.
func importedModules(modules, packages []string) (imported []string) {
	for _, m := range modules {
		if slices.ContainsFunc(packages, func(p string) bool { return p == m || strings.HasPrefix(p, m+"/") }) {
			imported = append(imported, m)
		}
	}
	return imported
}

// reasons returns the modules in the table under a heading of RATIONALE.md.
func reasons(rationale, heading string) (modules []string) {
	_, section, _ := strings.Cut(rationale, "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 2 && strings.Contains(cells[1], "/") {
			modules = append(modules, strings.TrimSpace(cells[1]))
		}
	}
	return modules
}

func TestCompareDependencies(t *testing.T) {
	mod := "module m\n\ngo 1.26\n\nrequire a.example/x v1.0.0\n\nrequire (\n\tb.example/y v1.0.0\n\tb.example/y/z v1.0.0 // indirect\n\tc.example/z v1.0.0 // indirect\n)\n\ntool d.example/t\n"
	imported := importedModules(requirements(mod), []string{"fmt", "a.example/x/deep", "b.example/y/z"})
	if got, want := strings.Join(imported, " "), "a.example/x b.example/y b.example/y/z"; got != want {
		t.Errorf("imported: got %q, want %q", got, want)
	}
	table := reasons("text\n\n## Dependencies\n\n| module | why |\n|---|---|\n| a.example/x | because |\n| e.example/old | no more |\n\n## Others\n\n| f.example/x | why |\n", "Dependencies")
	if got, want := strings.Join(table, " "), "a.example/x e.example/old"; got != want {
		t.Errorf("reasons: got %q, want %q", got, want)
	}
	bad := compareDependencies([]string{"a.example/x", "b.example/y"}, table)
	if len(bad) != 2 || !strings.HasPrefix(bad[0], "b.example/y: give") || !strings.HasPrefix(bad[1], "e.example/old: nothing") {
		t.Errorf("got %q", bad)
	}
}

var link = regexp.MustCompile(`\]\(([^)\s#]+)(#[^)]*)?\)`)

func TestDocLinks(t *testing.T) {
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
		if !strings.HasSuffix(name, ".md") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], ":") { // a URL
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// documents returns the Markdown files of the repository, by their paths from the root.
func documents(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n := d.Name(); d.IsDir() && (n == "testdata" || n == "node_modules" || (n != ".." && strings.HasPrefix(n, "."))) {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			all = append(all, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var goFile = regexp.MustCompile("`([a-z_]+(?:/[a-z_]+)*/[a-z_]+\\.go)`")

// TestNamedFiles looks for Go files that a document names with their directory,
// which is given from the root or from the document.
func TestNamedFiles(t *testing.T) {
	for _, name := range documents(t) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range goFile.FindAllStringSubmatch(string(text), -1) {
			_, fromRoot := os.Stat(filepath.Join(root, m[1]))
			_, fromHere := os.Stat(filepath.Join(root, filepath.Dir(name), m[1]))
			if fromRoot != nil && fromHere != nil {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
}
