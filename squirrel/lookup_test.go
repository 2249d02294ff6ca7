package squirrel

import (
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// TestLookup: variables of the outermost level are found, global or captured, and no others.
func TestLookup(t *testing.T) {
	const text = `
global <- 1;
local captured = 2;
local deep = 3;
local alone = 4;
local unused = 5;
function f() { return captured++; }
class C { m = null; constructor() { m = function() { return (@() deep)(); }; } }
made <- C();
list <- [function() { local inner = 6; return @() inner; }()];
local global = 7;
held <- { h = @() global };
f();
`
	p, err := compile.Compile("x", []byte(text), compile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := New(Standard(), 1<<20)
	v.Start(v.Load(p), v.Root())
	if s := v.Run(1 << 30); s != Done {
		t.Fatal(s, v.Err())
	}
	used, memory := v.FuelUsed(), v.MemoryUsed()
	for name, want := range map[string]int32{
		"global": 1, "captured": 3, "deep": 3, "inner": -1, "alone": -1, "unused": -1, "none": -1,
	} {
		x, ok := v.Lookup(name)
		got := int32(-1)
		if ok {
			got = x.AsInt()
		}
		if got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	if v.FuelUsed() != used || v.MemoryUsed() != memory {
		t.Errorf("looking has used fuel (%d) or memory (%d)", v.FuelUsed()-used, v.MemoryUsed()-memory)
	}
}
