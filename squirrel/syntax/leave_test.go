package syntax

import (
	"errors"
	"fmt"
	"testing"
)

// construct is what statements can stand in.
type construct struct {
	text            string // with %s for the statements
	loop, leaves    bool   // whether continue and break are about it
	opensOwnProgram bool   // a function: what is around it does not matter
}

var constructs = []construct{
	{text: "while (x) { %s }", loop: true, leaves: true},
	{text: "do { %s } while (x);", loop: true, leaves: true},
	{text: "for (;;) { %s }", loop: true, leaves: true},
	{text: "foreach (v in x) { %s }", loop: true, leaves: true},
	{text: "foreach (k, v in x) { %s }", loop: true, leaves: true},
	{text: "switch (x) { case 1: %s }", leaves: true},
	{text: "switch (x) { case 1: default: %s }", leaves: true},
	{text: "if (x) { %s }"},
	{text: "if (x) y(); else { %s }"},
	{text: "try { %s } catch (e) {}"},
	{text: "try {} catch (e) { %s }"},
	{text: "{ %s }"},
	{text: "function f() { %s }", opensOwnProgram: true},
	{text: "x = function() { %s };", opensOwnProgram: true},
	{text: "class C { constructor() { %s } }", opensOwnProgram: true},
}

// may reports whether a word may stand within constructs, the innermost last.
func may(word string, around ...construct) (ok bool) {
	for _, c := range around {
		ok = !c.opensOwnProgram && ok || c.loop || word == "break" && c.leaves
	}
	return ok
}

// TestBreakAndContinue: the two may stand in what they leave, at any depth, and
// neither after it nor in a function within it.
func TestBreakAndContinue(t *testing.T) {
	for _, word := range []string{"break", "continue"} {
		for _, outer := range constructs {
			for _, inner := range constructs {
				within := fmt.Sprintf(outer.text, "%s")
				for _, tc := range []struct {
					src string
					ok  bool
				}{
					{fmt.Sprintf(within, fmt.Sprintf(inner.text, word+";")), may(word, outer, inner)},
					{fmt.Sprintf(within, fmt.Sprintf(inner.text, "y();")+"\n"+word+";"), may(word, outer)},
					{fmt.Sprintf(within, word+";\n"+fmt.Sprintf(inner.text, "y();")), may(word, outer)},
					{fmt.Sprintf(within, fmt.Sprintf(inner.text, "y();")) + "\n" + word + ";", false},
				} {
					_, err := Parse("test", []byte(tc.src))
					var e *Error
					switch {
					case tc.ok && err != nil:
						t.Errorf("%s\n%v", tc.src, err)
					case !tc.ok && (!errors.As(err, &e) || e.Msg != "'"+word+"' has to be in a loop block"):
						t.Errorf("%s\nis taken, or refused for another reason: %v", tc.src, err)
					}
				}
			}
		}
	}
}
