package squirrel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// blameLibrary is the stock library, with natives that call back and one that throws.
var blameLibrary = func() *Library {
	l := NewLibrary("blame")
	AddString(l)
	AddMath(l, "math.")
	AddBlob(l)
	AddTime(l, StockDates)
	AddStock(l)
	l.Func("door.open", Native{
		Check: -2, Mask: ".n|s", Fn: func(c *Call) (Value, error) { return c.Errorf("the door is locked") },
		Params: []Param{{Name: "key"}, {Name: "hand", Takes: "a hand"}},
	})
	l.Func("door.close", Native{
		Check: 2, Mask: ".x",
		Fn:     func(c *Call) (Value, error) { return c.BadArg(1, "parameter 1 must be a blob") },
		Params: []Param{{Name: "handle", Takes: "a blob"}},
	})
	return l
}()

// TestPlain runs programs that end with an exception. The output is what a program could
// have caught, and below it the same in plain words, if there is more to say, and the line.
func TestPlain(t *testing.T) {
	datadriven.RunTest(t, "testdata/plain.txt", func(t *testing.T, d *datadriven.TestData) string {
		v := New(blameLibrary, 1<<20)
		v.SetOutput(func([]byte, bool) {})
		v.Start(v.Load(compiled(t, "agent_code", d.Input)), v.Root())
		if s := v.Run(1 << 30); s != Failed {
			return fmt.Sprintf("status %d\n", s)
		}
		e := v.Err()
		return fmt.Sprintf("%s\n%s\n%s\n", e.Error(), e.Plain, e.Source)
	})
}

// TestBlameIsVoid: what is caught is not blamed for what is thrown later, even if it has
// the same text.
func TestBlameIsVoid(t *testing.T) {
	for _, src := range []string{
		`try { math.sin("x"); } catch (e) { throw e; }`,
		`try { math.sin(); } catch (e) {} throw "wrong number of parameters";`,
		`local t = {}.setdelegate({ _get = function(k) { throw null; } }); try { math.sin(); } catch (e) {} t.x;`,
	} {
		v := New(blameLibrary, 1<<20)
		v.Start(v.Load(compiled(t, "a", src)), v.Root())
		if s := v.Run(1 << 30); s != Failed || v.Err().Plain != "" {
			t.Errorf("%s: status %d, %+v", src, s, v.Err())
		}
	}
}

// TestParams: every parameter of every native function of the language has a name, and no
// names are of a function that there is not.
func TestParams(t *testing.T) {
	known := map[string]bool{}
	for _, l := range []*Library{blameLibrary, standard} {
		for _, path := range l.Unnamed() {
			t.Errorf("%s has other parameters than it has names: see builtinParams", path)
		}
		for _, n := range l.natives[1:] {
			known[strings.TrimPrefix(n.path, "math.")] = true
		}
	}
	for path := range builtinParams {
		if !known[path] {
			t.Errorf("there is no function %s", path)
		}
	}
}

// TestUnnamed: a native is found that has too few names, too many, or one twice.
func TestUnnamed(t *testing.T) {
	l := NewLibrary("unnamed")
	fn := func(c *Call) (Value, error) { return Null, nil }
	l.Func("few", Native{Check: 3, Fn: fn, Params: []Param{{Name: "a"}}})
	l.Func("fewer", Native{Check: -1, Mask: ".n", Fn: fn})
	l.Func("many", Native{Check: 2, Fn: fn, Params: []Param{{Name: "a"}, {Name: "b"}}})
	l.Func("twice", Native{Check: 3, Fn: fn, Params: []Param{{Name: "a"}, {Name: "a"}}})
	l.Func("empty", Native{Check: 2, Fn: fn, Params: []Param{{}}})
	l.Func("good", Native{Check: -2, Mask: ".nn", Fn: fn, Params: []Param{{Name: "a"}, {Name: "b"}}})
	if got := strings.Join(l.Unnamed(), " "); got != "few fewer many twice empty" {
		t.Errorf("got %s", got)
	}
}
