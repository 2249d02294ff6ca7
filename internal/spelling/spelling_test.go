package spelling

import "testing"

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"group", "group", 0}, {"grop", "group", 1}, {"grouup", "group", 1},
		{"graup", "group", 1}, {"gruop", "group", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		if got := Distance(tc.a, tc.b); got != tc.want {
			t.Errorf("%q, %q: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
	if !Near("abcd", 2) || Near("abcd", 3) || !Near("a", 1) {
		t.Error("near")
	}
}
