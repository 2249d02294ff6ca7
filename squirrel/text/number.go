package text

import (
	"errors"
	"math"
	"strconv"
)

// ErrNotNumber is the error of tointeger and tofloat.
var ErrNotNumber = errors.New("cannot convert the string")

// FormatFloat returns f in the form of print, string concatenation and tostring: C's %g
// with six significant digits.
func FormatFloat(f float32) string { return string(AppendFloat(nil, f)) }

// AppendFloat appends the result of FormatFloat.
func AppendFloat(dst []byte, f float32) []byte { return appendG(dst, f, 6) }

// FormatFloat14 returns f in the form of error messages and stack traces: %.14g.
func FormatFloat14(f float32) string { return string(appendG(nil, f, 14)) }

func appendG(dst []byte, f float32, digits int) []byte {
	x := float64(f)
	if math.IsInf(x, 0) || math.IsNaN(x) {
		if math.Signbit(x) {
			dst = append(dst, '-')
		}
		return append(dst, nonFinite(x)...)
	}
	// With an explicit precision strconv agrees with C on when to use an
	// exponent, and prints at least two digits of it.
	return strconv.AppendFloat(dst, x, 'g', digits, 64)
}

func nonFinite(x float64) string {
	if math.IsNaN(x) {
		return "nan"
	}
	return "inf"
}

// FormatInt returns i in decimal.
func FormatInt(i int32) string { return strconv.Itoa(int(i)) }

// AppendInt appends i in decimal.
func AppendInt(dst []byte, i int32) []byte { return strconv.AppendInt(dst, int64(i), 10) }

// ParseInt is string.tointeger: leading white space, a sign and as many digits
// as there are; the rest is ignored and the value saturates. Text that has a
// point or an e anywhere is read as a float and truncated. A hexadecimal number is
// read as parseHex does.
func ParseInt(s []byte) (int32, error) {
	s = CString(s)
	if i, ok := parseHex(s); ok {
		return i, nil
	}
	if LooksFloat(s) {
		f, err := parseDouble(s)
		return Truncate(float32(f)), err
	}
	return parseLong(s)
}

// ParseFloat is string.tofloat. Text without a point or an e is read as an
// integer first, and saturates like one.
func ParseFloat(s []byte) (float32, error) {
	s = CString(s)
	if i, ok := parseHex(s); ok {
		return float32(i), nil
	}
	if LooksFloat(s) {
		f, err := parseDouble(s)
		return float32(f), err
	}
	i, err := parseLong(s)
	return float32(i), err
}

// hexDigits is the greatest number of digits that parseHex reads.
const hexDigits = 8

// parseHex reads a whole hexadecimal number, such as 0xFF and the beginning of "-0x1F mA".
// Imps have these, and 3.0.4 does not. A number of more than eight digits is -1. Source:
// https://developer.electricimp.com/node/2443. A point or an exponent behind the digits
// makes the number a float, which is not read here.
func parseHex(s []byte) (int32, bool) {
	s, negative := skipSign(s)
	if len(s) < 3 || s[0] != '0' || s[1]|0x20 != 'x' {
		return 0, false
	}
	n, digits := uint32(0), 0
	for s = s[2:]; digits < len(s) && isHexDigit(s[digits]); digits++ {
		n = n<<4 | uint32(hexValue(s[digits]))
	}
	switch {
	case digits == 0, digits < len(s) && s[digits] == '.', skipExponent(s, digits, 'p') > digits:
		return 0, false
	case digits > hexDigits:
		return -1, true
	case negative:
		n = -n
	}
	return int32(n), true
}

// LooksFloat reports whether s, if it is not hexadecimal, is read as a float.
func LooksFloat(s []byte) bool {
	for _, c := range s {
		if c == '.' || c == 'e' || c == 'E' {
			return true
		}
	}
	return false
}

// parseLong is C's strtol for base 10 and a 32-bit long.
func parseLong(s []byte) (int32, error) {
	s, negative := skipSign(s)
	if len(s) == 0 || !isDigit(s[0]) {
		return 0, ErrNotNumber
	}
	var n int64
	for _, c := range s {
		if !isDigit(c) {
			break
		}
		n = min(n*10+int64(c-'0'), 1<<31)
	}
	if negative {
		return int32(-n), nil
	}
	return int32(min(n, math.MaxInt32)), nil
}

// parseDouble is C's strtod: the longest prefix of s that is a number, which
// may also be hexadecimal, infinite or not a number.
func parseDouble(s []byte) (float64, error) {
	s, negative := skipSign(s)
	sign := 1.0
	if negative {
		sign = -1
	}
	switch {
	case hasPrefixFold(s, "inf"):
		return math.Inf(int(sign)), nil
	case hasPrefixFold(s, "nan"):
		return math.Copysign(math.NaN(), sign), nil
	}
	text, ok := hexPrefix(s)
	if !ok {
		text = decimalPrefix(s)
	}
	if text == "" {
		return 0, ErrNotNumber
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // a number out of range is infinite, as in C
		return 0, ErrNotNumber
	}
	return math.Copysign(x, sign), nil
}

// skipSign drops leading white space and a sign.
func skipSign(s []byte) (rest []byte, negative bool) {
	for len(s) > 0 && IsSpace(s[0]) {
		s = s[1:]
	}
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		return s[1:], s[0] == '-'
	}
	return s, false
}

// decimalPrefix returns the longest prefix of s that is a decimal number
// without a sign, or "".
func decimalPrefix(s []byte) string {
	i, digits := skipMantissa(s, isDigit)
	if digits == 0 {
		return ""
	}
	return string(s[:skipExponent(s, i, 'e')])
}

// hexPrefix does the same for 0x1.8p3, in the form that strconv needs. The prefix 0x
// without a digit is the decimal number 0.
func hexPrefix(s []byte) (string, bool) {
	if len(s) < 3 || s[0] != '0' || s[1]|0x20 != 'x' {
		return "", false
	}
	n, digits := skipMantissa(s[2:], isHexDigit)
	if digits == 0 {
		return "", false
	}
	i := 2 + n
	end := skipExponent(s, i, 'p')
	if end == i {
		return string(s[:i]) + "p0", true
	}
	return string(s[:end]), true
}

// skipMantissa returns the length of the digits, with at most one point among
// them, that s starts with, and how many digits they are.
func skipMantissa(s []byte, isDigit func(byte) bool) (end, digits int) {
	point := false
	for ; end < len(s); end++ {
		switch {
		case isDigit(s[end]):
			digits++
		case s[end] == '.' && !point:
			point = true
		default:
			return end, digits
		}
	}
	return end, digits
}

// skipExponent returns the end of an exponent that begins at s[i], or i when
// there is none.
func skipExponent(s []byte, i int, letter byte) int {
	if i >= len(s) || s[i]|0x20 != letter {
		return i
	}
	end := i + 1
	if end < len(s) && (s[end] == '-' || s[end] == '+') {
		end++
	}
	first := end
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	if end == first {
		return i
	}
	return end
}

func hasPrefixFold(s []byte, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := range lower {
		if s[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c-'0' < 10 }

func isHexDigit(c byte) bool { return isDigit(c) || c|0x20-'a' < 6 }

// hexValue returns the value of a hexadecimal digit.
func hexValue(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
