package tidy

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxDependencies is a budget: every module we build on is somebody we depend
// on for years.
const maxDependencies = 15

func TestDependencies(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	rationale, err := os.ReadFile(filepath.Join(root, "RATIONALE.md"))
	if err != nil {
		t.Fatal(err)
	}
	direct := directDependencies(string(mod))
	if len(direct) > maxDependencies {
		t.Errorf("%d direct dependencies, the budget is %d: %s", len(direct), maxDependencies, strings.Join(direct, " "))
	}
	for _, d := range direct {
		if !strings.Contains(string(rationale), d) {
			t.Errorf("%s: give its reason in RATIONALE.md, under Dependencies", d)
		}
	}
}

// directDependencies returns the modules a go.mod requires for its own
// packages.
func directDependencies(mod string) (direct []string) {
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
		if !block && !single || strings.HasSuffix(line, "// indirect") {
			continue
		}
		if f := strings.Fields(rest); len(f) >= 2 {
			direct = append(direct, f[0])
		}
	}
	return direct
}

func TestDirectDependencies(t *testing.T) {
	got := directDependencies("module m\n\ngo 1.26\n\nrequire a.example/x v1.0.0\n\nrequire (\n\tb.example/y v1.0.0\n\tc.example/z v1.0.0 // indirect\n)\n\ntool d.example/t\n")
	if want := "a.example/x b.example/y"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
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
