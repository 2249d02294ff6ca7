package squirrel

import (
	"bytes"

	"github.com/tandem-iot/tandem/squirrel/text"
)

// AddString adds the string library: format, strip, lstrip, rstrip, split and
// the class regexp.
func AddString(l *Library) {
	l.Func("format", Native{Check: -2, Mask: ".s", Fn: stringFormat})
	l.Func("strip", Native{Check: 2, Mask: ".s", Fn: stringPart(text.Strip)})
	l.Func("lstrip", Native{Check: 2, Mask: ".s", Fn: stringPart(text.LStrip)})
	l.Func("rstrip", Native{Check: 2, Mask: ".s", Fn: stringPart(text.RStrip)})
	l.Func("split", Native{Check: 3, Mask: ".ss", Fn: stringSplit})
	addRegexp(l)
}

// addStringMethods adds the built-in methods of strings.
func addStringMethods(l *Library) {
	add := func(name string, check int, mask string, fn NativeFunc) {
		l.method(TypeString, Native{Name: name, Check: check, Mask: mask, Fn: fn})
	}
	add("len", 1, "s", stringLen)
	add("tointeger", 1, "s", stringToInteger)
	add("tofloat", 1, "s", stringToFloat)
	add("tostring", 1, ".", func(c *Call) (Value, error) { return c.This(), nil })
	add("slice", -1, "snn", stringSlice)
	add("find", -2, "ssn", stringFind)
	add("tolower", 1, "s", stringCase(text.Lower))
	add("toupper", 1, "s", stringCase(text.Upper))
	add("weakref", 1, "", weakref)
}

func stringLen(c *Call) (Value, error) { return Int(int32(c.v.strLen(c.This()))), nil }

// numberText returns the text of a number, of which it pays for the reading. Many digits
// of a float are expensive, but only as many as can matter.
func (c *Call) numberText() ([]byte, error) {
	const usual, most = 20, 800
	s := c.v.strBytes(c.This())
	if err := c.Charge(len(s) >> 2); err != nil {
		return nil, err
	}
	if len(s) > usual && text.LooksFloat(s) {
		return s, c.Charge(4 * min(len(s)-usual, most))
	}
	return s, nil
}

func stringToInteger(c *Call) (Value, error) {
	s, err := c.numberText()
	if err != nil {
		return Null, err
	}
	i, err := text.ParseInt(s)
	if err != nil {
		return c.throwError(err)
	}
	return Int(i), nil
}

func stringToFloat(c *Call) (Value, error) {
	s, err := c.numberText()
	if err != nil {
		return Null, err
	}
	f, err := text.ParseFloat(s)
	if err != nil {
		return c.throwError(err)
	}
	return Float(f), nil
}

// sliceBounds reads the arguments of slice for a value of length n. A negative index
// counts from the end.
func sliceBounds(c *Call, n int) (from, to int, fault string) {
	from, to = 0, n
	if c.NArgs() > 0 {
		from = int(c.Int(1))
	}
	if c.NArgs() > 1 {
		to = int(c.Int(2))
	}
	if from < 0 {
		from += n
	}
	if to < 0 {
		to += n
	}
	switch {
	case to < from:
		return 0, 0, "wrong indexes"
	case to > n || from < 0:
		return 0, 0, "slice out of range"
	}
	return from, to, ""
}

func stringSlice(c *Call) (Value, error) {
	from, to, fault := sliceBounds(c, c.v.strLen(c.This()))
	if fault != "" {
		return c.throwString(fault)
	}
	if err := c.Charge((to - from) >> 3); err != nil {
		return Null, err
	}
	return c.v.NewStringBytes(c.v.strPart(c.This(), from, to)), nil
}

// stringFind searches the whole string; the C library stops at a NUL.
func stringFind(c *Call) (Value, error) {
	n, start := c.v.strLen(c.This()), 0
	if c.NArgs() > 1 {
		start = int(c.Int(2))
	}
	if start < 0 || start >= n {
		return Null, nil
	}
	if err := c.Charge((n - start + c.v.strLen(c.Arg(1))) >> 3); err != nil {
		return Null, err
	}
	i := bytes.Index(c.v.strPart(c.This(), start, n), c.v.strBytes(c.Arg(1)))
	if i < 0 {
		return Null, nil
	}
	return Int(int32(start + i)), nil
}

func stringCase(convert func(dst, s []byte) []byte) NativeFunc {
	return func(c *Call) (Value, error) {
		x := c.This()
		n := c.v.strLen(x)
		if n <= maxShort {
			return c.v.NewStringBytes(convert(make([]byte, 0, maxShort), c.v.strBytes(x))), nil
		}
		if err := c.Charge(n >> 3); err != nil {
			return Null, err
		}
		return c.v.newLong(n, func(dst []byte) { convert(dst[:0], c.v.strBytes(x)) }), nil
	}
}

// stringPart makes a native function of one that returns a part of its argument.
func stringPart(part func([]byte) []byte) NativeFunc {
	return func(c *Call) (Value, error) {
		s := c.v.strBytes(c.Arg(1))
		if err := c.Charge(len(s) >> 3); err != nil {
			return Null, err
		}
		return c.v.NewStringBytes(part(s)), nil
	}
}

func stringSplit(c *Call) (Value, error) {
	s, seps := c.v.strBytes(c.Arg(1)), c.v.strBytes(c.Arg(2))
	if len(seps) == 0 {
		return c.throwString("empty separators string")
	}
	if err := c.Charge((len(s) + len(seps)) >> 2); err != nil {
		return Null, err
	}
	cut, n := text.NewSplitter(seps), 0
	s = text.CString(s)
	for piece, rest := cut.Next(s); len(piece) > 0; piece, rest = cut.Next(rest) {
		n++
	}
	a := c.v.newArray(n)
	for i := range n {
		if err := c.Charge(8); err != nil {
			return Null, err
		}
		var piece []byte
		piece, s = cut.Next(s) // s stays in the old words when the arena grows
		x := c.v.NewStringBytes(piece)
		*c.v.arraySlot(a, uint32(i)) = x
	}
	return ref(tagArray, a), nil
}

// directiveCost is the fuel of one directive of format, and maxNumber the size of the
// text of a number.
const (
	directiveCost = 8
	maxNumber     = 64
)

func stringFormat(c *Call) (Value, error) {
	var buf [128]byte
	format := c.v.strBytes(c.Arg(1))
	size := len(format) // about that of the result
	if err := c.Charge(24 + size>>2); err != nil {
		return Null, err
	}
	out, err := text.Format(buf[:0], format, func(n int) (text.Arg, bool) {
		if n+2 > c.NArgs() {
			return text.Arg{}, false
		}
		x := c.Arg(n + 2)
		more := maxNumber
		if x.isString() {
			more = c.v.strLen(x)
		}
		size += more
		c.v.mustFit(size / 8)
		if c.Charge(directiveCost+more>>2) != nil {
			return text.Arg{}, false
		}
		switch {
		case x.isInt():
			return text.Arg{Kind: text.KindInt, I: x.AsInt()}, true
		case x.isFloat():
			return text.Arg{Kind: text.KindFloat, F: x.AsFloat()}, true
		case x.isString():
			return text.Arg{Kind: text.KindString, S: c.v.strBytes(x)}, true
		}
		return text.Arg{}, true
	})
	if err != nil {
		return c.throwError(err)
	}
	return c.v.NewStringBytes(out), nil
}

// addNumberMethods adds the built-in methods of integers, floats and bools.
func addNumberMethods(l *Library) {
	for _, t := range []Type{TypeInteger, TypeFloat, TypeBool} {
		l.method(t, Native{
			Name: "tointeger", Check: 1, Mask: "n|b",
			Fn: func(c *Call) (Value, error) { return Int(c.Int(0)), nil },
		})
		l.method(t, Native{Name: "tofloat", Check: 1, Mask: "n|b", Fn: numberToFloat})
		l.method(t, Native{Name: "tostring", Check: 1, Mask: ".", Fn: toString})
		l.method(t, Native{Name: "tochar", Check: 1, Mask: "n|b", Fn: numberToChar})
		l.method(t, Native{Name: "weakref", Check: 1, Fn: weakref})
	}
}

func numberToFloat(c *Call) (Value, error) {
	if x := c.This(); x.isFloat() {
		return x, nil
	}
	return Float(float32(c.Int(0))), nil
}

// numberToChar returns the low byte as a string.
func numberToChar(c *Call) (Value, error) {
	return c.v.NewStringBytes([]byte{byte(c.Int(0))}), nil
}
