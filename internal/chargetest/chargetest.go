// Package chargetest tests the fuel that native functions charge. Each has a line in a
// table, so that a native function without a charge, or without a decision about its
// charge, fails a test.
//
// The table is a file for datadriven. A block is for one native; each line of it
// is a call, made in a machine of its own with data of 64 and with data of 4096
// elements or bytes:
//
//	native array::reverse
//	a.reverse()
//	----
//	 30  534
//
// The line in the same place below has the units of fuel for both. The flag -rewrite
// writes them. A native function whose calls all cost the same for more data must have
// the word fixed after its name.
package chargetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The sizes of the data, in elements or bytes.
const (
	small = 64
	large = 4096
)

// growth is the least difference between the costs of a call with large and with small
// data when it is charged by the size.
const growth = 16

// Run compares the table in a file with the measured fuel, and with the list of all
// native functions.
func Run(t *testing.T, file string, natives []string, fuel func(t *testing.T, call string, size int) int64) {
	var blocks []block
	datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
		b := block{name: d.CmdArgs[0].Key, fixed: d.HasArg("fixed")}
		var out strings.Builder
		for call := range strings.Lines(d.Input) {
			call = strings.TrimSpace(call)
			c := cost{fuel(t, call, small), fuel(t, call, large)}
			b.costs = append(b.costs, c)
			fmt.Fprintf(&out, "%3d %4d\n", c.small, c.large)
		}
		blocks = append(blocks, b)
		return out.String()
	})
	for _, p := range problems(natives, blocks) {
		t.Errorf("%s: %s", file, p)
	}
}

// block is the part of the table for one native function.
type block struct {
	name  string
	fixed bool
	costs []cost
}

type cost struct{ small, large int64 }

// problems returns the faults in the blocks of a table.
func problems(natives []string, blocks []block) (found []string) {
	for _, name := range natives {
		if !slices.ContainsFunc(blocks, func(b block) bool { return b.name == name }) {
			found = append(found, name+" is missing: add a block with its calls")
		}
	}
	for _, b := range blocks {
		grows := slices.ContainsFunc(b.costs, func(c cost) bool { return c.large >= c.small+growth })
		switch {
		case !slices.Contains(natives, b.name):
			found = append(found, b.name+" is not a native function")
		case !grows && !b.fixed:
			found = append(found, b.name+" costs the same for more data: charge for its work, or call it fixed")
		case grows && b.fixed:
			found = append(found, b.name+" is called fixed, and costs more for more data")
		}
	}
	return found
}
