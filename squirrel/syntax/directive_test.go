package syntax

import (
	"fmt"
	"strings"
	"testing"
)

// Errors are where #line says, whatever the directive is surrounded by. What is
// no directive changes nothing.
func TestLineDirectives(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"#line 7 \"a.nut\"\n)", "a.nut:7:2: expression expected"},
		{"\n  #line 7 \"a b.nut\" \r\n\n)", "a b.nut:8:2: expression expected"},
		{"#line 7\n)", "s:7:2: expression expected"},
		{"#line 1 \"a\"\nx\n#line 100\n\n)", "a:101:2: expression expected"},
		{"#line 1 \"a\"\nx\n#line 5 \"b\"\nx\n#line 9 \"a\"\n)", "a:9:2: expression expected"},
		{"x\n#line 5 \"b\"\ny = @\"\n#line 9\n\" )", "b:7:19: end of statement expected (; or lf)"},
		{"/*\n#line 7 \"a\"\n*/ )", "s:3:19: expression expected"},
		{"#line 7 \"a\"\n/* x", "a:7:5: missing \"*/\" in comment"},
		{"#line 7 \"a\"\nif (x)\n#line 20 \"b\"\n{ y", "b:20:4: expression expected"},
		{"x #line 7 \"a\"\n)", "s:2:2: expression expected"},
		{"#line\n)", "s:2:2: expression expected"},
		{"#line x\n)", "s:2:2: expression expected"},
		{"#line -1 \"a\"\n)", "s:2:2: expression expected"},
		{"#line 99999999999 \"a\"\n)", "s:2:2: expression expected"},
		{"#line 1073741824\n)", "s:1073741824:2: expression expected"},
		{"#line 1073741825\n)", "s:2:2: expression expected"},
		{"#line 0\n)", "s:0:2: expression expected"},
		{"#line 7 a\n)", "s:2:2: expression expected"},
		{"#line 7 \"\n)", "s:2:2: expression expected"},
		{"#lines 7 \"a\"\n)", "s:2:2: expression expected"},
		{"# line 7 \"a\"\n)", "s:2:2: expression expected"},
		{"//#line 7 \"a\"\n)", "s:2:2: expression expected"},
	} {
		if _, err := Parse("s", []byte(c.src)); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.src, err, c.want)
		}
	}
}

func TestRequires(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"", ""},
		{"#require \"A:1\"", `1:0 "\"A:1\""`},
		{"// a\n/* b\n */\n\n#require \"A:1\"\r\n\t#require\t\"B:2\" \n# c\n#require\"C:3\"\nx", `5:1 "\"A:1\"", 6:2 "\"B:2\"", 8:1 "\"C:3\""`},
		{"#require\n#require A\nx", `1:0 "", 2:1 "A"`},
		{"x\n#require \"A:1\"\n", `2:1 "\"A:1\""`},
		{"x = @\"\n#require \"\n// #require 1\n/*\n#require 2\n*/ #require 3\n#required 4\n# require 5\ny #require 6", ""},
		{"\xef\xbb\xbf#require \"A:1\"\n\x00)", `1:0 "\"A:1\""`},
	} {
		f, err := Parse("s", []byte(c.src))
		if err != nil {
			t.Errorf("%q: %v", c.src, err)
			continue
		}
		var got []string
		for _, r := range f.Requires {
			got = append(got, fmt.Sprintf("%d:%d %q", r.Pos.Line, r.Pos.Col, r.Text))
			if text := string(f.Text[r.Begin:r.End]); !strings.HasPrefix(text, "#require") ||
				strings.TrimSpace(text[8:]) != r.Text {
				t.Errorf("%q: %q is not the directive", c.src, text)
			}
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%q: got %s, want %s", c.src, s, c.want)
		}
	}
}
