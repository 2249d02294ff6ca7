package regexp

import "math"

// matcher is one attempt to match. Positions are offsets in s; -1 is failure.
type matcher struct {
	re     *Regexp
	s      []byte
	start  int // offset at which the subject begins
	groups []Span
	group  int32 // the next group to capture
	left   int   // steps that are paid
	meter  Meter
	fault  error // of meter
}

func (re *Regexp) matcher(s []byte, start int, meter Meter) *matcher {
	return &matcher{re: re, s: s, start: start, groups: make([]Span, re.groups), meter: meter}
}

// portion is the number of steps that are paid at once.
const portion = 64

// pay pays for further steps when those that are paid have been taken.
func (m *matcher) pay() bool {
	if m.fault != nil {
		return false
	}
	n := portion - m.left // those that balanced has taken beyond what was paid, too
	if m.fault = m.meter.Pay(n); m.fault != nil {
		return false
	}
	m.left += n
	return true
}

// match tries node i at position at and returns the position at which it ends. follow is
// the node after the enclosing sequence, by which a repetition knows when it may stop.
func (m *matcher) match(i int32, at int, follow int32) int {
	if m.left--; m.left < 0 && !m.pay() {
		return none
	}
	n := &m.re.nodes[i]
	ok := false
	switch n.op {
	case opChar:
		ok = at < len(m.s) && m.s[at] == n.char
	case opAny:
		ok = at < len(m.s)
	case opSet:
		ok = at < len(m.s) && n.set[m.s[at]]
	case opBegin:
		return keep(at, at == m.start)
	case opEnd:
		return keep(at, at == len(m.s))
	case opEdge:
		return keep(at, m.isEdge(at) == (n.char == 'b'))
	case opBalanced:
		return m.balanced(n, at)
	case opGroup:
		return m.enclosed(n, at, follow)
	case opRepeat:
		return m.repeat(n, at, follow)
	case opEither:
		return m.either(n, at)
	}
	if !ok {
		return none
	}
	return at + 1
}

func keep(at int, ok bool) int {
	if ok {
		return at
	}
	return none
}

// isEdge reports whether a run of blanks or of other bytes ends at position at, or the
// subject does so without a blank.
func (m *matcher) isEdge(at int) bool {
	blank := m.isBlank(at)
	switch {
	case at == m.start && !blank:
		return true
	case at == len(m.s) && at > m.start && !m.isBlank(at-1):
		return true
	}
	return blank != m.isBlank(at+1)
}

func (m *matcher) isBlank(at int) bool { return at < len(m.s) && isSpace(m.s[at]) }

// balanced finds the end of text that opens at position at.
func (m *matcher) balanced(n *node, at int) int {
	if at >= len(m.s) || m.s[at] != n.char {
		return none
	}
	depth := 1
	for i := at + 1; i < len(m.s); i++ {
		m.left--
		switch m.s[i] {
		case n.closing:
			if depth--; depth == 0 {
				return i + 1
			}
		case n.char:
			depth++
		}
	}
	return none
}

// enclosed matches a group. Groups are captured in the order of their numbers. A group
// out of order, because it was captured before, is left as it is.
func (m *matcher) enclosed(n *node, at int, follow int32) int {
	captures := n.group == m.group
	if captures {
		m.group++
	}
	resume := m.group
	end := at
	for i := n.body; i != none; i = m.re.nodes[i].next {
		after := m.re.nodes[i].next
		if after == none {
			after = follow
		}
		if end = m.match(i, end, after); end == none {
			if captures {
				m.groups[n.group] = Span{}
			}
			return none
		}
	}
	m.group = resume
	if captures {
		m.groups[n.group] = Span{at, end}
	}
	return end
}

// either tries two sequences, both without regard to the following node.
func (m *matcher) either(n *node, at int) int {
	for {
		if end := m.sequence(n.body, at); end != none {
			return end
		}
		right := &m.re.nodes[n.alt]
		if right.op != opEither {
			return m.sequence(n.alt, at)
		}
		m.left--
		n = right
	}
}

func (m *matcher) sequence(i int32, at int) int {
	for ; i != none && at != none; i = m.re.nodes[i].next {
		at = m.match(i, at, none)
	}
	return at
}

// maxRepeats is the number at which the original stops counting an unlimited repetition.
const maxRepeats = math.MaxUint16 + 1

// repeat matches as often as possible, but ends as soon as the minimum is reached and the
// following node would match.
func (m *matcher) repeat(n *node, at int, follow int32) int {
	stop := n.next
	if stop == none {
		stop = follow
	}
	least, most := int(n.min), int(n.max)
	if most == math.MaxUint16 {
		most = maxRepeats
	}
	count := 0
	for count < most {
		group := m.group
		end := m.match(n.body, at, stop)
		if end == none {
			break
		}
		count++
		if end == at && m.group == group && count > 1 {
			return keep(end, least <= most) // every further round would match nothing too
		}
		at = end
		if m.stops(stop, at, follow) && count >= least || at >= len(m.s) {
			break
		}
	}
	if count < least {
		return none
	}
	return at
}

// stops reports whether node i, which follows a repetition, matches at position at. A
// node that may match nothing would always stop it, so it does not count.
func (m *matcher) stops(i int32, at int, follow int32) bool {
	if i == none {
		return false
	}
	n := &m.re.nodes[i]
	if n.op == opRepeat && n.min == 0 {
		return false
	}
	after := n.next
	if after == none && follow != none {
		after = m.re.nodes[follow].next
	}
	return m.match(i, at, after) != none
}
