package squirrel

import (
	"testing"

	"github.com/tandem-iot/tandem/squirrel/text"
)

// collidingStrings returns 2^n strings with one hash, of 3n bytes each. n blocks follow
// each other, and for each there are two that lead to the same hash.
func collidingStrings(t *testing.T, n int) []string {
	t.Helper()
	step := func(h uint32, c byte) uint32 { return h ^ (h<<5 + h>>2 + uint32(c)) }
	h := uint32(3 * n)
	all := []string{""}
	for range n {
		seen := map[uint32][3]byte{}
		found := false
		for i := uint32(0); i < 1<<24 && !found; i++ {
			block := [3]byte{byte(i), byte(i >> 8), byte(i >> 16)}
			next := step(step(step(h, block[0]), block[1]), block[2])
			twin, ok := seen[next]
			if !ok {
				seen[next] = block
				continue
			}
			found = true
			h = next
			var longer []string
			for _, s := range all {
				longer = append(longer, s+string(block[:]), s+string(twin[:]))
			}
			all = longer
		}
		if !found {
			t.Fatal("there is no collision")
		}
	}
	for _, s := range all {
		if text.Hash([]byte(s)) != text.Hash([]byte(all[0])) {
			t.Fatalf("%x has another hash than %x", s, all[0])
		}
	}
	return all
}

// TestInternCollisions: strings that a program has made to have the same hash are not
// searched for one by one when they are made and when garbage is collected.
func TestInternCollisions(t *testing.T) {
	v := New(standard, 8<<20)
	list := v.NewArray()
	v.SetField(v.Root(), "list", list)
	for _, s := range collidingStrings(t, 12) {
		v.Append(v.Field(v.Root(), "list"), v.NewString(s))
	}
	for range 2 {
		run, longest := 0, 0
		for _, off := range v.interned.slots {
			if run++; off == 0 {
				run = 0
			}
			longest = max(longest, run)
		}
		if longest > 500 {
			t.Errorf("%d slots are in use without a gap", longest)
		}
		v.NewString("garbage, so that the table is built again")
		v.Collect()
	}
}
