package imp

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// shelf is a set of libraries.
type shelf map[string]string

func (s shelf) find(_ context.Context, l tandem.LibraryID) (string, error) {
	if l.Name == "broken" {
		return "", errors.New("the disk is gone")
	}
	code, ok := s[l.String()]
	if !ok {
		return "", tandem.Errorf(tandem.NotFound, "there is no such library")
	}
	return code, nil
}

var testShelf = shelf{
	"A.lib.nut:1.0.0":   "// A\nfunction a() {\n\tthrow \"a fails\";\n}",
	"B.class.nut:2.1":   "#require \"A.lib.nut:1.0.0\"\nclass B {\n\tfunction b() { ::a(); }\n}\nlocal open = 1 // without an end",
	"D.lib.nut:1":       "\xef\xbb\xbf/* D */ #require \"A.lib.nut:2.0.0\"\n",
	"D.lib.nut:2":       "// D\n#require \"A.lib.nut:2.0.0\"\n",
	"A.lib.nut:2.0.0":   "a2 <- true",
	"E.lib.nut:1":       "#require \"F.lib.nut:1\"\n",
	"F.lib.nut:1":       "#require \"G.lib.nut:1\"\n",
	"G.lib.nut:1":       "#require \"E.lib.nut:1\"\n",
	"Missing.lib.nut:1": "\n\n  #require \"Nowhere.lib.nut:1\"\n",
	"Bad.lib.nut:1":     "#require \"A.lib.nut:1.0.0\"\n\nlocal = 3;",
	"Built.lib.nut:1":   "x <- 1\n#line 70 \"part.nut\"\nfunction part() { a(); }",
}

func TestInclude(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"none", "x <- 1", "x <- 1"},
		{"a comment", "x <- 1 // #require \"A.lib.nut:1.0.0\"", "x <- 1 // #require \"A.lib.nut:1.0.0\""},
		{"one", "// mine\n#require \"A.lib.nut:2.0.0\"\n\na2;", "\n#line 1 \"A.lib.nut\"\na2 <- true\n;\n#line 1 \"agent_code\"\n// mine\n\n\na2;"},
		{"after code", "x <- 1;\n #require \"A.lib.nut:2.0.0\"\nx;", "\n#line 1 \"A.lib.nut\"\na2 <- true\n;\n#line 1 \"agent_code\"\nx <- 1;\n \nx;"},
		{"each once, what is asked for first", "#require \"B.class.nut:2.1\"\n#require \"A.lib.nut:1.0.0\"\n#require \"B.class.nut:2.1\"\n(1);",
			"\n#line 1 \"A.lib.nut\"\n" + testShelf["A.lib.nut:1.0.0"] + "\n;\n#line 1 \"B.class.nut\"\n\nclass B {\n\tfunction b() { ::a(); }\n}\nlocal open = 1 // without an end\n;\n#line 1 \"agent_code\"\n\n\n\n(1);"},
	} {
		got, err := Include(t.Context(), tandem.AgentSide, c.src, testShelf.find)
		if err != nil || got != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, got, c.want)
			continue
		}
		if _, err := Compile(tandem.AgentSide, []byte(got), nil); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if again, err := Include(t.Context(), tandem.AgentSide, got, testShelf.find); err != nil || again != got {
			t.Errorf("%s: included again, it is another: %v", c.name, err)
		}
	}
}

func TestIncludeErrors(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"// mine\n#require \"Gone.lib.nut:1\"", "agent_code:2:1: there is no library Gone.lib.nut:1 here; add it with: tandem library add Gone.lib.nut:1 FILE"},
		{
			"#require \"Gone.lib.nut:1\"\n#require \"A.lib.nut:1.0.0\"\n#require \"Far.lib.nut:1\"\n#require \"Off.lib.nut:2\"",
			"agent_code:1:1: there is no library Gone.lib.nut:1 here; add it with: tandem library add Gone.lib.nut:1 FILE; " +
				"these are not here either: Far.lib.nut:1, Off.lib.nut:2",
		},
		{"#require \"Missing.lib.nut:1\"", "Missing.lib.nut:3:3: there is no library Nowhere.lib.nut:1 here; add it with: tandem library add Nowhere.lib.nut:1 FILE"},
		{"#require \"A.lib.nut:1.0.0\"\n#require \"D.lib.nut:2\"", "D.lib.nut:2:1: the library A.lib.nut:2.0.0 is required in version 1.0.0 too: a program can have only one version"},
		{"#require \"E.lib.nut:1\"", "G.lib.nut:1:1: libraries require each other: E.lib.nut:1, F.lib.nut:1, G.lib.nut:1, E.lib.nut:1"},
		{"#require Promise", "agent_code:1:1: write #require \"NAME:VERSION\", such as #require \"Promise.lib.nut:4.0.0\""},
		{"#require \"Promise\"", "agent_code:1:1: write #require \"NAME:VERSION\", such as #require \"Promise.lib.nut:4.0.0\""},
		{"#require \"A.lib.nut:1.0.0\"\nx = ;", "agent_code:2:6: expression expected"},
		{"#require \"A.lib.nut:1.0.0\"\n#line 30 \"main.nut\"\nx = ;", "main.nut:30:6: expression expected"},
		{"#require \"Bad.lib.nut:1\"", "Bad.lib.nut:3:8: expected 'IDENTIFIER'"},
	} {
		_, err := Include(t.Context(), tandem.AgentSide, c.src, testShelf.find)
		var at *syntax.Error
		if !errors.As(err, &at) || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.src, err, c.want)
		}
	}
	var at *syntax.Error
	if _, err := Include(t.Context(), tandem.AgentSide, "#require \"broken:1\"", testShelf.find); err == nil ||
		errors.As(err, &at) {
		t.Errorf("a registry that fails: %v", err)
	}
	if _, err := Compile(tandem.DeviceSide, []byte("#require \"A.lib.nut:1.0.0\""), nil); err == nil ||
		!strings.Contains(err.Error(), "device_code:1:1: the library A.lib.nut:1.0.0 is not included") {
		t.Errorf("compiled without its library: %v", err)
	}
	large := shelf{}
	src := ""
	for _, name := range []string{"a", "b", "c", "d"} {
		src += "#require \"" + name + ":1\"\n"
		large[name+":1"] = strings.Repeat("//3456789abcdef\n", tandem.LibrarySize/16)
	}
	if _, err := Include(t.Context(), tandem.AgentSide, src, large.find); err == nil ||
		!strings.Contains(err.Error(), "agent_code:4:1: the program with its libraries has more than 4194304 bytes") {
		t.Errorf("4 MiB: %v", err)
	}
	for size, want := range map[int]string{
		tandem.ProgramSize:     "",
		tandem.ProgramSize + 1: "device_code:1:1: the program has 4194305 bytes, more than 4194304",
	} {
		_, err := Include(t.Context(), tandem.DeviceSide, strings.Repeat("/", size), large.find)
		if err == nil && want != "" || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Errors in the field name the library and its line, and the program's own
// lines are as they were.
func TestIncludedTrace(t *testing.T) {
	const src = "// mine\n#require \"B.class.nut:2.1\"\n#require \"Built.lib.nut:1\"\n\nfunction go() " +
		"{\n\tpart();\n}\nB.b.bindenv(B);\ngo();"
	text, err := Include(t.Context(), tandem.DeviceSide, src, testShelf.find)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(tandem.DeviceSide, []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	v := squirrel.New(squirrel.Standard(), 1<<20)
	v.Start(v.Load(p), v.Root())
	if s := v.Run(1 << 20); s != squirrel.Failed {
		t.Fatal(s)
	}
	got := v.Err().Error() + "\n" + strings.Join(TraceLines(v.Err().Stack), "\n")
	const want = "a fails: in a A.lib.nut:3\n  at a A.lib.nut:3\n  at part part.nut:70\n  at go device_code:6\n  " +
		"at main device_code:9"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLibraryCheck(t *testing.T) {
	for _, c := range []struct{ id, code, want string }{
		{"Promise.lib.nut:4.0.0", "class Promise {}", ""},
		{"Rocky.class.nut:1.2.3-rc.1", "// nothing", ""},
		{"Promise.lib.nut", "", "is not the name and version of a library, such as"},
		{":1", "", "is not the name"},
		{"a b:1", "", "is not the name"},
		{"a\"b:1", "", "is not the name"},
		{"../a:1", "", "is not the name"},
		{"a:latest", "", "is not the name"},
		{"A:1", "\n", "empty"},
		{"A:1", "x = ;", "A:1:5: expression expected"},
		{"A:1", "/* x", "missing \"*/\""},
		{"A:1", "x <- 1\n#require B:1", "A:2:1: write #require"},
		{"A:1", "x <- 1\x00", "NUL"},
		{"A:1", strings.Repeat("/", tandem.LibrarySize+1), "1048577 bytes"},
	} {
		l, err := tandem.ParseLibraryID(c.id)
		if err == nil {
			err = CheckLibrary(l, c.code)
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.id, err, c.want)
		}
		if err != nil && tandem.KindOf(err) == tandem.Internal {
			t.Errorf("%s: %v has no kind", c.id, err)
		}
	}
}

// FuzzInclude: whatever a program is, what is wrong with it has a place, and
// what is included stands for itself.
func FuzzInclude(f *testing.F) {
	f.Add("// mine\n#require \"B.class.nut:2.1\"\n#require \"Built.lib.nut:1\"\n\nB();")
	f.Add("#line 3 \"x\"\n#require \"A.lib.nut:1.0.0\"\n/*")
	f.Add("\xef\xbb\xbf#require \"E.lib.nut:1\"\x00")
	f.Add("x = @\"\n#require \"A.lib.nut:1.0.0\"\n\"")
	f.Fuzz(func(t *testing.T, src string) {
		text, err := Include(t.Context(), tandem.AgentSide, src, testShelf.find)
		var at *syntax.Error
		if err != nil {
			if !errors.As(err, &at) {
				t.Errorf("%v has no place", err)
			}
			return
		}
		if again, err := Include(t.Context(), tandem.AgentSide, text, testShelf.find); err != nil || again != text {
			t.Errorf("included again: %v\n%q\n%q", err, text, again)
		}
		if _, err := Compile(tandem.AgentSide, []byte(text), nil); err != nil && !errors.As(err, &at) {
			t.Errorf("%v has no place", err)
		}
	})
}
