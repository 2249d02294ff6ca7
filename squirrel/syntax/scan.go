package syntax

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unicode/utf16"
)

// scanner cuts the source into tokens. scan reads the next one into tok and
// the fields that carry its value.
type scanner struct {
	name string
	src  []byte
	at   int // index of the current byte

	begin int // index of the first byte of tok, or of the comment that is being skipped
	end   int // index after the token before tok

	line, col int32
	lastLine  int32 // where the token before tok ended

	tok  token
	prev token // the token before tok, '\n' when a newline is between them
	last token // the value of prev after the next token

	str   string  // of tokIdent, tokConstructor and tokString
	int   int32   // of tokInt
	float float32 // of tokFloat

	places   Places
	requires []Require
}

func newScanner(name string, src []byte) scanner {
	src = decode(src)
	if i := bytes.IndexByte(src, 0); i >= 0 {
		src = src[:i]
	}
	return scanner{name: name, src: src, line: 1, lastLine: 1}
}

// decode removes the byte order mark of a source in UTF-8, and converts one in UTF-16 to
// UTF-8. A source without a mark is bytes in no particular encoding.
func decode(src []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(src, []byte("\xef\xbb\xbf")):
		return src[3:]
	case bytes.HasPrefix(src, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(src, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return src
	}
	units := make([]uint16, 0, len(src)/2)
	for src = src[2:]; len(src) >= 2; src = src[2:] {
		units = append(units, order.Uint16(src))
	}
	return []byte(string(utf16.Decode(units)))
}

func (s *scanner) pos() Pos { return s.posFrom(s.begin) }

// posFrom is pos for something that begins at an earlier index.
func (s *scanner) posFrom(begin int) Pos { return Pos{s.line, s.col, int32(begin)} }

// fail unwinds to Parse. The offending text begins with tok.
func (s *scanner) fail(msg string) { s.failFrom(s.begin, msg) }

// failFrom is fail for offending text that begins at an earlier index.
func (s *scanner) failFrom(begin int, msg string) {
	panic(&Error{
		File: s.name, Pos: s.posFrom(begin), Msg: msg, AtEnd: s.at == len(s.src), Found: s.foundText(),
	})
}

// char returns the current byte, 0 at the end.
func (s *scanner) char() byte {
	if s.at < len(s.src) {
		return s.src[s.at]
	}
	return 0
}

func (s *scanner) looksAt(text string) bool { return bytes.HasPrefix(s.src[s.at:], []byte(text)) }

// next moves on by one byte. Columns count on after the end.
func (s *scanner) next() {
	if s.at < len(s.src) {
		s.at++
	}
	s.col++
}

func (s *scanner) advance(n int) {
	for range n {
		s.next()
	}
}

func (s *scanner) scan() {
	s.lastLine = s.line
	s.end = s.at
	s.skipSpace()
	s.begin = s.at
	if s.at == len(s.src) {
		// The end is not a token: prev does not change.
		s.tok = tokEOF
		return
	}
	s.tok = s.token()
	s.prev, s.last = s.last, s.tok
}

// skipSpace skips white space and comments.
func (s *scanner) skipSpace() {
	for {
		switch s.char() {
		case '\t', '\r', ' ':
			s.next()
		case '\n':
			s.line++
			s.prev, s.last = s.last, '\n'
			s.next()
			s.col = 1
		case '#':
			s.directive()
			s.skipLine()
		case '/':
			switch {
			case s.looksAt("//"):
				s.next()
				s.skipLine()
			case s.looksAt("/*"):
				s.skipBlock()
			default:
				return
			}
		default:
			return
		}
	}
}

func (s *scanner) skipLine() {
	s.next()
	for c := s.char(); c != '\n' && c != 0; c = s.char() {
		s.next()
	}
}

func (s *scanner) skipBlock() {
	s.begin = s.at
	s.advance(2)
	for {
		switch s.char() {
		case 0:
			s.fail(`missing "*/" in comment`)
		case '\n':
			s.line++
		case '*':
			s.next()
			if s.char() == '/' {
				s.next()
				return
			}
			continue
		}
		s.next()
	}
}

func (s *scanner) token() token {
	c := s.char()
	switch {
	case c == '"' || c == '\'':
		return s.quoted(c)
	case isDigit(c):
		return s.number()
	case isLetter(c):
		return s.word()
	case c == '@':
		s.next()
		if s.char() == '"' {
			return s.verbatim()
		}
		return '@'
	case s.looksAt("..") && !s.looksAt("..."):
		s.advance(2)
		s.fail("invalid token '..'")
	case c < ' ' || c == 0x7f:
		s.fail("unexpected character(control)")
	}
	for _, o := range operators[c] {
		if s.looksAt(o.text) {
			s.advance(len(o.text))
			return o.tok
		}
	}
	s.next()
	return token(c)
}

func (s *scanner) word() token {
	begin := s.at
	for c := s.char(); isLetter(c) || isDigit(c); c = s.char() {
		s.next()
	}
	s.str = string(s.src[begin:s.at])
	if k, ok := keywords[s.str]; ok {
		return k
	}
	return tokIdent
}

// quoted reads a string, or a character constant, which is an integer.
func (s *scanner) quoted(delim byte) token {
	var buf []byte
	s.next()
	if s.char() == 0 {
		s.fail("error parsing the string")
	}
	for s.char() != delim {
		switch c := s.char(); c {
		case 0:
			s.fail("unfinished string")
		case '\n':
			s.fail("newline in a constant")
		case '\\':
			s.next()
			buf = append(buf, s.escape())
		default:
			buf = append(buf, c)
			s.next()
		}
	}
	s.next()
	if delim == '"' {
		s.str = string(buf)
		return tokString
	}
	switch {
	case len(buf) == 0:
		s.fail("empty constant")
	case len(buf) > 1:
		s.fail("constant too long")
	}
	s.int = int32(buf[0])
	return tokInt
}

var escapes = map[byte]byte{
	't': '\t', 'a': '\a', 'b': '\b', 'n': '\n', 'r': '\r', 'v': '\v', 'f': '\f', '0': 0, '\\': '\\', '"': '"', '\'': '\'',
}

// escape reads the characters after a backslash. \x takes up to four digits and keeps the
// low byte.
func (s *scanner) escape() byte {
	c, ok := escapes[s.char()]
	switch {
	case ok:
		s.next()
		return c
	case s.char() != 'x':
		s.failFrom(s.at-1, "unrecognised escaper char")
	}
	s.next()
	if _, ok := hexDigit(s.char()); !ok {
		s.failFrom(s.at-2, "hexadecimal number expected")
	}
	for range 4 {
		d, ok := hexDigit(s.char())
		if !ok {
			break
		}
		c = c<<4 | d
		s.next()
	}
	return c
}

// verbatim reads @"…", in which only a doubled quote is special.
func (s *scanner) verbatim() token {
	var buf []byte
	s.next()
	if s.char() == 0 {
		s.fail("error parsing the string")
	}
	for {
		switch c := s.char(); c {
		case 0:
			s.fail("unfinished string")
		case '"':
			s.next()
			if s.char() != '"' {
				s.str = string(buf)
				return tokString
			}
			buf = append(buf, c)
			s.next()
		case '\n':
			s.next()
			s.line++
			buf = append(buf, c)
		default:
			buf = append(buf, c)
			s.next()
		}
	}
}

func (s *scanner) number() token {
	first := s.char()
	s.next()
	switch c := s.char(); {
	case first == '0' && (c == 'x' || c == 'X'):
		return s.hex()
	case first == '0' && '0' <= c && c <= '7':
		return s.octal()
	}
	return s.decimal()
}

func (s *scanner) hex() token {
	s.next()
	s.int = 0
	digits := 0
	for {
		d, ok := hexDigit(s.char())
		if !ok {
			break
		}
		s.int = s.int<<4 | int32(d)
		digits++
		s.next()
	}
	if digits > 8 {
		s.fail("too many digits for an Hex number")
	}
	return tokInt
}

func (s *scanner) octal() token {
	s.int = 0
	for c := s.char(); '0' <= c && c <= '7'; c = s.char() {
		s.int = s.int<<3 | int32(c-'0')
		s.next()
	}
	if isDigit(s.char()) {
		s.fail("invalid octal number")
	}
	return tokInt
}

// decimal reads an integer or a float. It accepts any number of points and exponents; the
// value ends before the first that does not fit a number, the token does not.
func (s *scanner) decimal() token {
	begin := s.at - 1
	end := 0
	point := false
	exponent := false
	for c := s.char(); isDigit(c) || c == '.' || c|0x20 == 'e'; c = s.char() {
		if !isDigit(c) {
			if end == 0 && (exponent || point && c == '.') {
				end = s.at
			}
			point, exponent = point || c == '.', exponent || c != '.'
		}
		s.next()
		if isDigit(c) || c == '.' {
			continue
		}
		if c = s.char(); c == '+' || c == '-' {
			s.next()
		}
		if !isDigit(s.char()) {
			s.fail("exponent expected")
		}
	}
	if end == 0 {
		end = s.at
	}
	digits := string(s.src[begin:end])
	if point || exponent {
		f, _ := strconv.ParseFloat(digits, 64) // a number out of range is infinite; there are no other errors
		s.float = float32(f)
		return tokFloat
	}
	s.int = 0
	for i := range len(digits) {
		s.int = s.int*10 + int32(digits[i]-'0')
	}
	return tokInt
}

func isDigit(c byte) bool { return c-'0' < 10 }

func isLetter(c byte) bool { return c|0x20-'a' < 26 || c == '_' }

func hexDigit(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
