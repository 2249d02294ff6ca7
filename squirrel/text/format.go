package text

import (
	"bytes"
	"errors"
	"math"
	"strconv"
)

// The errors of format(), in the original's spelling.
var (
	ErrTooFewArgs   = errors.New("not enough paramters for the given format string")
	ErrFormat       = errors.New("invalid format")
	ErrFormatLen    = errors.New("format too long")
	ErrWidthLen     = errors.New("width format too long")
	ErrPrecisionLen = errors.New("precision format too long")
	ErrWantString   = errors.New("string expected for the specified format")
	ErrWantInteger  = errors.New("integer expected for the specified format")
	ErrWantFloat    = errors.New("float expected for the specified format")
)

const (
	maxDirectiveLen  = 20 // flags, width and precision together
	maxWidthDigits   = 2
	defaultPrecision = 6
)

// Kind is the type of an Arg.
type Kind uint8

const (
	KindOther Kind = iota // neither a number nor a string
	KindInt
	KindFloat
	KindString
)

// Arg is an argument of Format.
type Arg struct {
	Kind Kind
	I    int32
	F    float32
	S    []byte
}

func (a Arg) integer() (int32, bool) {
	if a.Kind == KindFloat {
		return Truncate(a.F), true
	}
	return a.I, a.Kind == KindInt
}

func (a Arg) double() (float64, bool) {
	if a.Kind == KindInt {
		return float64(float32(a.I)), true
	}
	return float64(a.F), a.Kind == KindFloat
}

// Format appends to dst the result of Squirrel's format() for a format string and its
// arguments; arg returns the n-th argument, counting from 0, and false when there
// are fewer. Conversions are those of C's printf among
// s c d i o u x X e E f g G and %%, with the flags "-+ #0" and a width and
// precision of at most two digits each. Numbers are converted to the type needed;
// nothing else is. After an error dst has the output up to that point. The format may
// hold NUL, which ends it in the original, but a string ends at a NUL
// (https://developer.electricimp.com/node/2344).
func Format(dst, format []byte, arg func(n int) (Arg, bool)) ([]byte, error) {
	for n := 0; ; n++ {
		var ok bool
		if dst, format, ok = appendLiteral(dst, format); !ok {
			return dst, nil
		}
		a, ok := arg(n)
		if !ok {
			return dst, ErrTooFewArgs
		}
		d, size, err := parseDirective(format)
		if err != nil {
			return dst, err
		}
		format = format[size:]
		if dst, err = d.append(dst, a); err != nil {
			return dst, err
		}
	}
}

// appendLiteral copies format up to its next directive, and returns what
// follows that directive's percent sign; false when there is none left.
func appendLiteral(dst, format []byte) (_, rest []byte, more bool) {
	for {
		i := bytes.IndexByte(format, '%')
		if i < 0 {
			return append(dst, format...), nil, false
		}
		dst = append(dst, format[:i]...)
		format = format[i+1:]
		if len(format) == 0 || format[0] != '%' {
			return dst, format, true
		}
		dst = append(dst, '%')
		format = format[1:]
	}
}

// directive is the part of a format between a percent sign and the end of its
// conversion letter.
type directive struct {
	left, plus, blank, alt, zero bool

	width     int
	precision int // -1 when not given
	verb      byte
}

func parseDirective(s []byte) (d directive, size int, err error) {
	i := 0
	for i < len(s) && d.setFlag(s[i]) {
		i++
	}
	var ok bool
	if d.width, i, ok = parseField(s, i); !ok {
		return d, 0, ErrWidthLen
	}
	d.precision = -1
	if i < len(s) && s[i] == '.' {
		if d.precision, i, ok = parseField(s, i+1); !ok {
			return d, 0, ErrPrecisionLen
		}
	}
	if i > maxDirectiveLen {
		return d, 0, ErrFormatLen
	}
	if i == len(s) {
		return d, 0, ErrFormat
	}
	d.verb = s[i]
	return d, i + 1, nil
}

func (d *directive) setFlag(c byte) bool {
	switch c {
	case '-':
		d.left = true
	case '+':
		d.plus = true
	case ' ':
		d.blank = true
	case '#':
		d.alt = true
	case '0':
		d.zero = true
	default:
		return false
	}
	return true
}

// parseField reads a width or a precision.
func parseField(s []byte, i int) (value, end int, ok bool) {
	first := i
	for i < len(s) && isDigit(s[i]) {
		if i-first == maxWidthDigits {
			return 0, 0, false
		}
		value = value*10 + int(s[i]-'0')
		i++
	}
	return value, i, true
}

func (d directive) append(dst []byte, a Arg) ([]byte, error) {
	switch d.verb {
	case 's':
		if a.Kind != KindString {
			return dst, ErrWantString
		}
		s := CString(a.S)
		if d.precision >= 0 && d.precision < len(s) {
			s = s[:d.precision]
		}
		return d.appendPadded(dst, s), nil
	case 'c', 'd', 'i', 'o', 'u', 'x', 'X':
		i, ok := a.integer()
		if !ok {
			return dst, ErrWantInteger
		}
		if d.verb == 'c' {
			return d.appendPadded(dst, []byte{byte(i)}), nil
		}
		return d.appendInteger(dst, i), nil
	case 'e', 'E', 'f', 'g', 'G':
		x, ok := a.double()
		if !ok {
			return dst, ErrWantFloat
		}
		return d.appendDouble(dst, x), nil
	}
	return dst, ErrFormat
}

func (d directive) appendPadded(dst, s []byte) []byte {
	if !d.left {
		dst = appendRepeat(dst, ' ', d.width-len(s))
	}
	dst = append(dst, s...)
	if d.left {
		dst = appendRepeat(dst, ' ', d.width-len(s))
	}
	return dst
}

// appendNumber appends sign or base prefix, zeros and digits. zeroFill reports whether
// the 0 flag applies.
func (d directive) appendNumber(dst []byte, prefix string, zeros int, digits []byte, zeroFill bool) []byte {
	pad := d.width - len(prefix) - zeros - len(digits)
	switch {
	case d.left:
		// Blanks follow below.
	case zeroFill:
		zeros += max(pad, 0)
	default:
		dst = appendRepeat(dst, ' ', pad)
	}
	dst = append(dst, prefix...)
	dst = appendRepeat(dst, '0', zeros)
	dst = append(dst, digits...)
	if d.left {
		dst = appendRepeat(dst, ' ', pad)
	}
	return dst
}

func (d directive) appendInteger(dst []byte, i int32) []byte {
	var buf [16]byte
	digits, prefix := buf[:0], ""
	switch d.verb {
	case 'd', 'i':
		prefix = d.sign(i < 0)
		digits = strconv.AppendUint(digits, uint64(max(int64(i), -int64(i))), 10)
	case 'u':
		digits = strconv.AppendUint(digits, uint64(uint32(i)), 10)
	case 'o':
		digits = strconv.AppendUint(digits, uint64(uint32(i)), 8)
	case 'x', 'X':
		digits = strconv.AppendUint(digits, uint64(uint32(i)), 16)
		if d.alt && i != 0 {
			prefix = "0" + string(d.verb)
		}
		if d.verb == 'X' {
			digits = bytes.ToUpper(digits)
		}
	}
	if i == 0 && d.precision == 0 {
		digits = digits[:0] // zero with a precision of 0 has no digits
	}
	zeros := max(d.precision-len(digits), 0)
	if d.verb == 'o' && d.alt && zeros == 0 && (len(digits) == 0 || digits[0] != '0') {
		zeros = 1
	}
	return d.appendNumber(dst, prefix, zeros, digits, d.zero && d.precision < 0)
}

func (d directive) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case d.plus:
		return "+"
	case d.blank:
		return " "
	}
	return ""
}

func (d directive) appendDouble(dst []byte, x float64) []byte {
	prefix := d.sign(math.Signbit(x))
	var digits []byte
	finite := !math.IsInf(x, 0) && !math.IsNaN(x)
	if finite {
		digits = d.digits(math.Abs(x))
	} else {
		digits = []byte(nonFinite(x))
	}
	if d.verb == 'E' || d.verb == 'G' {
		digits = bytes.ToUpper(digits)
	}
	return d.appendNumber(dst, prefix, 0, digits, d.zero && finite)
}

// digits converts a finite, non-negative number.
func (d directive) digits(x float64) []byte {
	precision := d.precision
	if precision < 0 {
		precision = defaultPrecision
	}
	switch d.verb {
	case 'f':
		return d.withPoint(strconv.AppendFloat(nil, x, 'f', precision, 64))
	case 'e', 'E':
		return d.withPoint(strconv.AppendFloat(nil, x, 'e', precision, 64))
	}
	// %g: the exponent after rounding to the wanted digits decides the style.
	precision = max(precision, 1)
	s := strconv.AppendFloat(nil, x, 'e', precision-1, 64)
	e := bytes.LastIndexByte(s, 'e')
	exponent, err := strconv.Atoi(string(s[e+1:]))
	if err != nil {
		panic("text: no exponent in " + string(s))
	}
	if exponent >= -4 && exponent < precision {
		s = strconv.AppendFloat(nil, x, 'f', precision-1-exponent, 64)
	}
	if d.alt {
		return d.withPoint(s)
	}
	return trimZeros(s)
}

// withPoint adds a decimal point when the # flag requires one.
func (d directive) withPoint(s []byte) []byte {
	if !d.alt || bytes.IndexByte(s, '.') >= 0 {
		return s
	}
	mantissa, exponent := cutExponent(s)
	return append(append(bytes.Clone(mantissa), '.'), exponent...)
}

// trimZeros drops trailing zeros of the fraction, and a bare point.
func trimZeros(s []byte) []byte {
	mantissa, exponent := cutExponent(s)
	if bytes.IndexByte(mantissa, '.') < 0 {
		return s
	}
	mantissa = bytes.TrimRight(mantissa, "0")
	mantissa = bytes.TrimSuffix(mantissa, []byte("."))
	return append(bytes.Clone(mantissa), exponent...)
}

func cutExponent(s []byte) (mantissa, exponent []byte) {
	if i := bytes.IndexByte(s, 'e'); i >= 0 {
		return s[:i], s[i:]
	}
	return s, nil
}

func appendRepeat(dst []byte, c byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, c)
	}
	return dst
}
