package callbacktest

import (
	"slices"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

// All finds the parameters that may be a function, among those of one side.
func TestAll(t *testing.T) {
	part := imp.API{Functions: []imp.Function{
		{Name: "a.b", On: imp.OnAgent, Params: []imp.Param{{Type: "number"}, {Type: "function"}, {Type: "handler"}}},
		{Name: "c.d", On: imp.OnBoth, Params: []imp.Param{{Type: "c|n|o"}, {Type: "any"}}},
		{Name: "e.f", On: imp.OnDevice, Params: []imp.Param{{Type: "handler"}}},
	}}
	if got := All(tandem.AgentSide, part); !slices.Equal(got, []string{"a.b 2", "a.b 3", "c.d 1"}) {
		t.Error(got)
	}
}

// There are variants that fit, that do not, and that are no function, for every row.
func TestVariants(t *testing.T) {
	for _, row := range []Row{{}, {Args: 1}, {Args: 2, Fewer: []int{1}}, {Args: 1, Fewer: []int{0}}, {Args: 3}} {
		var fit, not, typ int
		for _, v := range variants(row) {
			switch {
			case v.typ:
				typ++
			case v.takes == "":
				fit++
			default:
				not++
			}
		}
		if fit < 5 || not < 5 || typ < 8 {
			t.Errorf("%+v: %d fit, %d do not, %d are no function", row, fit, not, typ)
		}
	}
}
