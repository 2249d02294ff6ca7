package tidy

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// leastPatience is how long a test at least waits for what must happen. A machine that is
// busy, or compiles beside the tests, needs far longer than ours: no test may fail for that.
const leastPatience = time.Minute

// TestPatience looks at how long the tests wait for what must happen.
func TestPatience(t *testing.T) {
	said := regexp.MustCompile(`(?m)^(?:const |\t)patience += (\d+) \* time\.(Second|Minute)`)
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range said.FindAllStringSubmatch(string(text), -1) {
			found++
			long, err := time.ParseDuration(m[1] + strings.ToLower(m[2][:1]))
			if err != nil || long < leastPatience {
				t.Errorf("%s: %s: a slow machine needs %v at least", path, strings.TrimSpace(m[0]), leastPatience)
			}
		}
		return nil
	})
	if err != nil || found < 5 {
		t.Errorf("%d tests say how long they wait, %v", found, err)
	}
}
