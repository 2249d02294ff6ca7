// Package chargetest tests what native functions charge for: each has a line in
// a table, so that a charge that is missing, and a native that nobody has thought
// about, fails a test.
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
// The line in the same place below has the units of fuel for both. The flag
// -rewrite fills them in. A native none of whose calls costs more for more data
// must say so, by the word fixed after its name.
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

// growth is the least that a call with the large data costs more than one with
// the small when it is charged by the size.
const growth = 16

// Run compares the table in a file with what fuel measures, and with the list of
// all natives.
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

// block is what the table has about one native.
type block struct {
	name  string
	fixed bool
	costs []cost
}

type cost struct{ small, large int64 }

// problems says what is wrong with the blocks of a table.
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
			found = append(found, b.name+" is no native")
		case !grows && !b.fixed:
			found = append(found, b.name+" costs the same for more data: charge for its work, or call it fixed")
		case grows && b.fixed:
			found = append(found, b.name+" is called fixed, and costs more for more data")
		}
	}
	return found
}
