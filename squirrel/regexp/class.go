package regexp

// set is a set of bytes.
type set [256]bool

func setOf(member func(c byte) bool) *set {
	s := &set{}
	for i := range s {
		s[i] = member(byte(i))
	}
	return s
}

// classes are the sets of the escapes \a, \D and so on.
var classes = func() (t [256]*set) {
	for letter, member := range map[byte]func(byte) bool{
		'a': isAlpha,
		'w': func(c byte) bool { return isAlpha(c) || isDigit(c) || c == '_' },
		's': isSpace,
		'd': isDigit,
		'x': func(c byte) bool { return isDigit(c) || c|0x20-'a' < 6 },
		'c': isControl,
		'p': func(c byte) bool { return isPrint(c) && c != ' ' && !isAlpha(c) && !isDigit(c) },
	} {
		t[letter] = setOf(member)
		t[letter-'a'+'A'] = setOf(func(c byte) bool { return !member(c) })
	}
	t['l'] = setOf(isLower)
	t['u'] = setOf(isUpper)
	return t
}()

func isDigit(c byte) bool   { return c-'0' < 10 }
func isLower(c byte) bool   { return c-'a' < 26 }
func isUpper(c byte) bool   { return c-'A' < 26 }
func isAlpha(c byte) bool   { return isLower(c) || isUpper(c) }
func isPrint(c byte) bool   { return c >= ' ' && c < 0x7f }
func isControl(c byte) bool { return c < ' ' || c == 0x7f }
func isSpace(c byte) bool   { return c == ' ' || c-'\t' < 5 }

// class parses the inside of square brackets. A single byte is held back until
// it is clear that it does not begin a range.
func (p *parser) class() *set {
	s := &set{}
	negated := p.accept('^')
	if p.peek() == ']' {
		p.fail("empty class")
	}
	var held node
	holding := false
	for p.peek() != ']' {
		if holding && p.accept('-') {
			p.addRange(s, held)
			holding = false
			continue
		}
		if holding {
			s.add(held)
		}
		held, holding = p.char(true), true
	}
	if holding {
		s.add(held)
	}
	if negated {
		for i := range s {
			s[i] = !s[i]
		}
	}
	return s
}

func (s *set) add(n node) {
	switch n.op {
	case opChar:
		s[n.char] = true
	case opSet:
		for i, in := range n.set {
			s[i] = s[i] || in
		}
	}
}

// addRange parses the end of a range that starts at from.
func (p *parser) addRange(s *set, from node) {
	// The original compares with the next byte of the pattern even if that
	// begins an escape sequence.
	if from.op != opChar || from.char > p.peek() {
		p.fail("invalid range")
	}
	c := p.peek()
	if p.accept('\\') {
		if c = p.peek(); c == 0 {
			p.fail("letter expected for argument of escape sequence")
		}
		c = control(c)
	} else if !isPrint(c) {
		p.fail("letter expected")
	}
	p.pos++
	for i := int(from.char); i <= int(c); i++ {
		s[i] = true
	}
}
