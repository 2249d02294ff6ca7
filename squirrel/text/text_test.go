package text

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestStrip(t *testing.T) {
	for _, tt := range []struct{ in, both, left, right string }{
		{"", "", "", ""},
		{"  a b \t\n", "a b", "a b \t\n", "  a b"},
		{" \v\f\r\n\t ", "", "", ""},
		{"a", "a", "a", "a"},
		{"\xa0x\x85", "\xa0x\x85", "\xa0x\x85", "\xa0x\x85"},
		{" a\x00b ", "a\x00b", "a", " a\x00b"},
	} {
		if got := string(Strip([]byte(tt.in))); got != tt.both {
			t.Errorf("Strip(%q) = %q, want %q", tt.in, got, tt.both)
		}
		if got := string(LStrip([]byte(tt.in))); got != tt.left {
			t.Errorf("LStrip(%q) = %q, want %q", tt.in, got, tt.left)
		}
		if got := string(RStrip([]byte(tt.in))); got != tt.right {
			t.Errorf("RStrip(%q) = %q, want %q", tt.in, got, tt.right)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tt := range []struct{ s, seps, want string }{
		{"a,b,,c,", ",", "a|b|c"},
		{",a;b", ",;", "a|b"},
		{"", ",", ""},
		{",,,", ",", ""},
		{"1.2-3;4/5", ".-/;", "1|2|3|4|5"},
		{"no cut", ",", "no cut"},
		{"a,b\x00c,d", ",", "a|b"},
		{"a,b", "\x00,", "a,b"},
		{"\xff\xfe\xff", "\xfe", "\xff|\xff"},
	} {
		var got []string
		for _, p := range Split([]byte(tt.s), []byte(tt.seps)) {
			got = append(got, string(p))
		}
		if s := strings.Join(got, "|"); s != tt.want {
			t.Errorf("Split(%q, %q) = %q, want %q", tt.s, tt.seps, s, tt.want)
		}
	}
}

// The numbers come from an independent model that agrees with the original on
// the order in which random tables iterate.
func TestHash(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want uint32
	}{
		{"", 0},
		{"a", 1 ^ (1<<5 + 1>>2 + 'a')},
		{"len", 0x3474c},
		{"zebra", 0x13b5989e},
		{"0123456789abcdefghijklmnopqrstuvwxyzABCDEF", 0x1bc75c6},
		{strings.Repeat("x", 31), hashByHand(strings.Repeat("x", 31))},
		{strings.Repeat("x", 32), hashByHand(strings.Repeat("x", 32))},
		{strings.Repeat("ab", 100), hashByHand(strings.Repeat("ab", 100))},
	} {
		if got := Hash([]byte(tt.s)); got != tt.want {
			t.Errorf("Hash(%q) = %#x, want %#x", tt.s, got, tt.want)
		}
	}
	long := bytes.Repeat([]byte("k"), 200)
	changed := slices.Clone(long)
	changed[150] = 'z'
	if Hash(long) != Hash(changed) {
		t.Error("a byte beyond the first 32 or so changed the hash")
	}
}

// hashByHand is the hash in 64-bit arithmetic, reduced at every step.
func hashByHand(s string) uint32 {
	const m = 1<<32 - 1
	h, step := uint64(len(s)), (len(s)>>5)|1
	for i, left := 0, len(s); left >= step; i++ {
		h = (h ^ ((h<<5)&m + h>>2 + uint64(s[i]))) & m
		left -= step
	}
	return uint32(h)
}

func TestClipAndCompare(t *testing.T) {
	long := strings.Repeat("0123456789", 7)
	for in, want := range map[string]string{long: long[:50], "x\x00y": "x", "": ""} {
		if got := string(Clip([]byte(in))); got != want {
			t.Errorf("Clip(%q) = %q, want %q", in, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"a\x00b", "a\x00c", 0}, {"a", "B", 1}, {"a", "ab", -1}, {"", "", 0}, {"\xff", "a", 1},
	} {
		if got := Compare([]byte(tt.a), []byte(tt.b)); got != tt.want {
			t.Errorf("Compare(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestCase(t *testing.T) {
	in := "aZ[`{@\xe9\x00m"
	if got := string(Upper(nil, []byte(in))); got != "AZ[`{@\xe9\x00M" {
		t.Errorf("Upper: %q", got)
	}
	if got := string(Lower([]byte("x"), []byte(in))); got != "xaz[`{@\xe9\x00m" {
		t.Errorf("Lower: %q", got)
	}
}

func TestTruncate(t *testing.T) {
	nan := float32(math.NaN())
	for _, tt := range []struct {
		f    float32
		want int32
	}{
		{3.7, 3}, {-3.7, -3}, {0, 0}, {1e20, math.MinInt32}, {-1e20, math.MinInt32}, {nan, math.MinInt32},
		{2147483520, 2147483520}, {2147483648, math.MinInt32}, {-2147483648, math.MinInt32},
	} {
		if got := Truncate(tt.f); got != tt.want {
			t.Errorf("Truncate(%v) = %d, want %d", tt.f, got, tt.want)
		}
	}
}

func FuzzStrings(f *testing.F) {
	f.Add([]byte("a, b,,c "), []byte(", "))
	f.Add([]byte("\x00\x00"), []byte("\x00"))
	f.Fuzz(func(t *testing.T, s, seps []byte) {
		for _, p := range Split(s, seps) {
			if len(p) == 0 || slices.ContainsFunc(CString(seps), func(c byte) bool { return bytes.IndexByte(p, c) >= 0 }) {
				t.Fatalf("Split(%q, %q) has the piece %q", s, seps, p)
			}
		}
		if a, b := Strip(s), RStrip(s); len(a) > len(b) {
			t.Fatalf("Strip(%q) is longer than RStrip", s)
		}
		if Hash(s) != hashByHand(string(s)) {
			t.Fatalf("Hash(%q)", s)
		}
	})
}
