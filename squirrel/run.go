package squirrel

import (
	"unsafe"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// outcome says how the loop continues after work done outside it.
type outcome uint8

const (
	enter   outcome = iota // load the frame at VM.frame and continue at VM.pc
	next                   // continue in the same frame; registers may have moved
	thrown                 // VM.exc must be thrown
	waiting                // a native suspended the VM
	done                   // the function that the host started has returned
	failed                 // the exception was not caught
	stopped                // VM.ending says why
)

// Fuel of a call of a script function and of a native, beside that of their work.
const (
	callCost   = 4
	nativeCost = 8
)

// Run continues the call of Start, for at most about fuel units: one unit is about one
// instruction. Fuel used beyond that of one Run, and by the host between two, is
// subtracted from that of the next.
func (v *VM) Run(fuel int64) (status Status) {
	switch v.run {
	case idle:
		return Done
	case suspended:
		return Suspended
	case broken:
		return v.ending
	}
	v.settle()
	given := v.owed + fuel
	v.tick, v.held = given, 0
	v.refill()
	v.breath = given
	if v.gcDue {
		v.gcDue = false
		v.requestCollect()
	}
	v.inLoop = true
	defer func() {
		v.inLoop = false
		v.used += given - v.tick - v.held
		v.owed = min(v.tick+v.held, 0)
		v.tick, v.held = v.owed, 0
		if r := recover(); r != nil {
			if r != errOutOfMemory {
				panic(r)
			}
			v.ending = OutOfMemory
			status = v.halt()
		}
	}()
	if v.stopping() {
		return v.halt()
	}
	return v.loop()
}

// RunSlice is Run for a host that gives more fuel later, in any case: natives are not
// stopped because there is less than they need.
func (v *VM) RunSlice(fuel int64) Status {
	v.slices = true
	defer func() { v.slices = false }()
	return v.Run(fuel)
}

// Resume ends the native call that suspended the VM: x is its result. The next Run
// continues with it.
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

// wake applies Resume or ResumeThrow at the start of a Run.
func (v *VM) wake() outcome {
	if v.resumed == resumedNot {
		return enter // the result may be one that a native waits for
	}
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

// safepoint collects when that is due. It reports whether the machine may continue.
func (v *VM) safepoint() bool {
	if v.stopping() {
		return false
	}
	if v.gcDue || checked && v.checkNow() {
		v.collect()
	}
	v.breathe()
	v.refill()
	return v.tick >= 0
}

// loop executes instructions. Each case handles what is fast and common itself and
// leaves the rest to slow. See position for the choice of local variables. A case whose
// work is not bounded by a constant leaves it to slow too when the fuel is below zero,
// because a safepoint follows that: a program may have no loops and no calls.
func (v *VM) loop() Status {
	var (
		out  = v.wake()
		s    position
		regs unsafe.Pointer // the registers of the running frame
		ip   unsafe.Pointer // the next instruction
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
		case stopped:
			return v.halt()
		}
		if v.tick < 0 || checked {
			if !v.safepoint() {
				return v.halt()
			}
		}
		if v.reentry {
			out = v.reenter()
			continue
		}
		regs = v.load(&s)
		ip = s.ip
		for {
			in := (*compile.Inst)(ip)
			ip = unsafe.Add(ip, instSize)
			switch in.Op {
			case compile.OpNop:
				storeHint((*uint32)(unsafe.Add(s.cache, (s.pc(ip)-1)*4)), compile.Reached)
				continue
			case compile.OpLoadNull:
				*reg(regs, in.A) = Null
				continue
			case compile.OpLoadInt:
				*reg(regs, in.A) = Int(in.D)
				continue
			case compile.OpLoadFloat:
				*reg(regs, in.A) = floatTag | Value(uint32(in.D))
				continue
			case compile.OpLoadBool:
				*reg(regs, in.A) = valFalse | Value(in.B)
				continue
			case compile.OpLoadStr:
				*reg(regs, in.A) = *v.at(s.kbase + uint32(in.D))
				continue
			case compile.OpLoadRoot:
				*reg(regs, in.A) = v.root
				continue
			case compile.OpMove:
				*reg(regs, in.A) = *reg(regs, in.B)
				continue
			case compile.OpNewCell:
				s.ip = ip
				c := v.newCell(Null)
				regs, ip = v.window(s.frame), s.ip
				*reg(regs, before(ip).A) = c
				continue
			case compile.OpCellize:
				s.ip = ip
				c := v.newCell(*reg(regs, in.A))
				regs, ip = v.window(s.frame), s.ip
				*reg(regs, before(ip).A) = c
				continue
			case compile.OpGetCell:
				if c := *reg(regs, in.B); c.tag() == tagCell {
					*reg(regs, in.A) = *v.at(c.off() + 1)
					continue
				}
			case compile.OpSetCell:
				if c := *reg(regs, in.A); c.tag() == tagCell {
					*v.at(c.off() + 1) = *reg(regs, in.B)
					continue
				}
			case compile.OpGetOuter:
				*reg(regs, in.A) = *v.at((*v.at(funOf(regs) + wordsClosure + uint32(in.D))).off() + 1)
				continue
			case compile.OpSetOuter:
				*v.at((*v.at(funOf(regs) + wordsClosure + uint32(in.D))).off() + 1) = *reg(regs, in.A)
				continue

			case compile.OpGetK:
				obj := *reg(regs, in.B)
				key := *v.at(s.kbase + uint32(in.D))
				hint := s.hint(in)
				switch obj.tag() {
				case tagTable:
					nodes := (*v.at(obj.off() + 2)).off()
					p := nodes + hint
					if hint >= headerSize(*v.at(nodes)) || *v.at(p) != key {
						s.ip = ip
						p = v.lookAgain(&s, nodes, key)
						regs, ip = v.window(s.frame), s.ip
						in = before(ip)
						if p == 0 {
							break
						}
					}
					if x := *v.at(p + 1); x.tag() != tagWeak {
						*reg(regs, in.A) = x
						continue
					}
				case tagInstance:
					class := (*v.at(obj.off() + 1)).off()
					nodes := (*v.at(class + 9)).off()
					p := nodes + hint
					if hint >= headerSize(*v.at(nodes)) || *v.at(p) != key {
						s.ip = ip
						p = v.lookAgain(&s, nodes, key)
						regs, ip = v.window(s.frame), s.ip
						in = before(ip)
						if p == 0 {
							break
						}
					}
					m := lo(*v.at(p + 1))
					var x Value
					if m < memberMethod {
						x = *v.at(obj.off() + wordsInstance + m)
					} else {
						x = *v.at((*v.at(class + 10)).off() + 1 + m - memberMethod)
					}
					if x.tag() != tagWeak {
						*reg(regs, in.A) = x
						continue
					}
				case tagClass:
					nodes := (*v.at(obj.off() + 9)).off()
					p := nodes + hint
					if hint >= headerSize(*v.at(nodes)) || *v.at(p) != key {
						s.ip = ip
						p = v.lookAgain(&s, nodes, key)
						regs, ip = v.window(s.frame), s.ip
						in = before(ip)
						if p == 0 {
							break
						}
					}
					if m := lo(*v.at(p + 1)); m >= memberMethod {
						if x := *v.at((*v.at(obj.off() + 10)).off() + 1 + m - memberMethod); x.tag() != tagWeak {
							*reg(regs, in.A) = x
							continue
						}
					}
				}
			case compile.OpSetK:
				obj := *reg(regs, in.A)
				key := *v.at(s.kbase + uint32(in.D))
				hint := s.hint(in)
				switch obj.tag() {
				case tagTable:
					nodes := (*v.at(obj.off() + 2)).off()
					p := nodes + hint
					if hint >= headerSize(*v.at(nodes)) || *v.at(p) != key {
						s.ip = ip
						p = v.lookAgain(&s, nodes, key)
						regs, ip = v.window(s.frame), s.ip
						in = before(ip)
						if p == 0 {
							break
						}
					}
					*v.at(p + 1) = *reg(regs, in.C)
					continue
				case tagInstance:
					nodes := (*v.at((*v.at(obj.off() + 1)).off() + 9)).off()
					p := nodes + hint
					if hint >= headerSize(*v.at(nodes)) || *v.at(p) != key {
						s.ip = ip
						p = v.lookAgain(&s, nodes, key)
						regs, ip = v.window(s.frame), s.ip
						in = before(ip)
						if p == 0 {
							break
						}
					}
					if m := lo(*v.at(p + 1)); m < memberMethod {
						*v.at(obj.off() + wordsInstance + m) = *reg(regs, in.C)
						continue
					}
				}
			case compile.OpGet:
				obj, key := *reg(regs, in.B), *reg(regs, in.C)
				switch obj.tag() {
				case tagArray:
					if key.isInt() && uint32(key) < lo(*v.at(obj.off() + 1)) {
						if x := *v.at((*v.at(obj.off() + 2)).off() + 1 + uint32(key)); x.tag() != tagWeak {
							*reg(regs, in.A) = x
							continue
						}
					}
				case tagTable:
					s.ip = ip
					p := v.tableFind(obj.off(), key)
					regs, ip = v.window(s.frame), s.ip
					in = before(ip)
					if p != 0 && key != Null && v.tick >= 0 {
						if x := *v.at(p + 1); x.tag() != tagWeak {
							*reg(regs, in.A) = x
							continue
						}
					}
				case tagString, tagLong:
					if key.isInt() && uint32(key) < lo(*v.at(obj.off() + 1)) {
						s.ip = ip
						c := v.strByte(obj, uint32(key))
						regs, ip = v.window(s.frame), s.ip
						*reg(regs, before(ip).A) = intTag | Value(c)
						continue
					}
				}
			case compile.OpSet:
				obj, key := *reg(regs, in.A), *reg(regs, in.B)
				switch obj.tag() {
				case tagArray:
					if key.isInt() && uint32(key) < lo(*v.at(obj.off() + 1)) {
						*v.at((*v.at(obj.off() + 2)).off() + 1 + uint32(key)) = *reg(regs, in.C)
						continue
					}
				case tagTable:
					s.ip = ip
					p := v.tableFind(obj.off(), key)
					regs, ip = v.window(s.frame), s.ip
					in = before(ip)
					if p != 0 && key != Null && v.tick >= 0 {
						*v.at(p + 1) = *reg(regs, in.C)
						continue
					}
				}
			case compile.OpNewSlotK:
				if obj := *reg(regs, in.A); obj.tag() == tagTable {
					if *v.at(obj.off() + 3) == Null {
						s.ip = ip
						v.tableSet(obj.off(), *v.at(s.kbase + uint32(in.D)), *reg(regs, in.C))
						regs, ip = v.window(s.frame), s.ip
						if v.tick >= 0 {
							continue
						}
						in = before(ip)
					}
				}

			case compile.OpNewSlot:
				if obj, key := *reg(regs, in.A), *reg(regs, in.B); obj.tag() == tagTable && key != Null &&
					*v.at(obj.off() + 3) == Null {
					s.ip = ip
					v.tableSet(obj.off(), key, *reg(regs, in.C))
					regs, ip = v.window(s.frame), s.ip
					if v.tick >= 0 {
						continue
					}
					in = before(ip)
				}
			case compile.OpIn:
				if obj, key := *reg(regs, in.C), *reg(regs, in.B); obj.tag() == tagTable && key != Null {
					s.ip = ip
					p := v.tableFind(obj.off(), key)
					regs, ip = v.window(s.frame), s.ip
					in = before(ip)
					if v.tick >= 0 {
						*reg(regs, in.A) = Bool(p != 0)
						continue
					}
				}

			case compile.OpPrepCallK:
				obj := *reg(regs, in.B)
				key := *v.at(s.kbase + uint32(in.D))
				hint := s.hint(in)
				switch obj.tag() {
				case tagTable:
					nodes := (*v.at(obj.off() + 2)).off()
					p := nodes + hint
					if hint >= headerSize(*v.at(nodes)) || *v.at(p) != key {
						s.ip = ip
						p = v.lookAgain(&s, nodes, key)
						regs, ip = v.window(s.frame), s.ip
						in = before(ip)
						if p == 0 {
							break
						}
					}
					if x := *v.at(p + 1); x.tag() != tagWeak {
						*reg(regs, in.A) = x
						*reg(regs, in.A+compile.FrameSize) = obj
						continue
					}
				case tagInstance:
					class := (*v.at(obj.off() + 1)).off()
					nodes := (*v.at(class + 9)).off()
					p := nodes + hint
					if hint >= headerSize(*v.at(nodes)) || *v.at(p) != key {
						s.ip = ip
						p = v.lookAgain(&s, nodes, key)
						regs, ip = v.window(s.frame), s.ip
						in = before(ip)
						if p == 0 {
							break
						}
					}
					if m := lo(*v.at(p + 1)); m >= memberMethod {
						*reg(regs, in.A) = *v.at((*v.at(class + 10)).off() + 1 + m - memberMethod)
						*reg(regs, in.A+compile.FrameSize) = obj
						continue
					}
				case tagInt, tagFloat, tagString, tagLong, tagArray:
					s.ip = ip
					native := v.img.hinted(hint, obj, key)
					regs, ip = v.window(s.frame), s.ip
					in = before(ip)
					if native != Null {
						*reg(regs, in.A+compile.FrameSize) = *reg(regs, in.B)
						*reg(regs, in.A) = native
						continue
					}
				}
			case compile.OpCall:
				f := s.frame + uint32(in.A) + compile.FrameSize
				if callee := *reg(regs, in.A); callee.isClosure() && f <= s.limit {
					n := lo(*v.at(callee.off() + 1))
					if n>>16 == s.prog && s.entry(n).Fixed == int32(in.B) {
						e := s.entry(n)
						h := unsafe.Pointer(reg(regs, in.A))
						*word(h, 1) = retWord(s.frame, int(s.pc(ip)))
						*word(h, 2) = contReg(in.C)
						regs = unsafe.Add(h, compile.FrameSize*8)
						if env := *v.at(callee.off() + 2); env != Null {
							*word(regs, 0) = env
						}
						s.frame = f
						s.code, s.cache = unsafe.Pointer(e.Code), unsafe.Pointer(e.Cache)
						ip = s.code
						v.tick -= callCost
						if v.tick < 0 || checked {
							v.frame, v.pc = s.frame, 0
							out = enter
							continue reload
						}
						continue
					}
				} else if callee.tag() == tagNative && f <= s.limit {
					v.frame, v.pc = s.frame, s.pc(ip)
					s.ip = ip
					out = v.nativeOp(in, f)
					goto back
				}
			case compile.OpTailCall:
				if callee := *reg(regs, in.A); callee.isClosure() && *word(regs, -hdrCont)&contGen == 0 {
					n := lo(*v.at(callee.off() + 1))
					if n>>16 == s.prog && s.entry(n).Fixed == int32(in.B) {
						e := s.entry(n)
						*word(regs, -hdrFunc) = callee
						from := unsafe.Add(unsafe.Pointer(reg(regs, in.A)), compile.FrameSize*8)
						for i := 0; i < int(in.B); i++ {
							*word(regs, i) = *word(from, i)
						}
						if env := *v.at(callee.off() + 2); env != Null {
							*word(regs, 0) = env
						}
						s.code, s.cache = unsafe.Pointer(e.Code), unsafe.Pointer(e.Cache)
						ip = s.code
						v.tick -= callCost
						if v.tick < 0 || checked {
							v.frame, v.pc = s.frame, 0
							out = enter
							continue reload
						}
						continue
					}
				}
			case compile.OpReturn:
				if c := *word(regs, -hdrCont); uint8(c) == contPlain {
					x := Null
					if in.B != 0 {
						x = *reg(regs, in.A)
					}
					ret := *word(regs, -hdrRet)
					to := unsafe.Add(regs, -int(s.frame-retFrame(ret))*8)
					if n := lo(*v.at(funOf(to) + 1)); n>>16 == s.prog {
						regs = to
						*reg(regs, uint8(c>>8)) = x
						s.frame = retFrame(ret)
						e := s.entry(n)
						s.code, s.cache = unsafe.Pointer(e.Code), unsafe.Pointer(e.Cache)
						ip = unsafe.Add(s.code, int(lo(ret))*instSize)
						continue
					}
				}

			case compile.OpAdd:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = intTag | Value(uint32(x)+uint32(y))
					continue
				}
				if x.isFloat() && y.isFloat() {
					*reg(regs, in.A) = Float(float(x) + float(y))
					continue
				}
				if x.isInt() && y.isFloat() {
					*reg(regs, in.A) = Float(float32(int32(x)) + float(y))
					continue
				}
				if x.isFloat() && y.isInt() {
					*reg(regs, in.A) = Float(float(x) + float32(int32(y)))
					continue
				}
			case compile.OpSub:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = intTag | Value(uint32(x)-uint32(y))
					continue
				}
				if x.isFloat() && y.isFloat() {
					*reg(regs, in.A) = Float(float(x) - float(y))
					continue
				}
				if x.isInt() && y.isFloat() {
					*reg(regs, in.A) = Float(float32(int32(x)) - float(y))
					continue
				}
				if x.isFloat() && y.isInt() {
					*reg(regs, in.A) = Float(float(x) - float32(int32(y)))
					continue
				}
			case compile.OpMul:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = intTag | Value(uint32(x)*uint32(y))
					continue
				}
				if x.isFloat() && y.isFloat() {
					*reg(regs, in.A) = Float(float(x) * float(y))
					continue
				}
				if x.isInt() && y.isFloat() {
					*reg(regs, in.A) = Float(float32(int32(x)) * float(y))
					continue
				}
				if x.isFloat() && y.isInt() {
					*reg(regs, in.A) = Float(float(x) * float32(int32(y)))
					continue
				}
			case compile.OpDiv:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() && uint32(y) != 0 {
					*reg(regs, in.A) = Int(int32(x) / int32(y))
					continue
				}
				if x.isFloat() && y.isFloat() {
					*reg(regs, in.A) = Float(float(x) / float(y))
					continue
				}
				if x.isInt() && y.isFloat() {
					*reg(regs, in.A) = Float(float32(int32(x)) / float(y))
					continue
				}
				if x.isFloat() && y.isInt() {
					*reg(regs, in.A) = Float(float(x) / float32(int32(y)))
					continue
				}
			case compile.OpMod:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() && uint32(y) != 0 {
					*reg(regs, in.A) = Int(int32(x) % int32(y))
					continue
				}
			case compile.OpAddI:
				x := *reg(regs, in.B)
				if x.isInt() {
					*reg(regs, in.A) = intTag | Value(uint32(x)+uint32(in.D))
					continue
				}
				if x.isFloat() {
					*reg(regs, in.A) = Float(float(x) + float32(in.D))
					continue
				}
			case compile.OpMulI:
				x := *reg(regs, in.B)
				if x.isInt() {
					*reg(regs, in.A) = intTag | Value(uint32(x)*uint32(in.D))
					continue
				}
				if x.isFloat() {
					*reg(regs, in.A) = Float(float(x) * float32(in.D))
					continue
				}
			case compile.OpDivI: // the compiler makes sure that d is above 0
				if x := *reg(regs, in.B); x.isInt() && in.D > 0 {
					*reg(regs, in.A) = Int(int32(x) / in.D)
					continue
				}
			case compile.OpModI:
				if x := *reg(regs, in.B); x.isInt() && in.D > 0 {
					*reg(regs, in.A) = Int(int32(x) % in.D)
					continue
				}
			case compile.OpBitAndI:
				if x := *reg(regs, in.B); x.isInt() {
					*reg(regs, in.A) = intTag | Value(uint32(x)&uint32(in.D))
					continue
				}
			case compile.OpShlI:
				if x := *reg(regs, in.B); x.isInt() {
					*reg(regs, in.A) = intTag | Value(uint32(x)<<(uint32(in.D)&31))
					continue
				}
			case compile.OpShrI:
				if x := *reg(regs, in.B); x.isInt() {
					*reg(regs, in.A) = Int(int32(x) >> (uint32(in.D) & 31))
					continue
				}
			case compile.OpText:
				if t := reg(regs, in.A).tag(); t != tagTable && t != tagInstance {
					continue
				}
			case compile.OpBitAnd:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = x & y
					continue
				}
			case compile.OpBitOr:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = x | y
					continue
				}
			case compile.OpBitXor:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = intTag | (x ^ y)
					continue
				}
			case compile.OpShl:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = intTag | Value(uint32(x)<<(y&31))
					continue
				}
			case compile.OpShr:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = Int(int32(x) >> (y & 31))
					continue
				}
			case compile.OpUshr:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = intTag | Value(uint32(x)>>(y&31))
					continue
				}
			case compile.OpNeg:
				x := *reg(regs, in.B)
				if x.isInt() {
					*reg(regs, in.A) = intTag | Value(-uint32(x))
					continue
				}
				if x.isFloat() {
					*reg(regs, in.A) = x ^ 0x80000000
					continue
				}
			case compile.OpNot:
				*reg(regs, in.A) = Bool(!reg(regs, in.B).Truthy())
				continue
			case compile.OpBitNot:
				if x := *reg(regs, in.B); x.isInt() {
					*reg(regs, in.A) = x ^ 0xffffffff
					continue
				}
			case compile.OpEq:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				yes := x == y
				if !yes && (x.tag() == tagLong || x.tag() != y.tag() && x.isNumber()) {
					break
				}
				*reg(regs, in.A) = Bool(yes)
				continue
			case compile.OpNe:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				yes := x == y
				if !yes && (x.tag() == tagLong || x.tag() != y.tag() && x.isNumber()) {
					break
				}
				*reg(regs, in.A) = Bool(!yes)
				continue
			case compile.OpLt:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = Bool(int32(x) < int32(y))
					continue
				}
			case compile.OpLe:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = Bool(int32(x) <= int32(y))
					continue
				}
			case compile.OpGt:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = Bool(int32(x) > int32(y))
					continue
				}
			case compile.OpGe:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					*reg(regs, in.A) = Bool(int32(x) >= int32(y))
					continue
				}

			// A jump that is taken leaves the switch for the check that every backward jump makes;
			// one that is not taken continues at once.
			case compile.OpJump:
				goto jump
			case compile.OpJumpT:
				if x := *reg(regs, in.A); x == valTrue || x != valFalse && x.Truthy() {
					goto jump
				}
				continue
			case compile.OpJumpF:
				if x := *reg(regs, in.A); x == valFalse || x != valTrue && !x.Truthy() {
					goto jump
				}
				continue
			case compile.OpJumpEq:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				yes := x == y
				if !yes && (x.tag() == tagLong || x.tag() != y.tag() && x.isNumber()) {
					break
				}
				if yes == (in.A != 0) {
					goto jump
				}
				continue
			case compile.OpJumpLt:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					if (int32(x) < int32(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
				if x.isFloat() && y.isFloat() {
					if (float(x) < float(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpLe:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					if (int32(x) <= int32(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpGt:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					if (int32(x) > int32(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpGe:
				x, y := *reg(regs, in.B), *reg(regs, in.C)
				if x.isInt() && y.isInt() {
					if (int32(x) >= int32(y)) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpEqI:
				x := *reg(regs, in.B)
				if (x == Int(int32(int8(in.C))) || x.isFloat() && float(x) == float32(int8(in.C))) == (in.A != 0) {
					goto jump
				}
				continue
			case compile.OpJumpLtI:
				if x := *reg(regs, in.B); x.isInt() {
					if (int32(x) < int32(int8(in.C))) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpLeI:
				if x := *reg(regs, in.B); x.isInt() {
					if (int32(x) <= int32(int8(in.C))) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpGtI:
				if x := *reg(regs, in.B); x.isInt() {
					if (int32(x) > int32(int8(in.C))) == (in.A != 0) {
						goto jump
					}
					continue
				}
			case compile.OpJumpGeI:
				if x := *reg(regs, in.B); x.isInt() {
					if (int32(x) >= int32(int8(in.C))) == (in.A != 0) {
						goto jump
					}
					continue
				}

			case compile.OpNewTable:
				s.ip = ip
				t := v.newTable(int(in.D))
				regs, ip = v.window(s.frame), s.ip
				*reg(regs, before(ip).A) = ref(tagTable, t)
				continue
			case compile.OpAppend:
				if a := *reg(regs, in.A); a.isArray() {
					s.ip = ip
					v.arrayAppend(a.off(), *reg(regs, in.B))
					regs, ip = v.window(s.frame), s.ip
					continue
				}
			case compile.OpGetBase:
				*reg(regs, in.A) = *v.at(funOf(regs) + 3)
				continue
			case compile.OpForeach:
				if a, i := *reg(regs, in.A), uint32(*reg(regs, in.A+1)); a.isArray() {
					if i >= lo(*v.at(a.off() + 1)) {
						goto jump
					}
					if x := *v.at((*v.at(a.off() + 2)).off() + 1 + i); x.tag() != tagWeak {
						*reg(regs, in.A+1) = intTag | Value(i+1)
						*reg(regs, in.A+2) = intTag | Value(i)
						*reg(regs, in.A+3) = x
						continue
					}
				} else if a.isTable() {
					s.ip = ip
					j, p, ok := v.tableNext(a.off(), i)
					regs, ip = v.window(s.frame), s.ip
					in = before(ip)
					if !ok {
						goto jump
					}
					*reg(regs, in.A+1) = intTag | Value(j+1)
					*reg(regs, in.A+2) = *v.at(p)
					x := *v.at(p + 1)
					if x.tag() == tagWeak {
						x = *v.at(x.off() + 1)
					}
					*reg(regs, in.A+3) = x
					continue
				}
			}
			v.frame, v.pc = s.frame, s.pc(ip)
			s.ip = ip
			out = v.slow(in)
		back:
			if out == next && v.tick >= 0 && !checked {
				// The stack may have been replaced.
				s.limit = v.frameLimit()
				regs, ip = v.window(s.frame), s.ip
				continue
			}
			if out == next {
				out = enter
			}
			continue reload
		jump:
			ip = unsafe.Add(ip, int(in.D)*instSize)
			if in.D < 0 {
				v.tick += int64(in.D)
				if v.tick < 0 || checked {
					v.frame, v.pc = s.frame, s.pc(ip)
					out = enter
					continue reload
				}
			}
		}
	}
}
