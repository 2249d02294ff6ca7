package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/spelling"
)

// nearest returns the name that is most like the given one, "" if none is like it.
func nearest(name string, names []string) (near string) {
	name = strings.ToLower(name)
	least := 0
	for _, candidate := range names {
		low := strings.ToLower(candidate)
		d := spelling.Distance(name, low)
		if d > 1 && len(name) > 2 && strings.HasPrefix(low, name) {
			d = 1 // it is cut short
		}
		if spelling.Near(name, d) && (near == "" || d < least) {
			near, least = candidate, d
		}
	}
	return near
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
