package chargetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestProblems(t *testing.T) {
	got := problems([]string{"right", "flat", "grown", "constant", "missing"}, []block{
		{"right", false, []cost{{5, 5}, {5, 500}}},
		{"flat", false, []cost{{5, 5}, {5, 5 + growth - 1}}},
		{"grown", true, []cost{{5, 5 + growth}}},
		{"constant", true, []cost{{5, 5}}},
		{"unknown", true, nil},
	})
	want := []string{
		"missing is missing", "flat costs the same", "grown is called fixed",
		"unknown is not a native function",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("got %q", got)
	}
}

func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table.txt")
	if err := os.WriteFile(file, []byte("native a\none\ntwo\n----\n 66 4098\n130 8194\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	Run(t, file, []string{"a"}, func(_ *testing.T, call string, size int) int64 {
		if call == "two" {
			size *= 2
		}
		return int64(size + 2)
	})
}
