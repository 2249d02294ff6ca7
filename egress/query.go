package egress

import (
	"fmt"
	"strings"
)

// plainQuery returns a query without bytes that a request line cannot have: spaces, and
// what is not ASCII. Public programs put names of places there as people write them. Other
// bytes stay as they are, also where a strict client would escape them.
func plainQuery(query string) string {
	bad := func(c byte) bool { return c <= ' ' || c >= 0x7f }
	n := 0
	for i := range len(query) {
		if bad(query[i]) {
			n++
		}
	}
	if n == 0 {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 2*n)
	for i := range len(query) {
		if c := query[i]; bad(c) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
