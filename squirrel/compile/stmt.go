package compile

import "github.com/tandem-iot/tandem/squirrel/syntax"

func (f *function) stmts(list []syntax.Stmt) {
	for _, s := range list {
		f.stmt(s)
	}
}

// body compiles a statement in a scope of its own.
func (f *function) body(s syntax.Stmt) { f.scoped(func() { f.stmt(s) }) }

func (f *function) stmt(s syntax.Stmt) {
	f.line = s.Pos().Line
	f.markStatement(s)
	mark := f.nreg
	switch s := s.(type) {
	case *syntax.Empty:
	case *syntax.Block:
		f.scoped(func() { f.stmts(s.List) })
	case *syntax.ExprStmt:
		f.effect(s.X)
	case *syntax.If:
		f.ifStmt(s)
	case *syntax.While:
		f.while(s)
	case *syntax.DoWhile:
		f.doWhile(s)
	case *syntax.For:
		f.forStmt(s)
	case *syntax.Foreach:
		f.foreach(s)
	case *syntax.Switch:
		f.switchStmt(s)
	case *syntax.Local:
		f.local(s)
		return // its registers stay
	case *syntax.FuncDecl:
		f.funcDecl(s)
	case *syntax.ClassDecl:
		f.classDecl(s)
	case *syntax.Return:
		f.returnStmt(s)
	case *syntax.Yield:
		if s.X == nil {
			f.emit(OpYield, 0, 0, 0, 0)
		} else {
			f.emit(OpYield, f.any(s.X), 1, 0, 0)
		}
	case *syntax.Throw:
		f.emit(OpThrow, f.any(s.X), 0, 0, 0)
	case *syntax.Try:
		f.try(s)
	case *syntax.Break:
		l := f.loops[len(f.loops)-1]
		l.breaks = append(l.breaks, f.emit(OpJump, 0, 0, 0, 0))
	case *syntax.Continue:
		f.continueStmt()
	case *syntax.Const:
		f.c.consts.scalar(s.Name, s.Val)
	case *syntax.Enum:
		members := map[string]syntax.Expr{}
		for _, m := range s.Members {
			members[m.Name] = m.Val
		}
		f.c.consts.enum(s.Name, members)
	}
	f.nreg = mark
}

func (f *function) continueStmt() {
	for i := len(f.loops) - 1; i >= 0; i-- {
		if l := f.loops[i]; !l.isSwitch {
			l.continues = append(l.continues, f.emit(OpJump, 0, 0, 0, 0))
			return
		}
	}
}

func (f *function) ifStmt(s *syntax.If) {
	no := f.jumpIf(s.C, false)
	f.body(s.Then)
	if s.Else == nil {
		f.patch(no...)
		return
	}
	end := f.emit(OpJump, 0, 0, 0, 0)
	f.patch(no...)
	f.body(s.Else)
	f.patch(end)
}

func (f *function) enterLoop(isSwitch bool) *loop {
	l := &loop{isSwitch: isSwitch}
	f.loops = append(f.loops, l)
	return l
}

func (f *function) leaveLoop() { f.loops = f.loops[:len(f.loops)-1] }

// again compiles the test of a small condition at the end of a loop too, so that each
// round takes one jump.
func (f *function) again(test, top int, c syntax.Expr) {
	if c == nil || !small(c, 16) {
		f.jumpTo(test)
		return
	}
	line := f.line
	f.line = f.proto.Lines[test]
	f.patchTo(top, f.jumpIf(c, true)...)
	f.line = line
}

// small reports whether e is cheap to compile twice: at most n nodes, none of
// them a function or a constructor.
func small(e syntax.Expr, n int) bool { return nodes(e, n) <= n }

func nodes(e syntax.Expr, limit int) int {
	switch e := e.(type) {
	case *syntax.Null, *syntax.Int, *syntax.Float, *syntax.Bool, *syntax.Str, *syntax.Name, *syntax.This, *syntax.Root:
		return 1
	case *syntax.Index:
		return 1 + nodes(e.X, limit) + nodes(e.Key, limit)
	case *syntax.Unary:
		return 1 + nodes(e.X, limit)
	case *syntax.Binary:
		return 1 + nodes(e.X, limit) + nodes(e.Y, limit)
	case *syntax.Call:
		n := 1 + nodes(e.Fun, limit)
		for _, a := range e.Args {
			n += nodes(a, limit)
		}
		return n
	}
	return limit + 1
}

func (f *function) while(s *syntax.While) {
	test := f.pc()
	exit := f.jumpIf(s.C, false)
	top := f.pc()
	l := f.enterLoop(false)
	f.body(s.Body)
	f.leaveLoop()
	f.patch(l.continues...)
	f.again(test, top, s.C)
	f.patch(exit...)
	f.patch(l.breaks...)
}

func (f *function) doWhile(s *syntax.DoWhile) {
	top := f.pc()
	l := f.enterLoop(false)
	f.body(s.Body)
	f.leaveLoop()
	f.patch(l.continues...)
	f.patchTo(top, f.jumpIf(s.C, true)...)
	f.patch(l.breaks...)
}

func (f *function) forStmt(s *syntax.For) {
	f.scoped(func() {
		if s.Init != nil {
			f.stmt(s.Init)
		}
		var exit []int
		test := f.pc()
		if s.C != nil {
			exit = f.jumpIf(s.C, false)
		}
		top := f.pc()
		l := f.enterLoop(false)
		f.body(s.Body)
		f.leaveLoop()
		f.patch(l.continues...)
		if s.Step != nil {
			mark := f.nreg
			f.effect(s.Step)
			f.nreg = mark
		}
		f.again(test, top, s.C)
		f.patch(exit...)
		f.patch(l.breaks...)
	})
}

// foreach keeps the container, an iteration state, the key and the value in four
// registers. A captured key or value has one cell for the whole loop.
func (f *function) foreach(s *syntax.Foreach) {
	f.scoped(func() {
		base := f.push()
		f.expr(s.X, base)
		state := f.push()
		key := f.push()
		val := f.push()
		f.emit(OpLoadNull, state, 0, 0, 0)
		keyCell := f.declareLoopVar(s.Key, key, declKey{s, 0})
		valCell := f.declareLoopVar(s.Val, val, declKey{s, 1})
		top := f.pc()
		exit := f.emit(OpForeach, base, 0, 0, 0)
		if keyCell != key {
			f.emit(OpSetCell, keyCell, key, 0, 0)
		}
		if valCell != val {
			f.emit(OpSetCell, valCell, val, 0, 0)
		}
		l := f.enterLoop(false)
		f.body(s.Body)
		f.leaveLoop()
		f.patchTo(top, l.continues...)
		f.jumpTo(top)
		f.patch(exit)
		f.patch(l.breaks...)
	})
}

func (f *function) declareLoopVar(name string, reg uint8, key declKey) uint8 {
	if !f.c.captured[key] {
		f.declare(name, reg, false)
		return reg
	}
	cell := f.push()
	f.emit(OpNewCell, cell, 0, 0, 0)
	f.declare(name, cell, true)
	return cell
}

func (f *function) switchStmt(s *syntax.Switch) {
	f.scoped(func() {
		x := f.any(s.X)
		l := f.enterLoop(true)
		var next []int
		fall := -1
		for _, c := range s.Cases {
			f.patch(next...)
			next = []int{f.jumpUnlessEqual(x, c.X)}
			if fall >= 0 {
				f.patch(fall)
			}
			f.scoped(func() { f.stmts(c.Body) })
			fall = f.emit(OpJump, 0, 0, 0, 0)
		}
		f.patch(next...)
		if fall >= 0 {
			f.patch(fall)
		}
		f.scoped(func() { f.stmts(s.Default) })
		f.leaveLoop()
		f.patch(l.breaks...)
	})
}

func (f *function) jumpUnlessEqual(x uint8, e syntax.Expr) int {
	mark := f.nreg
	defer func() { f.nreg = mark }()
	if i, ok := smallInt(e); ok {
		return f.emit(OpJumpEqI, 0, x, uint8(i), 0)
	}
	return f.emit(OpJumpEq, 0, x, f.any(e), 0)
}

func (f *function) local(s *syntax.Local) {
	for i := range s.Vars {
		v := &s.Vars[i]
		captured := f.c.captured[declKey{s, i}]
		reg := f.push()
		switch {
		case v.Init != nil:
			f.expr(v.Init, reg)
			if captured {
				f.emit(OpCellize, reg, 0, 0, 0)
			}
		case captured:
			f.emit(OpNewCell, reg, 0, 0, 0)
		default:
			f.emit(OpLoadNull, reg, 0, 0, 0)
		}
		f.nreg = int(reg) + 1
		f.declare(v.Name, reg, captured)
	}
}

// funcDecl makes a slot on this, or on the table at the path.
func (f *function) funcDecl(s *syntax.FuncDecl) {
	obj := uint8(0)
	if len(s.Path) > 1 {
		obj = f.push()
		from := uint8(0) // a local with that name does not count
		for _, name := range s.Path[:len(s.Path)-1] {
			f.emit(OpGetK, obj, from, 0, f.c.str(name))
			from = obj
		}
	}
	fun := f.push()
	f.expr(s.Fun, fun)
	f.emit(OpNewSlotK, obj, 0, fun, f.c.str(s.Path[len(s.Path)-1]))
}

func (f *function) classDecl(s *syntax.ClassDecl) {
	switch target := s.Target.(type) {
	case *syntax.Name:
		switch f.lookup(target.Name).kind {
		case inSlot:
		case isConst:
			f.c.fail(s.Class.Pos(), "invalid class name", plainFixed)
		case isEnum:
			f.c.fail(s.Class.Pos(), "expected '.'", plainEnum)
		default:
			f.c.fail(s.Class.Pos(), "cannot create a class in a local with the syntax(class <local>)")
		}
		class := f.push()
		f.expr(s.Class, class)
		f.emit(OpNewSlotK, 0, 0, class, f.c.str(target.Name))
	case *syntax.Index:
		if f.enumMember(target) != nil {
			f.c.fail(s.Class.Pos(), "invalid class name", plainFixed)
		}
		obj, key := f.any(target.X), f.any(target.Key)
		class := f.push()
		f.expr(s.Class, class)
		f.emit(OpNewSlot, obj, key, class, 0)
	}
}

func (f *function) returnStmt(s *syntax.Return) {
	if s.X == nil {
		f.emit(OpReturn, 0, 0, 0, 0)
		return
	}
	if call, ok := s.X.(*syntax.Call); ok && !f.main && f.tries == 0 && !f.proto.Generator {
		base := f.push()
		n := f.prepareCall(call, base)
		f.emit(OpTailCall, base, n, base, 0)
		f.emit(OpReturn, base, 1, 0, 0) // after a callee that is not a script function
		return
	}
	f.emit(OpReturn, f.any(s.X), 1, 0, 0)
}

func (f *function) try(s *syntax.Try) {
	from := f.pc()
	f.tries++
	f.body(s.Body)
	f.tries--
	to := f.pc()
	end := f.emit(OpJump, 0, 0, 0, 0)
	f.scoped(func() {
		reg := f.push()
		f.proto.Handlers = append(f.proto.Handlers, Handler{
			From: int32(from), To: int32(to), Target: int32(f.pc()), Reg: reg,
		})
		cell := f.c.captured[declKey{s, 0}]
		if cell {
			f.emit(OpCellize, reg, 0, 0, 0)
		}
		f.declare(s.Name, reg, cell)
		f.stmt(s.Catch)
	})
	f.patch(end)
}
