package squirrel

// addArrayMethods adds the built-in methods of arrays. As in 3.0.4 those that
// change the array return null.
func addArrayMethods(l *Library) {
	add := func(name string, check int, mask string, fn NativeFunc) {
		l.method(TypeArray, Native{Name: name, Check: check, Mask: mask, Fn: fn})
	}
	add("len", 1, "a", func(c *Call) (Value, error) { return Int(int32(c.v.arrayLen(c.This().off()))), nil })
	add("append", 2, "a", arrayAppend)
	add("push", 2, "a", arrayAppend)
	add("extend", 2, "aa", arrayExtend)
	add("pop", 1, "a", arrayPop)
	add("top", 1, "a", arrayTop)
	add("insert", 3, "an", arrayInsert)
	add("remove", 2, "an", arrayRemove)
	add("resize", -2, "an", arrayResize)
	add("reverse", 1, "a", arrayReverse)
	add("sort", -1, "ac", arraySort)
	add("slice", -1, "ann", arraySlice)
	add("clear", 1, "a", arrayClear)
	add("map", 2, "ac", arrayMap)
	add("apply", 2, "ac", arrayApply)
	add("reduce", 2, "ac", arrayReduce)
	add("filter", 2, "ac", arrayFilter)
	add("find", 2, "a.", arrayFind)
	add("weakref", 1, "", weakref)
	add("tostring", 1, ".", toString)
}

func arrayAppend(c *Call) (Value, error) {
	c.v.arrayAppend(c.This().off(), c.Arg(1))
	return Null, nil
}

func arrayExtend(c *Call) (Value, error) {
	a, b := c.This().off(), c.Arg(1).off()
	have, n := c.v.arrayLen(a), c.v.arrayLen(b)
	if n == 0 {
		return Null, nil
	}
	if err := c.Charge(n >> 2); err != nil {
		return Null, err
	}
	c.v.arrayReserve(a, have+n)
	*c.v.at(a + 1) = pair(uint32(have+n), 0)
	v := c.v
	v.touch(n)
	copy(v.elementsFrom(a, have), v.viewElements(b)[:n])
	return Null, nil
}

// elements returns the elements of an array. They alias the arena.
func (v *VM) elements(a uint32) []Value {
	e := v.viewElements(a)
	v.touch(len(e))
	return e
}

// viewElements is elements for one who looks at few of them, or counts them by touch.
func (v *VM) viewElements(a uint32) []Value {
	n := lo(*v.at(a + 1))
	if n == 0 {
		return nil
	}
	first := (*v.at(a + 2)).off() + 1
	return v.w[first : first+n]
}

// elementsFrom returns the elements of an array from one on.
func (v *VM) elementsFrom(a uint32, from int) []Value {
	e := v.viewElements(a)[from:]
	v.touch(len(e))
	return e
}

func arrayPop(c *Call) (Value, error) {
	a := c.This().off()
	n := c.v.arrayLen(a)
	if n == 0 {
		return c.throwString("empty array")
	}
	x := *c.v.arraySlot(a, uint32(n-1))
	c.v.arrayResize(a, n-1)
	return x, nil
}

func arrayTop(c *Call) (Value, error) {
	a := c.This().off()
	n := c.v.arrayLen(a)
	if n == 0 {
		return c.throwString("top() on a empty array")
	}
	return *c.v.arraySlot(a, uint32(n-1)), nil
}

func arrayInsert(c *Call) (Value, error) {
	a, i := c.This().off(), int(c.Int(1))
	n := c.v.arrayLen(a)
	if i < 0 || i > n {
		return c.throwString("index out of range")
	}
	if err := c.Charge((n - i) >> 3); err != nil {
		return Null, err
	}
	c.v.arrayAppend(a, Null)
	e := c.v.elementsFrom(a, i)
	copy(e[1:], e)
	e[0] = c.Arg(2)
	return Null, nil
}

func arrayRemove(c *Call) (Value, error) {
	a, i := c.This().off(), int(c.Int(1))
	n := c.v.arrayLen(a)
	if i < 0 || i >= n {
		return c.throwString("idx out of range")
	}
	if err := c.Charge((n - i) >> 3); err != nil {
		return Null, err
	}
	e := c.v.elementsFrom(a, i)
	x := c.v.real(e[0])
	copy(e, e[1:])
	c.v.arrayResize(a, n-1)
	return x, nil
}

func arrayResize(c *Call) (Value, error) {
	a, n := c.This().off(), int(c.Int(1))
	if n < 0 {
		return c.throwString("resizing to negative length")
	}
	c.v.mustFit(n)
	have := c.v.arrayLen(a)
	if err := c.Charge(max(n-have, have-n) >> 3); err != nil {
		return Null, err
	}
	c.v.arrayResize(a, n)
	c.v.fill(a, have, c.Arg(2))
	return Null, nil
}

// fill sets the elements from index first on.
func (v *VM) fill(a uint32, first int, x Value) {
	if x == Null || first >= v.arrayLen(a) {
		return
	}
	e := v.elementsFrom(a, first)
	for i := range e {
		e[i] = x
	}
}

func arrayClear(c *Call) (Value, error) {
	a := c.This().off()
	if err := c.Charge(c.v.arrayLen(a) >> 3); err != nil {
		return Null, err
	}
	c.v.arrayResize(a, 0)
	return Null, nil
}

func arrayReverse(c *Call) (Value, error) {
	e := c.v.elements(c.This().off())
	if err := c.Charge(len(e) >> 3); err != nil {
		return Null, err
	}
	for i, j := 0, len(e)-1; i < j; i, j = i+1, j-1 {
		e[i], e[j] = e[j], e[i]
	}
	return Null, nil
}

func arraySlice(c *Call) (Value, error) {
	a := c.This().off()
	from, to, fault := sliceBounds(c, c.v.arrayLen(a))
	if fault != "" {
		return c.throwString(fault)
	}
	if err := c.Charge((to - from) >> 3); err != nil {
		return Null, err
	}
	out := c.v.newArray(to - from)
	dst, src := c.v.elements(out), c.v.viewElements(a)[from:]
	for i := range dst {
		dst[i] = c.v.real(src[i])
	}
	return ref(tagArray, out), nil
}

func arrayFind(c *Call) (Value, error) {
	x := c.Arg(1)
	for i, y := range c.v.viewElements(c.This().off()) {
		c.v.touch(1)
		// Comparing two long strings is charged by equal.
		if i&3 == 0 {
			if err := c.Charge(1); err != nil {
				return Null, err
			}
		}
		if c.v.equal(c.v.real(y), x) {
			return Int(int32(i)), nil
		}
	}
	return Null, nil
}

// The methods below call back. Each keeps its progress in its locals. The number of rounds
// is fixed at the start, and an element that the callback has removed in the meantime is
// null.
const (
	localIndex = iota
	localCount
	localResult
	localElement
)

// element returns an element of this, or null when there is none.
func (c *Call) element(i int) Value { return c.v.Index(c.This(), i) }

// rounds starts or continues the rounds of a callback: it returns the index of the round
// whose result has arrived, or -1 at the start, and the number of rounds. Its state is
// checked, because it may come from a snapshot: ok is false when it is invalid.
func (c *Call) rounds() (done, count int, ok bool) {
	if !c.This().isArray() {
		return 0, 0, false
	}
	if c.State() == 0 {
		n := c.v.arrayLen(c.This().off())
		c.SetLocal(localCount, Int(int32(n)))
		return -1, n, true
	}
	done, count = int(c.Local(localIndex).AsInt()), int(c.Local(localCount).AsInt())
	return done, count, done >= 0 && done < count
}

// round calls the callback for index i, with the array as this.
func (c *Call) round(i int, args ...Value) (Value, error) {
	c.SetLocal(localIndex, Int(int32(i)))
	return c.CallThen(1, c.Arg(1), c.This(), args...)
}

// damaged throws that the state of a native is invalid.
func (c *Call) damaged() (Value, error) {
	return c.throwString("the state of a native function is damaged")
}

func arrayMap(c *Call) (Value, error) {
	i, n, ok := c.rounds()
	if i < 0 {
		if err := c.Charge(n >> 3); err != nil {
			return Null, err
		}
		c.SetLocal(localResult, ref(tagArray, c.v.newArray(n)))
	}
	out := c.Local(localResult)
	if !ok || !out.isArray() || i >= c.v.arrayLen(out.off()) {
		return c.damaged()
	}
	if i >= 0 {
		*c.v.arraySlot(out.off(), uint32(i)) = c.Result()
	}
	if i++; i == n {
		return out, nil
	}
	return c.round(i, c.element(i))
}

func arrayApply(c *Call) (Value, error) {
	i, n, ok := c.rounds()
	if !ok {
		return c.damaged()
	}
	c.v.SetIndex(c.This(), i, c.Result())
	if i++; i == n {
		return Null, nil
	}
	return c.round(i, c.element(i))
}

func arrayReduce(c *Call) (Value, error) {
	i, n, ok := c.rounds()
	switch {
	case !ok:
		return c.damaged()
	case n == 0:
		return Null, nil
	}
	so := c.Result()
	if i < 0 {
		i, so = 0, c.element(0)
	}
	if i++; i == n {
		return so, nil
	}
	return c.round(i, so, c.element(i))
}

func arrayFilter(c *Call) (Value, error) {
	i, n, ok := c.rounds()
	if i < 0 {
		c.SetLocal(localResult, ref(tagArray, c.v.newArray(0)))
	}
	out := c.Local(localResult)
	if !ok || !out.isArray() {
		return c.damaged()
	}
	if i >= 0 && c.Result().Truthy() {
		c.v.arrayAppend(out.off(), c.Local(localElement))
	}
	if i++; i == n {
		return out, nil
	}
	x := c.element(i)
	c.SetLocal(localElement, x)
	return c.round(i, Int(int32(i)), x)
}
