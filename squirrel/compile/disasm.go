package compile

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// shapes describes the fields of each operation's instructions: in the order in which they
// are shown, a field (a, b, c or d) and its kind.
//
//	r register                     x register, or none when 255
//	f register of a callee, with   q first of four registers
//	  this FrameSize further on    n number
//	k string                       s signed number in a byte
//	o captured variable            z float
//	p function                     y whether
//	j jump                         w first of c registers
var shapes = [OpCount]string{
	OpNop: "", OpLoadNull: "ar", OpLoadInt: "ar dn", OpLoadFloat: "ar dz", OpLoadBool: "ar by", OpLoadStr: "ar dk",
	OpLoadRoot: "ar", OpMove: "ar br", OpNewCell: "ar", OpCellize: "ar", OpGetCell: "ar br", OpSetCell: "ar br",
	OpGetOuter: "ar do", OpSetOuter: "do ar",
	OpGetK: "ar br dk", OpSetK: "ar dk cr", OpNewSlotK: "ar dk cr", OpGet: "ar br cr", OpSet: "ar br cr",
	OpNewSlot: "ar br cr", OpDelete: "ar br cr",
	OpPrepCallK: "af br dk", OpPrepCall: "af br cr", OpCall: "cr af bn", OpTailCall: "cr af bn", OpReturn: "ar by",
	OpAdd: "ar br cr", OpSub: "ar br cr", OpMul: "ar br cr", OpDiv: "ar br cr", OpMod: "ar br cr", OpAddI: "ar br dn cy",
	OpMulI: "ar br dn", OpDivI: "ar br dn", OpModI: "ar br dn", OpBitAndI: "ar br dn",
	OpShlI: "ar br dn", OpShrI: "ar br dn",
	OpText: "ar", OpConcat: "ar bw cn", OpExtend: "ar bw cn",
	OpBitAnd: "ar br cr", OpBitOr: "ar br cr", OpBitXor: "ar br cr", OpShl: "ar br cr", OpShr: "ar br cr",
	OpUshr: "ar br cr", OpNeg: "ar br", OpNot: "ar br", OpBitNot: "ar br",
	OpEq: "ar br cr", OpNe: "ar br cr", OpLt: "ar br cr", OpLe: "ar br cr", OpGt: "ar br cr",
	OpGe: "ar br cr", OpCmp: "ar br cr",
	OpJump: "dj", OpJumpT: "ar dj", OpJumpF: "ar dj",
	OpJumpEq: "br cr ay dj", OpJumpLt: "br cr ay dj", OpJumpLe: "br cr ay dj",
	OpJumpGt: "br cr ay dj", OpJumpGe: "br cr ay dj",
	OpJumpEqI: "br cs ay dj", OpJumpLtI: "br cs ay dj", OpJumpLeI: "br cs ay dj",
	OpJumpGtI: "br cs ay dj", OpJumpGeI: "br cs ay dj",
	OpIn: "ar br cr", OpInstanceof: "ar br cr", OpTypeof: "ar br", OpClone: "ar br", OpResume: "ar br",
	OpYield: "ar by", OpThrow: "ar", OpNewTable: "ar dn", OpNewArray: "ar dn", OpAppend: "ar br",
	OpClosure: "ar br dp", OpNewClass: "ar bx cx", OpNewMember: "ar br cr dn", OpGetBase: "ar", OpForeach: "aq dj",
}

// Disassemble writes the code of a program as text: a line for each instruction, with its
// number and, where it changes, its source line.
func Disassemble(w io.Writer, p *Program) error {
	var b strings.Builder
	for i, f := range p.Protos {
		if i > 0 {
			b.WriteByte('\n')
		}
		p.header(&b, i, f)
		line := int32(-1)
		for pc, in := range f.Code {
			mark := ""
			if f.Lines[pc] != line {
				line = f.Lines[pc]
				mark = fmt.Sprint("line ", line)
			}
			text := strings.TrimRight(fmt.Sprintf("%4d  %-10s %s", pc, in.Op, p.operands(f, pc, in)), " ")
			if mark != "" {
				text = fmt.Sprintf("%-48s ; %s", text, mark)
			}
			b.WriteString(text + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *Program) header(b *strings.Builder, i int, f *Proto) {
	name := f.Name
	if name == "" {
		name = "(anonymous)"
	}
	fmt.Fprintf(b, "function %d %s(%s)", i, name, strings.Join(f.Params, ", "))
	if f.Defaults > 0 {
		fmt.Fprintf(b, " defaults %d", f.Defaults)
	}
	if f.Varargs {
		b.WriteString(" varargs")
	}
	if f.Generator {
		b.WriteString(" generator")
	}
	fmt.Fprintf(b, " stack %d\n", f.MaxStack)
	for j, o := range f.Outers {
		from := "outer"
		if o.Local {
			from = "register"
		}
		fmt.Fprintf(b, "  outer %d %s from %s %d\n", j, o.Name, from, o.Index)
	}
	for _, l := range f.Locals {
		cell := ""
		if l.Cell {
			cell = " in a cell"
		}
		if l.Name != "this" && l.Name != "" {
			fmt.Fprintf(b, "  local %s r%d%s [%d, %d)\n", l.Name, l.Reg, cell, l.From, l.To)
		}
	}
	for _, h := range f.Handlers {
		fmt.Fprintf(b, "  catch r%d [%d, %d) -> %d\n", h.Reg, h.From, h.To, h.Target)
	}
}

func (p *Program) operands(f *Proto, pc int, in Inst) string {
	var list []string
	for _, field := range strings.Fields(shapes[in.Op]) {
		list = append(list, p.operand(f, pc, field[1], in.field(field[0])))
	}
	return strings.Join(list, " ")
}

// field returns the field a, b, c or d.
func (in Inst) field(name byte) int32 {
	switch name {
	case 'a':
		return int32(in.A)
	case 'b':
		return int32(in.B)
	case 'c':
		return int32(in.C)
	}
	return in.D
}

func (p *Program) operand(f *Proto, pc int, kind byte, x int32) string {
	switch kind {
	case 'r', 'f', 'q', 'w':
		return fmt.Sprintf("r%d", x)
	case 'x':
		if x == 255 {
			return "-"
		}
		return fmt.Sprintf("r%d", x)
	case 'k':
		return fmt.Sprintf("%q", p.Strings[x])
	case 'o':
		return f.Outers[x].Name
	case 'p':
		return fmt.Sprintf("function %d", x)
	case 'j':
		return fmt.Sprintf("-> %d", pc+1+int(x))
	case 's':
		return fmt.Sprint(int8(x))
	case 'z':
		return fmt.Sprint(math.Float32frombits(uint32(x)))
	case 'y':
		return fmt.Sprint(x != 0)
	}
	return fmt.Sprint(x)
}
