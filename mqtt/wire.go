package mqtt

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

const (
	maxRemaining = 268_435_455 // largest remaining length
	maxText      = 65_535      // longest string or binary field
	maxItems     = 1000        // filters of a packet, and user properties; decoded they take ten times their bytes
)

const tooManyText = "more than 1000 filters or user properties in a packet"

// reader reads the fields of a packet's body. It keeps the first error, after which
// every read returns zero, so that callers check once.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(code Reason, msg string) {
	if r.err == nil {
		r.err = &Error{Code: code, Msg: msg}
		r.b = nil
	}
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail(MalformedPacket, "a field goes beyond the end of the packet")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// varint reads a variable byte integer inside a v5 packet.
func (r *reader) varint() uint32 {
	v, n := varint(r.b)
	switch {
	case n < 0 || n > 1 && v>>(7*(n-1)) == 0:
		r.fail(MalformedPacket, "a variable byte integer is badly encoded")
	case n == 0:
		r.take(len(r.b) + 1)
	default:
		r.b = r.b[n:]
	}
	return v
}

func (r *reader) data() []byte { return r.take(int(r.u16())) }

func (r *reader) text() string {
	b := r.data()
	if !validText(b) {
		r.fail(MalformedPacket, "a string is not valid UTF-8")
		return ""
	}
	return string(b)
}

func (r *reader) packetID() uint16 {
	id := r.u16()
	if id == 0 {
		r.fail(MalformedPacket, "packet identifier is 0")
	}
	return id
}

// reason reads a reason code and checks that it is allowed in a packet of type t.
func (r *reader) reason(t Type) Reason {
	code := Reason(r.u8())
	if r.err == nil && !code.ValidIn(t) {
		r.fail(MalformedPacket, "reason code not allowed in "+t.String())
	}
	return code
}

// room refuses a packet that repeats something too often; have is how often it did before.
func (r *reader) room(have int) {
	if have >= maxItems {
		r.fail(QuotaExceeded, tooManyText)
	}
}

func (r *reader) end() error {
	if len(r.b) > 0 {
		r.fail(MalformedPacket, "bytes after the end of the packet's content")
	}
	return r.err
}

// validText checks the rules for strings. Control characters and non-characters,
// which the standard advises against but leaves to the receiver, are accepted.
func validText(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0
}

// varint decodes a variable byte integer at the front of b: n is its length, 0
// when b is too short, -1 when it has more than four bytes.
func varint(b []byte) (v uint32, n int) {
	for n < 4 {
		if n == len(b) {
			return 0, 0
		}
		c := b[n]
		v |= uint32(c&0x7F) << (7 * n)
		n++
		if c < 0x80 {
			return v, n
		}
	}
	return 0, -1
}

func varintSize(v int) int {
	n := 1
	for v >= 0x80 {
		v >>= 7
		n++
	}
	return n
}

// writer appends the fields of a packet. It keeps the first error.
type writer struct {
	b   []byte
	err error
}

func (w *writer) fail(code Reason, msg string) {
	if w.err == nil {
		w.err = &Error{Code: code, Msg: msg}
	}
}

// items refuses to write something more often than a reader accepts it.
func (w *writer) items(count int) {
	if count > maxItems {
		w.fail(QuotaExceeded, tooManyText)
	}
}

func (w *writer) u8(v byte)    { w.b = append(w.b, v) }
func (w *writer) u16(v uint16) { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32) { w.b = binary.BigEndian.AppendUint32(w.b, v) }

func (w *writer) varint(v uint32) {
	for v >= 0x80 {
		w.b = append(w.b, byte(v)|0x80)
		v >>= 7
	}
	w.b = append(w.b, byte(v))
}

func (w *writer) data(b []byte) {
	if len(b) > maxText {
		w.fail(PacketTooLarge, "a binary field is longer than 65,535 bytes")
		return
	}
	w.u16(uint16(len(b)))
	w.b = append(w.b, b...)
}

func (w *writer) text(s string) {
	if len(s) > maxText {
		w.fail(PacketTooLarge, "a string is longer than 65,535 bytes")
		return
	}
	w.u16(uint16(len(s)))
	at := len(w.b)
	w.b = append(w.b, s...)
	if !validText(w.b[at:]) {
		w.fail(MalformedPacket, "a string is not valid UTF-8")
	}
}

func (w *writer) packetID(id uint16) {
	if id == 0 {
		w.fail(ProtocolError, "packet identifier is 0")
	}
	w.u16(id)
}

func (w *writer) reason(t Type, code Reason) {
	if !code.ValidIn(t) {
		w.fail(ProtocolError, "reason code not allowed in "+t.String())
	}
	w.u8(byte(code))
}

// open begins a section that is preceded by its length, close ends it. One byte
// is reserved for the length; longer sections are moved, which is rare and cheap.
func (w *writer) open() int {
	w.b = append(w.b, 0)
	return len(w.b)
}

// close writes the length of the section begun at mark, to which the caller will
// add extra bytes.
func (w *writer) close(mark, extra int) {
	n := len(w.b) - mark + extra
	if n > maxRemaining {
		w.fail(PacketTooLarge, "packet is longer than the protocol allows")
		return
	}
	if k := varintSize(n) - 1; k > 0 {
		end := len(w.b)
		w.b = append(w.b, 0, 0, 0)[:end+k]
		copy(w.b[mark+k:], w.b[mark:end])
	}
	at := w.b[mark-1:]
	for n >= 0x80 {
		at[0] = byte(n) | 0x80
		at = at[1:]
		n >>= 7
	}
	at[0] = byte(n)
}
