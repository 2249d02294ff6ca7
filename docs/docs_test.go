package docs

import (
	"io/fs"
	"strings"
	"testing"
)

// TestEveryFile finds files that are in no list.
func TestEveryFile(t *testing.T) {
	names := map[string]bool{}
	for _, d := range append(Guides(), Documents()...) {
		if names[d.Name] {
			t.Errorf("two documents are called %s", d.Name)
		}
		names[d.Name] = true
		if d.Title == "" || !strings.HasPrefix(d.Text, "# "+d.Title+"\n") {
			t.Errorf("%s does not begin with its title", d.Name)
		}
	}
	count := 0
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			count++
		}
		return err
	})
	if err != nil || count != len(names) {
		t.Errorf("%d files, %d in the lists: %v", count, len(names), err)
	}
}
