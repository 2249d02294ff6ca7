package compile

import (
	"math"

	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// any returns a register that holds e: the variable's own register where e is a plain
// local, else a new temporary.
func (f *function) any(e syntax.Expr) uint8 {
	if reg, ok := f.inPlace(e); ok {
		return reg
	}
	reg := f.push()
	f.expr(e, reg)
	return reg
}

// anyIn is any, but computes into reg where reg is a temporary, so that chains of
// operators, indexes and calls do not take a register for each link.
func (f *function) anyIn(e syntax.Expr, reg uint8) uint8 {
	if reg, ok := f.inPlace(e); ok {
		return reg
	}
	if !f.isTemp(reg) {
		return f.any(e)
	}
	f.expr(e, reg)
	return reg
}

// inPlace compiles an expression that leaves its value in a plain local, and returns that
// local's register. The original does the same, with a visible effect: ++i + ++i adds the
// last value of i to itself.
func (f *function) inPlace(e syntax.Expr) (reg uint8, ok bool) {
	switch e := e.(type) {
	case *syntax.This:
		return 0, true
	case *syntax.Name:
		return f.plainLocal(e)
	case *syntax.Assign:
		if reg, ok = f.plainLocal(e.X); ok {
			f.assign(e, -1)
		}
	case *syntax.IncDec:
		if reg, ok = f.plainLocal(e.X); ok && !e.Post {
			f.incDec(e, -1)
		}
		ok = ok && !e.Post
	}
	return reg, ok
}

func (f *function) plainLocal(e syntax.Expr) (uint8, bool) {
	name, ok := e.(*syntax.Name)
	if !ok {
		return 0, false
	}
	p := f.lookup(name.Name)
	return p.reg, p.kind == inRegister
}

// effect compiles e for its effect; its value is not used.
func (f *function) effect(e syntax.Expr) {
	mark := f.nreg
	switch e := e.(type) {
	case *syntax.Assign:
		f.assign(e, -1)
	case *syntax.NewSlot:
		f.newSlot(e, -1)
	case *syntax.IncDec:
		f.incDec(e, -1)
	case *syntax.Comma:
		for _, x := range e.List {
			f.effect(x)
		}
	default:
		f.any(e)
	}
	f.nreg = mark
}

// isTemp reports whether reg is the newest temporary, so that code may write it before
// reading its operands.
func (f *function) isTemp(reg uint8) bool {
	if int(reg) != f.nreg-1 {
		return false
	}
	for i := range f.vars {
		if f.vars[i].reg == reg {
			return false
		}
	}
	return true
}

// viaTemp runs body with a register that may be written early, and moves the
// result to dst.
func (f *function) viaTemp(dst uint8, body func(reg uint8)) {
	if f.isTemp(dst) {
		body(dst)
		return
	}
	mark := f.nreg
	reg := f.push()
	body(reg)
	f.emit(OpMove, dst, reg, 0, 0)
	f.nreg = mark
}

// expr compiles e into register dst. It frees the registers that it takes.
func (f *function) expr(e syntax.Expr, dst uint8) {
	mark := f.nreg
	switch e := e.(type) {
	case *syntax.Null:
		f.emit(OpLoadNull, dst, 0, 0, 0)
	case *syntax.Int:
		f.emit(OpLoadInt, dst, 0, 0, e.Val)
	case *syntax.Float:
		f.emit(OpLoadFloat, dst, 0, 0, int32(math.Float32bits(e.Val)))
	case *syntax.Bool:
		f.emit(OpLoadBool, dst, bit(e.Val), 0, 0)
	case *syntax.Str:
		f.emit(OpLoadStr, dst, 0, 0, f.c.str(e.Val))
	case *syntax.Name:
		f.name(e, dst)
	case *syntax.This:
		f.emit(OpMove, dst, 0, 0, 0)
	case *syntax.Base:
		f.emit(OpGetBase, dst, 0, 0, 0)
	case *syntax.Root:
		f.emit(OpLoadRoot, dst, 0, 0, 0)
	case *syntax.Index:
		f.index(e, dst)
	case *syntax.Call:
		f.call(e, dst)
	case *syntax.Unary:
		f.unary(e, dst)
	case *syntax.Binary:
		f.binary(e, dst)
	case *syntax.Cond:
		f.viaTemp(dst, func(reg uint8) { f.cond(e, reg) })
	case *syntax.Assign:
		f.assign(e, int(dst))
	case *syntax.NewSlot:
		f.newSlot(e, int(dst))
	case *syntax.IncDec:
		f.incDec(e, int(dst))
	case *syntax.Comma:
		for _, x := range e.List[:len(e.List)-1] {
			f.effect(x)
		}
		f.expr(e.List[len(e.List)-1], dst)
	case *syntax.Array:
		f.viaTemp(dst, func(reg uint8) { f.array(e, reg) })
	case *syntax.Table:
		f.viaTemp(dst, func(reg uint8) { f.table(e, reg) })
	case *syntax.Func:
		f.closure(e, dst)
	case *syntax.Class:
		f.viaTemp(dst, func(reg uint8) { f.class(e, reg) })
	}
	f.nreg = mark
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func (f *function) name(e *syntax.Name, dst uint8) {
	switch p := f.lookup(e.Name); p.kind {
	case inRegister:
		f.emit(OpMove, dst, p.reg, 0, 0)
	case inCell:
		f.emit(OpGetCell, dst, p.reg, 0, 0)
	case inOuter:
		f.emit(OpGetOuter, dst, 0, 0, int32(p.outer))
	case isConst:
		f.expr(p.val, dst)
	case isEnum:
		f.c.fail(e.Pos(), "expected '.'", plainEnum)
	default:
		f.emit(OpGetK, dst, 0, 0, f.c.str(e.Name))
	}
}

func (f *function) index(e *syntax.Index, dst uint8) {
	if x := f.enumMember(e); x != nil {
		f.expr(x, dst)
		return
	}
	obj := f.anyIn(e.X, dst)
	if key, ok := e.Key.(*syntax.Str); ok {
		f.emit(OpGetK, dst, obj, 0, f.c.str(key.Val))
		return
	}
	f.emit(OpGet, dst, obj, f.any(e.Key), 0)
}

// prepareCall evaluates the callee into base, which is the newest temporary,
// and this and the arguments into the registers from base+FrameSize. It
// returns how many parameters there are, with this.
func (f *function) prepareCall(e *syntax.Call, base uint8) uint8 {
	f.callee(e.Fun, base)
	for range FrameSize {
		f.push()
	}
	for _, a := range e.Args {
		f.expr(a, f.push())
	}
	return uint8(1 + len(e.Args))
}

func (f *function) callee(fun syntax.Expr, base uint8) {
	mark := f.nreg
	defer func() { f.nreg = mark }()
	switch fun := fun.(type) {
	case *syntax.Index:
		if f.enumMember(fun) != nil {
			break
		}
		if _, ok := fun.X.(*syntax.Base); ok {
			break // this stays the current one
		}
		obj := f.anyIn(fun.X, base)
		if key, ok := fun.Key.(*syntax.Str); ok {
			f.emit(OpPrepCallK, base, obj, 0, f.c.str(key.Val))
			return
		}
		f.emit(OpPrepCall, base, obj, f.any(fun.Key), 0)
		return
	case *syntax.Name:
		if f.lookup(fun.Name).kind == inSlot {
			f.emit(OpPrepCallK, base, 0, 0, f.c.str(fun.Name))
			return
		}
	}
	f.expr(fun, base)
	f.emit(OpMove, base+FrameSize, 0, 0, 0)
}

func (f *function) call(e *syntax.Call, dst uint8) {
	base := dst
	if !f.isTemp(dst) {
		base = f.push()
	}
	n := f.prepareCall(e, base)
	f.emit(OpCall, base, n, dst, 0)
}

var unaryOps = map[syntax.Op]Op{
	syntax.OpNeg: OpNeg, syntax.OpNot: OpNot, syntax.OpBitNot: OpBitNot, syntax.OpTypeof: OpTypeof,
	syntax.OpResume: OpResume, syntax.OpClone: OpClone,
}

func (f *function) unary(e *syntax.Unary, dst uint8) {
	if e.Op == syntax.OpDelete {
		f.deleteSlot(e, dst)
		return
	}
	f.emit(unaryOps[e.Op], dst, f.anyIn(e.X, dst), 0, 0)
}

func (f *function) deleteSlot(e *syntax.Unary, dst uint8) {
	var obj, key uint8
	switch x := e.X.(type) {
	case *syntax.Name:
		switch f.lookup(x.Name).kind {
		case inSlot:
		case isConst, isEnum:
			f.c.fail(e.Pos(), "can't delete an expression", plainDelete)
		default:
			f.c.fail(e.Pos(), "cannot delete an (outer) local")
		}
		key = f.push()
		f.emit(OpLoadStr, key, 0, 0, f.c.str(x.Name))
	case *syntax.Index:
		if f.enumMember(x) != nil {
			f.c.fail(e.Pos(), "can't delete an expression", plainDelete)
		}
		obj = f.anyIn(x.X, dst)
		key = f.any(x.Key)
	}
	f.emit(OpDelete, dst, obj, key, 0)
}

var binaryOps = map[syntax.Op]Op{
	syntax.OpAdd: OpAdd, syntax.OpSub: OpSub, syntax.OpMul: OpMul, syntax.OpDiv: OpDiv, syntax.OpMod: OpMod,
	syntax.OpShl: OpShl, syntax.OpShr: OpShr, syntax.OpUshr: OpUshr,
	syntax.OpBitAnd: OpBitAnd, syntax.OpBitOr: OpBitOr, syntax.OpBitXor: OpBitXor,
	syntax.OpEq: OpEq, syntax.OpNe: OpNe, syntax.OpLt: OpLt, syntax.OpLe: OpLe, syntax.OpGt: OpGt,
	syntax.OpGe: OpGe, syntax.OpCmp: OpCmp, syntax.OpIn: OpIn, syntax.OpInstanceof: OpInstanceof,
}

// intOps are operators with an integer literal on the right.
var intOps = map[syntax.Op]Op{
	syntax.OpMul: OpMulI, syntax.OpDiv: OpDivI, syntax.OpMod: OpModI, syntax.OpBitAnd: OpBitAndI,
	syntax.OpShl: OpShlI, syntax.OpShr: OpShrI,
}

func (f *function) binary(e *syntax.Binary, dst uint8) {
	switch e.Op {
	case syntax.OpAnd, syntax.OpOr:
		f.viaTemp(dst, func(reg uint8) {
			f.expr(e.X, reg)
			op := OpJumpF
			if e.Op == syntax.OpOr {
				op = OpJumpT
			}
			end := f.emit(op, reg, 0, 0, 0)
			f.expr(e.Y, reg)
			f.patch(end)
		})
		return
	}
	if e.Op == syntax.OpAdd {
		if list := f.c.flatten(e); len(list) > 2 {
			first, n := f.pieces(list)
			f.emit(OpConcat, dst, first, n, 0)
			return
		}
	}
	x := f.anyIn(e.X, dst)
	if y, ok := e.Y.(*syntax.Int); ok && e.Op == syntax.OpAdd {
		f.emit(OpAddI, dst, x, 0, y.Val)
		return
	} else if ok && e.Op == syntax.OpSub && y.Val != 0 && y.Val != math.MinInt32 {
		// -0.0-0 is -0.0, and -MinInt32 is not an int32.
		f.emit(OpAddI, dst, x, 1, -y.Val)
		return
	}
	if y, ok := e.Y.(*syntax.Int); ok {
		if op, ok := intOps[e.Op]; ok && (y.Val > 0 || op != OpDivI && op != OpModI) {
			f.emit(op, dst, x, 0, y.Val)
			return
		}
	}
	y := f.any(e.Y)
	f.emit(binaryOps[e.Op], dst, x, y, 0)
}

func (f *function) cond(e *syntax.Cond, dst uint8) {
	no := f.jumpIf(e.C, false)
	f.expr(e.X, dst)
	end := f.emit(OpJump, 0, 0, 0, 0)
	f.patch(no...)
	f.expr(e.Y, dst)
	f.patch(end)
}

func (f *function) array(e *syntax.Array, dst uint8) {
	f.emit(OpNewArray, dst, 0, 0, int32(len(e.Elems)))
	for _, x := range e.Elems {
		mark := f.nreg
		f.emit(OpAppend, dst, f.any(x), 0, 0)
		f.nreg = mark
	}
}

func (f *function) table(e *syntax.Table, dst uint8) {
	f.emit(OpNewTable, dst, 0, 0, int32(len(e.Pairs)))
	for _, p := range e.Pairs {
		mark := f.nreg
		if key, ok := p.Key.(*syntax.Str); ok {
			f.emit(OpNewSlotK, dst, 0, f.any(p.Val), f.c.str(key.Val))
		} else {
			key := f.any(p.Key)
			f.emit(OpNewSlot, dst, key, f.any(p.Val), 0)
		}
		f.nreg = mark
	}
}

// closure compiles a function. Default values are evaluated here, once, into
// registers that the closure copies.
func (f *function) closure(e *syntax.Func, dst uint8) {
	mark := f.nreg
	first := uint8(f.nreg)
	defaults := 0
	for _, p := range e.Params {
		if p.Default != nil {
			f.expr(p.Default, f.push())
			defaults++
		}
	}
	number := int32(len(f.c.prog.Protos))
	g := f.c.newFunction(f, e.Name, e.Pos().Line)
	if e.Lambda {
		g.line = e.End.Line
	}
	g.proto.Defaults = defaults
	g.proto.Varargs = e.Varargs
	g.proto.Generator = e.Generator
	// The parameters' registers come first: cells are made by code, which runs when all
	// parameters are in place.
	g.push()
	g.declare("this", 0, false)
	g.proto.Params = []string{"this"}
	for i, p := range e.Params {
		g.declareParam(p.Name, declKey{e, i})
		g.proto.Params = append(g.proto.Params, p.Name)
	}
	if e.Varargs {
		g.declareParam("vargv", declKey{e, len(e.Params)})
	}
	g.stmts(e.Body)
	g.finish(e.End.Line)
	f.emit(OpClosure, dst, first, 0, number)
	f.nreg = mark
}

func (f *function) class(e *syntax.Class, dst uint8) {
	mark := f.nreg
	base, attrs := uint8(255), uint8(255)
	if e.Extends != nil {
		base = f.any(e.Extends)
	}
	if e.Attrs != nil {
		attrs = f.push()
		f.expr(e.Attrs, attrs)
	}
	f.emit(OpNewClass, dst, base, attrs, 0)
	f.nreg = mark
	for _, m := range e.Members {
		key, val := f.push(), f.push()
		flags := int32(bit(m.Static))
		if m.Attrs != nil {
			f.expr(m.Attrs, f.push())
			flags |= 2
		}
		f.expr(m.Key, key)
		f.expr(m.Val, val)
		f.emit(OpNewMember, dst, key, val, flags)
		f.nreg = mark
	}
}
