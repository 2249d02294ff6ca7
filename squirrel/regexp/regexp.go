// Package regexp is the regular expression engine behind Squirrel's regexp class.
// Programs depend on its weaknesses: it takes the first alternative that matches,
// never revises a choice, and ends a repetition as soon as the following element
// could match.
//
//	(b+)(bbb) on bbbbbbb matches bbbb: b, then bbb
//
// # Syntax
//
//	^ $            start of the subject (first in an alternative), its end
//	. x [abc] [^a-z]
//	( ) (?: )      group, group without capture
//	a|b
//	* + ? {n} {n,} {n,m}
//	\a \A letter or not      \d \D digit            \w \W letter, digit or _
//	\s \S white space        \x \X hexadecimal      \c \C control character
//	\p \P punctuation        \l lower case          \u upper case
//	\b \B edge of a run of non-blanks, or not
//	\mXY           balanced text from X to its Y (an addition of Squirrel 3.1)
//	\n \t \r \f \v and any other escaped byte, itself
//
// There is no lazy repetition: a*? is a* followed by a question mark. Letters are
// ASCII; a byte above 127 must be escaped in a pattern. The subject ends at its first
// NUL byte.
//
// The original reads beyond the end of the subject when "." or a negated class is tried
// there. Here nothing matches at the end, as in later releases. Its other behaviour is
// kept, even that a group captured while looking ahead is reported although the
// match continued without it.
//
// # Cost
//
// Nested repetitions can take exponential time. The steps of a match are paid before they
// are taken, in small portions, to a [Meter] of the caller, whose error ends the match.
package regexp

import (
	"bytes"
	"unsafe"
)

// Meter takes payment for the steps of a match.
type Meter interface {
	// Pay pays for steps that are about to be taken. Its error is that of the match.
	Pay(steps int) error
}

// SyntaxError is an error of Compile, in the original's words.
type SyntaxError string

func (e SyntaxError) Error() string { return string(e) }

// Span is a part of the subject, from Begin up to but not including End.
type Span struct{ Begin, End int }

// Regexp is a compiled pattern. It does not change and may be shared.
type Regexp struct {
	nodes  []node
	groups int
}

// Groups returns the number of captures, the whole match among them.
func (re *Regexp) Groups() int { return re.groups }

// Size returns about how many bytes of memory the pattern takes.
func (re *Regexp) Size() int {
	n := int(unsafe.Sizeof(*re)) + cap(re.nodes)*int(unsafe.Sizeof(node{}))
	for i := range re.nodes {
		if re.nodes[i].set != nil {
			n += int(unsafe.Sizeof(set{}))
		}
	}
	return n
}

// Match reports whether the pattern matches the whole of s.
func (re *Regexp) Match(s []byte, meter Meter) (bool, error) {
	m := re.matcher(subject(s, 0), 0, meter)
	end := m.match(0, 0, none)
	return end == len(m.s) && m.fault == nil, m.fault
}

// Search finds the first match that begins at or after start. An empty
// subject never matches.
func (re *Regexp) Search(s []byte, start int, meter Meter) (Span, bool, error) {
	m, span, err := re.search(s, start, meter)
	return span, m != nil, err
}

// Capture is Search with all groups; the first is the whole match. A group that took no
// part or is empty is the zero Span. The result is nil when nothing matches.
func (re *Regexp) Capture(s []byte, start int, meter Meter) ([]Span, error) {
	m, _, err := re.search(s, start, meter)
	if m == nil {
		return nil, err
	}
	for i, g := range m.groups {
		if g.End <= g.Begin {
			m.groups[i] = Span{}
		}
	}
	return m.groups, nil
}

func (re *Regexp) search(s []byte, start int, meter Meter) (*matcher, Span, error) {
	if start < 0 || start >= len(s) {
		return nil, Span{}, nil
	}
	m := re.matcher(subject(s, start), start, meter)
	for at := start; at < len(m.s); at++ {
		m.group = 0
		end := m.match(0, at, none)
		if m.fault != nil {
			break
		}
		if end >= 0 {
			return m, Span{at, end}, nil
		}
	}
	return nil, Span{}, m.fault
}

// subject cuts s at the first NUL from start on.
func subject(s []byte, start int) []byte {
	if i := bytes.IndexByte(s[start:], 0); i >= 0 {
		return s[:start+i]
	}
	return s
}
