// Package spelling says how far a name is from another one, for "did you mean".
package spelling

// Distance returns how many letters are to be inserted, removed, replaced, or exchanged with their
// neighbours to turn a into b.
func Distance(a, b string) int {
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

// Near reports whether a name may be meant by another that is so many letters away.
func Near(name string, distance int) bool { return distance <= 1+len(name)/4 }
