package squirrel

import (
	"fmt"
	"testing"

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
	before := v.FuelUsed()
	v.Start(v.Field(v.Root(), "row"), v.Root())
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
