package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestREPL holds conversations with one machine each. What is typed follows a
// prompt in the output; … asks for more.
func TestREPL(t *testing.T) {
	datadriven.Walk(t, "testdata/repl", func(t *testing.T, path string) {
		var out bytes.Buffer
		stop := false
		r := newREPL(&streams{out: &out, err: &out}, 1<<20, func() bool { return stop })
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			stop = d.HasArg("interrupt")
			out.Reset()
			more := false
			for line := range strings.Lines(d.Input) {
				more = r.line(strings.TrimSuffix(line, "\n"))
			}
			if more {
				out.WriteString("…\n")
			}
			if d.HasArg("forget") {
				r.forget()
			}
			return out.String()
		})
	})
}

// TestTyping: Ctrl-C empties the line and enters it.
func TestTyping(t *testing.T) {
	typed := &typing{in: strings.NewReader("ab\x03cd")}
	got, err := io.ReadAll(typed)
	if err != nil || string(got) != emptyAndEnter || !typed.cancelled {
		t.Errorf("%q, %v, cancelled %v", got, err, typed.cancelled)
	}
}
