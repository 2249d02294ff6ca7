package squirrel

import (
	"fmt"
	"math"

	"github.com/tandem-iot/tandem/squirrel/compile"
	"github.com/tandem-iot/tandem/squirrel/text"
)

// operator is an arithmetic operator with its sign in messages and its metamethod.
type operator struct {
	sign byte
	meta meta
}

// literalOps are the operators of instructions that name their right operand.
var literalOps = map[compile.Op]compile.Op{
	compile.OpAddI: compile.OpAdd, compile.OpMulI: compile.OpMul,
	compile.OpDivI: compile.OpDiv, compile.OpModI: compile.OpMod,
	compile.OpBitAndI: compile.OpBitAnd, compile.OpShlI: compile.OpShl, compile.OpShrI: compile.OpShr,
}

var operators = map[compile.Op]operator{
	compile.OpAdd: {'+', metaAdd}, compile.OpSub: {'-', metaSub},
	compile.OpMul: {'*', metaMul}, compile.OpDiv: {'/', metaDiv}, compile.OpMod: {'%', metaModulo},
}

// arithOp is + - * / % for operands that the loop does not handle itself.
func (v *VM) arithOp(in *compile.Inst) outcome {
	x, y := *v.reg(in.B), *v.reg(in.C)
	op := in.Op
	if base, ok := literalOps[op]; ok {
		op, y = base, Int(in.D)
		if in.Op == compile.OpAddI && in.C != 0 {
			op, y = compile.OpSub, Int(-in.D)
		}
	}
	switch {
	case x.isInt() && y.isInt():
		if y == Int(0) { // with integers only division and modulo get here
			if op == compile.OpDiv {
				return v.throwf("division by zero")
			}
			return v.throwf("modulo by zero")
		}
	case x.isNumber() && y.isNumber():
		if op == compile.OpMod {
			v.tick -= modCost(x.AsFloat(), y.AsFloat())
		}
		*v.reg(in.A) = Float(floatArith(op, x.AsFloat(), y.AsFloat()))
		return next
	case op == compile.OpAdd && (x.isString() || y.isString()):
		return v.concatOp(in, x, y)
	}
	o := operators[op]
	if m := v.metamethod(x, o.meta); m != Null {
		return v.callMeta(m, stageResult, x, y)
	}
	return v.throwf("arith op %c on between '%s' and '%s'", o.sign, x.Type(), y.Type())
}

func floatArith(op compile.Op, x, y float32) float32 {
	switch op {
	case compile.OpAdd:
		return x + y
	case compile.OpSub:
		return x - y
	case compile.OpMul:
		return x * y
	case compile.OpDiv:
		return x / y
	}
	return floatMod(x, y)
}

// modCost is the fuel of floatMod, which takes a step for each bit by which x exceeds y.
func modCost(x, y float32) int64 {
	exponent := func(f float32) int64 { return int64(math.Float32bits(f) >> 23 & 0xff) }
	return max(0, exponent(x)-exponent(y)) + 1
}

// floatMod is C's fmod, whose invalid results are negative NaNs on x86.
func floatMod(x, y float32) float32 {
	r := float32(math.Mod(float64(x), float64(y)))
	if r != r && x == x && y == y {
		return math.Float32frombits(0xffc00000)
	}
	return r
}

// concatOp joins two values of which one is a string.
func (v *VM) concatOp(in *compile.Inst, x, y Value) outcome {
	if m := v.metamethod(y, metaToString); m != Null {
		return v.callMeta(m, stageToString, y)
	}
	if m := v.metamethod(x, metaToString); m != Null {
		return v.callMeta(m, stageToString2, x)
	}
	v.join(in, x, y)
	return next
}

// join stores the concatenation of x and y. Short operands are joined without making
// strings of them first.
func (v *VM) join(in *compile.Inst, x, y Value) {
	if x.tag() == tagLong || y.tag() == tagLong {
		r := v.concat(v.textValue(x), v.textValue(y))
		*v.reg(in.A) = r
		return
	}
	var buf [2*maxShort + 64]byte
	b := v.appendText(v.appendText(buf[:0], x), y)
	r := v.NewStringBytes(b)
	*v.reg(in.A) = r
}

// textOp is OpText for a value that may have a _tostring.
func (v *VM) textOp(in *compile.Inst) outcome {
	x := *v.reg(in.A)
	if m := v.metamethod(x, metaToString); m != Null {
		return v.callMeta(m, stageResult, x)
	}
	return next
}

// fitTexts makes sure that the text of in.C registers from in.B can fit the memory, and
// makes room for it where that is long.
func (v *VM) fitTexts(in *compile.Inst) {
	n := 0
	for i := range in.C {
		if x := *v.reg(in.B + i); x.tag() == tagLong {
			n += v.strLen(x)
		}
	}
	if n == 0 {
		return
	}
	v.mustFit(n / 8)
	if n += int(in.C) * maxNumber; n > cap(v.scratch) {
		v.scratch = make([]byte, 0, n)
	}
}

// texts appends the texts of in.C registers from in.B.
func (v *VM) texts(b []byte, in *compile.Inst) []byte {
	for i := range in.C {
		b = v.appendText(b, *v.reg(in.B + i))
	}
	return b
}

// joined returns the string b, which is on the scratch buffer.
func (v *VM) joined(b []byte) Value {
	v.keepScratch(b)
	v.tick -= int64(len(b) >> 4)
	if len(b) <= maxShort {
		return v.internBytes(b)
	}
	return v.NewStringBytes(b)
}

// maxScratch is the largest scratch buffer that is kept, in bytes.
const maxScratch = 1 << 12

func (v *VM) keepScratch(b []byte) {
	v.scratch = b[:0]
	if cap(b) > maxScratch {
		v.scratch = nil
	}
}

// extendOp is OpExtend. Values without metamethods are joined at once.
func (v *VM) extendOp(in *compile.Inst) outcome {
	x := *v.reg(in.A)
	v.fitTexts(in)
	switch {
	case x.tag() == tagLong:
		b := v.texts(v.scratch[:0], in)
		v.keepScratch(b)
		r := v.extend(x, b)
		*v.reg(in.A) = r
	case x.tag() <= tagBool || x.tag() == tagString:
		r := v.joined(v.texts(v.appendText(v.scratch[:0], x), in))
		*v.reg(in.A) = r
	default:
		y := v.joined(v.texts(v.scratch[:0], in))
		*v.reg(in.B) = y
		return v.concatOp(in, x, y)
	}
	return next
}

// concatGot ends a concatenation for which _tostring was called. A result that is not a
// string counts as none.
func (v *VM) concatGot(in *compile.Inst, stage int, s Value) outcome {
	x, y := *v.reg(in.B), *v.reg(in.C)
	switch in.Op {
	case compile.OpAddI:
		y = Int(in.D)
	case compile.OpExtend:
		x, y = *v.reg(in.A), *v.reg(in.B)
	}
	if stage == stageToString2 {
		if s.isString() {
			x = s
		}
	} else if s.isString() {
		y = s
	}
	v.join(in, x, y)
	return enter
}

// textValue returns x as a string, without metamethods.
func (v *VM) textValue(x Value) Value {
	if x.isString() {
		return x
	}
	var buf [64]byte
	return v.NewStringBytes(v.appendText(buf[:0], x))
}

// appendText appends the text of x, without metamethods.
func (v *VM) appendText(dst []byte, x Value) []byte {
	switch x.Type() {
	case TypeString:
		return append(dst, v.strBytes(x)...)
	case TypeInteger:
		return text.AppendInt(dst, x.AsInt())
	case TypeFloat:
		return text.AppendFloat(dst, x.AsFloat())
	case TypeBool:
		if x.AsBool() {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case TypeNull:
		return append(dst, "(null : 0x0)"...)
	}
	return fmt.Appendf(dst, "(%s : 0x%08x)", x.Type(), v.address(x))
}

// address returns the number that is shown as an object's address: eight times its
// serial, so that it is the same in every run. Native functions have the hash of their
// path.
func (v *VM) address(x Value) uint32 {
	if x.tag() == tagNative {
		return v.lib.natives[x.off()].hash
	}
	return headerSerial(*v.at(x.off())) << 3
}

// bitOp throws the error for invalid operands of & | ^ << >> >>>.
func (v *VM) bitOp(in *compile.Inst) outcome {
	y := TypeInteger
	if _, ok := literalOps[in.Op]; !ok {
		y = (*v.reg(in.C)).Type()
	}
	return v.throwf("bitwise op between '%s' and '%s'", (*v.reg(in.B)).Type(), y)
}

// negOp is unary minus on a value that is not a number.
func (v *VM) negOp(in *compile.Inst) outcome {
	x := *v.reg(in.B)
	if m := v.metamethod(x, metaUnm); m != Null {
		return v.callMeta(m, stageResult, x)
	}
	return v.throwf("attempt to negate a %s", x.Type())
}
