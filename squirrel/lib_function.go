package squirrel

// addFunctionMethods adds the built-in methods of functions.
func addFunctionMethods(l *Library) {
	add := func(name string, check int, mask string, fn NativeFunc) {
		l.method(TypeFunction, Native{Name: name, Check: check, Mask: mask, Fn: fn})
	}
	add("call", -1, "c", functionCall)
	add("pcall", -1, "c", functionCall)
	add("acall", 2, "ca", functionApply)
	add("pacall", 2, "ca", functionApply)
	add("bindenv", 2, "cx|y|t", functionBind)
	add("getinfos", 1, "c", functionInfos)
	add("weakref", 1, "", weakref)
	add("tostring", 1, ".", toString)
}

// functionCall calls the function with the first argument as this. The original's call
// and pcall differ in whether the handler of uncaught errors is told of an error that
// is caught; there is no such handler here.
func functionCall(c *Call) (Value, error) {
	n := c.NArgs()
	if n == 0 {
		return c.throwString("wrong number of parameters")
	}
	if err := c.Charge(n >> 1); err != nil {
		return Null, err
	}
	args := make([]Value, 0, 8)
	for i := 2; i <= n; i++ {
		args = append(args, c.Arg(i))
	}
	return c.TailCall(c.This(), c.Arg(1), args...)
}

// functionApply is functionCall with an array of this and the arguments.
func functionApply(c *Call) (Value, error) {
	e := c.v.viewElements(c.Arg(1).off())
	switch {
	case len(e) == 0:
		return c.throwString("wrong number of parameters")
	case len(e) > maxApply:
		return c.throwString("too many parameters")
	}
	if err := c.Charge(len(e) >> 1); err != nil {
		return Null, err
	}
	return c.TailCall(c.This(), e[0], e[1:]...)
}

// maxApply is the limit of the arguments of acall.
const maxApply = 250

// functionBind returns a copy of the function that has a fixed this. The copy
// keeps it alive.
func functionBind(c *Call) (Value, error) {
	fn, env := c.This(), c.Arg(1)
	if fn.isClosure() {
		if err := c.Charge(int(c.v.size(fn.off()) >> 2)); err != nil {
			return Null, err
		}
		bound := c.v.shallowCopy(fn)
		*c.v.at(bound.off() + 2) = env
		return bound, nil
	}
	if fn.tag() == tagBound {
		fn = *c.v.at(fn.off() + 1)
	}
	off := c.v.alloc(tagBound, wordsBound)
	*c.v.at(off + 1) = fn
	*c.v.at(off + 2) = env
	return ref(tagBound, off), nil
}

func functionInfos(c *Call) (Value, error) {
	fn := c.This()
	n := 64
	if fn.isClosure() {
		p := c.v.proto(lo(*c.v.at(fn.off() + 1)))
		n += 8 * (len(p.Params) + p.Defaults)
	}
	if err := c.Charge(n); err != nil {
		return Null, err
	}
	t := c.v.newTable(4)
	if fn.isClosure() {
		c.v.closureInfos(t, fn)
		return ref(tagTable, t), nil
	}
	if fn.tag() == tagBound {
		fn = *c.v.at(fn.off() + 1)
	}
	c.v.nativeInfos(t, fn)
	return ref(tagTable, t), nil
}

func (v *VM) closureInfos(t uint32, fn Value) {
	p := v.proto(lo(*v.at(fn.off() + 1)))
	params := v.newArray(0)
	for _, name := range p.Params {
		v.arrayAppend(params, v.NewString(name))
	}
	varargs := 0
	if p.Varargs {
		varargs = 1
		v.arrayAppend(params, v.NewString("vargv"))
		v.arrayAppend(params, v.NewString("..."))
	}
	defaults := v.newArray(p.Defaults)
	first := v.size(fn.off()) - uint32(p.Defaults)
	for i := range uint32(p.Defaults) {
		*v.arraySlot(defaults, i) = *v.at(fn.off() + first + i)
	}
	name := Null
	if p.Name != "" {
		name = v.NewString(p.Name)
	}
	v.setSlot(t, "native", Bool(false))
	v.setSlot(t, "name", name)
	source, _ := p.Place(p.Line)
	v.setSlot(t, "src", v.NewString(source))
	v.setSlot(t, "parameters", ref(tagArray, params))
	v.setSlot(t, "varargs", Int(int32(varargs)))
	v.setSlot(t, "defparams", ref(tagArray, defaults))
}

// typeBits are the bits of the types in the original's C interface, which getinfos
// shows.
var typeBits = [typeCount]int32{
	TypeNull: 0x1, TypeInteger: 0x2, TypeFloat: 0x4, TypeBool: 0x8, TypeString: 0x10, TypeTable: 0x20, TypeArray: 0x40,
	TypeFunction: 0x300, TypeGenerator: 0x400, TypeClass: 0x4000, TypeInstance: 0x8000, TypeWeakRef: 0x10000,
}

func (v *VM) nativeInfos(t uint32, fn Value) {
	n := v.lib.natives[fn.off()]
	check := Null
	if len(n.masks) > 0 {
		a := v.newArray(len(n.masks))
		for i, mask := range n.masks {
			bits := int32(0)
			for typ, bit := range typeBits {
				if mask&(1<<typ) != 0 {
					bits |= bit
				}
			}
			if mask == maskAny {
				bits = -1
			}
			*v.arraySlot(a, uint32(i)) = Int(bits)
		}
		check = ref(tagArray, a)
	}
	v.setSlot(t, "native", Bool(true))
	v.setSlot(t, "name", v.NewString(n.Name))
	v.setSlot(t, "paramscheck", Int(int32(n.Check)))
	v.setSlot(t, "typecheck", check)
}
