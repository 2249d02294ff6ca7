package squirrel

import "github.com/tandem-iot/tandem/squirrel/compile"

// meta is a metamethod.
type meta uint8

const (
	metaAdd meta = iota
	metaSub
	metaMul
	metaDiv
	metaModulo
	metaUnm
	metaSet
	metaGet
	metaTypeof
	metaNexti
	metaCmp
	metaCall
	metaCloned
	metaNewSlot
	metaDelSlot
	metaToString
	metaNewMember
	metaInherited
	metaCount
)

var metaNames = [metaCount]string{
	"_add", "_sub", "_mul", "_div", "_modulo", "_unm", "_set", "_get", "_typeof", "_nexti", "_cmp", "_call", "_cloned",
	"_newslot", "_delslot", "_tostring", "_newmember", "_inherited",
}

// metamethod returns a metamethod of a table (from its delegate) or an
// instance (from its class), or null.
func (v *VM) metamethod(x Value, m meta) Value {
	switch x.tag() {
	case tagTable:
		if d := *v.at(x.off() + 3); d != Null {
			if p := v.tableFind(d.off(), v.img.meta[m]); p != 0 {
				return v.real(*v.at(p + 1))
			}
		}
	case tagInstance:
		return v.classMeta((*v.at(x.off() + 1)).off(), m)
	}
	return Null
}

func (v *VM) classMeta(class uint32, m meta) Value {
	metas := (*v.at(class + 6)).off()
	if metas == 0 {
		return Null
	}
	return *v.at(metas + 1 + uint32(m))
}

// Progress of an instruction that a metamethod works for: the state in its continue
// word.
const (
	stageResult    = iota
	stageToString  // the operand on the right is being converted, for +
	stageToString2 // the operand on the left
	stageValue     // of foreach over an instance
)

// callMeta calls a metamethod for the instruction being executed.
func (v *VM) callMeta(fn Value, stage int, args ...Value) outcome {
	return v.pushCall(fn, contWord(contOp, stage), Null, args...)
}

// finish ends an instruction with the result of a metamethod, a generator or a
// delegate. f is the frame that has ended.
func (v *VM) finish(f uint32, cont, x Value) outcome {
	in := v.instruction()
	stage := contState(cont)
	switch in.Op {
	case compile.OpSetK, compile.OpSet, compile.OpNewSlotK, compile.OpNewSlot, compile.OpNewClass, compile.OpNewMember:
		return enter
	case compile.OpClone:
		x = v.stackAt(f - hdrA)
	case compile.OpLt, compile.OpLe, compile.OpGt, compile.OpGe, compile.OpCmp,
		compile.OpJumpLt, compile.OpJumpLe, compile.OpJumpGt, compile.OpJumpGe,
		compile.OpJumpLtI, compile.OpJumpLeI, compile.OpJumpGtI, compile.OpJumpGeI:
		if !x.isInt() {
			return v.throwf("_cmp must return an integer")
		}
		return v.compared(in, int(int32(x)))
	case compile.OpForeach:
		return v.foreachGot(in, f, cont, x)
	case compile.OpText:
		if !x.isString() {
			return enter
		}
	case compile.OpAdd, compile.OpAddI, compile.OpExtend:
		if stage == stageToString || stage == stageToString2 {
			return v.concatGot(in, stage, x)
		}
	}
	*v.reg(in.A) = x
	return enter
}

// metaDeclined continues after _get or _set threw that the slot does not exist.
func (v *VM) metaDeclined(cont Value) outcome {
	v.exc = Null
	in := v.instruction()
	level := contState(cont)
	switch in.Op {
	case compile.OpGetK, compile.OpPrepCallK, compile.OpGet, compile.OpPrepCall:
		return v.getMeta(in, *v.reg(in.B), v.keyOf(in), level-1)
	case compile.OpSetK, compile.OpSet:
		return v.setMeta(in, *v.reg(in.A), v.keyOf(in), level-1)
	case compile.OpForeach:
		return v.throwf("_nexti returned an invalid idx")
	}
	return v.throwf("metamethod failed")
}

// keyOf returns the key that an instruction has as a constant or in a register.
func (v *VM) keyOf(in *compile.Inst) Value {
	switch in.Op {
	case compile.OpGet, compile.OpPrepCall, compile.OpDelete:
		return *v.reg(in.C)
	case compile.OpSet, compile.OpNewSlot:
		return *v.reg(in.B)
	}
	n := lo(*v.at(v.stackAt(v.frame-hdrFunc).off() + 1))
	return *v.at(v.progs[n>>16].consts + 1 + uint32(in.D))
}

// cacheHint stores the place among a table's nodes where a name was found.
func (v *VM) cacheHint(in *compile.Inst, hint uint32) {
	switch in.Op {
	case compile.OpGetK, compile.OpSetK, compile.OpPrepCallK:
		storeHint(&v.frameProto(v.frame).Cache[v.pc-1], hint)
	}
}
