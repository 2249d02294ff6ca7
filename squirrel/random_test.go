package squirrel

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// A random program works on a few global variables and prints now and then.
// Its loops are bounded, its errors caught.
type programmer struct {
	t     *rapid.T
	depth int
}

func (p *programmer) pick(label string, list ...string) string {
	return rapid.SampledFrom(list).Draw(p.t, label)
}

func (p *programmer) variable() string { return "::" + p.pick("var", "a", "b", "c", "d") }

func (p *programmer) expr() string {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > 3 {
		return p.pick("leaf", "1", "2.5", `"s"`, "null", "true", "[1, 2]", "{ x = 1 }", "::a", "::b", "wait()", "P(3)")
	}
	switch rapid.IntRange(0, 12).Draw(p.t, "expr") {
	case 0:
		left := p.expr()
		op := p.pick("op", " + ", " - ", " * ", " < ", " <=> ", " == ", " && ", " || ", " & ")
		return "(" + left + op + p.expr() + ")"
	case 1:
		return "[" + p.expr() + ", " + p.expr() + "]"
	case 2:
		return "{ x = " + p.expr() + ", y = " + p.expr() + " }"
	case 3:
		return "P(" + p.expr() + ")"
	case 4:
		return p.variable() + ".x"
	case 5:
		return p.variable() + "[" + p.expr() + "]"
	case 6:
		return "(@(q) q + " + p.expr() + ")(" + p.expr() + ")"
	case 7:
		return "[3, 1, 2].map(@(q) q + " + p.expr() + ")"
	case 8:
		return "clone " + p.variable()
	case 9:
		return "gen(" + p.expr() + ")"
	case 10:
		return `("" + ` + p.expr() + ")"
	case 11:
		return p.variable() + ".tostring()"
	}
	return p.variable()
}

func (p *programmer) stmt() string {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > 3 {
		return p.variable() + " = " + p.expr() + ";\n"
	}
	switch rapid.IntRange(0, 9).Draw(p.t, "stmt") {
	case 0:
		return "if (" + p.expr() + ") {\n" + p.stmt() + "} else {\n" + p.stmt() + "}\n"
	case 1:
		return fmt.Sprintf("for (local i = 0; i < %d; i++) {\n%s}\n", rapid.IntRange(1, 6).Draw(p.t, "n"), p.stmt())
	case 2:
		return "foreach (k, x in " + p.expr() + ") { show(k); show(x);\n" + p.stmt() + "}\n"
	case 3:
		return "try {\n" + p.stmt() + p.stmt() + "} catch (e) { show(e); }\n"
	case 4:
		return "show(" + p.expr() + ");\n"
	case 5:
		return p.variable() + ".x <- " + p.expr() + ";\n"
	case 6:
		return "show(resume " + p.variable() + ");\n"
	case 7:
		return "throw " + p.expr() + ";\n"
	case 8:
		return "[3, 1, 2].sort(function(x, y) {\n" + p.stmt() + "return x <=> y; });\n"
	}
	return p.variable() + " = " + p.expr() + ";\n"
}

const randomPrelude = `
::a <- 1; ::b <- [1, 2, 3]; ::c <- { x = 1, y = "y" }; ::d <- "text";
class P {
	x = 0; n = null;
	constructor(v) { x = v; n = [v]; }
	function _get(k) { if (k == 0) return ::wait(); throw null; }
	function _tostring() { return "P" + x; }
	function _cmp(o) { return ::wait() - 7; }
	function _add(o) { return x + o; }
	function _nexti(k) { return k == null ? 0 : null; }
}
function gen(v) { for (local i = 0; i < 3; i++) { local r = v; yield r; yield wait() + i; } return v; }
function show(v) { print(typeof v + " " + v + "\n"); }
`

// TestRandomPrograms: a program does the same in one go as when the machine is
// stopped, saved and restored again and again.
func TestRandomPrograms(t *testing.T) { rapid.Check(t, randomPrograms(waitingLibrary())) }

func randomPrograms(l *Library) func(*rapid.T) {
	return func(t *rapid.T) {
		src := randomPrelude
		p := &programmer{t: t}
		for range rapid.IntRange(1, 12).Draw(t, "statements") {
			src += "try {\n" + p.stmt() + "} catch (e) { show(e); }\n"
		}
		prog, err := compile.Compile("random.nut", []byte(src), compile.Options{})
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		whole := bounded(t, l, prog, 1<<20, func(v *VM) *VM { return v })
		slice := rapid.Int64Range(1, 60).Draw(t, "slice")
		parts := bounded(t, l, prog, slice, func(v *VM) *VM {
			data, err := v.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			v, err = Restore(l, data, func([32]byte) *compile.Program { return prog }, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			return v
		})
		if whole != parts {
			t.Fatalf("%s\n%s", diffLines(parts, whole), src)
		}
	}
}

// bounded runs a program and returns what it printed, up to 2000 bytes.
func bounded(t *rapid.T, l *Library, p *compile.Program, slice int64, between func(*VM) *VM) string {
	var out strings.Builder
	v := New(l, 1<<20)
	v.Start(v.Load(p), v.Root())
	for out.Len() < 2000 {
		v.SetOutput(func(b []byte, _ bool) { out.Write(b) })
		switch status := v.Run(slice); status {
		case Suspended:
			v = between(v)
			v.Resume(Int(7))
		case OutOfFuel:
			v = between(v)
		case Done:
			out.WriteString("done")
			return clip(out.String())
		default:
			return clip(fmt.Sprint(out.String(), "status ", status, v.Err()))
		}
	}
	return clip(out.String())
}

func clip(s string) string { return s[:min(len(s), 2000)] }

// FuzzPrograms is TestRandomPrograms with the fuzzer in the place of chance.
func FuzzPrograms(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(randomPrograms(waitingLibrary())))
}

// FuzzRun runs any text that compiles, in one go and in slices with a snapshot
// and a restore between them, within little fuel and memory.
func FuzzRun(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.nut")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds: ", err)
	}
	seeds := strings.Split(randomPrelude+restoreScript, "\n")
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, strings.Split(string(src), "\n")...)
	}
	f.Add(randomPrelude, uint8(7))
	f.Add(restoreScript, uint8(40))
	for _, line := range seeds { // small ones: the time goes into finding, not into minimizing
		if _, err := compile.Compile("seed", []byte(line), compile.Options{}); err == nil {
			f.Add(line, uint8(len(line)))
		}
	}
	l := waitingLibrary()
	f.Fuzz(func(t *testing.T, src string, slice uint8) {
		prog, err := compile.Compile("fuzz", []byte(src), compile.Options{})
		if err != nil {
			return
		}
		whole, ended := limited(t, l, prog, 1<<20)
		parts, _ := limited(t, l, prog, 1+int64(slice))
		// Only what a weak reference shows and when memory is short depend
		// on when there was a collection.
		if n := min(len(whole), len(parts)); !strings.Contains(src, "weakref") && whole[:n] != parts[:n] {
			t.Fatalf("in one go:\n%s\nin slices:\n%s", whole, parts)
		} else if ended && len(whole) != len(parts) {
			t.Fatalf("in one go:\n%s\nin slices:\n%s", whole, parts)
		}
	})
}

// limited runs a program in slices for 20,000 units of fuel at most, and
// returns what it printed and whether it came to its own end.
func limited(t *testing.T, l *Library, p *compile.Program, slice int64) (printed string, ended bool) {
	const fuel, memory = 20_000, 1 << 18
	var out strings.Builder
	v := New(l, memory)
	v.Start(v.Load(p), v.Root())
	for v.FuelUsed() < fuel {
		v.SetOutput(func(b []byte, _ bool) { out.Write(b) })
		switch status := v.Run(min(slice, fuel)); status {
		case Suspended, OutOfFuel:
			if slice < fuel {
				v = relocated(t, l, p, v)
			}
			if status == Suspended {
				v.Resume(Int(7))
			}
		case Done, Failed:
			return out.String() + fmt.Sprint(status, v.Err()), true
		default:
			v.Stack() // even of a machine that is full
			return out.String(), false
		}
	}
	return out.String(), false
}
