package squirrel

import (
	"errors"

	"github.com/tandem-iot/tandem/squirrel/regexp"
)

// A match may take this many steps, which is some tens of milliseconds. Each
// stepsPerUnit of them cost a CPU unit.
const (
	regexpSteps  = 4 << 20
	stepsPerUnit = 2
)

var errRegexpSteps = errors.New("regular expression takes too long")

// matchMeter pays for a match.
type matchMeter struct {
	c    *Call
	left int // steps
}

func (m *matchMeter) Pay(steps int) error {
	if steps > m.left {
		return errRegexpSteps
	}
	m.left -= steps
	return m.c.Charge((steps + stepsPerUnit - 1) / stepsPerUnit)
}

// regexpCache keeps the compiled patterns of a machine. An instance of the class holds
// only the text of its pattern, which is all that snapshots need. Whether a pattern is
// in the cache has an effect on time only: a call pays for compiling it in any case.
type regexpCache struct {
	byText map[string]*regexp.Regexp
	size   int // bytes of all
}

const (
	maxRegexps = 128 << 10 // bytes of the compiled patterns that a machine keeps
	regexpText = 64        // bytes added to a pattern, beside twice its text
)

func (rc *regexpCache) get(pattern []byte) (*regexp.Regexp, error) {
	if re := rc.byText[string(pattern)]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	size := re.Size() + regexpText + 2*len(pattern)
	if size > maxRegexps {
		return re, nil
	}
	if rc.size += size; rc.size > maxRegexps || rc.byText == nil {
		rc.byText = map[string]*regexp.Regexp{}
		rc.size = size
	}
	rc.byText[string(pattern)] = re
	return re, nil
}

// pattern returns a compiled pattern, for which it pays.
func (c *Call) pattern(text Value) (*regexp.Regexp, error) {
	if err := c.Charge(32 + patternCost*c.v.strLen(text)); err != nil {
		return nil, err
	}
	return c.v.regexps.get(c.v.strBytes(text))
}

// patternCost is the fuel for a byte of a pattern: one that stands for a set of bytes
// costs the most.
const patternCost = 8

// regexpCall is a method of the class, with the compiled pattern, the subject and the
// start.
type regexpCall func(c *Call, re *regexp.Regexp, s []byte, start int, meter *matchMeter) (Value, error)

func addRegexp(l *Library) {
	construct := func(c *Call) (Value, error) {
		if _, err := c.pattern(c.Arg(1)); err != nil {
			return c.throwError(err)
		}
		c.v.SetPayload(c.This(), c.Arg(1))
		return Null, nil
	}
	l.Class("regexp",
		Native{Name: "constructor", Check: 2, Mask: ".s", Fn: construct},
		Native{Name: "search", Check: -2, Mask: "xsn", Fn: regexpMethod(regexpSearch)},
		Native{Name: "match", Check: 2, Mask: "xs", Fn: regexpMethod(regexpMatch)},
		Native{Name: "capture", Check: -2, Mask: "xsn", Fn: regexpMethod(regexpCapture)},
		Native{Name: "subexpcount", Check: 1, Mask: "x", Fn: regexpMethod(regexpCount)},
	)
	l.ClassGlobal("regexp", "regexp")
}

func regexpMethod(fn regexpCall) NativeFunc {
	return func(c *Call) (Value, error) {
		pattern := c.v.Payload(c.This())
		if !pattern.isString() || !c.v.IsNative(c.This(), "regexp") {
			return c.throwString("invalid type tag")
		}
		re, err := c.pattern(pattern)
		if err != nil {
			return c.throwError(err)
		}
		var s []byte
		if c.NArgs() > 0 {
			s = c.v.strBytes(c.Arg(1))
		}
		if err := c.Charge(len(s)>>4 + re.Groups()); err != nil {
			return Null, err
		}
		x, err := fn(c, re, s, int(c.Int(2)), &matchMeter{c, regexpSteps})
		if err != nil {
			return c.throwError(err)
		}
		return x, nil
	}
}

func regexpMatch(_ *Call, re *regexp.Regexp, s []byte, _ int, meter *matchMeter) (Value, error) {
	ok, err := re.Match(s, meter)
	return Bool(ok), err
}

func regexpSearch(c *Call, re *regexp.Regexp, s []byte, start int, meter *matchMeter) (Value, error) {
	span, ok, err := re.Search(s, start, meter)
	if !ok {
		return Null, err
	}
	return c.v.spanTable(span), err
}

func regexpCapture(c *Call, re *regexp.Regexp, s []byte, start int, meter *matchMeter) (Value, error) {
	spans, err := re.Capture(s, start, meter)
	if spans == nil {
		return Null, err
	}
	if err := c.Charge(spanCost * len(spans)); err != nil {
		return Null, err
	}
	a := c.v.newArray(len(spans))
	for i, span := range spans {
		t := c.v.spanTable(span)
		*c.v.arraySlot(a, uint32(i)) = t
	}
	return ref(tagArray, a), err
}

func regexpCount(_ *Call, re *regexp.Regexp, _ []byte, _ int, _ *matchMeter) (Value, error) {
	return Int(int32(re.Groups())), nil
}

// spanCost is the fuel of a table with a span.
const spanCost = 16

func (v *VM) spanTable(s regexp.Span) Value {
	t := v.newTable(2)
	v.setSlot(t, "begin", Int(int32(s.Begin)))
	v.setSlot(t, "end", Int(int32(s.End)))
	return ref(tagTable, t)
}

// setSlot makes a slot with a string for its key.
func (v *VM) setSlot(t uint32, key string, x Value) { v.tableSet(t, v.NewString(key), x) }
