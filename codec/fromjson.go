package codec

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// FromJSON appends to dst, in the compact encoding, the value of a JSON text
// (RFC 8259). A whole number of 32 bits is an integer, every other number a
// float. The error gives the byte at which the text is invalid.
func FromJSON(dst, text []byte) ([]byte, error) { return fromJSON(dst, text, false) }

// FromMessageJSON is FromJSON for the data of a message in tandem.FormatJSON:
// empty data is null, data that is not JSON is a string, and strings that are not
// Safe are blobs. Only JSON that is nested too deep is an error.
func FromMessageJSON(dst, text []byte) ([]byte, error) {
	if len(text) == 0 {
		return append(dst, Null), nil
	}
	out, err := fromJSON(dst, text, true)
	if err != nil && !errors.Is(err, ErrTooDeep) {
		return AppendText(dst, text), nil
	}
	return out, err
}

func fromJSON(dst, text []byte, blobs bool) ([]byte, error) {
	p := jsonParser{text: text, out: dst, blobs: blobs}
	err := p.value(0)
	if err == nil {
		if p.space(); p.pos < len(p.text) {
			err = p.unexpected()
		}
	}
	if err != nil {
		return dst, fmt.Errorf("invalid JSON at byte %d: %w", p.pos+1, err)
	}
	return p.out, nil
}

// jsonParser converts JSON to the compact encoding.
type jsonParser struct {
	text  []byte
	pos   int
	out   []byte
	buf   []byte // a string without its escapes
	blobs bool   // strings that are not safe become blobs
}

var errJSONEnd = errors.New("the text ends too early")

func (p *jsonParser) unexpected() error {
	if p.pos >= len(p.text) {
		return errJSONEnd
	}
	r, _ := utf8.DecodeRune(p.text[p.pos:])
	return fmt.Errorf("unexpected %q", r)
}

func (p *jsonParser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// peek returns the next byte that is not space, or 0 at the end.
func (p *jsonParser) peek() byte {
	p.space()
	if p.pos >= len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

func (p *jsonParser) value(depth int) error {
	switch c := p.peek(); c {
	case '{', '[':
		if depth >= MaxDepth {
			return ErrTooDeep
		}
		if c == '{' {
			return p.object(depth)
		}
		return p.array(depth)
	case '"':
		s, err := p.string()
		if err != nil {
			return err
		}
		if p.blobs {
			p.out = AppendText(p.out, s)
		} else {
			p.out = AppendString(p.out, s)
		}
		return nil
	case 't':
		return p.word("true", True)
	case 'f':
		return p.word("false", False)
	case 'n':
		return p.word("null", Null)
	default:
		return p.number()
	}
}

func (p *jsonParser) word(w string, tag byte) error {
	for i := range len(w) {
		if p.pos >= len(p.text) || p.text[p.pos] != w[i] {
			return p.unexpected()
		}
		p.pos++
	}
	p.out = append(p.out, tag)
	return nil
}

func (p *jsonParser) array(depth int) error {
	p.pos++
	p.out = append(p.out, Array)
	if p.peek() == ']' {
		p.pos++
		p.out = append(p.out, End)
		return nil
	}
	for {
		if err := p.value(depth + 1); err != nil {
			return err
		}
		if more, err := p.more(']'); !more {
			return err
		}
	}
}

func (p *jsonParser) object(depth int) error {
	p.pos++
	p.out = append(p.out, Table)
	if p.peek() == '}' {
		p.pos++
		p.out = append(p.out, End)
		return nil
	}
	for {
		if p.peek() != '"' {
			return p.unexpected()
		}
		key, err := p.string()
		if err != nil {
			return err
		}
		p.out = AppendString(p.out, key)
		if p.peek() != ':' {
			return p.unexpected()
		}
		p.pos++
		if err := p.value(depth + 1); err != nil {
			return err
		}
		if more, err := p.more('}'); !more {
			return err
		}
	}
}

// more takes a comma, or the end of a container.
func (p *jsonParser) more(end byte) (bool, error) {
	switch c := p.peek(); c {
	case ',':
		p.pos++
		return true, nil
	case end:
		p.pos++
		p.out = append(p.out, End)
		return false, nil
	}
	return false, p.unexpected()
}

// string reads a string. The result is valid until the next call.
func (p *jsonParser) string() ([]byte, error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			return p.text[start : p.pos-1], nil
		case c == '\\':
			p.buf = append(p.buf[:0], p.text[start:p.pos]...)
			return p.escaped()
		case c < ' ':
			return nil, p.unexpected()
		}
		p.pos++
	}
	return nil, errJSONEnd
}

// escaped reads the rest of a string from its first escape.
func (p *jsonParser) escaped() ([]byte, error) {
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == '"':
			p.pos++
			return p.buf, nil
		case c < ' ':
			return nil, p.unexpected()
		case c != '\\':
			p.buf = append(p.buf, c)
			p.pos++
			continue
		}
		if err := p.escape(); err != nil {
			return nil, err
		}
	}
	return nil, errJSONEnd
}

func (p *jsonParser) escape() error {
	p.pos++
	if p.pos >= len(p.text) {
		return errJSONEnd
	}
	c := p.text[p.pos]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return p.unicode()
	default:
		return p.unexpected()
	}
	p.buf = append(p.buf, c)
	p.pos++
	return nil
}

// unicode reads a \u escape, and the second of a pair. A half without its other half is U+FFFD.
func (p *jsonParser) unicode() error {
	r, err := p.hex()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		full := rune(utf8.RuneError)
		if p.pos+1 < len(p.text) && p.text[p.pos] == '\\' && p.text[p.pos+1] == 'u' {
			back := p.pos
			p.pos++
			low, err := p.hex()
			if err != nil {
				return err
			}
			if full = utf16.DecodeRune(r, low); full == utf8.RuneError {
				p.pos = back // the second escape stands for itself
			}
		}
		r = full
	}
	p.buf = utf8.AppendRune(p.buf, r)
	return nil
}

// hex reads the u of an escape and four digits.
func (p *jsonParser) hex() (rune, error) {
	r := rune(0)
	for range 4 {
		p.pos++
		if p.pos >= len(p.text) {
			return 0, errJSONEnd
		}
		c := p.text[p.pos]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, p.unexpected()
		}
		r = r<<4 | rune(c)
	}
	p.pos++
	return r, nil
}

func (p *jsonParser) digits() error {
	start := p.pos
	for p.pos < len(p.text) && p.text[p.pos]-'0' <= 9 {
		p.pos++
	}
	if p.pos == start {
		return p.unexpected()
	}
	return nil
}

func (p *jsonParser) number() error {
	start, whole := p.pos, true
	if p.pos < len(p.text) && p.text[p.pos] == '-' {
		p.pos++
	}
	zero := p.pos < len(p.text) && p.text[p.pos] == '0'
	if zero {
		p.pos++ // nothing may follow a leading zero
	} else if err := p.digits(); err != nil {
		return err
	}
	if p.pos < len(p.text) && p.text[p.pos] == '.' {
		p.pos++
		whole = false
		if err := p.digits(); err != nil {
			return err
		}
	}
	if p.pos < len(p.text) && p.text[p.pos]|0x20 == 'e' {
		p.pos++
		whole = false
		if p.pos < len(p.text) && (p.text[p.pos] == '+' || p.text[p.pos] == '-') {
			p.pos++
		}
		if err := p.digits(); err != nil {
			return err
		}
	}
	text := string(p.text[start:p.pos])
	if whole {
		if i, err := strconv.ParseInt(text, 10, 32); err == nil {
			p.out = AppendInteger(p.out, int32(i))
			return nil
		}
	}
	f, _ := strconv.ParseFloat(text, 32) // out of range: an infinity
	p.out = AppendFloat(p.out, float32(f))
	return nil
}
