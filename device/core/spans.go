package core

import (
	"encoding/binary"
	"slices"
)

// span is a range of sequence numbers, both ends included.
type span struct{ first, last uint64 }

// spans is a set of sequence numbers: disjoint spans that do not touch, in order. What is
// handled in order makes a single one.
type spans []span

// add adds the numbers from first to last.
func (s *spans) add(first, last uint64) {
	if first > last {
		return
	}
	// The spans from i to j are those that touch the new one.
	i, _ := slices.BinarySearchFunc(*s, first, func(p span, n uint64) int {
		if p.last+1 < n {
			return -1
		}
		return 1
	})
	j := i
	for ; j < len(*s) && (*s)[j].first <= last+1; j++ {
		first, last = min(first, (*s)[j].first), max(last, (*s)[j].last)
	}
	if i < j {
		(*s)[i] = span{first, last}
		*s = slices.Delete(*s, i+1, j)
		return
	}
	*s = slices.Insert(*s, i, span{first, last})
}

// has reports whether a number is in the set.
func (s spans) has(n uint64) bool { return s.after(n) != n }

// after returns the first number that is not in the set, from n on.
func (s spans) after(n uint64) uint64 {
	i, found := slices.BinarySearchFunc(s, n, func(p span, n uint64) int {
		switch {
		case p.last < n:
			return -1
		case p.first > n:
			return 1
		}
		return 0
	})
	if found {
		return s[i].last + 1
	}
	return n
}

// missing returns the numbers from first to last that are not in the set.
func (s spans) missing(first, last uint64) (gaps []span) {
	for n := s.after(first); n <= last; n = s.after(n) {
		end := last
		i, _ := slices.BinarySearchFunc(s, n, func(p span, n uint64) int {
			if p.first < n {
				return -1
			}
			return 1
		})
		if i < len(s) {
			end = min(end, s[i].first-1)
		}
		gaps = append(gaps, span{n, end})
		n = end + 1
	}
	return gaps
}

// count returns how many numbers are in the set.
func (s spans) count() (n uint64) {
	for _, p := range s {
		n += p.last - p.first + 1
	}
	return n
}

// highest returns the largest number, 0 for an empty set.
func (s spans) highest() uint64 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].last
}

// encode appends at most n spans, the lowest: what is left out is handled once more.
func (s spans) encode(dst []byte, n int) []byte {
	n = min(n, len(s))
	dst = binary.AppendUvarint(dst, uint64(n))
	before := uint64(0)
	for _, p := range s[:n] {
		dst = binary.AppendUvarint(dst, p.first-before)
		dst = binary.AppendUvarint(dst, p.last-p.first)
		before = p.last
	}
	return dst
}

// decodeSpans reads what encode has written.
func decodeSpans(b *reader) (s spans) {
	n := b.uvarint()
	before := uint64(0)
	for range min(n, uint64(len(b.data))) {
		first := before + b.uvarint()
		last := first + b.uvarint()
		if b.bad || last < first {
			return nil
		}
		s.add(first, last)
		before = last
	}
	return s
}

// reader reads numbers and strings of which something else has said that they are whole.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	n, k := binary.Uvarint(r.data)
	if k <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[k:]
	return n
}

// bytes returns a piece with its length before it. It is part of the data that is read.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.bad, r.data = true, nil
		return nil
	}
	p := r.data[:n]
	r.data = r.data[n:]
	return p
}
