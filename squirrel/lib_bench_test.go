package squirrel

import (
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// BenchmarkLibrary calls natives from a loop of a thousand rounds; the
// numbers are per loop.
func BenchmarkLibrary(b *testing.B) {
	for _, bb := range []struct{ name, setup, body string }{
		{"none", "", ""},
		{"len", "local a = [1];", "a.len();"},
		{"append", "local a = [];", "a.append(i); if (i == 999) a.clear();"},
		{"slice", `local s = "hello world";`, "s.slice(2, 7);"},
		{"tointeger", `local s = "12345";`, "s.tointeger();"},
		{"tostring", "", "i.tostring();"},
		{"find", `local s = "hello world";`, `s.find("wor");`},
		{"format", "", `format("%d:%s", i, "x");`},
		{"blobget", "local b = blob(1000);", "b[i];"},
		{"blobset", "local b = blob(1000);", "b[i] = i;"},
		{"readn", "local b = blob(4000);", "b.readn('i'); if (i == 999) b.seek(0);"},
		{"map", "local a = [1, 2, 3, 4]; local f = @(x) x;", "a.map(f);"},
		{"sort", "local a = [3, 1, 2]; local f = @(x, y) x <=> y;", "a.sort(f);"},
		{"call", "local f = @() 1;", "f.call(this);"},
		{"rand", "", "rand();"},
		{"sin", "", "sin(i);"},
		{"match", `local r = regexp("[a-z]+");`, `r.match("hello");`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			src := bb.setup + "return function() { for (local i = 0; i < 1000; i++) {" + bb.body + "} }"
			p, err := compile.Compile("bench", []byte(src), compile.Options{})
			if err != nil {
				b.Fatal(err)
			}
			v := New(standard, 1<<20)
			run := func(fn Value) {
				v.Start(fn, v.Root())
				if s := v.Run(1 << 40); s != Done {
					b.Fatal(s, v.Err())
				}
			}
			run(v.Load(p))
			v.SetField(v.Registry(), "f", v.Result())
			b.ReportAllocs()
			for b.Loop() {
				run(v.Field(v.Registry(), "f"))
			}
		})
	}
}
