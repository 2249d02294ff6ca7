package compile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// TestExcerpts compiles mistakes that only the compiler finds, and shows each in plain
// words with the place. Before each are a constant, an enum and a long function.
func TestExcerpts(t *testing.T) {
	datadriven.RunTest(t, "testdata/excerpts.txt", func(t *testing.T, d *datadriven.TestData) string {
		src := "#line 1 \"before\"\nconst C = 1; enum E { A }\n#line 1 \"agent.nut\"\n" + d.Input
		if d.Cmd == "many" { // local variables
			src += "\nfunction f() {\n" + strings.Repeat("local a = 1;\n", 300) + "}\n"
		}
		_, err := Compile("agent_code", []byte(src), Options{})
		var e *syntax.Error
		if !errors.As(err, &e) {
			return fmt.Sprintln(err)
		}
		return fmt.Sprintf("%s:%d:%d: %s\n%s\n", e.Excerpt.File, e.Excerpt.Line, e.Excerpt.Col, e.Plain(), e.Excerpt)
	})
}
