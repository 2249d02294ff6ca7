package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

// TestConstants compares the values of all constants that agent code sees with
// testdata/constants/values.txt, for programs have them as numbers too, in what they
// keep and send; and how many arguments of which types each function takes with
// testdata/constants/functions.txt. The flag -rewrite writes the files.
func TestConstants(t *testing.T) {
	datadriven.RunTest(t, "testdata/constants/values.txt", func(*testing.T, *datadriven.TestData) string {
		var lines []string
		for _, api := range []imp.API{imp.Shared, API} {
			for _, c := range api.Constants {
				if c.On.Has(tandem.AgentSide) {
					lines = append(lines, fmt.Sprintf("%s = %v\n", c.Name, c.Value))
				}
			}
		}
		slices.Sort(lines)
		return strings.Join(lines, "")
	})
	datadriven.RunTest(t, "testdata/constants/functions.txt", func(*testing.T, *datadriven.TestData) string {
		var lines []string
		for _, api := range []imp.API{imp.Shared, API} {
			for _, f := range api.Functions {
				if f.On.Has(tandem.AgentSide) {
					n := f.Native()
					lines = append(lines, strings.TrimSpace(fmt.Sprint(f.Name, " ", n.Check, " ", n.Mask, " ", f.Result))+"\n")
				}
			}
		}
		slices.Sort(lines)
		return strings.Join(lines, "")
	})
}
