package syntax

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// dump shows a tree without positions: (Type field…), names and constants as
// they are, absent fields as _.
func dump(x any) string { return dumpValue(reflect.ValueOf(x)) }

func dumpValue(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return "_"
		}
		return dumpValue(v.Elem())
	case reflect.Slice:
		var list []string
		for i := range v.Len() {
			list = append(list, dumpValue(v.Index(i)))
		}
		return "[" + strings.Join(list, " ") + "]"
	case reflect.Struct:
		list := []string{v.Type().Name()}
		for i := range v.NumField() {
			if t := v.Field(i).Type(); t != reflect.TypeFor[At]() && t != reflect.TypeFor[Pos]() {
				list = append(list, dumpValue(v.Field(i)))
			}
		}
		return "(" + strings.Join(list, " ") + ")"
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	case reflect.Uint8:
		return opText[Op(v.Uint())]
	}
	return fmt.Sprint(v.Interface())
}

var opText = map[Op]string{
	OpNone: "_", OpAdd: "+", OpSub: "-", OpMul: "*", OpDiv: "/", OpMod: "%", OpShl: "<<", OpShr: ">>", OpUshr: ">>>",
	OpBitAnd: "&", OpBitOr: "|", OpBitXor: "^", OpEq: "==", OpNe: "!=", OpLt: "<", OpLe: "<=", OpGt: ">", OpGe: ">=",
	OpCmp: "<=>", OpAnd: "&&", OpOr: "||", OpIn: "in", OpInstanceof: "instanceof", OpNeg: "neg", OpNot: "!",
	OpBitNot: "~", OpTypeof: "typeof", OpResume: "resume", OpClone: "clone", OpDelete: "delete",
}

// TestTrees parses the snippets of testdata/trees and compares their trees.
func TestTrees(t *testing.T) {
	datadriven.Walk(t, "testdata/trees", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			f, err := Parse("test", []byte(d.Input))
			if err != nil {
				return err.Error() + "\n"
			}
			var b strings.Builder
			if f.Generator {
				b.WriteString("generator\n")
			}
			for _, s := range f.Body {
				b.WriteString(dump(s) + "\n")
			}
			return b.String()
		})
	})
}

func TestGrammar(t *testing.T) {
	src, err := os.ReadFile("testdata/grammar.nut")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse("grammar.nut", src)
	if err != nil {
		t.Fatal(err)
	}
	if f.Generator || f.End.Line != int32(strings.Count(string(src), "\n")+1) {
		t.Errorf("generator %v, end %v", f.Generator, f.End)
	}
}

var expectation = regexp.MustCompile(`### (\d+): (.*)`)

// TestErrors parses the chunks of testdata/errors.txt, which are separated by
// lines of ---. A comment `### COLUMN: MESSAGE` says that the chunk's error is
// reported there, in its line.
func TestErrors(t *testing.T) {
	src, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		t.Fatal(err)
	}
	at := 1
	for _, chunk := range strings.Split(string(src), "---\n") {
		want := "no expectation"
		for i, line := range strings.Split(chunk, "\n") {
			if m := expectation.FindStringSubmatch(line); m != nil {
				want = fmt.Sprintf("errors.txt:%d:%s: %s", i+1, m[1], m[2])
			}
		}
		_, err := Parse("errors.txt", []byte(chunk))
		if err == nil || err.Error() != want {
			t.Errorf("chunk at line %d: got %v, want %s", at, err, want)
		}
		at += strings.Count(chunk, "\n") + 1
	}
}

// TestPositions has sources whose errors cannot be expected from a comment.
// The reports are those of Squirrel 3.0.4.
func TestPositions(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"x", ""},
		{"", ""},
		{"x\x00)", ""},
		{"x = ", "s line = (1) column = (4) : error expression expected"},
		{"x = )", "s line = (1) column = (5) : error expression expected"},
		{"\nx = )", "s line = (2) column = (6) : error expression expected"},
		{"\n\n  /* a\nb */ )", "s line = (4) column = (14) : error expression expected"},
		{"x = @\"a\nb\" )", "s line = (2) column = (12) : error end of statement expected (; or lf)"},
		{"/* a", "s line = (1) column = (4) : error missing \"*/\" in comment"},
		{"x = \"a", "s line = (1) column = (6) : error unfinished string"},
		{"x = \"", "s line = (1) column = (5) : error error parsing the string"},
		{"x = @\"", "s line = (1) column = (6) : error error parsing the string"},
		{"x = @\"a\"\"", "s line = (1) column = (9) : error unfinished string"},
		{"x = 'a\n'", "s line = (1) column = (6) : error newline in a constant"},
		{"x = \x01", "s line = (1) column = (4) : error unexpected character(control)"},
		{"x = \x80", "s line = (1) column = (5) : error expression expected"},
		{"{", "s line = (1) column = (1) : error expression expected"},
		{"function f(a", "s line = (1) column = (12) : error expected ')' or ','"},
		{"x = [1", "s line = (1) column = (6) : error expression expected"},
		{"x = { a", "s line = (1) column = (7) : error expected '='"},
		{"f(1,\n2", "s line = (2) column = (2) : error expression expected"},
	} {
		_, err := Parse("s", []byte(c.src))
		got := ""
		if e := (*Error)(nil); errors.As(err, &e) {
			got = e.Stock()
		}
		if got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.src, got, c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	wrap := func(n int, open, middle, end string) string {
		return strings.Repeat(open, n) + middle + strings.Repeat(end, n)
	}
	const many = 100_000
	for _, c := range []struct{ src, want string }{
		{wrap(400, "(", "a", ")"), ""},
		{wrap(900, "{", "a", "}"), ""},
		{wrap(900, "if (a) b(); else ", "c()", ""), ""},
		{wrap(MaxDepth-1, "a + ", "a", ""), ""},
		{wrap(many, "(", "a", ")"), "nested too deeply"},
		{wrap(many, "[", "", "]"), "nested too deeply"},
		{wrap(many, "{", "", "}"), "nested too deeply"},
		{wrap(many, "x = {a=", "", "}"), "nested too deeply"},
		{wrap(many, "if (a) ", "b()", ""), "nested too deeply"},
		{wrap(many, "-", "a", ""), "nested too deeply"},
		{wrap(many, "x = ", "a", ""), "nested too deeply"},
		{wrap(many, "a ? b : ", "a", ""), "nested too deeply"},
		{wrap(many, "function f() ", ";", ""), "nested too deeply"},
		{"x = " + wrap(many, "class extends ", "a", ""), "nested too deeply"},
		{wrap(many, "a + ", "a", ""), "expression too long"},
		{wrap(many, "a || ", "a", ""), "expression too long"},
		{wrap(many, "a.", "b", ""), "expression too long"},
		{"a" + wrap(many, "[b]", "", ""), "expression too long"},
		{"a" + wrap(many, "()", "", ""), "expression too long"},
		{wrap(100, "(function() { return ", "a", "})()"+strings.Repeat(".b", 500)), "expression too long"},
		{wrap(100, "a"+strings.Repeat(".b", 500)+"\n", "", ""), ""},
	} {
		_, err := Parse("s", []byte(c.src))
		if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%.40s…: got %.80s, want %q", c.src, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, chunk := range strings.Split(string(src), "---\n") {
			f.Add([]byte(chunk))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := Parse("fuzz", src)
		if err == nil {
			if file.End.Line < 1 {
				t.Error(file.End)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%T: %v", err, err)
		}
		if e.Msg == "" || e.Pos.Line < 1 || e.Pos.Col < 0 {
			t.Errorf("%+v", *e)
		}
	})
}

// TestPrecedence: of two operators in a row the one that binds tighter has its
// operands first, and of two that bind the same the left one.
func TestPrecedence(t *testing.T) {
	levels := [][]string{
		{"||"}, {"&&"}, {"in", "instanceof"}, {"|"}, {"^"}, {"&"}, {"==", "!=", "<=>"}, {"<", "<=", ">", ">="}, {"<<", ">>", ">>>"}, {"+", "-"}, {"*", "/", "%"},
	}
	for i, first := range levels {
		for j, second := range levels {
			for _, x := range first {
				for _, y := range second {
					want := fmt.Sprintf("(a %s b) %s c", x, y)
					if j > i {
						want = fmt.Sprintf("a %s (b %s c)", x, y)
					}
					got, err := Parse("test", fmt.Appendf(nil, "a %s b %s c", x, y))
					if err != nil {
						t.Fatal(err)
					}
					grouped, err := Parse("test", []byte(want))
					if err != nil {
						t.Fatal(err)
					}
					if dump(got.Body) != dump(grouped.Body) {
						t.Errorf("a %s b %s c is not %s", x, y, want)
					}
				}
			}
		}
	}
}
