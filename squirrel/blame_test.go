package squirrel

import (
	"fmt"
	"maps"
	"slices"
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
	AddTime(l)
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
// function has more names than parameters.
func TestParams(t *testing.T) {
	known := map[string]bool{}
	for _, n := range blameLibrary.natives[1:] {
		known[strings.TrimPrefix(n.path, "math.")] = true
		if n.Params != nil {
			continue
		}
		var names []string
		for _, p := range builtinParamsOf(n.path) {
			names = append(names, p.Name)
		}
		least := max(len(n.masks)-1, n.Check-1, -n.Check-1, 0)
		switch {
		case len(names) < least:
			t.Errorf("%s has %d parameters or more, of which these have a name: %q; add them to builtinParams",
				n.path, least, names)
		case n.Check > 0 && len(names) > n.Check-1:
			t.Errorf("%s has %d parameters, and these names: %q", n.path, n.Check-1, names)
		}
		if set := slices.Compact(slices.Sorted(slices.Values(names))); len(set) != len(names) {
			t.Errorf("%s: two parameters have one name: %q", n.path, names)
		}
	}
	for path := range maps.Keys(builtinParams) {
		if !known[path] {
			t.Errorf("there is no function %s", path)
		}
	}
}
