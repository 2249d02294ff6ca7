package squirrel

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// TestLibraryMoved runs the programs of testdata/lib on machines that are
// stopped all the time, saved, and restored elsewhere: no program can tell.
func TestLibraryMoved(t *testing.T) {
	files, err := filepath.Glob("testdata/lib/*.nut")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(file, ".nut") + ".out")
		if err != nil {
			t.Fatal(err)
		}
		p, err := compile.Compile(filepath.Base(file), src, compile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		v, moves := New(standard, 1<<20), 0
		v.Start(v.Load(p), v.Root())
		for {
			v.SetClock(func() (int64, int64) { return 1234567890, 250000 })
			v.SetOutput(func(b []byte, _ bool) { out.Write(b) })
			status := v.Run(97)
			if status == Done {
				break
			}
			if status != OutOfFuel {
				t.Fatalf("%s: status %d, %v", file, status, v.Err())
			}
			moves++
			if v = moved(t, v, p); v == nil {
				t.FailNow()
			}
		}
		if out.String() != string(want) {
			t.Errorf("%s: %s", file, diffLines(out.String(), string(want)))
		}
		t.Log(file, moves, "moves")
	}
}

// moved saves a machine and returns another with its state.
func moved(t *testing.T, v *VM, p *compile.Program) *VM {
	t.Helper()
	data, err := v.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Restore(standard, data, func([32]byte) *compile.Program { return p }, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestRandContinues: the sequence of rand() is the seed's, and a snapshot
// continues it.
func TestRandContinues(t *testing.T) {
	p, err := compile.Compile("rand", []byte(`return rand();`), compile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	draw := func(v *VM, fn Value) int32 {
		v.Start(fn, v.Root())
		if s := v.Run(1000); s != Done {
			t.Fatal(s, v.Err())
		}
		return v.Result().AsInt()
	}
	v, other := New(standard, 1<<20), New(standard, 1<<20)
	v.Seed(42)
	other.Seed(43)
	v.SetField(v.Registry(), "main", v.Load(p))
	other.SetField(other.Registry(), "main", other.Load(p))
	first := draw(v, v.Field(v.Registry(), "main"))
	if x := draw(other, other.Field(other.Registry(), "main")); x == first {
		t.Errorf("seeds 42 and 43 both begin with %d", x)
	}
	again := moved(t, v, p)
	a := draw(v, v.Field(v.Registry(), "main"))
	b := draw(again, again.Field(again.Registry(), "main"))
	if a != b || a == first {
		t.Errorf("%d goes on with %d, after a move with %d", first, a, b)
	}
}

// TestRegexpBounded: an expression that would take for ever throws, after a
// charge that a watchdog sees.
func TestRegexpBounded(t *testing.T) {
	out, v := runScript(t, "slow", `
		local p = "";
		for (local i = 0; i < 40; i++) p += "a+(";
		p += "c";
		for (local i = 0; i < 40; i++) p += ")";
		try { regexp(p).search("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"); } catch (e) { print(e); }
	`)
	if out != "regular expression takes too long" || v.FuelUsed() < regexpSteps/stepsPerUnit {
		t.Errorf("%q after %d units", out, v.FuelUsed())
	}
}

// TestImpMath: with a prefix the functions are in a table, PI and RAND_MAX at
// the root too, and srand has no effect.
func TestImpMath(t *testing.T) {
	l := NewLibrary("imp")
	AddMath(l, "math.")
	p, err := compile.Compile("math", []byte(`
		math.srand(1); local a = math.rand(); math.srand(1); local b = math.rand();
		return (a != b) + " " + math.floor(1.5) + " " + PI + " " + math.PI + " " + RAND_MAX + " " + ("sin" in getroottable());
	`), compile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := New(l, 1<<20)
	v.Start(v.Load(p), v.Root())
	if s := v.Run(10000); s != Done || v.ToString(v.Result()) != "true 1 3.14159 3.14159 2147483647 false" {
		t.Fatal(s, v.Err(), v.ToString(v.Result()))
	}
}

func TestCompileString(t *testing.T) {
	out, _ := runScript(t, "compile", `
		print(compilestring("return 1 + 1")() + " " + compilestring("return vargv.len()", "name")(1, 2) + "\n");
		try { compilestring("local = 1"); } catch (e) { print(e + "\n"); }
		try { compilestring("throw 5", "other")(); } catch (e) { print(e + "\n"); }
		for (local i = 0; i < 100; i++) compilestring("return [" + i + "]")();
		compilestring("\n\nnothing", "third")();
	`)
	want := "2 2\nexpected 'IDENTIFIER'\n5\nuncaught: the index 'nothing' does not exist: in main third:3\n"
	if out != want {
		t.Errorf("%s", diffLines(out, want))
	}
}

const busyScript = `
class C {
	k = 0;
	constructor(n) { k = n; }
	function _cmp(o) { return k <=> o.k; }
	function _tostring() { return "C" + [k].map(@(x) x)[0]; }
}
local a = [5, 3, 9, 1, 7, 2];
local b = blob(16), re = regexp("(a+)(b)");
srand(1);
a.sort(@(x, y) [x, y].reduce(@(p, q) p - q));
b.writen(a.map(@(x) x * 2).filter(@(i, x) x > 4).len(), 'i');
b.seek(-4, 'e');
local c = a.map(@(x) C(x));
c.sort();
c.apply(function(x) { rand(); foreach (v in b) v += 1; return re.capture("aab")[1].end + x.k; });
print(C(1));
print(b.tostring() + format("%d %s", clone b == b ? 1 : 2, C(3).tostring()));
return c.len.call(c) + b.readn('w') + date().year + c.top();
`

// TestLibraryDamaged changes snapshots that were made while natives called
// back: they are refused, or the machine does something, but nothing breaks.
func TestLibraryDamaged(t *testing.T) {
	p, err := compile.Compile("busy", []byte(busyScript), compile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	program := func([32]byte) *compile.Program { return p }
	rnd := rand.New(rand.NewPCG(1, 2))
	v, taken := New(standard, 1<<20), 0
	v.Start(v.Load(p), v.Root())
	for v.Run(31) == OutOfFuel {
		seed, err := v.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		first := len(standard.manifest()) + 12 + int(v.perm)*8
		for range 150 {
			data := append([]byte(nil), seed...)
			at := first + rnd.IntN(len(data)-first-8)
			switch rnd.IntN(3) {
			case 0:
				data[at] ^= 1 << rnd.IntN(8)
			case 1:
				at -= at % 8
				copy(data[at:], seed[first+rnd.IntN(len(seed)-first-8)&^7:][:8])
			case 2:
				data[at] = byte(rnd.Uint32())
			}
			if v, err := Restore(standard, seal(data), program, 1<<20); err == nil {
				taken++
				exercise(v)
			}
		}
	}
	if v.Err() != nil || taken == 0 {
		t.Fatal(v.Err(), taken)
	}
}

// TestRegexpShared: machines of one library share compiled patterns.
func TestRegexpShared(t *testing.T) {
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			out, _ := runScript(t, "shared", `
				local n = 0;
				for (local i = 0; i < 2000; i++) { local r = regexp("x" + i % 700); if (r.match("x" + i % 700)) n++; }
				print(n);
			`)
			if out != "2000" {
				t.Error(out)
			}
		})
	}
}

// TestRegexpCache: a machine keeps compiled patterns of so many bytes at most, and none
// when it is idle.
func TestRegexpCache(t *testing.T) {
	v := started(t, 1<<20, `
		for (local i = 0; i < 2000; i++) regexp("[^a][b-y][^c]" + i).search("xyz" + i);
		local big = ""; while (big.len() < 5000) big += "[^a]";
		try { regexp(big); } catch (e) {}`)
	if s := v.Run(1 << 40); s != Done {
		t.Fatal(s, v.Err())
	}
	size := 0
	for text, re := range v.regexps.byText {
		size += re.Size() + len(text)
	}
	if size == 0 || size > maxRegexps || v.regexps.size > maxRegexps {
		t.Errorf("%d bytes are kept, and counted as %d", size, v.regexps.size)
	}
	if v.Collect(); v.regexps.byText != nil {
		t.Error("an idle machine keeps patterns")
	}
}
