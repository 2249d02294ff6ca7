package tandem

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A program may give a message any name, MQTT cannot carry any topic. So outside of the
// programs a name is in the form in which topics have it, its wire form: bytes that MQTT,
// or a client that is strict about it, refuses in a topic are "%" and two hexadecimal
// digits, all other text is as it is. docs/link.md describes it for users.
//
// Escaped in a wire form are:
//   - "+" and "#", the wildcards of filters
//   - the control characters U+0000 to U+001F and U+007F to U+009F
//   - U+FDD0 to U+FDEF and the last two code points of each plane, which are no characters
//   - bytes that are not UTF-8
//   - "%" where it would be read as the beginning of an escape, or of longMark
//
// Each name has one wire form. It is valid UTF-8 without control characters, so it needs no
// care where it is stored or sent as text.

// TopicSize is the largest topic that MQTT can carry, in bytes.
const TopicSize = 65535

// longMark ends a topic whose name goes on at the beginning of the payload.
const longMark = "%>"

const (
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
)

// EscapeName returns the wire form of a name. A name that needs no escape is returned as
// it is, without an allocation.
func EscapeName(name string) string {
	i := unsafeAt(name, 0)
	if i == len(name) {
		return name
	}
	out := make([]byte, 0, len(name)+16)
	from := 0
	for i < len(name) {
		out = append(out, name[from:i]...)
		n := 1
		if _, size := utf8.DecodeRuneInString(name[i:]); size > 0 {
			n = size
		}
		for _, b := range []byte(name[i : i+n]) {
			out = append(out, '%', upperHex[b>>4], upperHex[b&15])
		}
		from = i + n
		i = unsafeAt(name, from)
	}
	return string(append(out, name[from:]...))
}

// unsafeAt returns the index, from i on, of the first character that a wire form does not
// have as it is; len(name) if there is none.
func unsafeAt(name string, i int) int {
	for i < len(name) {
		switch b := name[i]; {
		case b == '%':
			if _, ok := escapeAt(name, i); ok || name[i:] == longMark {
				return i
			}
			i++
		case b < utf8.RuneSelf:
			if b < 0x20 || b == 0x7f || b == '+' || b == '#' {
				return i
			}
			i++
		default:
			r, n := utf8.DecodeRuneInString(name[i:])
			if r == utf8.RuneError && n == 1 || r <= 0x9f || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe {
				return i
			}
			i += n
		}
	}
	return i
}

// escapeAt returns the byte for which an escape at s[i:] stands.
func escapeAt(s string, i int) (b byte, ok bool) {
	if i+2 >= len(s) || s[i] != '%' {
		return 0, false
	}
	hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}

// hexDigit returns the value of a hexadecimal digit, -1 for any other byte.
func hexDigit(b byte) int {
	if i := strings.IndexByte(upperHex, b); i >= 0 {
		return i
	}
	return strings.IndexByte(lowerHex, b)
}

// UnescapeName returns the name for which a text in a topic stands. A "%" without two
// hexadecimal digits stands for itself, so every text is a name; several may be the same.
func UnescapeName(text string) string {
	if strings.IndexByte(text, '%') < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		b, ok := escapeAt(text, i)
		if !ok {
			b = text[i]
		} else {
			i += 2
		}
		out = append(out, b)
	}
	return string(out)
}

// ReadTopic returns the wire form of the name that a client has written behind prefix in a
// topic, and the data of the message. ok is false when the topic does not begin with prefix.
func ReadTopic(prefix, topic string, payload []byte) (name string, data []byte, ok bool) {
	name, ok = strings.CutPrefix(topic, prefix)
	if !ok {
		return "", nil, false
	}
	if begin, long := strings.CutSuffix(name, longMark); long {
		if rest, after, found := bytes.Cut(payload, []byte{'\n'}); found {
			name, payload = begin+string(rest), after
		}
	}
	if strings.IndexByte(name, '%') >= 0 {
		name = UnescapeName(name)
	}
	return EscapeName(name), payload, true
}

// WriteTopic returns the topic and payload of a message whose name is behind prefix, in its
// wire form. What does not fit the topic goes to the beginning of the payload.
func WriteTopic(topic string, data []byte) (string, []byte) {
	if len(topic) <= TopicSize {
		return topic, data
	}
	n := TopicSize - len(longMark)
	for !utf8.RuneStart(topic[n]) {
		n--
	}
	payload := make([]byte, 0, len(topic)-n+1+len(data))
	payload = append(append(payload, topic[n:]...), '\n')
	return topic[:n] + longMark, append(payload, data...)
}
