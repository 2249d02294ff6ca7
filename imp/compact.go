package imp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// The compact encoding of a value is a byte that says what it is, and what
// that asks for:
//
//	00 null   01 false   02 true
//	03 integer: zigzag varint
//	04 float: 4 bytes, little-endian
//	05 string: uvarint length, bytes
//	06 blob: uvarint length, bytes
//	07 array: its elements, 09
//	08 table: key and value of each slot, 09; keys are strings
//	20–3f string of 0 to 31 bytes, which follow
//	40–7f integer 0 to 63
//
// Everything else is invalid.
const (
	compactNull     = 0x00
	compactFalse    = 0x01
	compactTrue     = 0x02
	compactInteger  = 0x03
	compactFloat    = 0x04
	compactString   = 0x05
	compactBlob     = 0x06
	compactArray    = 0x07
	compactTable    = 0x08
	compactEnd      = 0x09
	compactShort    = 0x20
	compactSmall    = 0x40
	compactSmallEnd = 0x80
	maxCompactShort = compactSmall - compactShort - 1
	maxCompactSmall = compactSmallEnd - compactSmall - 1
)

// MaxDepth is how deep arrays and tables may be nested, in every encoding.
const MaxDepth = 64

var (
	errCompact = errors.New("this is not a value in the compact encoding")
	errTooDeep = fmt.Errorf("it is nested more than %d deep", MaxDepth)
)

func appendInteger(dst []byte, i int32) []byte {
	if i >= 0 && i <= maxCompactSmall {
		return append(dst, compactSmall+byte(i))
	}
	return binary.AppendVarint(append(dst, compactInteger), int64(i))
}

func appendFloat(dst []byte, f float32) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, compactFloat), math.Float32bits(f))
}

func appendString[T []byte | string](dst []byte, s T) []byte {
	if len(s) <= maxCompactShort {
		dst = append(dst, compactShort+byte(len(s)))
	} else {
		dst = binary.AppendUvarint(append(dst, compactString), uint64(len(s)))
	}
	return append(dst, s...)
}

func appendBlob(dst, b []byte) []byte {
	dst = binary.AppendUvarint(append(dst, compactBlob), uint64(len(b)))
	return append(dst, b...)
}

// appendText appends b as a string if it is a safe one, else as a blob.
func appendText(dst, b []byte) []byte {
	if Safe(b) {
		return appendString(dst, b)
	}
	return appendBlob(dst, b)
}

// Safe reports whether b is UTF-8 without NUL: what travels as a string. Other
// strings arrive as blobs.
func Safe(b []byte) bool {
	ascii := true
	for _, c := range b {
		if c == 0 {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.Valid(b)
}

// reader reads the compact encoding. Its first error stays.
type reader struct {
	data  []byte
	depth int
	err   error
}

// item is what the reader found: a kind, and its content.
type item struct {
	kind  byte // one of the compact constants up to compactEnd
	num   int32
	float float32
	bytes []byte // of a string or blob; aliases the input
}

func (r *reader) fail(err error) item {
	if r.err == nil {
		r.err = err
	}
	r.data = nil
	return item{}
}

// next reads one byte and what belongs to it; containers are the caller's.
func (r *reader) next() item {
	if len(r.data) == 0 {
		return r.fail(errCompact)
	}
	tag := r.data[0]
	r.data = r.data[1:]
	switch {
	case tag >= compactSmall && tag < compactSmallEnd:
		return item{kind: compactInteger, num: int32(tag - compactSmall)}
	case tag >= compactShort && tag < compactSmall:
		return r.content(compactString, uint64(tag-compactShort))
	}
	switch tag {
	case compactInteger:
		i, n := binary.Varint(r.data)
		if n <= 0 || i != int64(int32(i)) {
			return r.fail(errCompact)
		}
		r.data = r.data[n:]
		return item{kind: tag, num: int32(i)}
	case compactFloat:
		if len(r.data) < 4 {
			return r.fail(errCompact)
		}
		f := math.Float32frombits(binary.LittleEndian.Uint32(r.data))
		r.data = r.data[4:]
		return item{kind: tag, float: f}
	case compactString, compactBlob:
		length, n := binary.Uvarint(r.data)
		if n <= 0 {
			return r.fail(errCompact)
		}
		r.data = r.data[n:]
		return r.content(tag, length)
	case compactArray, compactTable:
		if r.depth++; r.depth > MaxDepth {
			return r.fail(errTooDeep)
		}
		return item{kind: tag}
	case compactEnd:
		if r.depth--; r.depth < 0 {
			return r.fail(errCompact)
		}
		return item{kind: tag}
	case compactNull, compactFalse, compactTrue:
		return item{kind: tag}
	}
	return r.fail(errCompact)
}

func (r *reader) content(kind byte, n uint64) item {
	if n > uint64(len(r.data)) {
		return r.fail(errCompact)
	}
	it := item{kind: kind, bytes: r.data[:n:n]}
	r.data = r.data[n:]
	return it
}

// writer makes another encoding.
type writer interface {
	scalar(it item)
	open(kind byte)           // an array or table begins
	element(kind byte, n int) // its n-th element or slot begins
	key(k []byte)             // of the slot
	close(kind byte, n int)   // it ends, after n
}

// transcode reads one whole value and drives w with it.
func transcode(data []byte, w writer) error {
	r := reader{data: data}
	var kinds [MaxDepth]byte
	var counts [MaxDepth]int
	for {
		if d := r.depth; d > 0 {
			if len(r.data) > 0 && r.data[0] != compactEnd {
				w.element(kinds[d-1], counts[d-1])
				counts[d-1]++
				if kinds[d-1] == compactTable {
					k := r.next()
					if r.err != nil {
						return r.err
					}
					if k.kind != compactString || len(r.data) == 0 || r.data[0] == compactEnd {
						return errCompact
					}
					w.key(k.bytes)
				}
			}
		}
		it := r.next()
		if r.err != nil {
			return r.err
		}
		switch it.kind {
		case compactArray, compactTable:
			kinds[r.depth-1], counts[r.depth-1] = it.kind, 0
			w.open(it.kind)
		case compactEnd:
			w.close(kinds[r.depth], counts[r.depth])
		default:
			w.scalar(it)
		}
		if r.depth == 0 {
			if len(r.data) > 0 {
				return errCompact
			}
			return nil
		}
	}
}
