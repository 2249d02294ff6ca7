package squirrel

// addCore adds the base functions and the built-in methods of every type.
func addCore(l *Library) {
	l.Func("print", Native{Check: 2, Fn: printTo(false)})
	l.Func("error", Native{Check: 2, Fn: printTo(true)})
	l.Func("assert", Native{Check: 2, Fn: baseAssert})
	l.Func("type", Native{Check: 2, Fn: func(c *Call) (Value, error) { return c.v.img.typeNames[c.Arg(1).Type()], nil }})
	l.Func("array", Native{Check: -2, Mask: ".n", Fn: baseArray})
	l.Func("callee", Native{Fn: baseCallee})
	l.Func("dummy", Native{Fn: func(*Call) (Value, error) { return Null, nil }})
	l.Func("getroottable", Native{Check: 1, Fn: func(c *Call) (Value, error) { return c.v.root, nil }})
	l.Func("collectgarbage", Native{Fn: baseCollect})
	l.Const("_version_", "Squirrel 3.0.4 stable")
	l.Const("_versionnumber_", 304)
	l.Const("_charsize_", 1)
	l.Const("_intsize_", 4)
	l.Const("_floatsize_", 4)
	addNumberMethods(l)
	addStringMethods(l)
	addTableMethods(l)
	addArrayMethods(l)
	addFunctionMethods(l)
	addClassMethods(l)
	addInstanceMethods(l)
	addOtherMethods(l)
}

// Standard returns the stock library of programs outside an imp: the core with strings,
// blobs, time, mathematics at the root, and AddStock.
func Standard() *Library {
	l := NewLibrary("standard")
	AddString(l)
	AddBlob(l)
	AddMath(l, "")
	AddTime(l, StockDates)
	AddStock(l)
	return l
}

// throwString throws a string that needs no formatting.
func (c *Call) throwString(s string) (Value, error) { return c.Throw(c.v.NewString(s)) }

// throwError throws the text of an error.
func (c *Call) throwError(err error) (Value, error) { return c.throwString(err.Error()) }

// toString is the method tostring of most types.
func toString(c *Call) (Value, error) {
	s, call, err := c.textOf(c.This())
	if call {
		return Null, err
	}
	return s, nil
}

// textOf returns x as text. When _tostring must be called first, call is true and err is
// the native's result; when the native is entered again it gets the text from textOf.
func (c *Call) textOf(x Value) (s Value, call bool, err error) {
	if c.State() != 0 {
		// A result that is not a string does not count: the object is shown as if it had no
		// _tostring.
		if c.Result().isString() {
			return c.Result(), false, nil
		}
		return c.v.textValue(x), false, nil
	}
	if mm := c.v.metamethod(x, metaToString); mm != Null {
		_, err = c.CallThen(1, mm, x)
		return Null, true, err
	}
	return c.v.textValue(x), false, nil
}

func printTo(isErr bool) NativeFunc {
	return func(c *Call) (Value, error) {
		s, call, err := c.textOf(c.Arg(1))
		if call {
			return Null, err
		}
		if c.v.out != nil {
			b := c.v.strBytes(s)
			if err := c.Charge(len(b) >> 3); err != nil {
				return Null, err
			}
			c.v.out(b, isErr)
		}
		return Null, nil
	}
}

func baseAssert(c *Call) (Value, error) {
	if !c.Arg(1).Truthy() {
		return c.throwString("assertion failed")
	}
	return Null, nil
}

func baseArray(c *Call) (Value, error) {
	n := int(c.Int(1))
	if n < 0 {
		return c.throwString("resizing to negative length")
	}
	c.v.mustFit(n)
	if err := c.Charge(n >> 3); err != nil {
		return Null, err
	}
	a := c.v.newArray(n)
	c.v.fill(a, 0, c.Arg(2))
	return ref(tagArray, a), nil
}

// baseCallee returns the function that calls callee.
func baseCallee(c *Call) (Value, error) {
	f := retFrame(c.v.stackAt(c.base - hdrRet))
	if f == 0 {
		return c.throwString("no closure in the calls stack")
	}
	return c.v.stackAt(f - hdrFunc), nil
}

// baseCollect makes the next safepoint collect. It cannot return the number of objects
// that were dropped, as the original does, because that is not known yet.
func baseCollect(c *Call) (Value, error) {
	if err := c.Charge(256 + int(c.v.top-c.v.perm)>>1); err != nil {
		return Null, err
	}
	c.v.requestCollect()
	return Int(0), nil
}

func weakref(c *Call) (Value, error) { return c.v.weakref(c.This()), nil }

// addOtherMethods adds the built-in methods of generators and weak references.
func addOtherMethods(l *Library) {
	l.method(TypeGenerator, Native{Name: "getstatus", Check: 1, Mask: "g", Fn: generatorStatus})
	l.method(TypeGenerator, Native{Name: "weakref", Check: 1, Fn: weakref})
	l.method(TypeGenerator, Native{Name: "tostring", Check: 1, Mask: ".", Fn: toString})
	l.method(TypeWeakRef, Native{
		Name: "ref", Check: 1, Mask: "r",
		Fn: func(c *Call) (Value, error) { return c.v.real(c.This()), nil },
	})
	l.method(TypeWeakRef, Native{Name: "weakref", Check: 1, Fn: weakref})
	l.method(TypeWeakRef, Native{Name: "tostring", Check: 1, Mask: ".", Fn: toString})
}

func generatorStatus(c *Call) (Value, error) {
	switch lo(*c.v.at(c.This().off() + 1)) {
	case genSuspended:
		return c.v.NewString("suspended"), nil
	case genRunning:
		return c.v.NewString("running"), nil
	}
	return c.v.NewString("dead"), nil
}
