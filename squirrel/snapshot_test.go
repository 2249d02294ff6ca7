package squirrel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// stepped runs a script in slices of the given fuel, handing the machine to
// between after each. It returns what the script printed.
func stepped(t testing.TB, l *Library, p *compile.Program, slice func() int64, between func(v *VM) *VM) string {
	t.Helper()
	var out strings.Builder
	print := func(b []byte, _ bool) { out.Write(b) }
	clock := func() (int64, int64) { return 1234567890, 250000 }
	v := New(l, 1<<20)
	v.Start(v.Load(p), v.Root())
	for range 5_000_000 {
		v.SetOutput(print)
		v.SetClock(clock)
		switch status := v.Run(slice()); status {
		case Done:
			return out.String()
		case Failed:
			fmt.Fprintf(&out, "uncaught: %v\n", v.Err())
			return out.String()
		case OutOfFuel:
			v = between(v)
		case Suspended:
			v = between(v)
			v.Resume(Int(7))
			v = between(v)
		default:
			t.Fatal("out of memory")
		}
	}
	t.Fatal("no end")
	return ""
}

// relocated snapshots and restores a machine.
func relocated(t testing.TB, l *Library, p *compile.Program, v *VM) *VM {
	t.Helper()
	data, err := v.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	w, err := Restore(l, data, only(p), v.MemoryLimit())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// only is what a host that has just one program gives Restore.
func only(p *compile.Program) func([32]byte) *compile.Program {
	return func(h [32]byte) *compile.Program {
		if h == p.Hash() {
			return p
		}
		return nil
	}
}

func compiled(t testing.TB, name, src string) *compile.Program {
	t.Helper()
	p, err := compile.Compile(name, []byte(src), compile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMoves runs the library's scripts in slices of fuel, and moves the
// machine between them: no program can tell.
func TestMoves(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.nut")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(src), "compilestring") {
				src = []byte(strings.ReplaceAll(string(src), "compilestring", "nocompilestring"))
			}
			p := compiled(t, filepath.Base(file), string(src))
			whole := stepped(t, standard, p, func() int64 { return 1 << 40 }, func(v *VM) *VM { return v })
			n := int64(0)
			fuel := func() int64 { n++; return n * 37 % 4000 }
			parts := stepped(t, standard, p, fuel, func(v *VM) *VM { return relocated(t, standard, p, v) })
			if whole != parts {
				t.Error(diffLines(parts, whole))
			}
		})
	}
}

// waiting is a library with a native that suspends.
func waitingLibrary(extra ...string) *Library {
	l := NewLibrary("waiting")
	for _, name := range extra {
		l.Func(name, Native{Fn: func(*Call) (Value, error) { return Int(1), nil }})
	}
	l.Class("gadget", Native{Name: "wait", Fn: func(c *Call) (Value, error) { return c.Suspend() }})
	l.Global("gadget", "gadget")
	l.Func("wait", Native{Fn: func(c *Call) (Value, error) { return c.Suspend() }})
	for _, name := range extra {
		l.Class(name+"class", Native{Name: "m", Fn: func(*Call) (Value, error) { return Int(1), nil }})
	}
	return l
}

const waitingScript = `
class A {
	function _get(k) { return ::wait() + k; }
	function _tostring() { return "A" + ::wait(); }
	constructor() { x = ::wait(); }
	x = 0;
}
local a = A();
print(a.x + " " + a.y + " " + a + "\n");
print([1, 2, 3].map(function(x) { return x * wait(); })[2] + " " + gadget.wait() + "\n");
function g() { local i = 0; while (i < 3) yield wait() + i++; }
foreach (i, x in g()) print(i + ":" + x + " ");
try { [3, 1, 2].sort(function(x, y) { if (wait() == 7) throw "no"; return 0; }); } catch (e) { print(e + "\n"); }
local t = { [print] = 1, [wait] = 2 };
print(t[wait] + "\n");
`

func TestSuspended(t *testing.T) {
	l := waitingLibrary()
	p := compiled(t, "waiting", waitingScript)
	want := stepped(t, l, p, func() int64 { return 1 << 30 }, func(v *VM) *VM { return v })
	if !strings.HasPrefix(want, "7 7y A7\n21 7\n0:7 1:8 2:9 no\n2\n") {
		t.Fatal(want)
	}
	if got := stepped(t, l, p, func() int64 { return 3 }, func(v *VM) *VM { return relocated(t, l, p, v) }); got != want {
		t.Error(diffLines(got, want))
	}
}

// TestOtherLibrary restores in versions of the library with more natives,
// numbered differently.
func TestOtherLibrary(t *testing.T) {
	libs := []*Library{waitingLibrary(), waitingLibrary("one"), waitingLibrary("one", "two")}
	p := compiled(t, "waiting", waitingScript)
	want := stepped(t, libs[0], p, func() int64 { return 1 << 30 }, func(v *VM) *VM { return v })
	n := 0
	got := stepped(t, libs[0], p, func() int64 { return 5 }, func(v *VM) *VM {
		n++
		return relocated(t, libs[n%3], p, v)
	})
	if got != want {
		t.Error(diffLines(got, want))
	}
}

func TestRestoreRefuses(t *testing.T) {
	l := waitingLibrary()
	p := compiled(t, "waiting", waitingScript)
	v := New(l, 1<<20)
	v.Start(v.Load(p), v.Root())
	v.Run(1 << 30)
	data, err := v.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	none := func([32]byte) *compile.Program { return nil }
	if _, err := Restore(l, data, none, 1<<20); err == nil || errors.Is(err, ErrSnapshot) {
		t.Error("a snapshot whose program is not known:", err)
	}
	for n := range data {
		if _, err := Restore(l, data[:n], none, 1<<20); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}
