package main

import (
	"net/http"
	"testing"
)

// compare finds the violations that chaos looks for.
func TestCompare(t *testing.T) {
	for _, tc := range []struct {
		name      string
		before    *subject
		a         answer
		method    string
		restarted bool
		broken    bool
	}{
		{"the first answer", &subject{}, answer{begun: 1, count: 1, saved: 0}, http.MethodGet, false, false},
		{"one more", &subject{begun: 1, count: 4, saved: 2}, answer{begun: 1, count: 5, saved: 2}, http.MethodGet, false, false},
		{"others have asked", &subject{begun: 1, count: 4, saved: 2}, answer{begun: 1, count: 9, saved: 2}, http.MethodGet, false, false},
		{"a save", &subject{begun: 1, count: 4, saved: 2}, answer{begun: 1, count: 5, saved: 3}, http.MethodPost, false, false},
		{"an earlier save of unknown outcome", &subject{begun: 1, count: 4, saved: 2, unsure: 1}, answer{begun: 1, count: 6, saved: 4}, http.MethodPost, false, false},
		{"a restart", &subject{begun: 1, count: 4, saved: 2}, answer{begun: 2, count: 1, saved: 2}, http.MethodGet, true, false},
		{"an older life", &subject{begun: 3, count: 4, saved: 2}, answer{begun: 2, count: 9, saved: 2}, http.MethodGet, false, true},
		{"the same number twice", &subject{begun: 1, count: 4, saved: 2}, answer{begun: 1, count: 4, saved: 2}, http.MethodGet, false, true},
		{"a lost save", &subject{begun: 1, count: 4, saved: 2}, answer{begun: 2, count: 1, saved: 1}, http.MethodGet, false, true},
		{"a save that is not counted", &subject{begun: 1, count: 4, saved: 2}, answer{begun: 1, count: 5, saved: 2}, http.MethodPost, false, true},
		{"a save done twice", &subject{begun: 1, count: 4, saved: 2}, answer{begun: 1, count: 5, saved: 4}, http.MethodPost, false, true},
		{"more than could be", &subject{begun: 1, count: 4, saved: 2, unsure: 1}, answer{begun: 1, count: 5, saved: 4}, http.MethodGet, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			restarted, broken := tc.before.compare(tc.a, tc.method)
			if !tc.broken && restarted != tc.restarted || (broken != nil) != tc.broken {
				t.Errorf("restarted %v, broken %v", restarted, broken)
			}
		})
	}
}
