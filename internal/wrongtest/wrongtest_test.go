package wrongtest

import (
	"slices"
	"testing"

	"github.com/tandem-iot/tandem/imp"
)

// TestCalls: what a parameter takes and what it does not are all types, and a call has the
// wrong one in its place.
func TestCalls(t *testing.T) {
	for typ, want := range map[string]int{"any": 0, "integer": 8, "number": 7, "data": 7, "handler": 7} {
		p := imp.Param{Name: "p", Type: typ}
		if wrong := Wrong(p); len(wrong) != want || len(wrong) > 0 && len(wrong)+len(Letters(p)) != len(samples) {
			t.Errorf("%s: %q is wrong, %q is right", typ, wrong, Letters(p))
		}
	}
	right := Right([]imp.Param{{Type: "string"}, {Type: "any"}, {Type: "table"}})
	if !slices.Equal(right, []string{`"1"`, `1`, `{}`}) {
		t.Errorf("right are %q", right)
	}
	if got := Call("f", right, 1, "null"); got != `f("1", null, {})` {
		t.Errorf("the call is %s", got)
	}
}
