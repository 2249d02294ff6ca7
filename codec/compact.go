package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// The bytes of the compact encoding. The first byte of each value is its kind; its
// content follows:
//
//	00 Null   01 False   02 True
//	03 Integer: zigzag varint
//	04 Float: 4 bytes, little-endian
//	05 String: uvarint length, bytes
//	06 Blob: uvarint length, bytes
//	07 Array: its elements, 09
//	08 Table: key and value of each slot, 09; keys are strings
//	09 End of an array or table
//	20–3f string of 0 to 31 bytes, which follow
//	40–7f integer 0 to 63
//
// Every other byte is invalid.
const (
	Null    = 0x00
	False   = 0x01
	True    = 0x02
	Integer = 0x03
	Float   = 0x04
	String  = 0x05
	Blob    = 0x06
	Array   = 0x07
	Table   = 0x08
	End     = 0x09

	shortString  = 0x20
	smallInteger = 0x40
	smallEnd     = 0x80

	maxShortString  = smallInteger - shortString - 1
	maxSmallInteger = smallEnd - smallInteger - 1
)

// MaxDepth is the number of levels that arrays and tables may be nested, in every encoding.
const MaxDepth = 64

// ErrTooDeep is the error for a value nested more than MaxDepth deep.
var ErrTooDeep = fmt.Errorf("it is nested more than %d deep", MaxDepth)

var errInvalid = errors.New("this is not a value in the compact encoding")

// AppendInteger appends an integer in its shortest form.
func AppendInteger(dst []byte, i int32) []byte {
	if i >= 0 && i <= maxSmallInteger {
		return append(dst, smallInteger+byte(i))
	}
	return binary.AppendVarint(append(dst, Integer), int64(i))
}

// AppendFloat appends a float with its bits as they are.
func AppendFloat(dst []byte, f float32) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, Float), math.Float32bits(f))
}

// AppendString appends a string, or the key of a table, in its shortest form.
func AppendString[T []byte | string](dst []byte, s T) []byte {
	if len(s) <= maxShortString {
		dst = append(dst, shortString+byte(len(s)))
	} else {
		dst = binary.AppendUvarint(append(dst, String), uint64(len(s)))
	}
	return append(dst, s...)
}

// AppendBlob appends a blob.
func AppendBlob(dst, b []byte) []byte {
	dst = binary.AppendUvarint(append(dst, Blob), uint64(len(b)))
	return append(dst, b...)
}

// AppendText appends b as a string if it is Safe, else as a blob.
func AppendText(dst, b []byte) []byte {
	if Safe(b) {
		return AppendString(dst, b)
	}
	return AppendBlob(dst, b)
}

// Safe reports whether b is UTF-8 without NUL. A message carries such strings
// as they are, and all others as blobs.
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

// Reader reads the compact encoding, item by item. After an error every item
// is Null, and Err keeps the first error.
type Reader struct {
	data  []byte
	depth int
	err   error
}

// NewReader returns a Reader of data, which it aliases.
func NewReader(data []byte) Reader { return Reader{data: data} }

// Item is an item that a Reader has read.
type Item struct {
	Kind  byte    // one of the constants Null to End
	Int   int32   // of an Integer
	Float float32 // of a Float
	Bytes []byte  // of a String or Blob; aliases the input
}

// Err returns the first error.
func (r *Reader) Err() error { return r.err }

// Close returns the first error; bytes that have not been read are one.
func (r *Reader) Close() error {
	if len(r.data) > 0 {
		r.fail(errInvalid)
	}
	return r.err
}

func (r *Reader) fail(err error) Item {
	if r.err == nil {
		r.err = err
	}
	r.data = nil
	return Item{}
}

// atEnd reports whether the next item, if there is one, is an End.
func (r *Reader) atEnd() bool { return len(r.data) > 0 && r.data[0] == End }

// Next reads the next item: a whole value, or the Array, Table or End around
// others. Keys of a table are read with Key.
func (r *Reader) Next() Item {
	if len(r.data) == 0 {
		return r.fail(errInvalid)
	}
	tag := r.data[0]
	r.data = r.data[1:]
	switch {
	case tag >= smallInteger && tag < smallEnd:
		return Item{Kind: Integer, Int: int32(tag - smallInteger)}
	case tag >= shortString && tag < smallInteger:
		return r.content(String, uint64(tag-shortString))
	}
	switch tag {
	case Integer:
		i, n := binary.Varint(r.data)
		if n <= 0 || i != int64(int32(i)) {
			return r.fail(errInvalid)
		}
		r.data = r.data[n:]
		return Item{Kind: tag, Int: int32(i)}
	case Float:
		if len(r.data) < 4 {
			return r.fail(errInvalid)
		}
		f := math.Float32frombits(binary.LittleEndian.Uint32(r.data))
		r.data = r.data[4:]
		return Item{Kind: tag, Float: f}
	case String, Blob:
		length, n := binary.Uvarint(r.data)
		if n <= 0 {
			return r.fail(errInvalid)
		}
		r.data = r.data[n:]
		return r.content(tag, length)
	case Array, Table:
		if r.depth++; r.depth > MaxDepth {
			return r.fail(ErrTooDeep)
		}
		return Item{Kind: tag}
	case End:
		if r.depth--; r.depth < 0 {
			return r.fail(errInvalid)
		}
		return Item{Kind: tag}
	case Null, False, True:
		return Item{Kind: tag}
	}
	return r.fail(errInvalid)
}

// Key reads the key of a table's next slot; its value is the next item and is
// never an End. ok is false when the table ends, or after an error. The key
// aliases the input.
func (r *Reader) Key() (key []byte, ok bool) {
	it := r.Next()
	switch {
	case it.Kind == End || r.err != nil:
		return nil, false
	case it.Kind != String || len(r.data) == 0 || r.atEnd():
		r.fail(errInvalid)
		return nil, false
	}
	return it.Bytes, true
}

func (r *Reader) content(kind byte, n uint64) Item {
	if n > uint64(len(r.data)) {
		return r.fail(errInvalid)
	}
	it := Item{Kind: kind, Bytes: r.data[:n:n]}
	r.data = r.data[n:]
	return it
}

// writer writes another encoding.
type writer interface {
	scalar(it Item)
	open(kind byte)           // begins an array or table
	element(kind byte, n int) // begins its n-th element or slot
	key(k []byte)             // writes the key of a slot
	close(kind byte, n int)   // ends an array or table of n elements
}

// transcode reads one whole value and drives w with it.
func transcode(data []byte, w writer) error {
	r := NewReader(data)
	var kinds [MaxDepth]byte
	var counts [MaxDepth]int
	for {
		if d := r.depth; d > 0 && len(r.data) > 0 && !r.atEnd() {
			w.element(kinds[d-1], counts[d-1])
			counts[d-1]++
			if kinds[d-1] == Table {
				k, ok := r.Key()
				if !ok {
					return r.err
				}
				w.key(k)
			}
		}
		it := r.Next()
		if r.err != nil {
			return r.err
		}
		switch it.Kind {
		case Array, Table:
			kinds[r.depth-1], counts[r.depth-1] = it.Kind, 0
			w.open(it.Kind)
		case End:
			w.close(kinds[r.depth], counts[r.depth])
		default:
			w.scalar(it)
		}
		if r.depth == 0 {
			return r.Close()
		}
	}
}
