package impunit

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/squirrel"
)

// Result is what came of a file.
type Result struct {
	File    string
	Where   Where
	Tests   []Test // with setUp and tearDown, which do not count
	Virtual time.Duration
	Steps   uint64
	Err     error // why the file's tests cannot be run, or not all of them
}

// Test is what came of one method.
type Test struct {
	Case, Method string
	Counts       bool
	Assertions   int
	Began, Took  time.Duration // in the time of its world
	Value        string        // what it has returned; "" for nothing
	Infos        []string
	Failure      *Failure // nil: none
}

// Title returns Case::method.
func (t *Test) Title() string { return t.Case + "::" + t.Method }

// Failure is why a test has failed.
type Failure struct {
	Text   string
	File   string // the place in the test; "" when it is not known
	Line   int
	Source string // the line there
	Values []squirrel.Local
	Stack  []string // who has called whom, innermost first
	Log    []rehearsal.Line
}

// Counts returns how many tests and assertions there were, and how many tests have failed, setUp
// and tearDown included.
func (r *Result) Counts() (tests, assertions, failures int) {
	for _, t := range r.Tests {
		if t.Counts {
			tests++
		}
		assertions += t.Assertions
		if t.Failure != nil {
			failures++
		}
	}
	return tests, assertions, failures
}

// place fills in where a test has failed.
func (f *Failure) place(e *squirrel.Error) {
	if e == nil {
		return
	}
	for _, frame := range e.Stack {
		if frame.Line < 0 || frame.Source == frameworkName {
			continue
		}
		f.Stack = append(f.Stack, placeText(frame))
		if f.File != "" {
			continue
		}
		f.File, f.Line = frame.Source, frame.Line
		for _, l := range frame.Locals {
			if l.Name != "this" && l.Name != "vargv" && l.Name != "@INDEX@" {
				f.Values = append(f.Values, l)
			}
		}
	}
	f.Source = sourceLine(f.File, f.Line)
}

func placeText(frame squirrel.Frame) string {
	text := frame.Source + ":" + strconv.Itoa(frame.Line)
	if frame.Func != "unknown" && frame.Func != "" {
		text += " in " + frame.Func
	}
	return text
}

// sourceLine returns a line of a file without its indent; "" when there is none.
func sourceLine(name string, line int) string {
	file, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line--; line == 0 {
			return strings.TrimSpace(lines.Text())
		}
	}
	return ""
}
