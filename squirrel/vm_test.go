package squirrel

import (
	"fmt"
	"strings"
	"testing"
)

func started(t testing.TB, limit int, src string) *VM {
	t.Helper()
	v := New(standard, limit)
	v.Start(v.Load(compiled(t, "test.nut", src)), v.Root())
	return v
}

// TestReport: the console's words for an uncaught exception.
func TestReport(t *testing.T) {
	v := started(t, 1<<20, `class Foo { function bar(x) { local y = [1];
 return y[x]; } constructor() {} }
function outerfn(a, b = 3) { local s = "str", f = 1.5, t = true, n = null; local foo = Foo(); return foo.bar(a) + 1; }
local anon = function() { outerfn(7); local z = 1; };
anon();`)
	if s := v.Run(1 << 20); s != Failed {
		t.Fatal(s)
	}
	want := `
AN ERROR HAS OCCURED [the index '7' does not exist]

CALLSTACK
*FUNCTION [bar()] test.nut line [2]
*FUNCTION [outerfn()] test.nut line [3]
*FUNCTION [unknown()] test.nut line [4]
*FUNCTION [main()] test.nut line [5]

LOCALS
[y] ARRAY
[x] 7
[this] INSTANCE
[foo] INSTANCE
[n] NULL
[t] true
[f] 1.5
[s] "str"
[b] 3
[a] 7
[this] TABLE
[this] TABLE
[anon] CLOSURE
[vargv] ARRAY
[this] TABLE
`
	if got := v.Err().Report(); got != want {
		t.Errorf("%s", diffLines(got, want))
	}
	if got := v.Err().Error(); got != "the index '7' does not exist: in bar test.nut:2" {
		t.Error(got)
	}
	if !v.Idle() {
		t.Error("a machine that failed is not idle")
	}
}

// TestReportCaptured: captured variables come first, the hidden ones of foreach
// are listed, and only the nine innermost functions show theirs.
func TestReportCaptured(t *testing.T) {
	v := started(t, 1<<20, `local a = 1, b = "x";
function f(n) { if (n > 0) return f(n - 1) + 1;`+
		` foreach (v in [7]) { local g = function() { local z = v; throw b + a; }; g(); } }
f(9);`)
	if s := v.Run(1 << 20); s != Failed {
		t.Fatal(s)
	}
	var want strings.Builder
	want.WriteString("\nAN ERROR HAS OCCURED [x1]\n\nCALLSTACK\n*FUNCTION [unknown()] test.nut line [2]\n")
	want.WriteString(strings.Repeat("*FUNCTION [f()] test.nut line [2]\n", 10))
	want.WriteString("*FUNCTION [main()] test.nut line [3]\n\nLOCALS\n")
	want.WriteString("[v] 7\n[b] \"x\"\n[a] 1\n[z] 7\n[this] TABLE\n")
	want.WriteString("[b] \"x\"\n[a] 1\n[g] CLOSURE\n[v] 7\n[@INDEX@] 0\n[n] 0\n[this] TABLE\n")
	for n := range 7 {
		fmt.Fprintf(&want, "[b] \"x\"\n[a] 1\n[n] %d\n[this] TABLE\n", n+1)
	}
	if got := v.Err().Report(); got != want.String() {
		t.Errorf("%s", diffLines(got, want.String()))
	}
}

// TestFuel: a program runs in slices, and is charged the same however it is
// sliced.
func TestFuel(t *testing.T) {
	const src = `local n = 0; for (local i = 0; i < 1000; i++) { n += [1, 2].map(@(x) x + i)[1]; } return n;`
	whole := started(t, 1<<20, src)
	if s := whole.Run(1 << 30); s != Done {
		t.Fatal(s)
	}
	v := started(t, 1<<20, src)
	runs := 0
	for v.Run(100) == OutOfFuel {
		runs++
	}
	if v.Result() != whole.Result() || v.FuelUsed() != whole.FuelUsed() || runs < int(whole.FuelUsed()/100)-2 {
		t.Errorf("%v after %d units in %d runs, want %v after %d", v.Result().AsInt(), v.FuelUsed(), runs,
			whole.Result().AsInt(), whole.FuelUsed())
	}
}

func TestEndless(t *testing.T) {
	for _, src := range []string{
		`while (true) {}`,
		`for (;;) { try { throw 1; } catch (e) {} }`,
		`local f; f = function() { return f(); }; f();`,
		`local a = [acall, null]; a[1] = a; for (;;) try { acall.acall(a); } catch (e) {}`,
		`function g() { while (true) yield 1; } foreach (x in g()) {}`,
	} {
		src = "local acall = (@() 1).acall;\n" + src
		if s := started(t, 1<<20, src).Run(100_000); s != OutOfFuel {
			t.Errorf("%s: status %d", src, s)
		}
	}
}

// TestCollisions: keys that are all on one chain are paid for.
func TestCollisions(t *testing.T) {
	v := started(t, 8<<20, `
		local t = {}, head = "";
		for (local i = 0; i < 64; i++) head += "x";
		for (local i = 10000; i < 14000; i++) t[head + i] <- i;`)
	if s := v.Run(1 << 40); s != Done || v.FuelUsed() < 4000*4000/4 {
		t.Errorf("status %d, %v, %d units", s, v.Err(), v.FuelUsed())
	}
}

func TestMemoryLimit(t *testing.T) {
	for src, want := range map[string]Status{
		`local a = []; while (true) a.append({});`:                       OutOfMemory,
		`local s = "x"; while (true) s += s;`:                            OutOfMemory,
		`local b = blob(1 << 30);`:                                       OutOfMemory,
		`array(100000000);`:                                              OutOfMemory,
		`for (local i = 0; i < 100000; i++) [1, 2, 3];`:                  Done,
		`local s = ""; for (local i = 0; i < 20000; i++) s = "x" + i;`:   Done,
		`local f; f = @(n) 1 + f(n); try { f(1); } catch (e) {} [1, 2];`: Done,
	} {
		v := started(t, 256<<10, src)
		if got := v.Run(1 << 30); got != want {
			t.Errorf("%s: status %d, want %d: %v", src, got, want, v.Err())
		}
		if n := v.Footprint(); n > 1<<20 {
			t.Errorf("%s: %d bytes for a limit of 256 KiB", src, n)
		}
		if want == OutOfMemory && v.Run(1000) != OutOfMemory {
			t.Errorf("%s: runs on", src)
		}
	}
}

// TestFullStack: a machine that is full says where, wherever that was.
func TestFullStack(t *testing.T) {
	const src = `
		function fill(a) {
			for (local i = 0; ; i++) {
				a.append({ n = i, s = "n" + i });
			}
		}
		function deep(n, a) {
			try { return n ? deep(n - 1, a) : fill(a); } catch (e) { throw e; }
		}
		class C { constructor(a) { deep(20, a); } }
		function g(a) { foreach (x in [1].map(@(x) C(a))) yield x; }
		foreach (x in g([])) {}`
	step := 64
	if checked {
		step = 2048 // each takes long
	}
	for limit := 24 << 10; limit < 80<<10; limit += step {
		v := started(t, limit, src)
		if s := v.Run(1 << 40); s != OutOfMemory {
			t.Fatalf("%d bytes: status %d, %v", limit, s, v.Err())
		}
		stack := v.Stack()
		if len(stack) == 0 {
			t.Fatalf("%d bytes: no stack", limit)
		}
		if last := stack[len(stack)-1]; last.Func != "main" {
			t.Fatalf("%d bytes: the outermost function is %s, of %d", limit, last.Func, len(stack))
		}
		if limit > 40<<10 && (stack[0].Func != "fill" || stack[0].Line != 3 && stack[0].Line != 4) {
			t.Errorf("%d bytes: full in %s, line %d", limit, stack[0].Func, stack[0].Line)
		}
	}
}

// TestIdleSize: a new machine is small, and one that has worked is small again.
func TestIdleSize(t *testing.T) {
	v := New(standard, 1<<20)
	size := func() int { return v.Footprint() + len(v.interned.slots)*4 }
	if n := size(); n > 24<<10 {
		t.Errorf("a new machine takes %d bytes", n)
	}
	v.Start(v.Load(compiled(t, "x", `local a = []; for (local i = 0; i < 9999; i++) a.append("t" + i); local f;
		f = @(n) n ? f(n - 1) + 1 : 0; f(500);`)), v.Root())
	if s := v.Run(1 << 30); s != Done {
		t.Fatal(s, v.Err())
	}
	v.Collect()
	if n := size(); n > 28<<10 {
		t.Errorf("a machine that has worked takes %d bytes", n)
	}
}

func TestWeakReferences(t *testing.T) {
	v := started(t, 1<<20, `
		::t <- { keep = [1] };
		t.w <- t.keep.weakref(); t.dead <- [2].weakref();
		return function() { return (typeof t.w) + (typeof t.dead); };`)
	if s := v.Run(1000); s != Done {
		t.Fatal(s, v.Err())
	}
	v.SetField(v.Registry(), "f", v.Result())
	v.Collect()
	v.Collect()
	v.Start(v.Field(v.Registry(), "f"), v.Root())
	if s := v.Run(1000); s != Done || v.ToString(v.Result()) != "arraynull" {
		t.Error(s, v.ToString(v.Result()))
	}
}

func TestHostValues(t *testing.T) {
	v := New(standard, 1<<20)
	tab, arr := v.NewTable(), v.NewArray()
	v.SetField(tab, "a", Int(1))
	v.SetField(tab, strings.Repeat("long", 20), arr)
	v.Append(arr, Float(1.5))
	v.Append(arr, v.NewString("x"))
	v.SetIndex(arr, 0, Bool(true))
	n := 0
	for i, key, x, ok := v.Next(tab, 0); ok; i, key, x, ok = v.Next(tab, i) {
		if got, _ := v.Get(tab, key); got != x {
			t.Error("the iteration differs from the table")
		}
		n++
	}
	if n != 2 || v.Len(tab) != 2 || v.Field(tab, strings.Repeat("long", 20)) != arr || v.Len(arr) != 2 ||
		!v.Index(arr, 0).AsBool() {
		t.Error("wrong content")
	}
	if !v.Delete(tab, v.NewString("a")) || v.Delete(tab, v.NewString("a")) || v.Index(arr, 2) != Null || v.Len(Null) != 0 {
		t.Error("wrong deletion")
	}
}

// TestDeepMetamethods: calls that nest through metamethods, constructors and
// natives end in an exception that can be caught.
func TestDeepMetamethods(t *testing.T) {
	for _, src := range []string{
		`class C { function _tostring() { return "" + ::C(); } } ::C <- C; return "" + C();`,
		`class C { constructor() { ::C(); } } ::C <- C; C();`,
		`local f; f = function(x) { return [1].map(f); }; f(1);`,
		`local t = {}; t.setdelegate({ _get = function(k) { return this[k]; } }); t.x;`,
		`local f; f = function() { return f.call(this) + 1; }; f();`,
	} {
		v := started(t, 1<<20, src)
		if s := v.Run(1 << 30); s != Failed || v.Err().Message != "stack overflow" {
			t.Errorf("%s: status %d, %v", src, s, v.Err())
		}
	}
}

// TestSubtraction: the compiler has one instruction for ++, -- and constants.
func TestSubtraction(t *testing.T) {
	for src, want := range map[string]string{
		`local s = "a"; s--; return s;`:                                    "a-1",
		`local s = "a"; s++; return s;`:                                    "a1",
		`local s = "a"; return s + 1;`:                                     "a1",
		`local s = "a"; return s - 1;`:                                     "arith op - on between 'string' and 'integer'",
		`local s = null; return s - 1;`:                                    "arith op - on between 'null' and 'integer'",
		`local s = 1.5; return s - 1;`:                                     "0.5",
		`return (class { function _sub(o) { return "sub" + o; } })() - 3;`: "sub3",
		`return (class { function _add(o) { return "add" + o; } })() + 3;`: "add3",
	} {
		v := started(t, 1<<20, src)
		got := ""
		if s := v.Run(1000); s == Failed {
			got = v.Err().Message
		} else {
			got = v.ToString(v.Result())
		}
		if got != want {
			t.Errorf("%s: %s, want %s", src, got, want)
		}
	}
}

// A function of one program calls one of another, and ends in a call of it.
func TestCallsBetweenPrograms(t *testing.T) {
	v := New(standard, 1<<20)
	for i, src := range []string{
		"function one(x) { return x + 1; } function two(x) { return one(x) * 2; } return 0",
		"local a = two(3); return a + one(1)",
		"function last(x) { return two(x); } return last(5)",
	} {
		v.Start(v.Load(compiled(t, "program", src)), v.Root())
		if status := v.Run(1 << 20); status != Done || v.Result() != Int([]int32{0, 10, 12}[i]) {
			t.Fatal(src, status, v.Err(), v.ToString(v.Result()))
		}
	}
}
