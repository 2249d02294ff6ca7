package squirrel

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem/internal/chargetest"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

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
	v.Start(v.Field(v.Root(), "row"), v.Root())
	before := v.FuelUsed()
	if s := v.Run(1 << 40); s != Done {
		t.Fatalf("%s: status %d, %v", call, s, v.Err())
	}
	return v.FuelUsed() - before
}

// TestCharges: what each native of the standard library costs. See chargetest.
func TestCharges(t *testing.T) {
	if checked {
		t.Skip("this build collects at every safepoint, which costs")
	}
	var natives []string
	for _, n := range standard.natives[1:] {
		natives = append(natives, n.path)
	}
	chargetest.Run(t, "testdata/charges/natives.txt", natives, chargedFuel)
}

// TestOperators: what each instruction costs. Its block has code that is compiled to it.
func TestOperators(t *testing.T) {
	if checked {
		t.Skip("this build collects at every safepoint, which costs")
	}
	var ops []string
	for op := range compile.OpCount {
		ops = append(ops, op.String())
	}
	chargetest.Run(t, "testdata/charges/operators.txt", ops, operatorFuel)
}

// operatorFuel returns the fuel of statements, which may throw.
func operatorFuel(t *testing.T, code string, size int) int64 {
	prelude := chargetest.Small.Prelude()
	if size > 100 {
		prelude = chargetest.Large.Prelude()
	}
	m := newCostMachine(t, prelude, []string{code})
	return m.Call(0).Units
}

// TestOperatorsCompile: the code in the block of an instruction has that instruction.
func TestOperatorsCompile(t *testing.T) {
	datadriven.Walk(t, "testdata/charges/operators.txt", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			has := false
			for line := range strings.Lines(d.Input) {
				for _, p := range compiled(t, "row", fmt.Sprintf("const N = 7; function row() { %s; }", line)).Protos {
					has = has || slices.ContainsFunc(p.Code, func(in compile.Inst) bool { return in.Op.String() == d.CmdArgs[0].Key })
				}
			}
			if !has && d.CmdArgs[0].Key != compile.OpNop.String() {
				t.Errorf("no line of %s has it", d.CmdArgs[0].Key)
			}
			return d.Expected
		})
	})
}
