package squirrel

import (
	"sync"

	"github.com/tandem-iot/tandem/squirrel/regexp"
)

// A match may take this many steps, which is some tens of milliseconds. Each
// stepsPerUnit of them cost a CPU unit.
const (
	regexpSteps  = 4 << 20
	stepsPerUnit = 2
)

// regexpCache keeps compiled patterns for all machines of a library. An instance of the
// class holds only the text of its pattern, which is all that snapshots need. Whether a
// pattern is in the cache has an effect on time only.
type regexpCache struct {
	mu      sync.Mutex
	byText  map[string]*regexp.Regexp
	maxSize int
}

func (rc *regexpCache) get(pattern []byte) (*regexp.Regexp, error) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if re := rc.byText[string(pattern)]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	if len(rc.byText) >= rc.maxSize {
		clear(rc.byText)
	}
	rc.byText[string(pattern)] = re
	return re, nil
}

// regexpCall is a method of the class, with the compiled pattern, the subject and the
// start.
type regexpCall func(c *Call, re *regexp.Regexp, s []byte, start int, budget *int) (Value, error)

func addRegexp(l *Library) {
	cache := &regexpCache{byText: map[string]*regexp.Regexp{}, maxSize: 512}
	construct := func(c *Call) (Value, error) {
		pattern := c.v.strBytes(c.Arg(1))
		c.Charge(128 + 16*len(pattern))
		if _, err := cache.get(pattern); err != nil {
			return c.throwError(err)
		}
		c.v.SetPayload(c.This(), c.Arg(1))
		return Null, nil
	}
	method := func(fn regexpCall) NativeFunc {
		return func(c *Call) (Value, error) { return cache.run(c, fn) }
	}
	l.Class("regexp",
		Native{Name: "constructor", Check: 2, Mask: ".s", Fn: construct},
		Native{Name: "search", Check: -2, Mask: "xsn", Fn: method(regexpSearch)},
		Native{Name: "match", Check: 2, Mask: "xs", Fn: method(regexpMatch)},
		Native{Name: "capture", Check: -2, Mask: "xsn", Fn: method(regexpCapture)},
		Native{Name: "subexpcount", Check: 1, Mask: "x", Fn: method(regexpCount)},
	)
	l.ClassGlobal("regexp", "regexp")
}

func (rc *regexpCache) run(c *Call, fn regexpCall) (Value, error) {
	pattern := c.v.Payload(c.This())
	if !pattern.isString() || !c.v.IsNative(c.This(), "regexp") {
		return c.throwString("invalid type tag")
	}
	c.Charge(c.v.strLen(pattern) >> 3)
	re, err := rc.get(c.v.strBytes(pattern))
	if err != nil {
		return c.throwError(err)
	}
	var s []byte
	if c.NArgs() > 0 {
		s = c.v.strBytes(c.Arg(1))
	}
	budget := regexpSteps
	x, err := fn(c, re, s, int(c.Int(2)), &budget)
	c.Charge((regexpSteps-budget)/stepsPerUnit + len(s)>>3)
	if err == regexp.ErrBudget {
		return c.throwError(err)
	}
	return x, err
}

func regexpMatch(_ *Call, re *regexp.Regexp, s []byte, _ int, budget *int) (Value, error) {
	ok, err := re.Match(s, budget)
	return Bool(ok), err
}

func regexpSearch(c *Call, re *regexp.Regexp, s []byte, start int, budget *int) (Value, error) {
	span, ok, err := re.Search(s, start, budget)
	if !ok {
		return Null, err
	}
	return c.v.spanTable(span), err
}

func regexpCapture(c *Call, re *regexp.Regexp, s []byte, start int, budget *int) (Value, error) {
	spans, err := re.Capture(s, start, budget)
	if spans == nil {
		return Null, err
	}
	a := c.v.newArray(len(spans))
	for i, span := range spans {
		t := c.v.spanTable(span)
		*c.v.arraySlot(a, uint32(i)) = t
	}
	return ref(tagArray, a), err
}

func regexpCount(_ *Call, re *regexp.Regexp, _ []byte, _ int, _ *int) (Value, error) {
	return Int(int32(re.Groups())), nil
}

func (v *VM) spanTable(s regexp.Span) Value {
	t := v.newTable(2)
	v.setSlot(t, "begin", Int(int32(s.Begin)))
	v.setSlot(t, "end", Int(int32(s.End)))
	return ref(tagTable, t)
}

// setSlot makes a slot with a string for its key.
func (v *VM) setSlot(t uint32, key string, x Value) { v.tableSet(t, v.NewString(key), x) }
