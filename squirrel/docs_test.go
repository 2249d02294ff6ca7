package squirrel

import (
	"os"
	"strings"
	"testing"
)

// The programs in the table of docs/squirrel.md do what its last column says.
func TestLanguageDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/squirrel.md")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		if len(cells) != 3 || !strings.HasPrefix(cells[0], "`") {
			continue
		}
		tried++
		got, v := runScript(t, "docs", strings.Trim(cells[0], "`"))
		if err := v.Err(); err != nil {
			got = "exception: " + err.Message
		}
		if got != cells[2] {
			t.Errorf("%s: got %q, the page says %q", cells[0], got, cells[2])
		}
	}
	if tried < 5 {
		t.Fatalf("%d programs found", tried)
	}
}
