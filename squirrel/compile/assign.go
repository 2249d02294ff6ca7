package compile

import "github.com/tandem-iot/tandem/squirrel/syntax"

// assign compiles an assignment. Its value is stored in dst unless dst is -1.
func (f *function) assign(e *syntax.Assign, dst int) {
	if e.Loose {
		x := f.any(e.X)
		y := f.any(e.Y)
		if e.Op != syntax.OpNone {
			f.emit(binaryOps[e.Op], x, x, y, 0)
			y = x
		}
		f.keep(y, dst)
		return
	}
	switch x := e.X.(type) {
	case *syntax.This:
		f.assignName(e, &syntax.Name{At: x.At, Name: "this"}, dst)
	case *syntax.Name:
		f.assignName(e, x, dst)
	case *syntax.Index:
		f.assignIndex(e, x, dst)
	}
}

// keep moves a value to the register of an expression's value.
func (f *function) keep(reg uint8, dst int) {
	if dst >= 0 && dst != int(reg) {
		f.emit(OpMove, uint8(dst), reg, 0, 0)
	}
}

func (f *function) assignName(e *syntax.Assign, x *syntax.Name, dst int) {
	p := f.lookup(x.Name)
	if p.kind == isConst || p.kind == isEnum {
		f.c.fail(e.Pos(), "can't assign expression", plainFixed)
	}
	if p.kind == inRegister {
		if e.Op == syntax.OpNone {
			f.expr(e.Y, p.reg)
		} else {
			f.combine(e.Op, p.reg, f.operand(e))
		}
		f.keep(p.reg, dst)
		return
	}
	y := f.operand(e)
	val := y.reg
	if e.Op != syntax.OpNone {
		val = f.push()
		f.name(x, val)
		f.combine(e.Op, val, y)
	}
	f.setName(p, x.Name, val)
	f.keep(val, dst)
}

// setName stores a register in a name that is not a plain register.
func (f *function) setName(p place, name string, val uint8) {
	switch p.kind {
	case inCell:
		f.emit(OpSetCell, p.reg, val, 0, 0)
	case inOuter:
		f.emit(OpSetOuter, val, 0, 0, int32(p.outer))
	default:
		f.emit(OpSetK, 0, 0, val, f.c.str(name))
	}
}

// slot is an evaluated X.k or X[k].
type slot struct {
	obj, key uint8
	str      int32 // when named
	named    bool
}

func (f *function) slot(x *syntax.Index) slot {
	s := slot{obj: f.any(x.X)}
	if key, ok := x.Key.(*syntax.Str); ok {
		s.named, s.str = true, f.c.str(key.Val)
	} else {
		s.key = f.any(x.Key)
	}
	return s
}

func (f *function) getSlot(s slot, dst uint8) {
	if s.named {
		f.emit(OpGetK, dst, s.obj, 0, s.str)
	} else {
		f.emit(OpGet, dst, s.obj, s.key, 0)
	}
}

func (f *function) setSlot(s slot, val uint8) {
	if s.named {
		f.emit(OpSetK, s.obj, 0, val, s.str)
	} else {
		f.emit(OpSet, s.obj, s.key, val, 0)
	}
}

func (f *function) assignIndex(e *syntax.Assign, x *syntax.Index, dst int) {
	if f.enumMember(x) != nil {
		f.c.fail(e.Pos(), "can't assign expression", plainFixed)
	}
	s := f.slot(x)
	y := f.operand(e)
	val := y.reg
	if e.Op != syntax.OpNone {
		val = f.push()
		f.getSlot(s, val)
		f.combine(e.Op, val, y)
	}
	f.setSlot(s, val)
	f.keep(val, dst)
}

func (f *function) newSlot(e *syntax.NewSlot, dst int) {
	switch x := e.X.(type) {
	case *syntax.Name:
		switch f.lookup(x.Name).kind {
		case inSlot:
		case isConst, isEnum:
			f.c.fail(x.Pos(), "can't assign expression", plainFixed)
		default:
			f.c.fail(e.Pos(), "can't 'create' a local slot", plainLocal)
		}
		val := f.any(e.Y)
		f.emit(OpNewSlotK, 0, 0, val, f.c.str(x.Name))
		f.keep(val, dst)
	case *syntax.Index:
		if f.enumMember(x) != nil {
			f.c.fail(x.Pos(), "can't assign expression", plainFixed)
		}
		s := f.slot(x)
		val := f.any(e.Y)
		if s.named {
			f.emit(OpNewSlotK, s.obj, 0, val, s.str)
		} else {
			f.emit(OpNewSlot, s.obj, s.key, val, 0)
		}
		f.keep(val, dst)
	}
}

func (f *function) incDec(e *syntax.IncDec, dst int) {
	step := int32(1)
	if e.Dec {
		step = -1
	}
	switch x := e.X.(type) {
	case *syntax.This:
		f.incDecName(e, &syntax.Name{At: x.At, Name: "this"}, step, dst)
	case *syntax.Name:
		f.incDecName(e, x, step, dst)
	case *syntax.Index:
		if f.enumMember(x) != nil {
			f.c.fail(e.Pos(), "can't '++' or '--' an expression", plainFixed)
		}
		s := f.slot(x)
		old, val := f.push(), f.push()
		f.getSlot(s, old)
		f.emit(OpAddI, val, old, 0, step)
		f.setSlot(s, val)
		if e.Post {
			val = old
		}
		f.keep(val, dst)
	}
}

func (f *function) incDecName(e *syntax.IncDec, x *syntax.Name, step int32, dst int) {
	p := f.lookup(x.Name)
	switch p.kind {
	case isConst, isEnum:
		f.c.fail(e.Pos(), "can't '++' or '--' an expression", plainFixed)
	case inRegister:
		if e.Post {
			// `x = x++` keeps the old value: the move to x comes last.
			if dst == int(p.reg) {
				t := f.push()
				f.emit(OpMove, t, p.reg, 0, 0)
				f.emit(OpAddI, p.reg, p.reg, 0, step)
				f.emit(OpMove, p.reg, t, 0, 0)
				return
			}
			f.keep(p.reg, dst)
		}
		f.emit(OpAddI, p.reg, p.reg, 0, step)
		if !e.Post {
			f.keep(p.reg, dst)
		}
		return
	}
	old, val := f.push(), f.push()
	f.name(x, old)
	f.emit(OpAddI, val, old, 0, step)
	f.setName(p, x.Name, val)
	if e.Post {
		val = old
	}
	f.keep(val, dst)
}
