package device

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem"
)

// TestConstants compares the values of all constants that device code sees with
// testdata/constants/values.txt: programs have them as numbers too, in what they
// keep and send. The flag -rewrite writes the file.
func TestConstants(t *testing.T) {
	datadriven.RunTest(t, "testdata/constants/values.txt", func(*testing.T, *datadriven.TestData) string {
		var lines []string
		for _, api := range API() {
			for _, c := range api.Constants {
				if c.On.Has(tandem.DeviceSide) {
					lines = append(lines, fmt.Sprintf("%s = %v\n", c.Name, c.Value))
				}
			}
		}
		slices.Sort(lines)
		return strings.Join(lines, "")
	})
}
