package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDocSite(t *testing.T) {
	dir := t.TempDir()
	s := &streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	if status := run(t.Context(), []string{"doc", "--site", dir}, s); status != 0 {
		t.Fatal(status)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "server.html")); err != nil ||
		!strings.Contains(string(page), "server.save") {
		t.Error(err)
	}
}

func TestDoc(t *testing.T) {
	for _, tc := range []struct {
		args   []string
		status int
		out    string // a part of either output
	}{
		{nil, 0, "\nLanguage\n"},
		{[]string{"server.save"}, 0, "server.save(table[, format]) → integer\n"},
		{[]string{"Server"}, 0, "  server.save(table[, format]) "},
		{[]string{"server.sav"}, 1, "did you mean server.save"},
		{[]string{"completely different"}, 1, "tandem doc lists all objects"},
	} {
		var out, errs strings.Builder
		s := &streams{in: strings.NewReader(""), out: &out, err: &errs}
		status := run(t.Context(), append([]string{"doc"}, tc.args...), s)
		if status != tc.status || !strings.Contains(out.String()+errs.String(), tc.out) {
			t.Errorf("%v: status %d\n%s%s", tc.args, status, out.String(), errs.String())
		}
	}
}
