package squirrel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// TestBuiltInCallbacks walks the built-in methods that call a function, and checks what one
// of the wrong arity is told. calls has the number of arguments with which it is called.
func TestBuiltInCallbacks(t *testing.T) {
	calls := map[string]struct {
		code string
		args int
	}{
		"array::apply":  {"[1].apply(f)", 1},
		"array::filter": {"[1].filter(f)", 2},
		"array::map":    {"[1].map(f)", 1},
		"array::reduce": {"[1, 2].reduce(f)", 2},
		"array::sort":   {"[2, 1].sort(f)", 2},
	}
	for i := range standard.natives {
		n := &standard.natives[i]
		takes := len(n.masks) > 1 && n.masks[1]&(1<<TypeFunction) != 0
		if _, ok := calls[n.path]; takes && !ok {
			t.Errorf("%s: a callback without a row", n.path)
		}
	}
	for path, call := range calls {
		for _, other := range []int{call.args - 1, call.args + 1} {
			params := strings.TrimSuffix(strings.Repeat("p%d, ", other), ", ")
			for i := range other {
				params = strings.Replace(params, "%d", fmt.Sprint(i), 1)
			}
			src := "function f(" + params + ") { return 0; }\n" + call.code + ";\n"
			p, err := compile.Compile("program", []byte(src), compile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			v := New(standard, 1<<20)
			v.Start(v.Load(p), v.Root())
			if v.Run(1e6) != Failed {
				t.Errorf("%s with a function of %d parameters: not refused", path, other)
				continue
			}
			plural := "s"
			if call.args == 1 {
				plural = ""
			}
			want := fmt.Sprintf("wrong number of parameters: %s calls f (program:1) with %d argument%s; it takes %d",
				strings.ReplaceAll(path, "::", "."), call.args, plural, other)
			e := v.Err()
			if e.Message != want || len(e.Stack) == 0 || e.Stack[0].Line != 2 {
				t.Errorf("%s: %q at %v, not %q", path, e.Message, e.Stack, want)
			}
		}
	}
}

// TestSites: the number of a place is that of the innermost function of a program, whatever
// native functions lie between, and it is read as the place again.
func TestSites(t *testing.T) {
	var got []string
	l := NewLibrary("sites")
	l.Func("here", Native{Fn: func(c *Call) (Value, error) {
		at, ok := c.VM().At(c.VM().Site())
		got = append(got, fmt.Sprintf("%s:%d %v", at.Func, at.Line, ok))
		return Null, nil
	}})
	addFunctionMethods(l)
	src := `here();
function a() {
    here.call(this);
    here.acall([this]);
    return here();
}
a();
(@() here())();
here.bindenv({})();`
	p, err := compile.Compile("program", []byte(src), compile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := New(l, 1<<20)
	v.Start(v.Load(p), v.Root())
	if s := v.Run(1e6); s != Done {
		t.Fatal(s, v.Err())
	}
	v.Start(v.Field(v.Root(), "here"), v.Root())
	v.Run(1e6)
	want := "main:1 true, a:3 true, a:4 true, a:5 true, unknown:8 true, main:9 true, :0 false"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}
