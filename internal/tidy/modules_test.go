package tidy

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tandem-iot/tandem"

// modules are the directories of our modules. Their requirements are their own,
// the house rules and the commands in the Makefile the same for all.
var modules = []string{".", "bench", "bench/squirrel/peers"}

// goList runs go list for packages of one of our modules.
func goList(t *testing.T, dir string, args ...string) string {
	t.Helper()
	// -e: a package that does not compile is another test's business.
	cmd := exec.Command("go", append([]string{"list", "-e"}, args...)...)
	cmd.Dir = filepath.Join(root, dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list in %s: %v", dir, err)
	}
	return string(out)
}

// TestModules: the commands that check the repository go through all modules.
func TestModules(t *testing.T) {
	var found []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return fs.SkipDir
		case d.Name() != "go.mod":
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		found = append(found, filepath.ToSlash(dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	if !slices.Equal(found, modules) {
		t.Errorf("there are go.mod files in %q: name these directories in modules, and in MODULES in the Makefile", found)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if line := "\nMODULES = " + strings.Join(modules, " ") + "\n"; !strings.Contains(string(makefile), line) {
		t.Errorf("the Makefile lacks the line %q, by which it checks all modules", strings.TrimSpace(line))
	}
}
