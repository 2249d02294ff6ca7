package text

import (
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestFormatFloat(t *testing.T) {
	nan := math.Float32frombits(0x7fc00000)
	for _, tt := range []struct {
		f             float32
		six, fourteen string
	}{
		{1, "1", "1"},
		{0.1, "0.1", "0.10000000149012"},
		{1e10, "1e+10", "10000000000"},
		{123456789, "1.23457e+08", "123456792"},
		{1234567, "1.23457e+06", "1234567"},
		{100000, "100000", "100000"},
		{999999.5, "1e+06", "999999.5"},
		{1e-5, "1e-05", "9.9999997473788e-06"},
		{0.0001, "0.0001", "9.9999997473788e-05"},
		{1 / float32(3), "0.333333", "0.33333334326744"},
		{3.25e8, "3.25e+08", "325000000"},
		{math.MaxFloat32, "3.40282e+38", "3.4028234663853e+38"},
		{math.SmallestNonzeroFloat32, "1.4013e-45", "1.4012984643248e-45"},
		{float32(math.Copysign(0, -1)), "-0", "-0"},
		{float32(math.Inf(1)), "inf", "inf"},
		{float32(math.Inf(-1)), "-inf", "-inf"},
		{nan, "nan", "nan"},
		{math.Float32frombits(0xffc00000), "-nan", "-nan"},
	} {
		if got := FormatFloat(tt.f); got != tt.six {
			t.Errorf("FormatFloat(%v) = %q, want %q", tt.f, got, tt.six)
		}
		if got := FormatFloat14(tt.f); got != tt.fourteen {
			t.Errorf("FormatFloat14(%v) = %q, want %q", tt.f, got, tt.fourteen)
		}
	}
}

func TestParseInt(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want int32
		err  error
	}{
		{"12", 12, nil},
		{" \t12abc", 12, nil},
		{"-7", -7, nil},
		{"+7", 7, nil},
		{"abc", 0, ErrNotNumber},
		{"", 0, ErrNotNumber},
		{"-", 0, ErrNotNumber},
		{"- 1", 0, ErrNotNumber},
		{"0x10", 16, nil},
		{"0x1e", 30, nil},
		{" -0X1Fx", -31, nil},
		{"0x7fffffff", 0x7fffffff, nil},
		{"0x1234567E", 0x1234567e, nil}, // more digits than a float has
		{"0xFFFFFFFE", -2, nil},
		{"0x01FFFFFFFF", -1, nil},
		{"0x000000001", -1, nil},
		{"0x", 0, nil},
		{"0xg", 0, nil},
		{"x10", 0, ErrNotNumber},
		{"1e3", 1000, nil},
		{"12 apples", 12, nil},
		{"12 pears and an e", 12, nil},
		{"3.99", 3, nil},
		{"-3.99", -3, nil},
		{"99999999999", math.MaxInt32, nil},
		{"-99999999999", math.MinInt32, nil},
		{"2147483648", math.MaxInt32, nil},
		{"-2147483648", math.MinInt32, nil},
		{"1e10", math.MinInt32, nil},
		{"5\x00.5", 5, nil},
		{"true", 0, ErrNotNumber},
	} {
		got, err := ParseInt([]byte(tt.s))
		if got != tt.want && tt.err == nil || !errors.Is(err, tt.err) {
			t.Errorf("ParseInt(%q) = %d, %v; want %d, %v", tt.s, got, err, tt.want, tt.err)
		}
	}
}

func TestParseFloatOfIntegers(t *testing.T) {
	for s, want := range map[string]float32{
		"5": 5, "-5x": -5, "16777217": 16777216, "99999999999": 2147483648, "0x10": 16,
		"0x1E": 30, "0xFFFFFFFF": -1,
	} {
		if got, err := ParseFloat([]byte(s)); got != want || err != nil {
			t.Errorf("ParseFloat(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
}

// TestParseFloat reads what C's strtod made of the same text.
func TestParseFloat(t *testing.T) {
	for _, line := range testLines(t, "testdata/strtod.tsv") {
		field := strings.Split(line, "\t")
		in, err := strconv.Unquote(`"` + field[1] + `"`)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseFloat([]byte(in))
		result := "error"
		if err == nil {
			result = strconv.FormatUint(1<<32|uint64(math.Float32bits(got)), 16)[1:]
		}
		if result != field[2] {
			t.Errorf("ParseFloat(%q) = %s, want %s", in, result, field[2])
		}
	}
}

func testLines(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"1.5e3", "0x1.8p-3", "-inf.", "nane", "  +12", "1e", "."} {
		f.Add([]byte(s), uint32(0x3dcccccd))
	}
	f.Fuzz(func(t *testing.T, s []byte, bits uint32) {
		i, ierr := ParseInt(s)
		x, ferr := ParseFloat(s)
		if (ierr == nil) != (ferr == nil) {
			t.Fatalf("%q: ParseInt says %v, ParseFloat %v", s, ierr, ferr)
		}
		if ierr == nil && i != Truncate(x) && float32(i) != x {
			t.Fatalf("%q: %d and %v", s, i, x)
		}
		v := math.Float32frombits(bits)
		if v != v {
			return
		}
		text := FormatFloat14(v)
		if !strings.ContainsAny(text, ".e") {
			text += "."
		}
		if back, err := ParseFloat([]byte(text)); err != nil || back != v {
			t.Fatalf("%s reads back as %v, %v", text, back, err)
		}
	})
}
