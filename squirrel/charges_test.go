package squirrel

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// The table in testdata/charges.txt says what each native costs. A block is for
// one native; each line of it is a call, made in a machine of its own with data
// of 64 and with data of 4096 elements or bytes:
//
//	native array::reverse
//	a.reverse()
//	----
//	 30  534
//
// The line in the same place below has the units of fuel for both. The flag
// -rewrite fills them in. A native none of whose calls costs more for more data
// must say so, by the word fixed after its name.
const chargesFile = "testdata/charges.txt"

// chargesPrelude is what calls may use. N is the size of the data.
const chargesPrelude = `
function text(n, c = "x") { local s = c; while (s.len() < n) s += s; return s.slice(0, n); }
a <- array(N, 7);
s <- text(N);
b <- blob(N);
t <- {};
for (local i = 0; i < N; i++) t["k" + i] <- i;
f <- function(...) { return 1; };
class C { x = 1; constructor(...) {} function m() {} };
i <- C();
g <- (function() { yield 1; })();
local digits = [];
for (local k = 0; k < N; k++) digits.append(N - k);
n <- digits;
`

// chargedFuel returns the fuel of a call with data of a size.
func chargedFuel(t *testing.T, call string, size int) int64 {
	v := New(standard, 64<<20)
	v.SetClock(func() (int64, int64) { return 1234567890, 0 })
	v.SetOutput(func([]byte, bool) {})
	run := func(src string) {
		p, err := compile.Compile("charges", []byte(src), compile.Options{})
		if err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		v.Start(v.Load(p), v.Root())
		if s := v.Run(1 << 40); s != Done {
			t.Fatalf("%s: status %d, %v", call, s, v.Err())
		}
	}
	run(fmt.Sprintf("N <- %d;\n%s\nfunction row() { return %s; }", size, chargesPrelude, call))
	before := v.FuelUsed()
	v.Start(v.Field(v.Root(), "row"), v.Root())
	if s := v.Run(1 << 40); s != Done {
		t.Fatalf("%s: status %d, %v", call, s, v.Err())
	}
	return v.FuelUsed() - before
}

// TestCharges compares what natives cost with the table.
func TestCharges(t *testing.T) {
	if checked {
		t.Skip("this build collects at every safepoint, which costs")
	}
	var wrong []string // said at the end: a block of datadriven that fails ends the test
	datadriven.RunTest(t, chargesFile, func(t *testing.T, d *datadriven.TestData) string {
		var out strings.Builder
		grows := false
		for call := range strings.Lines(d.Input) {
			call = strings.TrimSpace(call)
			small, large := chargedFuel(t, call, 64), chargedFuel(t, call, 4096)
			grows = grows || large >= small+16
			fmt.Fprintf(&out, "%3d %4d\n", small, large)
		}
		name := d.CmdArgs[0].Key
		switch fixed := d.HasArg("fixed"); {
		case !grows && !fixed:
			wrong = append(wrong, name+" costs the same for 64 and 4096: charge for its work, or call it fixed")
		case grows && fixed:
			wrong = append(wrong, name+" is called fixed, and costs more for more")
		}
		return out.String()
	})
	for _, w := range wrong {
		t.Error(w)
	}
}

// TestChargesAreComplete: each native of the standard library has its line. Of
// the methods that all types have the same, one type's are enough.
func TestChargesAreComplete(t *testing.T) {
	data, err := os.ReadFile(chargesFile)
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "native "); ok {
			listed = append(listed, strings.Fields(rest)[0])
		}
	}
	for _, n := range standard.natives[1:] {
		if !slices.Contains(listed, n.path) {
			t.Errorf("%s: say in %s what it costs", n.path, chargesFile)
		}
		listed = slices.DeleteFunc(listed, func(s string) bool { return s == n.path })
	}
	for _, name := range listed {
		t.Errorf("%s is listed in %s, but is no native", name, chargesFile)
	}
}
