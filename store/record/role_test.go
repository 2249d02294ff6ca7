package record

import (
	"slices"
	"testing"
)

// TestRoles: each role includes the ones before it, and what is no role includes nothing.
func TestRoles(t *testing.T) {
	for i, a := range Roles {
		for j, b := range Roles {
			if a.Covers(b) != (i >= j) {
				t.Errorf("%s covers %s: %v", a, b, a.Covers(b))
			}
		}
		for _, none := range []Role{"", "root"} {
			if a.Covers(none) || none.Covers(a) || none.Covers(none) {
				t.Errorf("%q beside %s", none, a)
			}
		}
	}
}

// TestRoleAt: the greatest role counts that is given at the place or above it.
func TestRoleAt(t *testing.T) {
	account := Place{Owner: "o"}
	product, group := Place{"o", "p", ""}, Place{"o", "p", "g"}
	grants := []Grant{
		{Member: "m", Place: product, Role: Operator}, {Member: "m", Place: group, Role: Admin},
		{Member: "n", Place: account, Role: Owner}, {Member: "m", Place: Place{"x", "", ""}, Role: "root"},
	}
	for _, tt := range []struct {
		account string
		at      Place
		want    Role
	}{
		{"o", account, Owner}, {"o", group, Owner}, {"m", account, ""}, {"m", product, Operator}, {"m", group, Admin},
		{"m", Place{"o", "p", "h"}, Operator}, {"m", Place{"o", "q", "g"}, ""}, {"m", Place{"x", "p", "g"}, ""},
		{"n", group, Owner}, {"", Place{}, ""}, {"z", group, ""},
	} {
		if got := RoleAt(tt.account, grants, tt.at); got != tt.want {
			t.Errorf("%s at %v: %q, want %q", tt.account, tt.at, got, tt.want)
		}
	}
}

// TestVisible: no place that is seen lies in another.
func TestVisible(t *testing.T) {
	grant := func(owner, product, group string) Grant {
		return Grant{Member: "m", Place: Place{owner, product, group}, Role: Viewer}
	}
	for _, tt := range []struct {
		grants []Grant
		want   []Place
	}{
		{nil, []Place{{Owner: "m"}}},
		{[]Grant{grant("a", "p", "g")}, []Place{{Owner: "m"}, {"a", "p", "g"}}},
		{[]Grant{grant("a", "p", "g"), grant("a", "p", ""), grant("a", "q", "h")},
			[]Place{{Owner: "m"}, {"a", "p", ""}, {"a", "q", "h"}}},
		{[]Grant{grant("a", "p", "g"), grant("a", "", ""), grant("b", "p", "")},
			[]Place{{Owner: "m"}, {"a", "", ""}, {"b", "p", ""}}},
		{[]Grant{grant("m", "p", ""), {Member: "n", Place: Place{Owner: "a"}, Role: Viewer}}, []Place{{Owner: "m"}}},
	} {
		if got := Visible("m", tt.grants); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.grants, got, tt.want)
		}
	}
}

// TestWithin: a filter selects the parts of what is seen.
func TestWithin(t *testing.T) {
	seen := []Place{{Owner: "m"}, {"a", "p", ""}, {"a", "q", "g"}, {"a", "q", "h"}}
	for _, tt := range []struct {
		at   Place
		want []Place
	}{
		{Place{"m", "x", ""}, []Place{{"m", "x", ""}}}, {Place{"a", "p", "k"}, []Place{{"a", "p", "k"}}},
		{Place{"a", "q", ""}, []Place{{"a", "q", "g"}, {"a", "q", "h"}}}, {Place{"a", "r", ""}, nil},
		{Place{"b", "p", ""}, nil}, {Place{"a", "q", "g"}, []Place{{"a", "q", "g"}}},
	} {
		if got := Within(seen, tt.at); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.at, got, tt.want)
		}
	}
}
