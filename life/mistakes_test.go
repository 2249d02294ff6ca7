package life

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// TestMistakes: with a mistake switched on a script has other results.
func TestMistakes(t *testing.T) {
	for _, mistake := range append(Mistakes(), "") {
		var noticed []string
		datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
			if wrong := runWith(t, path, mistake); wrong != "" {
				noticed = append(noticed, wrong)
			}
		})
		if (len(noticed) == 0) != (mistake == "") {
			t.Errorf("the mistake %q is noticed by %v", mistake, noticed)
		}
	}
}

// runWith runs a script with a mistake, and returns the first command with another
// result than the script has.
func runWith(t *testing.T, path, mistake string) (wrong string) {
	w := newWorld(failing{})
	w.mistake = mistake
	w.enter()
	datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
		if wrong == "" && w.failing(d) != d.Expected {
			wrong = d.Pos + " " + d.Cmd
		}
		return d.Expected
	})
	return wrong
}

// failing is the result of a command, also when it cannot go on.
func (w *world) failing(d *datadriven.TestData) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint("it fails: ", r)
		}
	}()
	return w.result(d)
}

// failing is a test whose failure is what is looked for.
type failing struct{ rapid.TB }

func (failing) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (failing) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (failing) Helper()                           {}

// TestMistakeNames: a name that is none changes nothing.
func TestMistakeNames(t *testing.T) {
	l := New(&Config{}, testDevice, testAgent)
	Break(l, "none")
	if l.wrong != (mistakes{}) || !slices.Contains(Mistakes(), "ackEarly") {
		t.Errorf("%+v; %v", l.wrong, Mistakes())
	}
}
