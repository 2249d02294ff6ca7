package squirrel

import (
	"fmt"
	"strings"
)

// NativeFunc is a native function. It returns its result, or the result of a method of
// Call that ends a call: Errorf, Throw, Suspend, TailCall, CallThen.
type NativeFunc func(c *Call) (Value, error)

// Native describes a native function.
type Native struct {
	Name string // last component, as traces show it
	// Check is the number of parameters, counting this: n exactly n, -n at least n, 0 any.
	Check int
	// Mask has a letter per parameter, the first for this: o null, i integer,
	// f float, n number, b bool, s string, t table, a array, c function,
	// g generator, y class, x instance, r weak reference, . anything.
	// Alternatives are joined with '|'. Further parameters are not checked.
	Mask string
	// Params describes the parameters, without this, for people who read an error.
	Params []Param
	Fn     NativeFunc
}

// Call is one call of a native function. It is valid until the function
// returns.
type Call struct {
	v      *VM
	base   uint32 // stack index of this
	n      int    // arguments, with this
	state  int
	result Value
	ctl    control
	fresh  bool  // the locals have not been cleared yet
	fn     Value // for tail calls and continuations
	this   Value
	args   []Value
	few    [4]Value // the array of args when there are few
}

type control uint8

const (
	ctlReturn control = iota
	ctlSuspend
	ctlTail
	ctlThen
)

// nativeLocals is the number of values that a native that calls back may keep (Local).
const nativeLocals = 8

// errThrown says that the value to throw is in VM.exc.
var errThrown = fmt.Errorf("squirrel: thrown")

// VM returns the machine that makes the call.
func (c *Call) VM() *VM { return c.v }

// NArgs returns the number of arguments, this not counted.
func (c *Call) NArgs() int { return c.n - 1 }

// This returns the object the function was called on.
func (c *Call) This() Value { return c.v.stackAt(c.base) }

// Arg returns argument i, counted from 1, or null when there is none.
func (c *Call) Arg(i int) Value {
	if i >= c.n {
		return Null
	}
	return c.v.stackAt(c.base + uint32(i))
}

// Bytes returns the content of argument i, a string or a blob; 0 is this. It aliases the
// arena: copy it before the next allocation.
func (c *Call) Bytes(i int) []byte { return c.v.Bytes(c.Arg(i)) }

// Str returns a copy of string argument i.
func (c *Call) Str(i int) string {
	b := c.Bytes(i)
	c.v.tick -= int64(len(b) >> 3)
	return string(b)
}

// Int returns number argument i, a float truncated.
func (c *Call) Int(i int) int32 { return c.Arg(i).AsInt() }

// Float returns number argument i.
func (c *Call) Float(i int) float32 { return c.Arg(i).AsFloat() }

// Charge takes CPU units for work that grows with its input, about one per eight bytes
// touched, before the work is done; long work is charged in portions. An error says
// that the machine must stop; the function returns it at once. A program cannot catch
// it.
func (c *Call) Charge(n int) error { return c.v.Charge(n) }

// State is 0 when the function is entered, and the state given to CallThen
// when it is entered again.
func (c *Call) State() int { return c.state }

// Result returns the result of the function called by CallThen.
func (c *Call) Result() Value { return c.result }

// Local returns local i (below 8) of a function that uses CallThen. Locals
// last from one entry to the next; they start as null.
func (c *Call) Local(i int) Value {
	if c.fresh {
		c.clearLocals()
	}
	return c.v.stackAt(c.base + uint32(c.n+i))
}

// SetLocal sets local i.
func (c *Call) SetLocal(i int, x Value) {
	if c.fresh {
		c.clearLocals()
	}
	*c.v.stackRef(c.base + uint32(c.n+i)) = x
}

func (c *Call) clearLocals() {
	c.fresh = false
	for i := range uint32(nativeLocals) {
		*c.v.stackRef(c.base + uint32(c.n) + i) = Null
	}
}

// Errorf throws a string. An argument that is the error of Charge stays one.
func (c *Call) Errorf(format string, args ...any) (Value, error) {
	if c.v.ending != Done {
		return Null, errStopped
	}
	c.v.tick -= throwCost
	return c.Throw(c.v.NewString(fmt.Sprintf(format, args...)))
}

// Throw throws x.
func (c *Call) Throw(x Value) (Value, error) {
	if c.v.ending != Done {
		return Null, errStopped
	}
	c.v.tick -= catchCost
	c.v.blame = blame{}
	c.v.exc = x
	return Null, errThrown
}

// Suspend stops the VM inside this call: VM.Run returns Suspended. The host
// ends the call with VM.Resume or VM.ResumeThrow.
func (c *Call) Suspend() (Value, error) {
	c.ctl = ctlSuspend
	return Null, nil
}

// TailCall makes the result of fn this call's result.
func (c *Call) TailCall(fn, this Value, args ...Value) (Value, error) {
	c.ctl = ctlTail
	c.fn = fn
	c.this = this
	c.args = append(c.few[:0], args...)
	return Null, nil
}

// CallThen calls fn, and then this native function again, with the same arguments and
// locals, the given State, and the result of fn as Result. No Go frame is held
// meanwhile, so that a VM can be suspended and saved in fn.
func (c *Call) CallThen(state int, fn, this Value, args ...Value) (Value, error) {
	c.ctl = ctlThen
	c.state = state
	c.fn = fn
	c.this = this
	c.args = append(c.few[:0], args...)
	return Null, nil
}

// Type masks of native parameters.
const (
	maskAny    = 0
	maskString = 1 << TypeString
	maskNumber = 1<<TypeInteger | 1<<TypeFloat
)

// native is a Native in the form that the machine uses.
type native struct {
	Native
	masks []uint16 // per parameter; 0 for any
	path  string
	hash  uint32 // of the path, because the number changes between versions
}

// compileMask turns a type mask into a bit set per parameter.
func compileMask(mask string) []uint16 {
	letters := map[byte]uint16{
		'o': 1 << TypeNull, 'i': 1 << TypeInteger, 'f': 1 << TypeFloat, 'n': maskNumber, 'b': 1 << TypeBool,
		's': maskString, 't': 1 << TypeTable, 'a': 1 << TypeArray, 'c': 1 << TypeFunction, 'g': 1 << TypeGenerator,
		'y': 1 << TypeClass, 'x': 1 << TypeInstance, 'r': 1 << TypeWeakRef, '.': maskAny,
	}
	var out []uint16
	for i := 0; i < len(mask); i++ {
		bits, ok := letters[mask[i]]
		if !ok {
			panic("squirrel: bad type mask " + mask)
		}
		for i+2 < len(mask) && mask[i+1] == '|' {
			i += 2
			bits |= letters[mask[i]]
		}
		out = append(out, bits)
	}
	return out
}

// maskNames lists the types of a mask as in error messages. Functions are two types of
// one name in the original, closures and native ones.
func maskNames(mask uint16) string {
	var names []string
	for t := TypeNull; t < typeCount; t++ {
		if mask&(1<<t) != 0 {
			names = append(names, t.String())
		}
		if mask&(1<<t) != 0 && t == TypeFunction {
			names = append(names, t.String())
		}
	}
	return strings.Join(names, "|")
}
