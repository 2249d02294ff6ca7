package compile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem/squirrel/syntax"
)

func TestOpcodeNames(t *testing.T) {
	seen := map[string]Op{}
	for op := range OpCount {
		name := op.String()
		if other, twice := seen[name]; name == "" || twice {
			t.Errorf("operation %d is called %q, as is %d", op, name, other)
		}
		seen[name] = op
		if shapes[op] == "" && op != OpNop {
			t.Errorf("%s has no shape", name)
		}
	}
	if got := OpCount.String(); got != "invalid" {
		t.Errorf("OpCount is called %q", got)
	}
}

// TestDisassembly compiles the snippets in testdata/*.txt and compares the
// code, or the error.
func TestDisassembly(t *testing.T) {
	datadriven.Walk(t, "testdata/code", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			opts := Options{LastIsResult: d.HasArg("result")}
			p, err := Compile("test", []byte(d.Input), opts)
			if err != nil {
				return err.Error() + "\n"
			}
			if err := verify(p); err != nil {
				t.Errorf("%s: %v", d.Pos, err)
			}
			var b bytes.Buffer
			if err := Disassemble(&b, p); err != nil {
				t.Fatal(err)
			}
			return b.String()
		})
	})
}

// sources returns the scripts under testdata and those of package syntax.
func sources(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"testdata/*.nut", "../syntax/testdata/*.nut", "../testdata/*/*.nut"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all[file] = string(src)
		}
	}
	return all
}

func TestVerifyCorpus(t *testing.T) {
	all := sources(t)
	if len(all) == 0 {
		t.Fatal("no scripts")
	}
	for file, src := range all {
		p, err := Compile(file, []byte(src), Options{})
		if err != nil {
			t.Errorf("%v", err)
		} else if err := verify(p); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestLongChains compiles chains of operators, indexes and calls that must not
// take a register for each link, and nestings that must be refused.
func TestLongChains(t *testing.T) {
	long := func(s string) string { return strings.Repeat(s, 2000) }
	for _, src := range []string{
		"return a" + long(" + a"),
		"return 1" + long(" + f()"),
		"return a" + long(" || b"),
		"if (a" + long(" && b") + ") c()",
		"return a" + long(".b"),
		"return a" + long("[b]"),
		"return a" + long(".b(1)"),
		"a" + long(".b(1)") + ".c = 1",
		"return [" + long("a, ") + "]",
		"return {" + long("a = b ") + "}",
		long("x = 1\n"),
		"switch (a) {" + long("case b: c()\n") + "}",
	} {
		p, err := Compile("long", []byte(src), Options{})
		if err != nil {
			t.Errorf("%.20s…: %v", src, err)
		} else if err := verify(p); err != nil {
			t.Errorf("%.20s…: %v", src, err)
		} else if p.Protos[0].MaxStack > 32 {
			t.Errorf("%.20s…: needs %d registers", src, p.Protos[0].MaxStack)
		}
	}
	for _, src := range []string{
		"local a" + strings.Repeat(", a", 300),
		"return f(" + strings.Repeat("a, ", 300) + "a)",
		"return " + strings.Repeat("a + (", 300) + "a" + strings.Repeat(")", 300),
	} {
		_, err := Compile("long", []byte(src), Options{})
		if err == nil || !strings.Contains(err.Error(), "internal compiler error: too many locals") {
			t.Errorf("%.20s…: %v", src, err)
		}
	}
}

func TestOptions(t *testing.T) {
	globals := NewConstants()
	opts := Options{
		Consts:  map[string]any{"A": 1, "B": 2.5, "S": "s", "T": true, "I": int32(7)},
		Enums:   map[string]map[string]any{"E": {"x": 3}},
		Globals: globals,
	}
	p, err := Compile("test", []byte("const C = 4; return [A, B, S, T, I, E.x, C]"), opts)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Disassemble(&b, p); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"loadint    r3 1", "loadfloat  r3 2.5", `"s"`, "loadbool   r3 true", "r3 7", "r3 3", "r3 4",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	// The next script of the machine sees the constant; another does not.
	if _, err := Compile("next", []byte("C = 1"), Options{Globals: globals}); err == nil {
		t.Error("a constant of the previous script can be assigned to")
	}
	if _, err := Compile("next", []byte("C = 1"), Options{}); err != nil {
		t.Error(err)
	}
}

func TestHash(t *testing.T) {
	hash := func(name, src string, opts Options) [32]byte {
		p, err := Compile(name, []byte(src), opts)
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash()
	}
	consts := func(x any) Options { return Options{Consts: map[string]any{"A": x}} }
	seen := map[[32]byte]string{}
	for i, h := range [][32]byte{
		hash("a", "A", Options{}), hash("b", "A", Options{}), hash("a", "B", Options{}),
		hash("a", "A", consts(1)), hash("a", "A", consts(2)),
		hash("a", "\nA", Options{}), hash("a", "A", Options{LastIsResult: true}),
		hash("a", "local A", Options{}), hash("a", "local B", Options{}),
		hash("a", "try { A } catch (e) {}", Options{}), hash("a", "@() A", Options{}),
		hash("a", "@(A) A", Options{}), hash("a", "@(A = 1) A", Options{}),
	} {
		if other, twice := seen[h]; twice {
			t.Errorf("%d has the hash of %s", i, other)
		}
		seen[h] = fmt.Sprint(i)
	}
	if first, again := hash("a", "A", consts(1)), hash("a", "A", consts(1)); first != again {
		t.Error("the hash is not stable")
	}
}

func FuzzCompile(f *testing.F) {
	// Small seeds: minimizing what a large one grows into takes all the time.
	for _, src := range sources(f) {
		for _, chunk := range strings.Split(src, "\n\n") {
			f.Add(chunk)
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Compile("fuzz", []byte(src), Options{})
		if err != nil {
			if e := (*syntax.Error)(nil); !errors.As(err, &e) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if err := verify(p); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := Disassemble(&b, p); err != nil {
			t.Fatal(err)
		}
	})
}

// Directives are part of what a program is, comments are not.
func TestHashOfPlaces(t *testing.T) {
	hash := func(src string) [32]byte {
		p, err := Compile("test", []byte(src), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash()
	}
	plain := hash("# x\nreturn 1")
	if hash("#require \"A:1\"\nreturn 1") != plain {
		t.Error("a comment made another program")
	}
	seen := map[[32]byte]bool{plain: true}
	for _, src := range []string{
		"#line 3\nreturn 1", "#line 4\nreturn 1", "#line 4 \"a\"\nreturn 1", "#line 2\nreturn 1",
	} {
		if h := hash(src); seen[h] {
			t.Errorf("%q has the hash of another program", src)
		} else {
			seen[h] = true
		}
	}
}
