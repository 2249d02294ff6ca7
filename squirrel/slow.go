package squirrel

import "github.com/tandem-iot/tandem/squirrel/compile"

// slow executes the cases that the loop leaves undone.
func (v *VM) slow(in *compile.Inst) outcome {
	switch in.Op {
	case compile.OpGetK, compile.OpGet, compile.OpPrepCallK, compile.OpPrepCall:
		return v.getOp(in)
	case compile.OpSetK, compile.OpSet:
		return v.setOp(in)
	case compile.OpNewSlotK, compile.OpNewSlot:
		return v.newSlotOp(in)
	case compile.OpDelete:
		return v.deleteOp(in)
	case compile.OpCall:
		return v.callOp(in)
	case compile.OpTailCall:
		return v.tailCallOp(in)
	case compile.OpReturn:
		return v.returnOp(in)
	case compile.OpAdd, compile.OpSub, compile.OpMul, compile.OpDiv, compile.OpMod,
		compile.OpAddI, compile.OpMulI, compile.OpDivI, compile.OpModI:
		return v.arithOp(in)
	case compile.OpText:
		return v.textOp(in)
	case compile.OpConcat:
		v.fitTexts(in)
		b := v.texts(v.scratch[:0], in)
		r := v.joined(b)
		*v.reg(in.A) = r
		return next
	case compile.OpExtend:
		return v.extendOp(in)
	case compile.OpBitAnd, compile.OpBitOr, compile.OpBitXor, compile.OpShl, compile.OpShr, compile.OpUshr,
		compile.OpBitAndI, compile.OpShlI, compile.OpShrI:
		return v.bitOp(in)
	case compile.OpNeg:
		return v.negOp(in)
	case compile.OpBitNot:
		return v.throwf("attempt to perform a bitwise op on a %s", (*v.reg(in.B)).Type())
	case compile.OpLt, compile.OpLe, compile.OpGt, compile.OpGe, compile.OpCmp,
		compile.OpJumpLt, compile.OpJumpLe, compile.OpJumpGt, compile.OpJumpGe,
		compile.OpJumpLtI, compile.OpJumpLeI, compile.OpJumpGtI, compile.OpJumpGeI:
		return v.compareOp(in)
	case compile.OpEq, compile.OpNe:
		*v.reg(in.A) = Bool(v.equal(*v.reg(in.B), *v.reg(in.C)) == (in.Op == compile.OpEq))
		return next
	case compile.OpJumpEq:
		if v.equal(*v.reg(in.B), *v.reg(in.C)) == (in.A != 0) {
			v.pc += uint32(in.D)
			v.tick -= int64(max(0, -in.D))
		}
		return enter
	case compile.OpIn:
		*v.reg(in.A) = Bool(v.has(*v.reg(in.C), *v.reg(in.B)))
		return next
	case compile.OpInstanceof:
		x, class := *v.reg(in.B), *v.reg(in.C)
		if !class.isClass() {
			return v.throwf("cannot apply instanceof between a %s and a %s", class.Type(), x.Type())
		}
		*v.reg(in.A) = Bool(v.instanceOf(x, class))
		return next
	case compile.OpTypeof:
		return v.typeofOp(in)
	case compile.OpClone:
		return v.cloneOp(in)
	case compile.OpResume:
		return v.resume(*v.reg(in.B))
	case compile.OpYield:
		return v.yieldOp(in)
	case compile.OpThrow:
		v.exc = *v.reg(in.A)
		return thrown
	case compile.OpNewArray:
		a := v.newArray(0)
		if in.D > 0 {
			v.arrayReserve(a, int(in.D))
		}
		*v.reg(in.A) = ref(tagArray, a)
		return next
	case compile.OpClosure:
		return v.closureOp(in)
	case compile.OpNewClass:
		return v.newClassOp(in)
	case compile.OpNewMember:
		return v.newMemberOp(in)
	case compile.OpForeach:
		return v.foreachOp(in)
	}
	// A register of a restored machine holds another kind of value than the compiler put
	// there.
	return v.throwf("internal error: %s on a %s", in.Op, (*v.reg(in.A)).Type())
}

// closureOp makes a closure: cells from the running function's registers or
// its own captured variables, default values from registers.
func (v *VM) closureOp(in *compile.Inst) outcome {
	fn := v.stackAt(v.frame - hdrFunc).off()
	number := lo(*v.at(fn + 1))&^0xffff | uint32(in.D)
	p := v.proto(number)
	c := v.newClosure(number, Null)
	at := c.off() + wordsClosure
	v.tick -= int64(v.size(c.off()) >> 2)
	for _, o := range p.Outers {
		cell := Null
		if o.Local {
			cell = *v.reg(uint8(o.Index))
		} else {
			cell = *v.at(fn + wordsClosure + uint32(o.Index))
		}
		if cell.tag() != tagCell {
			return v.throwf("internal error: captured variable %s", o.Name)
		}
		*v.at(at) = cell
		at++
	}
	for i := range uint8(p.Defaults) {
		*v.at(at) = *v.reg(in.B + i)
		at++
	}
	*v.reg(in.A) = c
	return next
}

func (v *VM) typeofOp(in *compile.Inst) outcome {
	x := *v.reg(in.B)
	if m := v.metamethod(x, metaTypeof); m != Null {
		return v.callMeta(m, stageResult, x)
	}
	*v.reg(in.A) = v.typeName(x)
	return next
}

// typeName returns the result of typeof, without metamethods.
func (v *VM) typeName(x Value) Value {
	if n := v.nativeClass(x); n >= 0 {
		return v.NewString(v.lib.classes[n].typeof)
	}
	return v.img.typeNames[x.Type()]
}

func (v *VM) cloneOp(in *compile.Inst) outcome {
	x := *v.reg(in.B)
	var c Value
	switch x.tag() {
	case tagTable:
		c = ref(tagTable, v.tableClone(x.off()))
	case tagArray:
		c = ref(tagArray, v.arrayClone(x.off()))
	case tagInstance:
		c = v.shallowCopy(x)
	default:
		return v.throwf("cloning a %s", x.Type())
	}
	v.tick -= int64(v.size(c.off()) >> 2)
	if m := v.metamethod(c, metaCloned); m != Null {
		return v.pushCall(m, contWord(contOp, stageResult), c, c, x)
	}
	*v.reg(in.A) = c
	return next
}

// foreachOp is OpForeach for the cases that the loop does not handle itself.
func (v *VM) foreachOp(in *compile.Inst) outcome {
	x, state := *v.reg(in.A), v.reg(in.A+1)
	i := uint32(*state)
	switch x.tag() {
	case tagArray: // an element that is a weak reference
		return v.foreachItem(in, i+1, Int(int32(i)), v.real(*v.arraySlot(x.off(), i)))
	case tagString, tagLong:
		if i >= uint32(v.strLen(x)) {
			v.pc += uint32(in.D)
			return enter
		}
		return v.foreachItem(in, i+1, Int(int32(i)), Int(int32(v.strByte(x, i))))
	case tagClass:
		j, p, ok := v.tableNext((*v.at(x.off() + 3)).off(), i)
		if !ok {
			v.pc += uint32(in.D)
			return enter
		}
		return v.foreachItem(in, j+1, *v.at(p), v.classMember(x.off(), lo(*v.at(p + 1))))
	case tagGenerator:
		if lo(*v.at(x.off() + 1)) == genDead {
			v.pc += uint32(in.D)
			return enter
		}
		return v.resume(x)
	case tagInstance:
		if m := v.metamethod(x, metaNexti); m != Null {
			return v.callMeta(m, stageResult, x, *state)
		}
		return v.throwf("_nexti failed")
	}
	return v.throwf("cannot iterate %s", x.Type())
}

func (v *VM) foreachItem(in *compile.Inst, state uint32, key, x Value) outcome {
	*v.reg(in.A + 1) = intTag | Value(state)
	*v.reg(in.A + 2) = key
	*v.reg(in.A + 3) = x
	return next
}

// foreachGot continues with a result of a generator, _nexti or _get.
func (v *VM) foreachGot(in *compile.Inst, f uint32, cont, x Value) outcome {
	state := v.reg(in.A + 1)
	switch {
	case cont&contGen != 0:
		if lo(*v.at(v.stackAt(f-hdrA).off() + 1)) == genDead {
			v.pc += uint32(in.D)
			return enter
		}
		i := uint32(*state)
		v.foreachItem(in, i+1, Int(int32(i)), x)
		return enter
	case contState(cont) == stageValue:
		*v.reg(in.A + 3) = x
		return enter
	case x == Null:
		v.pc += uint32(in.D)
		return enter
	}
	*state = x
	*v.reg(in.A + 2) = x
	obj := *v.reg(in.A)
	if val, ok := v.rawGet(in, obj, x); ok {
		*v.reg(in.A + 3) = val
		return enter
	}
	if m := v.metamethod(obj, metaGet); m != Null {
		return v.pushCall(m, contWord(contOp|contGet, stageValue), Null, obj, x)
	}
	return v.throwf("_nexti returned an invalid idx")
}
