package squirrel

import (
	"github.com/tandem-iot/tandem/squirrel/compile"
	"github.com/tandem-iot/tandem/squirrel/text"
)

// equal is the operator ==: it compares strings by content, other objects by identity,
// an integer and a float by value, and two floats by their bits.
func (v *VM) equal(x, y Value) bool {
	if x == y {
		return true
	}
	switch {
	case x.isNumber() && y.isNumber() && x.tag() != y.tag():
		return x.AsFloat() == y.AsFloat()
	case x.tag() == tagLong:
		return v.strEqual(x, y)
	}
	return false
}

// relation is the kind of result of compare.
type relation uint8

const (
	ordered      relation = iota // the number is the order
	byMetamethod                 // _cmp of the left operand decides
	incomparable                 // an error: see compareError
)

// compare orders two values without running the program: -1, 0 or 1.
func (v *VM) compare(x, y Value) (int, relation) {
	if x == y {
		return 0, ordered
	}
	tx, ty := x.Type(), y.Type()
	if tx != ty {
		switch {
		case x.isNumber() && y.isNumber():
			return compareFloats(x.AsFloat(), y.AsFloat()), ordered
		case tx == TypeNull:
			return -1, ordered
		case ty == TypeNull:
			return 1, ordered
		}
		return 0, incomparable
	}
	switch tx {
	case TypeInteger:
		return less(int32(x) < int32(y)), ordered
	case TypeFloat:
		return less(x.AsFloat() < y.AsFloat()), ordered
	case TypeString:
		v.tick -= int64(min(v.strLen(x), v.strLen(y)) >> 4)
		return text.Compare(v.strBytes(x), v.strBytes(y)), ordered
	case TypeTable, TypeInstance:
		if v.metamethod(x, metaCmp) != Null {
			return 0, byMetamethod
		}
	}
	if x.isHeap() && y.isHeap() {
		return less(headerSerial(*v.at(x.off())) < headerSerial(*v.at(y.off()))), ordered
	}
	return less(x < y), ordered
}

func less(yes bool) int {
	if yes {
		return -1
	}
	return 1
}

// compareFloats orders floats as the original does: not less and not equal is greater, so
// NaN is greater than everything.
func compareFloats(x, y float32) int {
	if x == y {
		return 0
	}
	return less(x < y)
}

// compareError returns the message for values that have no order.
func (v *VM) compareError(x, y Value) string {
	return "comparison between '" + v.clipped(x) + "' and '" + v.clipped(y) + "'"
}

// compareOp is the comparison instructions, including jumps and <=>.
func (v *VM) compareOp(in *compile.Inst) outcome {
	x, y := *v.reg(in.B), *v.reg(in.C)
	if in.Op >= compile.OpJumpEqI && in.Op <= compile.OpJumpGeI {
		y = Int(int32(int8(in.C)))
	}
	r, how := v.compare(x, y)
	switch how {
	case byMetamethod:
		return v.callMeta(v.metamethod(x, metaCmp), stageResult, x, y)
	case incomparable:
		return v.throwf("%s", v.compareError(x, y))
	}
	return v.compared(in, r)
}

// compared ends a comparison with its result. It may jump.
func (v *VM) compared(in *compile.Inst, r int) outcome {
	var yes bool
	switch in.Op {
	case compile.OpCmp:
		*v.reg(in.A) = Int(int32(r))
		return enter
	case compile.OpLt, compile.OpJumpLt, compile.OpJumpLtI:
		yes = r < 0
	case compile.OpLe, compile.OpJumpLe, compile.OpJumpLeI:
		yes = r <= 0
	case compile.OpGt, compile.OpJumpGt, compile.OpJumpGtI:
		yes = r > 0
	default:
		yes = r >= 0
	}
	if in.Op < compile.OpJump {
		*v.reg(in.A) = Bool(yes)
	} else if yes == (in.A != 0) {
		v.pc += uint32(in.D)
		v.tick -= int64(max(0, -in.D))
	}
	return enter
}
