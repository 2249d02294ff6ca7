package squirrel

import (
	"sync/atomic"
	"unsafe"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// outcome says how the loop goes on after work done outside it.
type outcome uint8

const (
	enter   outcome = iota // load the frame at VM.frame and go on at VM.pc
	next                   // go on in the same frame; registers may have moved
	thrown                 // VM.exc is to be thrown
	waiting                // a native suspended the VM
	done                   // the function that the host started has returned
	failed                 // nobody caught the exception
)

// callCost is the fuel that a call costs, beside its instructions.
const callCost = 4

// Run goes on with what Start entered, for at most about fuel units: one is
// about one instruction. What was used beyond the fuel of one Run is owed by
// the next.
func (v *VM) Run(fuel int64) (status Status) {
	switch v.run {
	case idle:
		return Done
	case suspended:
		return Suspended
	case broken:
		return OutOfMemory
	}
	v.tick = min(v.tick+v.held, 0) + fuel
	v.held = 0
	given := v.tick
	if v.gcDue {
		v.gcDue = false
		v.requestCollect()
	}
	v.inLoop = true
	defer func() {
		v.inLoop = false
		v.used += given - v.tick - v.held
		if r := recover(); r != nil {
			if r != errOutOfMemory {
				panic(r)
			}
			v.run, status = broken, OutOfMemory
		}
	}()
	return v.loop()
}

// Resume ends the native call that suspended the VM: x is its result. Run
// goes on with it.
func (v *VM) Resume(x Value) {
	if v.run != suspended {
		panic("squirrel: Resume on a VM that is not suspended")
	}
	v.run = running
	v.resumed = resumedValue
	v.result = x
}

// ResumeThrow ends the native call that suspended the VM by throwing x.
func (v *VM) ResumeThrow(x Value) {
	v.Resume(x)
	v.resumed = resumedThrow
}

// wake does at the start of a Run what Resume or ResumeThrow asked for.
func (v *VM) wake() outcome {
	how, x := v.resumed, v.result
	v.resumed, v.result = resumedNot, Null
	switch how {
	case resumedValue:
		return v.deliver(v.frame, x)
	case resumedStart:
		return v.invoke(compile.FrameSize, contArgs(v.stackAt(compile.FrameSize-hdrCont)))
	case resumedThrow:
		v.exc = x
		return thrown
	}
	return enter
}

// window returns the registers of a frame.
func (v *VM) window(frame uint32) *[256]Value {
	return (*[256]Value)(unsafe.Pointer(v.at(v.stack + 1 + frame)))
}

// safepoint collects when that is due. It reports whether there is fuel to go
// on.
func (v *VM) safepoint() bool {
	if v.gcDue || checked && v.checkNow() {
		v.collect()
	}
	return v.tick >= 0
}

func f32(x Value) float32 { return *(*float32)(unsafe.Pointer(&x)) }

// loop executes instructions. Each case does what is quick and common itself;
// what it leaves undone, slow does.
func (v *VM) loop() Status {
	var (
		out   = v.wake()
		frame uint32
		regs  *[256]Value
		fun   uint32         // the running closure
		code  unsafe.Pointer // its instructions
		cache unsafe.Pointer // their hints
		pc    int
		kbase uint32 // where the program's strings are
	)
reload:
	for {
		switch out {
		case thrown:
			out = v.unwind()
			continue
		case waiting:
			v.run = suspended
			return Suspended
		case done:
			return Done
		case failed:
			return Failed
		}
		if v.tick < 0 || checked {
			if !v.safepoint() {
				return OutOfFuel
			}
		}
		if v.reentry {
			out = v.reenter()
			continue
		}
		frame, pc = v.frame, int(v.pc)
		regs = v.window(frame)
		fun = v.stackAt(frame - hdrFunc).off()
		{
			n := lo(*v.at(fun + 1))
			prog := &v.progs[n>>16]
			p := prog.Protos[n&0xffff]
			code, cache = unsafe.Pointer(unsafe.SliceData(p.Code)), unsafe.Pointer(unsafe.SliceData(p.Cache))
			kbase = prog.consts + 1
		}
		for {
			in := (*compile.Inst)(unsafe.Add(code, pc*8))
			pc++
			switch in.Op {
			case compile.OpNop:
				continue
			case compile.OpLoadNull:
				regs[in.A] = Null
				continue
			case compile.OpLoadInt:
				regs[in.A] = Int(in.D)
				continue
			case compile.OpLoadFloat:
				regs[in.A] = floatTag | Value(uint32(in.D))
				continue
			case compile.OpLoadBool:
				regs[in.A] = valFalse | Value(in.B)
				continue
			case compile.OpLoadStr:
				regs[in.A] = *v.at(kbase + uint32(in.D))
				continue
			case compile.OpLoadRoot:
				regs[in.A] = v.root
				continue
			case compile.OpMove:
				regs[in.A] = regs[in.B]
				continue
			case compile.OpNewCell:
				c := v.newCell(Null)
				regs = v.window(frame)
				regs[in.A] = c
				continue
			case compile.OpCellize:
				c := v.newCell(regs[in.A])
				regs = v.window(frame)
				regs[in.A] = c
				continue
			case compile.OpGetCell:
				if c := regs[in.B]; c.tag() == tagCell {
					regs[in.A] = *v.at(c.off() + 1)
					continue
				}
			case compile.OpSetCell:
				if c := regs[in.A]; c.tag() == tagCell {
					*v.at(c.off() + 1) = regs[in.B]
					continue
				}
			case compile.OpGetOuter:
				regs[in.A] = *v.at((*v.at(fun + wordsClosure + uint32(in.D))).off() + 1)
				continue
			case compile.OpSetOuter:
				*v.at((*v.at(fun + wordsClosure + uint32(in.D))).off() + 1) = regs[in.A]
				continue

			case compile.OpGetK:
				obj := regs[in.B]
				key := *v.at(kbase + uint32(in.D))
				hint := atomic.LoadUint32((*uint32)(unsafe.Add(cache, pc*4-4)))
				switch obj.tag() {
				case tagTable:
					nodes := (*v.at(obj.off() + 2)).off()
					if hint < headerSize(*v.at(nodes)) && *v.at(nodes + hint) == key {
						if x := *v.at(nodes + hint + 1); x.tag() != tagWeak {
							regs[in.A] = x
							continue
						}
					}
				case tagInstance:
					class := (*v.at(obj.off() + 1)).off()
					nodes := (*v.at((*v.at(class + 3)).off() + 2)).off()
					if hint < headerSize(*v.at(nodes)) && *v.at(nodes + hint) == key {
						m := lo(*v.at(nodes + hint + 1))
						var x Value
						if m < memberMethod {
							x = *v.at(obj.off() + wordsInstance + m)
						} else {
							x = *v.arraySlot((*v.at(class + 5)).off(), m-memberMethod)
						}
						if x.tag() != tagWeak {
							regs[in.A] = x
							continue
						}
					}
				case tagClass:
					nodes := (*v.at((*v.at(obj.off() + 3)).off() + 2)).off()
					if hint < headerSize(*v.at(nodes)) && *v.at(nodes + hint) == key {
						if m := lo(*v.at(nodes + hint + 1)); m >= memberMethod {
							if x := *v.arraySlot((*v.at(obj.off() + 5)).off(), m-memberMethod); x.tag() != tagWeak {
								regs[in.A] = x
								continue
							}
						}
					}
				}
			case compile.OpSetK:
				obj := regs[in.A]
				key := *v.at(kbase + uint32(in.D))
				hint := atomic.LoadUint32((*uint32)(unsafe.Add(cache, pc*4-4)))
				switch obj.tag() {
				case tagTable:
					nodes := (*v.at(obj.off() + 2)).off()
					if hint < headerSize(*v.at(nodes)) && *v.at(nodes + hint) == key {
						*v.at(nodes + hint + 1) = regs[in.C]
						continue
					}
				case tagInstance:
					class := (*v.at(obj.off() + 1)).off()
					nodes := (*v.at((*v.at(class + 3)).off() + 2)).off()
					if hint < headerSize(*v.at(nodes)) && *v.at(nodes + hint) == key {
						if m := lo(*v.at(nodes + hint + 1)); m < memberMethod {
							*v.at(obj.off() + wordsInstance + m) = regs[in.C]
							continue
						}
					}
				}
			case compile.OpGet:
				obj, key := regs[in.B], regs[in.C]
				switch obj.tag() {
				case tagArray:
					if key.isInt() && uint32(key) < lo(*v.at(obj.off() + 1)) {
						if x := *v.arraySlot(obj.off(), uint32(key)); x.tag() != tagWeak {
							regs[in.A] = x
							continue
						}
					}
				case tagTable:
					if p := v.tableFind(obj.off(), key); p != 0 && key != Null {
						if x := *v.at(p + 1); x.tag() != tagWeak {
							regs[in.A] = x
							continue
						}
					}
				case tagString, tagLong:
					if key.isInt() && uint32(key) < lo(*v.at(obj.off() + 1)) {
						regs[in.A] = Int(int32(v.strBytes(obj)[uint32(key)]))
						continue
					}
				}
			case compile.OpSet:
				obj, key := regs[in.A], regs[in.B]
				switch obj.tag() {
				case tagArray:
					if key.isInt() && uint32(key) < lo(*v.at(obj.off() + 1)) {
						*v.arraySlot(obj.off(), uint32(key)) = regs[in.C]
						continue
					}
				case tagTable:
					if p := v.tableFind(obj.off(), key); p != 0 && key != Null {
						*v.at(p + 1) = regs[in.C]
						continue
					}
				}
			case compile.OpNewSlotK:
				if obj := regs[in.A]; obj.tag() == tagTable {
					key := *v.at(kbase + uint32(in.D))
					if p := v.tableFind(obj.off(), key); p != 0 {
						*v.at(p + 1) = regs[in.C]
						continue
					}
					if *v.at(obj.off() + 3) == Null {
						v.tableInsert(obj.off(), key, regs[in.C])
						regs = v.window(frame)
						continue
					}
				}

			case compile.OpPrepCallK:
				obj := regs[in.B]
				key := *v.at(kbase + uint32(in.D))
				hint := atomic.LoadUint32((*uint32)(unsafe.Add(cache, pc*4-4)))
				switch obj.tag() {
				case tagTable:
					nodes := (*v.at(obj.off() + 2)).off()
					if hint < headerSize(*v.at(nodes)) && *v.at(nodes + hint) == key {
						if x := *v.at(nodes + hint + 1); x.tag() != tagWeak {
							regs[in.A] = x
							regs[in.A+compile.FrameSize] = obj
							continue
						}
					}
				case tagInstance:
					class := (*v.at(obj.off() + 1)).off()
					nodes := (*v.at((*v.at(class + 3)).off() + 2)).off()
					if hint < headerSize(*v.at(nodes)) && *v.at(nodes + hint) == key {
						if m := lo(*v.at(nodes + hint + 1)); m >= memberMethod {
							regs[in.A] = *v.arraySlot((*v.at(class + 5)).off(), m-memberMethod)
							regs[in.A+compile.FrameSize] = obj
							continue
						}
					}
				}
			case compile.OpCall:
				f := frame + uint32(in.A) + compile.FrameSize
				if callee := regs[in.A]; callee.isClosure() && f+stackSlack <= v.stackSize() {
					n := lo(*v.at(callee.off() + 1))
					prog := &v.progs[n>>16]
					if p := prog.Protos[n&0xffff]; p.Fixed == int(in.B) {
						regs = (*[256]Value)(unsafe.Pointer(&regs[in.A]))
						regs[1] = retWord(frame, pc)
						regs[2] = contReg(in.C)
						regs = (*[256]Value)(unsafe.Add(unsafe.Pointer(regs), compile.FrameSize*8))
						fun = callee.off()
						if env := *v.at(fun + 2); env != Null {
							regs[0] = env
						}
						frame, pc = f, 0
						code, cache = unsafe.Pointer(unsafe.SliceData(p.Code)), unsafe.Pointer(unsafe.SliceData(p.Cache))
						kbase = prog.consts + 1
						v.tick -= callCost
						if v.tick < 0 || checked {
							v.frame, v.pc = frame, 0
							out = enter
							continue reload
						}
						continue
					}
				}
			case compile.OpReturn:
				x := Null
				if in.B != 0 {
					x = regs[in.A]
				}
				h := (*[compile.FrameSize]Value)(unsafe.Add(unsafe.Pointer(regs), -compile.FrameSize*8))
				if c := h[2]; uint8(c) == contPlain {
					pc = int(uint32(h[1]))
					frame = uint32(h[1]>>32) & 0x7fffffff
					regs = v.window(frame)
					regs[uint8(c>>8)] = x
					fun = v.stackAt(frame - hdrFunc).off()
					n := lo(*v.at(fun + 1))
					prog := &v.progs[n>>16]
					p := prog.Protos[n&0xffff]
					code, cache = unsafe.Pointer(unsafe.SliceData(p.Code)), unsafe.Pointer(unsafe.SliceData(p.Cache))
					kbase = prog.consts + 1
					continue
				}

			case compile.OpAdd:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = intTag | Value(uint32(x)+uint32(y))
					continue
				}
				if x.isFloat() && y.isFloat() {
					regs[in.A] = Float(f32(x) + f32(y))
					continue
				}
			case compile.OpSub:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = intTag | Value(uint32(x)-uint32(y))
					continue
				}
				if x.isFloat() && y.isFloat() {
					regs[in.A] = Float(f32(x) - f32(y))
					continue
				}
			case compile.OpMul:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = intTag | Value(uint32(x)*uint32(y))
					continue
				}
				if x.isFloat() && y.isFloat() {
					regs[in.A] = Float(f32(x) * f32(y))
					continue
				}
			case compile.OpDiv:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() && uint32(y) != 0 {
					regs[in.A] = Int(int32(x) / int32(y))
					continue
				}
				if x.isNumber() && y.isFloat() {
					regs[in.A] = Float(x.AsFloat() / f32(y))
					continue
				}
			case compile.OpMod:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() && uint32(y) != 0 {
					regs[in.A] = Int(int32(x) % int32(y))
					continue
				}
			case compile.OpAddI:
				x := regs[in.B]
				if x.isInt() {
					regs[in.A] = intTag | Value(uint32(x)+uint32(in.D))
					continue
				}
				if x.isFloat() {
					regs[in.A] = Float(f32(x) + float32(in.D))
					continue
				}
			case compile.OpBitAnd:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = x & y
					continue
				}
			case compile.OpBitOr:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = x | y
					continue
				}
			case compile.OpBitXor:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = intTag | (x ^ y)
					continue
				}
			case compile.OpShl:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = intTag | Value(uint32(x)<<(y&31))
					continue
				}
			case compile.OpShr:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = Int(int32(x) >> (y & 31))
					continue
				}
			case compile.OpUshr:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = intTag | Value(uint32(x)>>(y&31))
					continue
				}
			case compile.OpNeg:
				x := regs[in.B]
				if x.isInt() {
					regs[in.A] = intTag | Value(-uint32(x))
					continue
				}
				if x.isFloat() {
					regs[in.A] = x ^ 0x80000000
					continue
				}
			case compile.OpNot:
				regs[in.A] = Bool(!regs[in.B].Truthy())
				continue
			case compile.OpBitNot:
				if x := regs[in.B]; x.isInt() {
					regs[in.A] = x ^ 0xffffffff
					continue
				}
			case compile.OpEq:
				regs[in.A] = Bool(v.equal(regs[in.B], regs[in.C]))
				continue
			case compile.OpNe:
				regs[in.A] = Bool(!v.equal(regs[in.B], regs[in.C]))
				continue
			case compile.OpLt:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = Bool(int32(x) < int32(y))
					continue
				}
			case compile.OpLe:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = Bool(int32(x) <= int32(y))
					continue
				}
			case compile.OpGt:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = Bool(int32(x) > int32(y))
					continue
				}
			case compile.OpGe:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					regs[in.A] = Bool(int32(x) >= int32(y))
					continue
				}

			// A jump that is taken leaves the switch for the check that every
			// backward jump makes; one that is not goes on at once.
			case compile.OpJump:
				goto jump
			case compile.OpJumpT:
				if x := regs[in.A]; x == valTrue || x != valFalse && x.Truthy() {
					goto jump
				}
				continue
			case compile.OpJumpF:
				if x := regs[in.A]; x == valFalse || x != valTrue && !x.Truthy() {
					goto jump
				}
				continue
			case compile.OpJumpEq:
				x, y := regs[in.B], regs[in.C]
				if (x == y || v.equal(x, y)) == (in.A != 0) {
					goto jump
				}
				continue
			case compile.OpJumpLt:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					if (int32(x) < int32(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
				if x.isFloat() && y.isFloat() {
					if (f32(x) < f32(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpLe:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					if (int32(x) <= int32(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpGt:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					if (int32(x) > int32(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpGe:
				x, y := regs[in.B], regs[in.C]
				if x.isInt() && y.isInt() {
					if (int32(x) >= int32(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpEqI:
				x := regs[in.B]
				if (x == Int(int32(int8(in.C))) || x.isFloat() && f32(x) == float32(int8(in.C))) == (in.A != 0) {
					goto jump
				}
				continue
			case compile.OpJumpLtI:
				if x := regs[in.B]; x.isInt() {
					if (int32(x) < int32(int8(in.C))) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpLeI:
				if x := regs[in.B]; x.isInt() {
					if (int32(x) <= int32(int8(in.C))) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpGtI:
				if x := regs[in.B]; x.isInt() {
					if (int32(x) > int32(int8(in.C))) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpGeI:
				if x := regs[in.B]; x.isInt() {
					if (int32(x) >= int32(int8(in.C))) == (in.A != 0) {
						goto jump
					}
					continue
				}

			case compile.OpNewTable:
				t := v.newTable(int(in.D))
				regs = v.window(frame)
				regs[in.A] = ref(tagTable, t)
				continue
			case compile.OpAppend:
				if a := regs[in.A]; a.isArray() {
					v.arrayAppend(a.off(), regs[in.B])
					regs = v.window(frame)
					continue
				}
			case compile.OpGetBase:
				regs[in.A] = *v.at(fun + 3)
				continue
			case compile.OpForeach:
				if a, i := regs[in.A], uint32(regs[in.A+1]); a.isArray() {
					if i >= lo(*v.at(a.off() + 1)) {
						goto jump
					}
					if x := *v.arraySlot(a.off(), i); x.tag() != tagWeak {
						regs[in.A+1] = intTag | Value(i+1)
						regs[in.A+2] = intTag | Value(i)
						regs[in.A+3] = x
						continue
					}
				} else if a.isTable() {
					j, p, ok := v.tableNext(a.off(), i)
					if !ok {
						goto jump
					}
					regs[in.A+1] = intTag | Value(j+1)
					regs[in.A+2] = *v.at(p)
					regs[in.A+3] = v.real(*v.at(p + 1))
					continue
				}
			}
			v.frame, v.pc = frame, uint32(pc)
			out = v.slow(in)
			if out == next && v.tick >= 0 && !checked {
				regs = v.window(frame)
				continue
			}
			if out == next {
				out = enter
			}
			continue reload
		jump:
			pc += int(in.D)
			if in.D < 0 {
				v.tick += int64(in.D)
				if v.tick < 0 || checked {
					v.frame, v.pc = frame, uint32(pc)
					out = enter
					continue reload
				}
			}
		}
	}
}
