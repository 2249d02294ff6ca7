package central

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the list of routes in docs/api.md")

// The list of routes in docs/api.md is made from the routes themselves.
func TestAPIDocument(t *testing.T) {
	const name, heading = "../docs/api.md", "## Routes\n"
	var list strings.Builder
	list.WriteString(heading + "\n| | | |\n|---|---|---|\n")
	for _, r := range routes {
		fmt.Fprintf(&list, "| %s | `/%s` | %s |\n", r.method, r.path, r.about)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(data), heading)
	want := text + list.String()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(data) != want {
		t.Errorf("%s is not what the routes are: go test ./central -run %s -update", name, t.Name())
	}
	if limit := fmt.Sprintf("An account can have %d;", streamsPerAccount); !strings.Contains(text, limit) {
		t.Errorf("%s does not say %q", name, limit)
	}
}
