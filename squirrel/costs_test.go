package squirrel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/internal/chargetest"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// receivers are what built-in methods of types and of native classes are called on.
var receivers = map[string]string{
	"integer": "(7)", "float": "(7.5)", "bool": "true", "string": "s", "table": "t", "array": "a", "function": "f",
	"generator": "g", "class": "C", "instance": "i", "weakref": "w", "blob": "b", "regexp": "regexp(\"(x+)*y\")",
}

// costNatives returns the natives of the standard library as they are called.
func costNatives() (all []chargetest.Native) {
	for _, n := range standard.natives[1:] {
		call := n.path
		if typ, name, ok := strings.Cut(n.path, "::"); ok {
			call = receivers[typ] + "." + name
		} else if class, name, ok := strings.Cut(n.path, "."); ok {
			if call = receivers[class] + "." + name; name == "constructor" {
				call = class
			}
		}
		all = append(all, chargetest.Native{Call: call, Check: n.Check, Mask: n.Mask})
	}
	return all
}

// costMachine makes calls in a machine of the standard library.
type costMachine struct{ v *VM }

func newCostMachine(t testing.TB, prelude string, calls []string) chargetest.Machine {
	v := New(standard, 8<<20)
	v.SetClock(func() (int64, int64) { return 1234567890, 0 })
	v.SetOutput(func([]byte, bool) {})
	var src strings.Builder
	src.WriteString(prelude + "\nrows <- [];\n")
	for _, call := range calls {
		fmt.Fprintf(&src, "rows.append(function() { try { %s; } catch (e) {} });\n", call)
	}
	p, err := compile.Compile("costs", []byte(src.String()), compile.Options{})
	if err != nil {
		t.Fatalf("%s: %v", calls, err)
	}
	v.Start(v.Load(p), v.Root())
	if s := v.Run(1 << 40); s != Done {
		t.Fatalf("%s: status %d, %v", src.String(), s, v.Err())
	}
	v.Collect()
	return &costMachine{v}
}

func (m *costMachine) Call(i int) chargetest.Sample {
	v := m.v
	m.v.Start(v.Index(v.Field(v.Root(), "rows"), i), v.Root())
	var status Status
	s := chargetest.Measure(v, func() { status = v.Run(100_000_000) })
	s.Over = status != Done
	return s
}

// TestCosts: no native and no operator does more than it charges for, whatever its
// arguments are.
func TestCosts(t *testing.T) {
	chargetest.Costs(t, costNatives(), []string{
		"testdata/charges/natives.txt", "testdata/charges/operators.txt",
	}, newCostMachine, Counted)
}

func FuzzCharges(f *testing.F) { chargetest.Fuzz(f, costNatives(), newCostMachine, Counted) }
