package syntax

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

// tokens scans src and shows what it finds: values of literals, the text of
// everything else, and | where a newline precedes.
func tokens(src string) (out string, err error) {
	s := newScanner("s", []byte(src))
	defer func() {
		if e, ok := recover().(*Error); ok {
			err = e
		}
	}()
	var list []string
	for s.scan(); s.tok != tokEOF; s.scan() {
		if s.prev == '\n' {
			list = append(list, "|")
		}
		switch s.tok {
		case tokIdent:
			list = append(list, s.str)
		case tokString:
			list = append(list, fmt.Sprintf("%q", s.str))
		case tokInt:
			list = append(list, fmt.Sprint(s.int))
		case tokFloat:
			list = append(list, fmt.Sprintf("%gf", s.float))
		default:
			list = append(list, s.tok.String())
		}
	}
	return strings.Join(list, " "), nil
}

func TestTokens(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"a_1 _b Case case", "a_1 _b Case case"},
		{"a // c\nb # d\n\nc", "a | b | c"},
		{"a /* x\n */ b /**/ c /*/ */ d", "a b c d"},
		{"0 7 007 010 08 09 0x1F 0XffFFffff 0x", "0 7 7 8 8 9 31 -1 0"},
		{"2147483647 2147483648 4294967296 4294967297", "2147483647 -2147483648 0 1"},
		{"1. 1.5 .5 1.2.3 1e3 1E-2 1.5e+2 5.e1 1e2.5", "1f 1.5f . 5 1.2f 1000f 0.01f 150f 50f 100f"},
		{"1e2e3 1.5e1e+2.5 1...2 0.1 16777217.", "100f 15f 1f 0.1f 1.6777216e+07f"},
		{"1.0.tostring 5.x 1..2", "1f tostring 5f x 1f"},
		{"1e40 1e-50", fmt.Sprintf("%gf 0f", math.Inf(1))},
		{`'a' '\n' '\xff' '\'' '"' '\x1234'`, "97 10 255 39 34 52"},
		{`"a\tb" "\x4" "\x414" "\x41424" "\x4142434" "\0" "\\\"\'"`,
			`"a\tb" "\x04" "\x14" "B4" "B434" "\x00" "\\\"'"`},
		{`@"a\n""b""" @"" @ "x"`, `"a\\n\"b\"" "" @ "x"`},
		{"@\"a\nb\"", `"a\nb"`},
		{"\"\x80\xff\"", `"\x80\xff"`},
		{"<- <= <=> < << </ />/ = == => ! != > >= >> >>> >>>>=", "<- <= <=> < << </ /> / = == = > ! != > >= >> >>> >>> >="},
		{"+ ++ += +++ - -- -= * *= % %= / /= & && | || ^ ~ ? : :: ::: . ...", "+ ++ += ++ + - -- -= * *= % %= / /= & && | || ^ ~ ? : :: :: : . ..."},
		{"$ `", "$ `"},
		{"a\x00b", "a"},
	} {
		if got, err := tokens(c.src); got != c.want || err != nil {
			t.Errorf("%q:\n got %s, %v\nwant %s", c.src, got, err, c.want)
		}
	}
}

func TestTokenNames(t *testing.T) {
	for tok := tokIdent; tok < tokCount; tok++ {
		if name := tok.String(); len(name) < 2 {
			t.Errorf("token %d is called %q", tok, name)
		}
	}
}

func TestTokenErrors(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"..", "s:1:2: invalid token '..'"},
		{"0x123456789", "s:1:11: too many digits for an Hex number"},
		{"018", "s:1:2: invalid octal number"},
		{"1e", "s:1:2: exponent expected"},
		{"1e+", "s:1:3: exponent expected"},
		{"''", "s:1:2: empty constant"},
		{"'ab'", "s:1:4: constant too long"},
		{`"\q"`, "s:1:2: unrecognised escaper char"},
		{`"\xg"`, "s:1:3: hexadecimal number expected"},
		{"\"a\n\"", "s:1:2: newline in a constant"},
		{"'", "s:1:1: error parsing the string"},
		{"\v", "s:1:0: unexpected character(control)"},
		{"\x7f", "s:1:0: unexpected character(control)"},
	} {
		if _, err := tokens(c.src); err == nil || err.Error() != c.want {
			t.Errorf("%q: got %v, want %s", c.src, err, c.want)
		}
	}
}

// FuzzScan: a scan ends, every token lies where the scanner is, and what was
// read is what stands there.
func FuzzScan(f *testing.F) {
	f.Add([]byte("local a = @\"x\"\"y\" /* c */ + 0x1F .. 1.5e+2 'a' # d\n<- />"))
	f.Add([]byte("\"\\x41\\n\" @\"\n\" 'ab' 1e2e3 08 0x"))
	f.Fuzz(func(t *testing.T, src []byte) {
		s := newScanner("s", src)
		defer func() {
			if r := recover(); r != nil {
				if e, ok := r.(*Error); !ok || e.Msg == "" || e.Pos.Line < 1 {
					t.Fatalf("%v", r)
				}
			}
		}()
		for s.scan(); s.tok != tokEOF; s.scan() {
			from := s.at
			if s.at > len(s.src) || int(s.line) > 1+bytes.Count(s.src, []byte("\n")) {
				t.Fatalf("at %d, line %d", s.at, s.line)
			}
			if s.tok == tokIdent && !bytes.HasSuffix(s.src[:from], []byte(s.str)) {
				t.Fatalf("identifier %q before %d", s.str, from)
			}
		}
		if s.at != len(s.src) {
			t.Fatalf("ended at %d of %d", s.at, len(s.src))
		}
	})
}

// Editors mark the encoding of a file; positions count from behind the mark.
func TestByteOrderMark(t *testing.T) {
	for src, want := range map[string]string{
		"\xef\xbb\xbfa = \"ö\"":                            `a = "ö"`,
		"\xff\xfea\x00 \x00=\x00 \x00\"\x00\xf6\x00\"\x00": `a = "ö"`,
		"\xfe\xff\x00a\x00 \x00=\x00 \x00\"\x00\xf6\x00\"": `a = "ö"`,
		"\xff\xfea\x00\x00":                                "a",
		"\xff\xfe":                                         "",
	} {
		if got, err := tokens(src); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", src, got, err, want)
		}
	}
	_, marked := Parse("f", []byte("\xef\xbb\xbf@"))
	_, bare := Parse("f", []byte("@"))
	if marked == nil || bare == nil || marked.Error() != bare.Error() {
		t.Errorf("got %v, want %v", marked, bare)
	}
}
