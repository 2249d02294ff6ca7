package main

import (
	"strings"
	"testing"
)

func TestCompareLines(t *testing.T) {
	for _, tc := range []struct {
		log      string
		compared int64
		ok       bool
		cut      bool // there are older lines
	}{
		{"sent 1,got 1,back 1", 2, true, false},
		{"got 1,back 1,sent 2", 1, true, false},
		{"sent 1,back 1,got 1", 2, false, false},
		{"got 1,sent 1", 1, false, false},
		{"got 1,back 1,Agent restarted: host_lost.,got 1", 1, true, false},
		{"2 log lines were lost: the log store did not answer.,back 1,Agent restarted: host_lost.,got 1", 1, true, false},
		{"2 log lines were lost: the log store did not answer.,back 1,got 1,Agent restarted: host_lost.", 1, false, false},
		{"back 1,Agent restarted: host_lost.,got 1", 1, false, false},
		{"back 1,Agent restarted: host_lost.,got 1", 1, true, true},
		{"back 1,got 1,Agent restarted: host_lost.", 1, false, true},
	} {
		n, err := compareLines(strings.Split(tc.log, ","), !tc.cut)
		if n != tc.compared || (err == nil) != tc.ok {
			t.Errorf("%s: %d pairs, %v", tc.log, n, err)
		}
	}
}
