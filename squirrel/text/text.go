// Package text has Squirrel 3.0.4's conversions between numbers and text, and the
// string functions of its standard library, over bytes and plain Go numbers. It does
// not use the virtual machine's values, so that the scanner, the VM, the library and
// the tools can all use it.
//
// # Strings
//
// A Squirrel string is any sequence of bytes; nothing here decodes UTF-8. The
// original hands strings to the C library, so several functions see only what
// precedes the first NUL byte: [Format] (the format itself and %s arguments),
// [Split], [LStrip], [Compare], [ParseInt] and [ParseFloat], [Clip]. Programs
// can observe this, so it is kept. Letters, digits and space mean ASCII.
//
// # Floats
//
// A Squirrel float is 32 bits wide. C promotes it to double before printing,
// so all digits come from float64(f): FormatFloat(0.1) is "0.1" because of its
// six digits, but Format with "%.9f" shows 0.100000001. Infinities and NaN are
// spelt as glibc spells them, NaN with the sign of its sign bit.
package text

import (
	"bytes"
	"math"
)

// ClipLen is the number of bytes of an operand that an error message shows.
const ClipLen = 50

// CString returns s up to its first NUL byte.
func CString(s []byte) []byte {
	if i := bytes.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

// Clip returns the part of s that a run-time error message shows: at most 50
// bytes, ending before a NUL.
func Clip(s []byte) []byte {
	if len(s) > ClipLen {
		s = s[:ClipLen]
	}
	return CString(s)
}

// Compare orders strings as the relational operators do: byte by byte,
// ignoring everything from the first NUL on. It returns -1, 0 or 1.
func Compare(a, b []byte) int {
	n := min(len(a), len(b)) + 1 // what follows in the longer one does not matter
	return bytes.Compare(CString(a[:min(len(a), n)]), CString(b[:min(len(b), n)]))
}

// Hash is the string hash of Squirrel 3.0.4. It is visible to programs in the
// order in which tables iterate. Of a long string only about the first 32
// bytes count.
func Hash(s []byte) uint32 {
	h := uint32(len(s))
	step := len(s)>>5 | 1
	for i, left := 0, len(s); left >= step; i, left = i+1, left-step {
		h ^= h<<5 + h>>2 + uint32(s[i])
	}
	return h
}

// IsSpace is C's isspace: space, tab, newline, vertical tab, form feed and carriage
// return.
func IsSpace(c byte) bool { return c == ' ' || c-'\t' < 5 }

// Strip removes white space from both ends of s.
func Strip(s []byte) []byte {
	for len(s) > 0 && IsSpace(s[0]) {
		s = s[1:]
	}
	return RStrip(s)
}

// LStrip removes white space from the start of s, and whatever follows a NUL.
func LStrip(s []byte) []byte {
	for len(s) > 0 && IsSpace(s[0]) {
		s = s[1:]
	}
	return CString(s)
}

// RStrip removes white space from the end of s.
func RStrip(s []byte) []byte {
	for len(s) > 0 && IsSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// Splitter cuts strings as Split does.
type Splitter struct{ isSep [256]bool }

// NewSplitter returns a Splitter with separators.
func NewSplitter(seps []byte) *Splitter {
	c := &Splitter{}
	for _, b := range CString(seps) {
		c.isSep[b] = true
	}
	return c
}

// Next returns the first piece of s, and what follows it. There is none when it is empty.
func (c *Splitter) Next(s []byte) (piece, rest []byte) {
	begin := 0
	for begin < len(s) && c.isSep[s[begin]] {
		begin++
	}
	end := begin
	for end < len(s) && !c.isSep[s[end]] {
		end++
	}
	return s[begin:end], s[end:]
}

// Split cuts s at every byte that occurs in seps, as C's strtok does: a run of
// separators is one cut, and empty pieces do not exist. The pieces alias s.
func Split(s, seps []byte) (pieces [][]byte) {
	c := NewSplitter(seps)
	for piece, rest := c.Next(CString(s)); len(piece) > 0; piece, rest = c.Next(rest) {
		pieces = append(pieces, piece)
	}
	return pieces
}

// Lower appends s in lower case to dst.
func Lower(dst, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// Upper appends s in upper case to dst.
func Upper(dst, s []byte) []byte {
	for _, c := range s {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// Truncate converts a float to an integer as Squirrel does on x86: towards zero; NaN and
// a value that does not fit become the smallest integer. (In Go the result of a plain
// conversion would depend on the processor.)
func Truncate(f float32) int32 {
	if f >= math.MinInt32 && f < -math.MinInt32 {
		return int32(f)
	}
	return math.MinInt32
}
