package text

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
)

func list(args ...Arg) func(int) (Arg, bool) {
	return func(n int) (Arg, bool) {
		if n >= len(args) {
			return Arg{}, false
		}
		return args[n], true
	}
}

func argInt(i int32) Arg     { return Arg{Kind: KindInt, I: i} }
func argFloat(f float32) Arg { return Arg{Kind: KindFloat, F: f} }
func argString(s string) Arg { return Arg{Kind: KindString, S: []byte(s)} }

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		format string
		args   []Arg
		want   string
		err    error
	}{
		{"plain", nil, "plain", nil},
		{"100%%", nil, "100%", nil},
		{"%5.2f|%-5s|%05d|%x|%c|%%|%e|%g",
			[]Arg{
				argFloat(3.14159), argString("ab"), argInt(42), argInt(255), argInt('A'), argFloat(12345.678),
				argFloat(0.00001),
			},
			" 3.14|ab   |00042|ff|A|%|1.234568e+04|1e-05", nil},
		{"%i %u %o %X %E %G", []Arg{argInt(5), argInt(-1), argInt(8), argInt(255), argFloat(1.5), argFloat(0.00001)},
			"5 4294967295 10 FF 1.500000E+00 1E-05", nil},
		{"%+d % d %#x %-4d|", []Arg{argInt(5), argInt(5), argInt(255), argInt(5)}, "+5  5 0xff 5   |", nil},
		{"%99d", []Arg{argInt(1)}, strings.Repeat(" ", 98) + "1", nil},
		{"%d", []Arg{argFloat(3.9)}, "3", nil},
		{"%d", []Arg{argFloat(1e20)}, "-2147483648", nil},
		{"%f", []Arg{argInt(3)}, "3.000000", nil},
		{"%f", []Arg{argInt(16777217)}, "16777216.000000", nil},
		{"%s", []Arg{argString("a\x00b")}, "a", nil},
		{"%c%c", []Arg{argInt(0), argInt(0x141)}, "\x00A", nil},
		{"a\x00%d", []Arg{argInt(5)}, "a\x005", nil},
		{"a\x00%s", []Arg{argString("b\x00c")}, "a\x00b", nil},
		{"%d", []Arg{argInt(1), argInt(2)}, "1", nil},

		{"%d", nil, "", ErrTooFewArgs},
		{"abc%", nil, "abc", ErrTooFewArgs},
		{"abc%", []Arg{argInt(1)}, "abc", ErrFormat},
		{"%-", []Arg{argInt(1)}, "", ErrFormat},
		{"%q", []Arg{argInt(1)}, "", ErrFormat},
		{"%ld", []Arg{argInt(1)}, "", ErrFormat},
		{"%100d", []Arg{argInt(1)}, "", ErrWidthLen},
		{"%.100d", []Arg{argInt(1)}, "", ErrPrecisionLen},
		{"%" + strings.Repeat("-", 21) + "d", []Arg{argInt(1)}, "", ErrFormatLen},
		{"%" + strings.Repeat("-", 19) + "2d|", []Arg{argInt(1)}, "1 |", nil},
		{"%s", []Arg{argInt(3)}, "", ErrWantString},
		{"%d", []Arg{argString("5")}, "", ErrWantInteger},
		{"%c", []Arg{{}}, "", ErrWantInteger},
		{"%g", []Arg{argString("5")}, "", ErrWantFloat},
		{"x%d%s", []Arg{argInt(1), {}}, "x1", ErrWantString},
	} {
		got, err := Format(nil, []byte(tt.format), list(tt.args...))
		if string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Format(%q) = %q, %v; want %q, %v", tt.format, got, err, tt.want, tt.err)
		}
	}
}

// TestFormatLikeC compares with what glibc's printf did: one directive, the
// kind of argument, the argument (a float as its bits) and the output per line.
func TestFormatLikeC(t *testing.T) {
	for _, line := range testLines(t, "testdata/printf.tsv") {
		field := strings.Split(line, "\t")
		var a Arg
		switch field[1] {
		case "i":
			i, err := strconv.ParseInt(field[2], 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			a = argInt(int32(i))
		case "f":
			bits, err := strconv.ParseUint(field[2], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			a = argFloat(math.Float32frombits(uint32(bits)))
		case "s":
			a = argString(field[2])
		}
		got, err := Format(nil, []byte(field[0]), list(a))
		if err != nil || string(got) != field[3] {
			t.Errorf("Format(%q, %s) = %q, %v; want %q", field[0], field[2], got, err, field[3])
		}
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("%5.2f|%-5s|%05d", int32(3), uint32(0x40490fdb), "x")
	f.Add("%#.0e%+ -G", int32(-1), uint32(0x7f800000), "\x00")
	f.Fuzz(func(t *testing.T, format string, i int32, bits uint32, s string) {
		args := []Arg{argInt(i), argFloat(math.Float32frombits(bits)), argString(s)}
		out, err := Format(nil, []byte(format), func(n int) (Arg, bool) { return args[n%3], n < 9 })
		if err == nil && len(out) > len(format)+9*(200+len(s)) {
			t.Fatalf("%d bytes from %q", len(out), format)
		}
	})
}
