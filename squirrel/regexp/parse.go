package regexp

import "math"

// A pattern is a graph of nodes in one slice, linked by index. next is the following
// node of the same sequence; body is the content of a group or a repetition, alt the
// right side of an alternative. Node 0 is the group of the whole match.
type node struct {
	op       op
	char     byte   // opChar, opEdge ('b' or 'B'), opBalanced (the opening one)
	closing  byte   // opBalanced
	min, max uint16 // opRepeat; math.MaxUint16 is no limit
	group    int32  // opGroup: number of the capture, or none
	next     int32
	body     int32
	alt      int32
	set      *set // opSet
}

type op uint8

const (
	opChar op = iota
	opAny
	opSet
	opBegin
	opEnd
	opEdge
	opBalanced
	opGroup
	opRepeat
	opEither
)

const none = -1

// Limits of a pattern: the nesting of groups, which bounds the stack of the parser and
// matcher, and the number of nodes.
const (
	maxDepth = 200
	maxNodes = 4096
)

type parser struct {
	src   string
	pos   int
	depth int
	re    *Regexp
}

// Compile prepares a pattern. The error is a SyntaxError.
func Compile(pattern []byte) (re *Regexp, err error) {
	p := parser{src: string(subject(pattern, 0)), re: &Regexp{}}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case SyntaxError:
			re, err = nil, e
		default:
			panic(e)
		}
	}()
	p.newGroup()
	p.re.nodes[0].body = p.sequence()
	if p.pos != len(p.src) {
		p.fail("unexpected character")
	}
	return p.re, nil
}

func (p *parser) fail(msg string) { panic(SyntaxError(msg)) }

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *parser) accept(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.pos++
	return true
}

func (p *parser) expect(c byte) {
	if !p.accept(c) {
		p.fail("expected paren")
	}
}

func (p *parser) add(n node) int32 {
	if len(p.re.nodes) == maxNodes {
		p.fail("expression too complex")
	}
	n.next = none
	p.re.nodes = append(p.re.nodes, n)
	return int32(len(p.re.nodes) - 1)
}

func (p *parser) newGroup() int32 {
	p.re.groups++
	return p.add(node{op: opGroup, group: int32(p.re.groups - 1)})
}

// sequence parses alternatives and returns the first node.
func (p *parser) sequence() int32 {
	first := p.branch()
	if !p.accept('|') {
		return first
	}
	root := p.add(node{op: opEither, body: first})
	for last := root; ; {
		right := p.branch()
		if !p.accept('|') {
			p.re.nodes[last].alt = right
			return root
		}
		next := p.add(node{op: opEither, body: right})
		p.re.nodes[last].alt = next
		last = next
	}
}

// branch parses one alternative. ^ is an anchor only here, at its start.
func (p *parser) branch() int32 {
	first := int32(none)
	if p.accept('^') {
		first = p.add(node{op: opBegin})
	}
	return p.chain(first)
}

// chain parses elements up to a closing parenthesis, a bar or the end, and appends them
// to the sequence that starts at first. A repetition of a repetition ends it too; the
// caller then refuses it.
func (p *parser) chain(first int32) int32 {
	last := first
	for {
		n := p.element()
		if last == none {
			first = n
		} else {
			p.re.nodes[last].next = n
		}
		last = n
		switch p.peek() {
		case '|', ')', '*', '+', 0:
			return first
		}
	}
}

// element parses one atom and its repetition.
func (p *parser) element() int32 {
	atom := p.atom()
	least, most, ok := p.repetition()
	if !ok {
		return atom
	}
	return p.add(node{op: opRepeat, body: atom, min: least, max: most})
}

func (p *parser) atom() int32 {
	switch p.peek() {
	case '(':
		p.pos++
		return p.parenthesis()
	case '[':
		p.pos++
		n := p.add(node{op: opSet, set: p.class()})
		p.expect(']')
		return n
	case '$':
		p.pos++
		return p.add(node{op: opEnd})
	case '.':
		p.pos++
		return p.add(node{op: opAny})
	}
	return p.add(p.char(false))
}

func (p *parser) parenthesis() int32 {
	if p.depth++; p.depth > maxDepth {
		p.fail("expression too complex")
	}
	var n int32
	if p.accept('?') {
		p.expect(':')
		n = p.add(node{op: opGroup, group: none})
	} else {
		n = p.newGroup()
	}
	body := p.sequence()
	p.re.nodes[n].body = body
	p.expect(')')
	p.depth--
	return n
}

func (p *parser) repetition() (least, most uint16, ok bool) {
	switch p.peek() {
	case '*':
		least, most = 0, math.MaxUint16
	case '+':
		least, most = 1, math.MaxUint16
	case '?':
		least, most = 0, 1
	case '{':
		p.pos++
		least, most = p.bounds()
		return least, most, true
	default:
		return 0, 0, false
	}
	p.pos++
	return least, most, true
}

// bounds parses n}, n,} or n,m}.
func (p *parser) bounds() (least, most uint16) {
	if !isDigit(p.peek()) {
		p.fail("number expected")
	}
	least = p.number()
	switch {
	case p.accept('}'):
		return least, least
	case p.accept(','):
		most = math.MaxUint16
		if isDigit(p.peek()) {
			most = p.number()
		}
		p.expect('}')
		return least, most
	}
	p.fail(", or } expected")
	return 0, 0
}

// number parses up to nine digits; only the low 16 bits count.
func (p *parser) number() uint16 {
	const maxDigits = 9
	n, first := 0, p.pos
	for isDigit(p.peek()) {
		if p.pos-first == maxDigits {
			p.fail("overflow in numeric constant")
		}
		n = n*10 + int(p.peek()-'0')
		p.pos++
	}
	return uint16(n)
}

// char parses a plain byte or an escape sequence.
func (p *parser) char(inClass bool) node {
	c := p.peek()
	if c != '\\' {
		if !isPrint(c) {
			p.fail("letter expected")
		}
		p.pos++
		return node{op: opChar, char: c}
	}
	p.pos++
	c = p.peek()
	switch {
	case c == 0:
		p.fail("letter expected for argument of escape sequence")
	case classes[c] != nil:
		p.pos++
		return node{op: opSet, char: c, set: classes[c]}
	case c == 'm':
		return p.balanced()
	case (c == 'b' || c == 'B') && !inClass:
		p.pos++
		return node{op: opEdge, char: c}
	}
	p.pos++
	return node{op: opChar, char: control(c)}
}

func (p *parser) balanced() node {
	if p.pos+2 >= len(p.src) {
		p.fail("balanced chars expected")
	}
	opening, closing := p.src[p.pos+1], p.src[p.pos+2]
	if opening == closing {
		p.fail("open/close char can't be the same")
	}
	p.pos += 3
	return node{op: opBalanced, char: opening, closing: closing}
}

// control returns the character for an escaped letter.
func control(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	case 'v':
		return '\v'
	}
	return c
}
