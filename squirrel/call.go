package squirrel

import (
	"unsafe"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// A frame is five header words on the stack, followed by the registers of the
// function. The header is in the caller's registers, where the compiler put the
// callee and left room, or above the caller's registers.
//
//	function   the closure or native
//	return     the caller's frame and program counter
//	continue   how the result is used
//	a, b       operands of continue
//
// The return and continue words are not values: the collector sees by their tags that
// they refer to nothing.
const (
	hdrFunc = 5
	hdrRet  = 4
	hdrCont = 3
	hdrA    = 2
	hdrB    = 1
)

func retWord(frame uint32, pc int) Value {
	return 1<<63 | Value(frame)<<32 | Value(uint32(pc))
}

func retFrame(ret Value) uint32 { return hi(ret) & 0x7fffffff }

// A continue word: kind and flags in bits 0–7, a register in 8–15, a state in 16–31,
// and in 32–61 the number of parameters of a native that called back. Bit 63 is set
// unless the kind is contPlain without a flag.
const (
	contPlain    = 0    // the register of the caller
	contOp       = 1    // finish the caller's instruction; the state is its progress
	contNative   = 2    // enter the calling native again with the state
	contHost     = 3    // end Run
	contKinds    = 7    // mask
	contNew      = 0x10 // the result is operand b, a new instance
	contGen      = 0x20 // the frame is that of generator operand a
	contGet      = 0x40 // throwing null means that the slot does not exist
	contInner    = 0x80 // throwing any value means that the slot does not exist
	contMark     = 1 << 63
	maxNativeArg = 1<<24 - 1
)

func contReg(dst uint8) Value        { return contPlain | Value(dst)<<8 }
func contState(c Value) int          { return int(uint16(c >> 16)) }
func contArgs(c Value) uint32        { return hi(c) & 0x3fffffff }
func contWord(kind, state int) Value { return contMark | Value(kind) | Value(state)<<16 }

// reg returns register i of the running frame.
func (v *VM) reg(i uint8) *Value { return v.stackRef(v.frame + uint32(i)) }

// frameProto returns the code of a frame, or nil for a native's.
func (v *VM) frameProto(f uint32) *compile.Proto {
	fn := v.stackAt(f - hdrFunc)
	if !fn.isClosure() {
		return nil
	}
	return v.proto(lo(*v.at(fn.off() + 1)))
}

// frameEnd returns the first stack index after those that a frame uses.
func (v *VM) frameEnd(f uint32) uint32 {
	if f == 0 {
		return 0
	}
	if p := v.frameProto(f); p != nil {
		return f + uint32(p.MaxStack)
	}
	return f + contArgs(v.stackAt(f-hdrCont)) + nativeLocals
}

// instruction returns the instruction that the running frame is executing.
func (v *VM) instruction() *compile.Inst { return &v.frameProto(v.frame).Code[v.pc-1] }

// pushCall starts a call in a frame above the running one.
func (v *VM) pushCall(fn, cont, a Value, args ...Value) outcome {
	f := v.frameEnd(v.frame) + compile.FrameSize
	if !v.needStack(f + uint32(len(args))) {
		return v.throwf("stack overflow")
	}
	*v.stackRef(f - hdrFunc) = fn
	*v.stackRef(f - hdrRet) = retWord(v.frame, int(v.pc))
	*v.stackRef(f - hdrCont) = cont
	*v.stackRef(f - hdrA) = a
	*v.stackRef(f - hdrB) = Null
	for i, x := range args {
		*v.stackRef(f + uint32(i)) = x
	}
	return v.invoke(f, uint32(len(args)))
}

// enterHost begins the call of Start. Run reports an error in it.
func (v *VM) enterHost(fn, this Value, args []Value) {
	v.frame, v.pc = 0, 0
	if len(args) >= maxNativeArg || !v.needStack(uint32(len(args))+2*compile.FrameSize) {
		v.throwf("stack overflow")
		v.resumed, v.result = resumedThrow, v.exc
		return
	}
	const f = compile.FrameSize
	*v.stackRef(f - hdrFunc) = fn
	*v.stackRef(f - hdrRet) = retWord(0, 0)
	*v.stackRef(f - hdrCont) = contWord(contHost, 0) | Value(1+len(args))<<32
	*v.stackRef(f - hdrA) = Null
	*v.stackRef(f - hdrB) = Null
	*v.stackRef(f) = this
	for i, x := range args {
		*v.stackRef(f + 1 + uint32(i)) = x
	}
	v.resumed = resumedStart
}

// invoke calls the function in the header of frame f, whose n parameters are in place.
// Until it is entered the running frame is still the caller's.
func (v *VM) invoke(f, n uint32) outcome {
	// The limit ends natives that call natives without end.
	for range maxHops {
		fn := v.stackAt(f - hdrFunc)
		switch fn.tag() {
		case tagClosure:
			return v.enterClosure(f, n)
		case tagNative:
			var again bool
			var out outcome
			if f, n, out, again = v.runNative(f, n, 0); !again {
				return out
			}
		case tagBound:
			*v.stackRef(f) = *v.at(fn.off() + 2)
			*v.stackRef(f - hdrFunc) = *v.at(fn.off() + 1)
		case tagClass:
			x := v.newInstance(fn)
			*v.stackRef(f) = x
			*v.stackRef(f - hdrB) = x
			*v.stackRef(f - hdrCont) |= contMark | contNew
			ctor := v.constructor(fn)
			if ctor == Null {
				return v.deliver(f, x)
			}
			*v.stackRef(f - hdrFunc) = ctor
		default:
			m := v.metamethod(fn, metaCall)
			if m == Null {
				return v.throwf("attempt to call '%s'", fn.Type())
			}
			if !v.needStack(f + n + 1) {
				return v.throwf("stack overflow")
			}
			v.tick -= callCost + int64(n>>2)
			for i := n; i > 0; i-- {
				*v.stackRef(f + i) = v.stackAt(f + i - 1)
			}
			*v.stackRef(f) = fn
			*v.stackRef(f - hdrFunc) = m
			n++
		}
	}
	return v.throwf("stack overflow")
}

const maxHops = 200

// enterClosure makes frame f the running one. For a generator function the result of
// the call is a generator instead.
func (v *VM) enterClosure(f, n uint32) outcome {
	fn := v.stackAt(f - hdrFunc).off()
	if e := v.entryOf(lo(*v.at(fn + 1))); uint32(e.Fixed) == n && f <= v.frameLimit() {
		if env := *v.at(fn + 2); env != Null {
			*v.stackRef(f) = env
		}
		v.tick -= callCost
		v.frame, v.pc = f, 0
		return enter
	}
	p := v.proto(lo(*v.at(fn + 1)))
	want := uint32(len(p.Params))
	switch {
	case n == want || n > want && p.Varargs:
	case n < want && n+uint32(p.Defaults) >= want && !p.Varargs:
		first := fn + v.size(fn) - want // as if all parameters had a default
		for ; n < want; n++ {
			*v.stackRef(f + n) = *v.at(first + n)
		}
	default:
		return v.wrongNumber(f, n)
	}
	if !v.needStack(f + n) {
		return v.throwf("stack overflow")
	}
	if env := *v.at(fn + 2); env != Null {
		*v.stackRef(f) = env
	}
	if p.Varargs {
		rest := v.newArray(int(n - want))
		for i := want; i < n; i++ {
			*v.arraySlot(rest, i-want) = v.stackAt(f + i)
		}
		*v.stackRef(f + want) = ref(tagArray, rest)
	}
	v.tick -= callCost
	if p.Generator {
		return v.deliver(f, v.newGenerator(f))
	}
	v.frame, v.pc = f, 0
	return enter
}

// nativeOp is OpCall for a native function, for the common cases.
func (v *VM) nativeOp(in *compile.Inst, f uint32) outcome {
	h := unsafe.Pointer(v.stackRef(f - hdrFunc))
	n, nat := uint32(in.B), &v.lib.natives[(*word(h, 0)).off()]
	*word(h, hdrFunc-hdrRet) = retWord(v.frame, int(v.pc))
	*word(h, hdrFunc-hdrCont) = contReg(in.C)
	if out := v.checkArgs(nat, f, n); out != next {
		return out
	}
	v.tick -= nativeCost
	c := &v.call
	c.v = v
	c.base = f
	c.n = int(n)
	c.state = 0
	c.fresh = true
	c.ctl, c.result = ctlReturn, Null
	x, err := nat.Fn(c)
	if err == nil && c.ctl == ctlReturn {
		*v.reg(in.C) = x
		return next
	}
	f, n, out, again := v.nativeEnd(f, n, x, err)
	if again {
		return v.invoke(f, n)
	}
	return out
}

// runNative calls the native of frame f, or enters it again with a state. When the
// native calls another function, again is set, and nf and nn are the frame and the
// number of parameters of that call.
func (v *VM) runNative(f, n uint32, state int) (nf, nn uint32, out outcome, again bool) {
	number := v.stackAt(f - hdrFunc).off()
	nat := &v.lib.natives[number]
	// Also when it is entered again, because the frame may come from a snapshot.
	if out := v.checkArgs(nat, f, n); out != next {
		return f, n, out, false
	}
	if state == 0 {
		v.tick -= nativeCost
		if !v.needStack(f + n) {
			return f, n, v.throwf("stack overflow"), false
		}
	}
	c := &v.call
	c.v = v
	c.base = f
	c.n = int(n)
	c.state = state
	c.fresh = state == 0
	c.ctl, c.result = ctlReturn, v.result
	v.result = Null
	x, err := nat.Fn(c)
	return v.nativeEnd(f, n, x, err)
}

// nativeEnd handles the result of a native function.
func (v *VM) nativeEnd(f, n uint32, x Value, err error) (nf, nn uint32, out outcome, again bool) {
	if err != nil {
		if err != errThrown && v.ending == Done {
			v.exc = v.NewString(err.Error())
		}
		// The native's frame is part of the trace.
		v.persist(f, n)
		return f, n, thrown, false
	}
	switch v.call.ctl {
	case ctlSuspend:
		v.persist(f, n)
		return f, n, waiting, false
	case ctlTail:
		return v.nativeTail(f)
	case ctlThen:
		return v.nativeThen(f, n)
	}
	return f, n, v.deliver(f, x), false
}

// persist makes a native's frame the running one.
func (v *VM) persist(f, n uint32) {
	c := v.stackRef(f - hdrCont)
	*c = *c&^(maxNativeArg<<32) | contMark | Value(n)<<32
	v.frame, v.pc = f, 0
}

// nativeTail gives a native's frame to the function of its TailCall.
func (v *VM) nativeTail(f uint32) (nf, nn uint32, out outcome, again bool) {
	c := &v.call
	ret := v.stackAt(f - hdrRet)
	v.frame, v.pc = retFrame(ret), lo(ret)
	n := uint32(len(c.args)) + 1
	if n > maxNativeArg || !v.needStack(f+n) {
		return f, n, v.throwf("stack overflow"), false
	}
	*v.stackRef(f - hdrFunc) = c.fn
	v.placeArgs(f)
	return f, n, enter, true
}

// nativeThen calls a function above a native's frame.
func (v *VM) nativeThen(f, n uint32) (nf, nn uint32, out outcome, again bool) {
	c := &v.call
	if c.fresh {
		c.clearLocals()
	}
	v.persist(f, n)
	nf, nn = f+n+nativeLocals+compile.FrameSize, uint32(len(c.args))+1
	if nn > maxNativeArg || !v.needStack(nf+nn) {
		return f, n, v.throwf("stack overflow"), false
	}
	*v.stackRef(nf - hdrFunc) = c.fn
	*v.stackRef(nf - hdrRet) = retWord(f, 0)
	*v.stackRef(nf - hdrCont) = contWord(contNative, c.state)
	*v.stackRef(nf - hdrA) = Null
	*v.stackRef(nf - hdrB) = Null
	v.placeArgs(nf)
	return nf, nn, enter, true
}

func (v *VM) placeArgs(f uint32) {
	c := &v.call
	*v.stackRef(f) = c.this
	for i, x := range c.args {
		*v.stackRef(f + 1 + uint32(i)) = x
	}
	c.args = nil
}

// reenter enters the native of the running frame again.
func (v *VM) reenter() outcome {
	v.reentry = false
	f := v.frame
	f, n, out, again := v.runNative(f, contArgs(v.stackAt(f-hdrCont)), v.reState)
	if again {
		return v.invoke(f, n)
	}
	return out
}

// checkArgs checks the number and the types of a native's parameters.
func (v *VM) checkArgs(nat *native, f, n uint32) outcome {
	if nat.Fn == nil {
		return v.throwf("the native function is not available")
	}
	if c := nat.Check; c > 0 && n != uint32(c) || c < 0 && n < uint32(-c) || n > maxNativeArg {
		return v.wrongNumber(f, n)
	}
	for i, mask := range nat.masks {
		if uint32(i) >= n {
			break
		}
		x := v.stackAt(f + uint32(i))
		if t := x.Type(); mask != maskAny && mask&(1<<t) == 0 {
			return v.refuse(blame{native: nat, args: n - 1, arg: i, given: x},
				"parameter %d has an invalid type '%s' ; expected: '%s'", i, t, maskNames(mask))
		}
	}
	return next
}

// deliver ends frame f and passes its result to the caller.
func (v *VM) deliver(f uint32, x Value) outcome {
	cont, ret := v.stackAt(f-hdrCont), v.stackAt(f-hdrRet)
	if cont&contNew != 0 {
		x = v.stackAt(f - hdrB)
	}
	same := v.frame == retFrame(ret)
	v.frame, v.pc = retFrame(ret), lo(ret)
	switch cont & contKinds {
	case contPlain:
		*v.reg(uint8(cont >> 8)) = x
		if same {
			return next
		}
		return enter
	case contOp:
		return v.finish(f, cont, x)
	case contNative:
		v.reentry = true
		v.reState = contState(cont)
		v.result = x
		return enter
	}
	v.result = x
	v.run = idle
	return done
}

// callOp is OpCall in the cases that need more than entering a function with exactly
// its number of parameters.
func (v *VM) callOp(in *compile.Inst) outcome {
	f := v.frame + uint32(in.A) + compile.FrameSize
	*v.stackRef(f - hdrRet) = retWord(v.frame, int(v.pc))
	*v.stackRef(f - hdrCont) = contReg(in.C)
	return v.invoke(f, uint32(in.B))
}

// tailCallOp moves a call of a script function down into the frame of the caller.
func (v *VM) tailCallOp(in *compile.Inst) outcome {
	f := v.frame + uint32(in.A) + compile.FrameSize
	fn := v.stackAt(f - hdrFunc)
	if !fn.isClosure() || v.proto(lo(*v.at(fn.off() + 1))).Generator {
		return v.callOp(in)
	}
	ret, cont := v.stackAt(v.frame-hdrRet), v.stackAt(v.frame-hdrCont)
	if cont&contGen != 0 {
		return v.callOp(in)
	}
	// An error here belongs to the caller, so it is checked before the caller's frame is overwritten.
	p, n := v.proto(lo(*v.at(fn.off() + 1))), int(in.B)
	if n < len(p.Params)-p.Defaults || n > len(p.Params) && !p.Varargs {
		return v.refuseCall(f, uint32(n))
	}
	to := v.frame
	*v.stackRef(to - hdrFunc) = fn
	for i := range uint32(in.B) {
		*v.stackRef(to + i) = v.stackAt(f + i)
	}
	v.frame, v.pc = retFrame(ret), lo(ret)
	return v.enterClosure(to, uint32(in.B))
}

// returnOp is OpReturn for a frame that was entered other than by OpCall alone.
func (v *VM) returnOp(in *compile.Inst) outcome {
	x := Null
	if in.B != 0 {
		x = *v.reg(in.A)
	}
	cont := v.stackAt(v.frame - hdrCont)
	if cont&contGen != 0 {
		v.killGenerator(v.stackAt(v.frame - hdrA).off())
	}
	if cont == contWord(contNative, sortCompared) && v.tick >= 0 && !checked {
		caller := retFrame(v.stackAt(v.frame - hdrRet))
		if v.stackAt(caller-hdrFunc) == ref(tagNative, v.img.sort) {
			if out, ok := v.sortReturn(caller, x); ok {
				return out
			}
		}
	}
	return v.deliver(v.frame, x)
}
