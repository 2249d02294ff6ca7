package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem"
)

// nearest returns the name that is most like the given one, "" if none is like it.
func nearest(name string, names []string) (near string) {
	name = strings.ToLower(name)
	least := 1 + len(name)/4
	for _, candidate := range names {
		low := strings.ToLower(candidate)
		d := changes(name, low)
		if d > 1 && len(name) > 2 && strings.HasPrefix(low, name) {
			d = 1 // it is cut short
		}
		if d <= least && (near == "" || d < least) {
			near, least = candidate, d
		}
	}
	return near
}

// changes returns how many letters are to be inserted, removed, replaced, or exchanged with their
// neighbours to turn a into b.
func changes(a, b string) int {
	var last, row, next []int
	for j := range len(b) + 1 {
		row = append(row, j)
	}
	for i := range len(a) {
		next = append(next[:0:0], i+1)
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			d := min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, last[j-1]+1)
			}
			next = append(next, d)
		}
		last, row = row, next
	}
	return row[len(b)]
}

// unknown is the error of a name that nothing has. names are those that there are, and hint is
// how to see or make them.
func unknown(noun, name string, names []string, hint string) error {
	msg := fmt.Sprintf("there is no %s %s", noun, cmp.Or(name, `""`))
	if near := nearest(name, names); near != "" {
		return tandem.Errorf(tandem.NotFound, "%s; did you mean %s? %s", msg, near, hint)
	}
	return tandem.Errorf(tandem.NotFound, "%s: %s", msg, hint)
}
