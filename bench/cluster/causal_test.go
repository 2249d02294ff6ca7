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
	}{
		{"sent 1,got 1,back 1", 2, true},
		{"got 1,back 1,sent 2", 1, true},
		{"sent 1,back 1,got 1", 2, false},
		{"got 1,sent 1", 1, false},
		{"got 1,back 1,Agent restarted: host_lost.,got 1", 1, true},
		{"2 log lines were lost: the log store did not answer.,back 1,Agent restarted: host_lost.,got 1", 1, true},
		{"2 log lines were lost: the log store did not answer.,back 1,got 1,Agent restarted: host_lost.", 1, false},
		{"back 1,Agent restarted: host_lost.,got 1", 1, false},
	} {
		n, err := compareLines(strings.Split(tc.log, ","))
		if n != tc.compared || (err == nil) != tc.ok {
			t.Errorf("%s: %d pairs, %v", tc.log, n, err)
		}
	}
}
