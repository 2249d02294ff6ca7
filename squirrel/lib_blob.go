package squirrel

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// AddBlob adds the class blob and the functions casti2f, castf2i, swap2, swap4
// and swapfloat.
//
// The class is that of imps: besides the stock methods it has tostring(),
// readstring(n) and writestring(s), writen() of a value that is not a number writes zero
// (https://developer.electricimp.com/squirrel/blob/writen), and a byte may be set to a
// string of one character (https://developer.electricimp.com/squirrel/blob). There is no
// class stream, of which blob would be the only subclass. A foreach over an empty blob
// has no rounds, where the original fails, and swap2() returns 16 bits without a sign, as
// imps do.
func AddBlob(l *Library) {
	l.Class("blob",
		Native{Name: "constructor", Check: -1, Mask: "xn", Fn: blobConstruct},
		blobMethod("len", 1, "x", func(_ *Call, b blob) (Value, error) { return Int(int32(b.len())), nil }),
		blobMethod("tell", 1, "x", func(_ *Call, b blob) (Value, error) { return Int(int32(b.pos())), nil }),
		blobMethod("seek", -2, "xnn", blobSeek),
		blobMethod("eos", 1, "x", blobEos),
		blobMethod("flush", 1, "x", func(*Call, blob) (Value, error) { return Int(1), nil }),
		blobMethod("readn", 2, "xn", blobReadN),
		blobMethod("writen", 3, "x.n", blobWriteN),
		blobMethod("readblob", 2, "xn", blobReadBlob),
		blobMethod("writeblob", -2, "xx", blobWriteBlob),
		blobMethod("readstring", 2, "xn", blobReadString),
		blobMethod("writestring", 2, "xs", blobWriteString),
		blobMethod("tostring", 1, "x", func(c *Call, b blob) (Value, error) { return b.text(c, b.bytes()) }),
		// As text a blob is its content, on imps; the original shows an address.
		blobMethod("_tostring", 1, "x", func(c *Call, b blob) (Value, error) { return b.text(c, b.bytes()) }),
		blobMethod("resize", 2, "xn", blobResize),
		blobMethod("swap2", 1, "x", blobSwap2),
		blobMethod("swap4", 1, "x", blobSwap4),
		blobMethod("_get", 2, "xn", blobGet),
		blobMethod("_set", 3, "xnn|s", blobSet),
		blobMethod("_nexti", 2, "x", blobNext),
		Native{Name: "_cloned", Check: 2, Mask: "xx", Fn: blobCloned},
	)
	l.ClassGlobal("blob", "blob")
	l.Func("casti2f", Native{Check: 2, Mask: ".n", Fn: func(c *Call) (Value, error) {
		return Float(math.Float32frombits(uint32(c.Int(1)))), nil
	}})
	l.Func("castf2i", Native{Check: 2, Mask: ".n", Fn: func(c *Call) (Value, error) {
		return Int(int32(math.Float32bits(c.Float(1)))), nil
	}})
	l.Func("swap2", Native{Check: 2, Mask: ".n", Fn: func(c *Call) (Value, error) {
		return Int(int32(bits.ReverseBytes16(uint16(c.Int(1))))), nil
	}})
	l.Func("swap4", Native{Check: 2, Mask: ".n", Fn: func(c *Call) (Value, error) {
		return Int(int32(bits.ReverseBytes32(uint32(c.Int(1))))), nil
	}})
	l.Func("swapfloat", Native{Check: 2, Mask: ".n", Fn: func(c *Call) (Value, error) {
		return Float(math.Float32frombits(bits.ReverseBytes32(math.Float32bits(c.Float(1))))), nil
	}})
}

// blob is an instance of the class. Its payload is a bytes object, whose
// second word is the length and, in the high half, the position.
type blob struct {
	v    *VM
	inst Value
	buf  uint32
}

func (b blob) len() int      { return int(lo(*b.v.at(b.buf + 1))) }
func (b blob) pos() int      { return int(min(hi(*b.v.at(b.buf + 1)), lo(*b.v.at(b.buf + 1)))) }
func (b blob) bytes() []byte { return b.v.bytesAt(b.buf+wordsBytes, uint32(b.len())) }
func (b blob) part(from, to int) []byte {
	return b.v.bytesIn(b.buf+wordsBytes, uint32(from), uint32(to))
}

func (b blob) capacity() int  { return int(b.v.size(b.buf)-wordsBytes) * 8 }
func (b blob) set(n, pos int) { *b.v.at(b.buf + 1) = pair(uint32(n), uint32(pos)) }

// reserve gives the blob a new buffer with room for capacity bytes.
func (b *blob) reserve(capacity int) {
	n, pos := min(b.len(), capacity), min(b.pos(), capacity)
	old := b.part(0, n)
	b.v.tick -= int64(n >> 3)
	b.buf = b.v.newBytes(n, capacity)
	b.set(n, pos)
	copy(b.bytes(), old)
	b.v.SetPayload(b.inst, ref(tagBytes, b.buf))
}

// advance moves the position by n bytes, grows the blob as needed, and returns the bytes
// between the old and the new position.
func (b *blob) advance(n int) []byte {
	pos := b.pos()
	size := max(b.len(), pos+n)
	if size > b.capacity() {
		b.reserve(max(size, 2*b.len()))
	}
	b.set(size, pos+n)
	return b.part(pos, pos+n)
}

// take moves the position by n bytes, or to the end, and returns the bytes between the
// old and the new position.
func (b blob) take(n int) []byte {
	pos := b.pos()
	end := min(b.len(), pos+max(n, 0))
	b.set(b.len(), end)
	return b.part(pos, end)
}

// text makes a string of a part of the blob.
func (b blob) text(c *Call, part []byte) (Value, error) {
	if err := c.Charge(len(part) >> 3); err != nil {
		return Null, err
	}
	return b.v.NewStringBytes(part), nil
}

// asBlob returns x as a blob.
func (v *VM) asBlob(x Value) (blob, bool) {
	p := v.Payload(x)
	return blob{v: v, inst: x, buf: p.off()}, p.tag() == tagBytes && v.IsNative(x, "blob")
}

// notBlob throws for an instance that is not a blob, or whose constructor has not been
// called.
func (c *Call) notBlob(x Value) (Value, error) {
	if c.v.IsNative(x, "blob") {
		return c.throwString("the blob is invalid")
	}
	return c.throwString("invalid type tag")
}

func blobMethod(name string, check int, mask string, fn func(c *Call, b blob) (Value, error)) Native {
	return Native{Name: name, Check: check, Mask: mask, Fn: func(c *Call) (Value, error) {
		b, ok := c.v.asBlob(c.This())
		if !ok {
			return c.notBlob(c.This())
		}
		return fn(c, b)
	}}
}

// NewBlob returns a blob with the content of data, which may alias the arena.
// The library must have the class.
func (v *VM) NewBlob(data []byte) Value {
	v.tick -= int64(len(data) >> 4)
	buf := v.newBytes(len(data), len(data))
	copy(v.bytesAt(buf+wordsBytes, uint32(len(data))), data)
	return v.NewNative("blob", ref(tagBytes, buf))
}

// IsBlob reports whether x is a blob.
func (v *VM) IsBlob(x Value) bool {
	_, ok := v.asBlob(x)
	return ok
}

func blobConstruct(c *Call) (Value, error) {
	n := 0
	if c.NArgs() > 0 {
		n = int(c.Int(1))
	}
	if n < 0 {
		return c.throwString("cannot create blob with negative size")
	}
	c.v.mustFit(n / 8)
	if err := c.Charge(n >> 3); err != nil {
		return Null, err
	}
	c.v.SetPayload(c.This(), ref(tagBytes, c.v.newBytes(n, n)))
	return Null, nil
}

func blobCloned(c *Call) (Value, error) {
	b, ok := c.v.asBlob(c.Arg(1))
	if !ok {
		return c.notBlob(c.Arg(1))
	}
	if err := c.Charge(b.len() >> 3); err != nil {
		return Null, err
	}
	buf := c.v.newBytes(b.len(), b.len())
	copy(c.v.bytesAt(buf+wordsBytes, uint32(b.len())), b.bytes())
	c.v.SetPayload(c.This(), ref(tagBytes, buf))
	return Null, nil
}

func blobSeek(c *Call, b blob) (Value, error) {
	origin := 0
	if c.NArgs() > 1 {
		switch c.Int(2) {
		case 'b':
		case 'c':
			origin = b.pos()
		case 'e':
			origin = b.len()
		default:
			return c.throwString("invalid origin")
		}
	}
	pos := origin + int(c.Int(1))
	if pos < 0 || pos > b.len() {
		return Int(-1), nil
	}
	b.set(b.len(), pos)
	return Int(0), nil
}

func blobEos(_ *Call, b blob) (Value, error) {
	if b.pos() == b.len() {
		return Int(1), nil
	}
	return Null, nil
}

// formatSize returns the number of bytes for a format letter of readn and writen, or 0.
func formatSize(format int32) int {
	switch format {
	case 'b', 'c':
		return 1
	case 's', 'w':
		return 2
	case 'i', 'l', 'f':
		return 4
	case 'd':
		return 8
	}
	return 0
}

func blobReadN(c *Call, b blob) (Value, error) {
	format := c.Int(1)
	n := formatSize(format)
	if n == 0 {
		return c.throwString("invalid format")
	}
	p := b.take(n)
	if len(p) < n {
		return c.throwString("io error")
	}
	switch format {
	case 'b':
		return Int(int32(p[0])), nil
	case 'c':
		return Int(int32(int8(p[0]))), nil
	case 's':
		return Int(int32(int16(binary.LittleEndian.Uint16(p)))), nil
	case 'w':
		return Int(int32(binary.LittleEndian.Uint16(p))), nil
	case 'f':
		return Float(math.Float32frombits(binary.LittleEndian.Uint32(p))), nil
	case 'd':
		return Float(float32(math.Float64frombits(binary.LittleEndian.Uint64(p)))), nil
	}
	return Int(int32(binary.LittleEndian.Uint32(p))), nil
}

func blobWriteN(c *Call, b blob) (Value, error) {
	x, format := c.Arg(1), c.Int(2)
	n := formatSize(format)
	if n == 0 {
		return c.throwString("invalid format")
	}
	if !x.isNumber() {
		x = Int(0)
	}
	p := b.advance(n)
	switch format {
	case 'b', 'c':
		p[0] = byte(x.AsInt())
	case 's', 'w':
		binary.LittleEndian.PutUint16(p, uint16(x.AsInt()))
	case 'f':
		binary.LittleEndian.PutUint32(p, math.Float32bits(x.AsFloat()))
	case 'd':
		binary.LittleEndian.PutUint64(p, math.Float64bits(float64(x.AsFloat())))
	default:
		binary.LittleEndian.PutUint32(p, uint32(x.AsInt()))
	}
	return Null, nil
}

func blobReadBlob(c *Call, b blob) (Value, error) {
	p := b.take(int(c.Int(1)))
	if len(p) == 0 {
		return c.throwString("no data left to read")
	}
	if err := c.Charge(len(p) >> 3); err != nil {
		return Null, err
	}
	return c.v.NewBlob(p), nil
}

func blobReadString(c *Call, b blob) (Value, error) {
	n := int(c.Int(1))
	p := b.take(n)
	if len(p) == 0 && n != 0 {
		return c.throwString("no data left to read")
	}
	return b.text(c, p)
}

func blobWriteBlob(c *Call, b blob) (Value, error) {
	src, ok := c.v.asBlob(c.Arg(1))
	if !ok {
		return c.throwString("invalid parameter")
	}
	n := src.len()
	return Int(int32(n)), b.write(c, src.bytes())
}

func blobWriteString(c *Call, b blob) (Value, error) {
	return Null, b.write(c, c.v.strBytes(c.Arg(1)))
}

// write writes at the position. data may alias the arena: when the blob gets a new
// buffer the old bytes stay in place.
func (b *blob) write(c *Call, data []byte) error {
	if err := c.Charge(len(data) >> 3); err != nil {
		return err
	}
	copy(b.advance(len(data)), data)
	return nil
}

func blobResize(c *Call, b blob) (Value, error) {
	n := int(c.Int(1))
	if n < 0 {
		return c.throwString("resize failed")
	}
	c.v.mustFit(n / 8)
	if err := c.Charge(n >> 3); err != nil {
		return Null, err
	}
	b.reserve(n)
	return Null, nil
}

func blobSwap2(c *Call, b blob) (Value, error) {
	p := b.bytes()
	if err := c.Charge(len(p) >> 3); err != nil {
		return Null, err
	}
	for ; len(p) >= 2; p = p[2:] {
		p[0], p[1] = p[1], p[0]
	}
	return Null, nil
}

func blobSwap4(c *Call, b blob) (Value, error) {
	p := b.bytes()
	if err := c.Charge(len(p) >> 3); err != nil {
		return Null, err
	}
	for ; len(p) >= 4; p = p[4:] {
		p[0], p[3] = p[3], p[0]
		p[1], p[2] = p[2], p[1]
	}
	return Null, nil
}

func blobGet(c *Call, b blob) (Value, error) {
	i := int(c.Int(1))
	if i < 0 || i >= b.len() {
		return c.throwString("index out of range")
	}
	return Int(int32(b.part(i, i+1)[0])), nil
}

func blobSet(c *Call, b blob) (Value, error) {
	i := int(c.Int(1))
	if i < 0 || i >= b.len() {
		return c.throwString("index out of range")
	}
	value := byte(0)
	if x := c.Arg(2); x.isNumber() {
		value = byte(c.Int(2))
	} else if c.v.strLen(x) == 1 {
		value = c.v.strBytes(x)[0]
	} else {
		return c.throwString("a byte is an integer or a string of one character")
	}
	b.part(i, i+1)[0] = value
	return c.Arg(2), nil
}

func blobNext(c *Call, b blob) (Value, error) {
	next := 0
	if x := c.Arg(1); x != Null {
		if !x.isNumber() {
			return c.throwString("internal error (_nexti) wrong argument type")
		}
		next = int(x.AsInt()) + 1
	}
	if next < 0 || next >= b.len() {
		return Null, nil
	}
	return Int(int32(next)), nil
}
