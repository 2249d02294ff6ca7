package codec

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Major types of CBOR (RFC 8949), and the other values used here.
const (
	cborUnsigned = 0 << 5
	cborNegative = 1 << 5
	cborBytes    = 2 << 5
	cborText     = 3 << 5
	cborArray    = 4 << 5
	cborMap      = 5 << 5
	cborTag      = 6 << 5
	cborOther    = 7 << 5

	cborFalse     = 20
	cborTrue      = 21
	cborNull      = 22
	cborUndefined = 23
	cborHalf      = 25
	cborSingle    = 26
	cborDouble    = 27
	cborOpen      = 31 // indefinite length; with cborOther, its end
	cborBreak     = cborOther | cborOpen
)

// FromCBOR appends to dst, in the compact encoding, the value of a CBOR item.
// Byte strings are blobs, tags are ignored, numbers that are not 32-bit integers
// are floats, and integer keys become text.
func FromCBOR(dst, data []byte) ([]byte, error) {
	p := cborParser{data: data, out: dst}
	err := p.value(0)
	if err == nil && len(p.data) > 0 {
		err = fmt.Errorf("%d bytes follow", len(p.data))
	}
	if err != nil {
		return dst, fmt.Errorf("invalid CBOR: %w", err)
	}
	return p.out, nil
}

type cborParser struct {
	data []byte
	out  []byte
}

var (
	errCBOREnd  = errors.New("it ends too early")
	errCBORKind = errors.New("it holds an item that has no counterpart in Squirrel")
	errCBORKey  = errors.New("keys must be text or integers")
)

// head reads the first byte of an item, and its argument.
func (p *cborParser) head() (major, info byte, arg uint64, err error) {
	if len(p.data) == 0 {
		return 0, 0, 0, errCBOREnd
	}
	major, info = p.data[0]&0xe0, p.data[0]&0x1f
	p.data = p.data[1:]
	if info < 24 {
		return major, info, uint64(info), nil
	}
	if info >= 28 {
		if info == cborOpen && (major >= cborBytes && major <= cborMap || major == cborOther) {
			return major, info, 0, nil
		}
		return 0, 0, 0, errCBORKind
	}
	n := 1 << (info - 24)
	if len(p.data) < n {
		return 0, 0, 0, errCBOREnd
	}
	for _, b := range p.data[:n] {
		arg = arg<<8 | uint64(b)
	}
	p.data = p.data[n:]
	return major, info, arg, nil
}

func (p *cborParser) value(depth int) error {
	major, info, arg, err := p.head()
	for err == nil && major == cborTag {
		major, info, arg, err = p.head()
	}
	if err != nil {
		return err
	}
	switch major {
	case cborUnsigned, cborNegative:
		p.integer(major, arg)
		return nil
	case cborBytes, cborText:
		s, err := p.content(major, info, arg)
		if err != nil {
			return err
		}
		if major == cborText {
			p.out = AppendText(p.out, s)
		} else {
			p.out = AppendBlob(p.out, s)
		}
		return nil
	case cborArray, cborMap:
		return p.container(major, info, arg, depth)
	}
	return p.other(info, arg)
}

func (p *cborParser) integer(major byte, arg uint64) {
	switch {
	case arg > math.MaxInt32 && major == cborUnsigned:
		p.out = AppendFloat(p.out, float32(arg))
	case arg == math.MaxUint64:
		p.out = AppendFloat(p.out, -1<<64)
	case arg > math.MaxInt32:
		p.out = AppendFloat(p.out, -float32(arg+1)) // rounded once
	case major == cborUnsigned:
		p.out = AppendInteger(p.out, int32(arg))
	default:
		p.out = AppendInteger(p.out, -1-int32(arg))
	}
}

// content reads a byte or text string, whole or in chunks.
func (p *cborParser) content(major, info byte, arg uint64) ([]byte, error) {
	if info != cborOpen {
		if arg > uint64(len(p.data)) {
			return nil, errCBOREnd
		}
		s := p.data[:arg]
		p.data = p.data[arg:]
		return s, nil
	}
	var all []byte
	for {
		m, i, n, err := p.head()
		switch {
		case err != nil:
			return nil, err
		case m == cborOther && i == cborOpen:
			return all, nil
		case m != major || i == cborOpen:
			return nil, errCBORKind
		}
		s, err := p.content(m, i, n)
		if err != nil {
			return nil, err
		}
		all = append(all, s...)
	}
}

func (p *cborParser) container(major, info byte, n uint64, depth int) error {
	if depth >= MaxDepth {
		return ErrTooDeep
	}
	if major == cborMap {
		p.out = append(p.out, Table)
	} else {
		p.out = append(p.out, Array)
	}
	for i := uint64(0); info == cborOpen || i < n; i++ {
		if info == cborOpen && len(p.data) > 0 && p.data[0] == cborBreak {
			p.data = p.data[1:]
			break
		}
		if major == cborMap {
			if err := p.key(); err != nil {
				return err
			}
		}
		if err := p.value(depth + 1); err != nil {
			return err
		}
	}
	p.out = append(p.out, End)
	return nil
}

func (p *cborParser) key() error {
	major, info, arg, err := p.head()
	if err != nil {
		return err
	}
	switch major {
	case cborText:
		s, err := p.content(major, info, arg)
		if err != nil {
			return err
		}
		p.out = AppendString(p.out, s)
		return nil
	case cborUnsigned:
		p.out = AppendString(p.out, strconv.FormatUint(arg, 10))
		return nil
	case cborNegative:
		if arg <= math.MaxInt64 {
			p.out = AppendString(p.out, strconv.FormatInt(-1-int64(arg), 10))
			return nil
		}
	}
	return errCBORKey
}

func (p *cborParser) other(info byte, arg uint64) error {
	switch info {
	case cborFalse:
		p.out = append(p.out, False)
	case cborTrue:
		p.out = append(p.out, True)
	case cborNull, cborUndefined:
		p.out = append(p.out, Null)
	case cborHalf:
		p.out = AppendFloat(p.out, halfFloat(uint16(arg)))
	case cborSingle:
		p.out = AppendFloat(p.out, math.Float32frombits(uint32(arg)))
	case cborDouble:
		p.out = AppendFloat(p.out, float32(math.Float64frombits(arg)))
	default:
		return errCBORKind
	}
	return nil
}

// halfFloat returns the value of a 16-bit float.
func halfFloat(h uint16) float32 {
	exp, frac := int(h>>10&31), float64(h&1023)
	f := 0.0
	switch exp {
	case 0:
		f = math.Ldexp(frac, -24)
	case 31:
		f = math.Inf(1)
		if frac != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(frac+1024, exp-25)
	}
	if h>>15 != 0 {
		f = -f
	}
	return float32(f)
}
