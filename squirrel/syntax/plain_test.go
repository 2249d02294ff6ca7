package syntax

import (
	"errors"
	"fmt"
	goast "go/ast"
	goparser "go/parser"
	gotoken "go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestExcerpts parses mistakes, and shows each in plain words with the place.
func TestExcerpts(t *testing.T) {
	datadriven.RunTest(t, "testdata/excerpts.txt", func(t *testing.T, d *datadriven.TestData) string {
		src := d.Input
		if d.Cmd == "quoted" { // with characters that a text file cannot show
			var err error
			if src, err = strconv.Unquote(src); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Parse("agent.nut", []byte(src))
		var e *Error
		if !errors.As(err, &e) {
			return fmt.Sprintln(err)
		}
		if word := capitals.FindString(e.Plain()); word != "" {
			d.Fatalf(t, "%s: %q is in capitals", e.Plain(), word)
		}
		return fmt.Sprintf("%s:%d:%d: %s\n%s\n", e.Excerpt.File, e.Excerpt.Line, e.Excerpt.Col, e.Plain(), e.Excerpt)
	})
}

var capitals = regexp.MustCompile(`\b[A-Z_]{3,}\b`)

// TestPlainTexts: each error of the parser and of the compiler has plain words, or is
// plain; no plain words are for an error that there is not.
func TestPlainTexts(t *testing.T) {
	used := map[string]bool{}
	for _, dir := range []string{".", "../compile"} {
		for _, msg := range failures(t, dir) {
			used[msg] = true
			_, known := plainTexts[msg]
			if !known && !plainAlready[msg] {
				t.Errorf("%s: add what this is in plain words to plainTexts: %q", dir, msg)
			}
		}
	}
	for msg, plain := range plainTexts {
		if !used[msg] && msg != "expected 'IDENTIFIER'" {
			t.Errorf("there is no error %q", msg)
		}
		if word := capitals.FindString(plain); word != "" {
			t.Errorf("%q: %q is in capitals", plain, word)
		}
	}
}

// plainAlready has the errors that Plain puts into words by their form.
var plainAlready = map[string]bool{
	"expected '": true, "expected ')'": true, "expected '='": true, "invalid constant [": true,
}

// failures returns the texts in the sources of a package that are given to fail and its
// like, and those that are assigned to msg.
func failures(t *testing.T, dir string) (all []string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := goparser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		goast.Inspect(file, func(n goast.Node) bool {
			switch n := n.(type) {
			case *goast.CallExpr:
				if fun, ok := n.Fun.(*goast.SelectorExpr); ok && strings.HasPrefix(fun.Sel.Name, "fail") {
					for _, arg := range n.Args {
						all = append(all, firstText(arg)...)
					}
				}
			case *goast.AssignStmt:
				if left, ok := n.Lhs[0].(*goast.Ident); ok && left.Name == "msg" {
					all = append(all, firstText(n.Rhs[0])...)
				}
			}
			return true
		})
	}
	if len(all) < 10 {
		t.Errorf("%s: only %d errors are found", dir, len(all))
	}
	return all
}

// firstText returns the text that an expression is, or begins with.
func firstText(x goast.Expr) []string {
	for {
		sum, ok := x.(*goast.BinaryExpr)
		if !ok {
			break
		}
		x = sum.X
	}
	if lit, ok := x.(*goast.BasicLit); ok && lit.Kind == gotoken.STRING {
		if text, err := strconv.Unquote(lit.Value); err == nil {
			return []string{text}
		}
	}
	return nil
}

// TestSourceLine: lines of a text as people see them.
func TestSourceLine(t *testing.T) {
	const text = "one\n\ttwo\r\n\n  four\x01\xff \nfive"
	long := strings.Repeat("é", 200)
	for _, c := range []struct {
		text string
		line int
		want string
	}{
		{text, 1, "one"}, {text, 2, "two"}, {text, 3, ""}, {text, 4, "four\ufffd\ufffd"}, {text, 5, "five"}, {text, 6, ""},
		{"", 1, ""}, {"a\tb", 1, "a    b"}, {long, 1, strings.Repeat("é", 2*excerptReach) + "…"},
	} {
		if got := SourceLine([]byte(c.text), c.line); got != c.want {
			t.Errorf("line %d of %q: got %q, want %q", c.line, c.text, got, c.want)
		}
	}
}

// FuzzExcerpt: any source and any place have an excerpt of one line, whose caret is in it
// or after it.
func FuzzExcerpt(f *testing.F) {
	f.Add([]byte("local = 1;\n"), 6)
	f.Add([]byte("\t\xff\n\n"), 2)
	f.Add([]byte("#line 7 \"a\"\nx"), 13)
	f.Fuzz(func(t *testing.T, src []byte, at int) {
		if at < 0 {
			return
		}
		x := NewExcerpt("a", src, nil, at)
		if x.Line < 1 || x.Col < 1 || strings.Contains(x.Text, "\n") || x.Caret > len([]rune(x.Text)) {
			t.Errorf("%q at %d: %+v", src, at, x)
		}
	})
}
