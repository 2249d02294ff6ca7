package compile

import (
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

const maxRegister = 250

// compiler holds the state shared by all functions of a script.
type compiler struct {
	prog         *Program
	source       *syntax.File
	strings      map[string]int32
	consts       *Constants
	captured     map[declKey]bool
	lastIsResult bool
	mark         bool
	texts        map[*syntax.Binary]bool // see isText
}

// function is the state of one function under compilation.
type function struct {
	c      *compiler
	parent *function
	proto  *Proto
	vars   []variable
	nreg   int // first free register
	loops  []*loop
	tries  int // try bodies around the current statement
	main   bool
	line   int32
}

// variable is a local in scope.
type variable struct {
	name  string
	reg   uint8
	cell  bool
	local int // index into proto.Locals
}

// loop collects the jumps out of a loop or switch.
type loop struct {
	breaks, continues []int
	isSwitch          bool
}

// failure unwinds to Compile.
type failure struct{ err *syntax.Error }

// fail reports an error in the original's words and, where these do not say what is wrong
// here, in plain ones.
func (c *compiler) fail(p syntax.Pos, msg string, plain ...string) {
	panic(failure{c.source.Fail(p, msg, plain...)})
}

// Plain words for names that stand for something else than a variable or a slot.
const (
	plainFixed  = "a constant cannot be changed"
	plainEnum   = "an enum is used by its members: write a '.' and the name of one"
	plainLocal  = "<- makes a slot of a table; this is a local variable, which is set by ="
	plainDelete = "a constant cannot be deleted"
)

// file compiles the whole script.
func (c *compiler) file(file *syntax.File) (err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = f.err
		}
	}()
	f := c.newFunction(nil, "main", 1)
	f.main = true
	f.proto.Varargs, f.proto.Generator = true, file.Generator
	f.declareParam("this", declKey{})
	f.declareParam("vargv", declKey{file, 0})
	f.proto.Params = []string{"this"}
	body := file.Body
	var last *syntax.ExprStmt
	if n := len(body); c.lastIsResult && n > 0 {
		if x, ok := body[n-1].(*syntax.ExprStmt); ok {
			last, body = x, body[:n-1]
		}
	}
	f.stmts(body)
	if last != nil {
		f.line = last.Pos().Line
		f.emit(OpReturn, f.any(last.X), 1, 0, 0)
	}
	f.finish(file.End.Line)
	return nil
}

// predefine adds the constants of the options.
func (c *compiler) predefine(opts Options) {
	for name, val := range opts.Consts {
		c.consts.scalar(name, literal(val))
	}
	for name, members := range opts.Enums {
		enum := map[string]syntax.Expr{}
		for k, val := range members {
			enum[k] = literal(val)
		}
		c.consts.enum(name, enum)
	}
}

func literal(val any) syntax.Expr {
	switch val := val.(type) {
	case int:
		return &syntax.Int{Val: int32(val)}
	case int32:
		return &syntax.Int{Val: val}
	case float64:
		return &syntax.Float{Val: float32(val)}
	case string:
		return &syntax.Str{Val: val}
	case bool:
		return &syntax.Bool{Val: val}
	}
	panic("compile: a constant is int, int32, float64, string or bool")
}

// str returns the number of a string of the program.
func (c *compiler) str(s string) int32 {
	n, ok := c.strings[s]
	if !ok {
		n = int32(len(c.prog.Strings))
		c.strings[s] = n
		c.prog.Strings = append(c.prog.Strings, s)
	}
	return n
}

func (c *compiler) newFunction(parent *function, name string, line int32) *function {
	p := &Proto{Name: name, Source: c.prog.Name, Line: line, Places: c.source.Places}
	c.prog.Protos = append(c.prog.Protos, p)
	return &function{c: c, parent: parent, proto: p, line: line}
}

// finish ends a function's code.
func (f *function) finish(line int32) {
	f.line = line
	f.emit(OpReturn, 0, 0, 0, 0)
	f.closeScope(0, f.nreg)
	// A pointer past the last instruction must still point into the object.
	f.proto.Code = append(f.proto.Code, Inst{})[:len(f.proto.Code)]
	f.proto.Cache = make([]uint32, len(f.proto.Code))
	f.proto.MaxStack += FrameSize
	f.proto.Fixed = len(f.proto.Params)
	if f.proto.Varargs || f.proto.Generator {
		f.proto.Fixed = -1
	}
}

func (f *function) pc() int { return len(f.proto.Code) }

func (f *function) emit(op Op, a, b, c uint8, d int32) int {
	f.proto.Code = append(f.proto.Code, Inst{op, a, b, c, d})
	f.proto.Lines = append(f.proto.Lines, f.line)
	return len(f.proto.Code) - 1
}

// patch makes the jumps land on the next instruction.
func (f *function) patch(jumps ...int) { f.patchTo(f.pc(), jumps...) }

func (f *function) patchTo(target int, jumps ...int) {
	for _, j := range jumps {
		f.proto.Code[j].D = int32(target - j - 1)
	}
}

func (f *function) jumpTo(target int) { f.patchTo(target, f.emit(OpJump, 0, 0, 0, 0)) }

// push takes the next free register.
func (f *function) push() uint8 {
	if f.nreg >= maxRegister {
		at := syntax.Pos{Line: f.line, Col: 1, At: f.c.source.LineStart(f.line)}
		f.c.fail(at, "internal compiler error: too many locals")
	}
	f.nreg++
	f.proto.MaxStack = max(f.proto.MaxStack, f.nreg)
	return uint8(f.nreg - 1)
}

// declare adds a variable in register reg to the scope.
func (f *function) declare(name string, reg uint8, cell bool) {
	f.proto.Locals = append(f.proto.Locals, Local{Name: name, Reg: reg, Cell: cell, From: int32(f.pc()), To: -1})
	f.vars = append(f.vars, variable{name, reg, cell, len(f.proto.Locals) - 1})
}

// declareParam takes a register for a parameter, with a cell if it is captured.
func (f *function) declareParam(name string, key declKey) {
	reg := f.push()
	cell := key.node != nil && f.c.captured[key]
	if cell {
		f.emit(OpCellize, reg, 0, 0, 0)
	}
	f.declare(name, reg, cell)
}

// closeScope drops the variables from number vars on, and frees registers.
func (f *function) closeScope(vars, reg int) {
	for _, v := range f.vars[vars:] {
		f.proto.Locals[v.local].To = int32(f.pc())
	}
	f.vars, f.nreg = f.vars[:vars], reg
}

func (f *function) scoped(body func()) {
	vars, reg := len(f.vars), f.nreg
	body()
	f.closeScope(vars, reg)
}

func (f *function) find(name string) *variable {
	for i := len(f.vars) - 1; i >= 0; i-- {
		if f.vars[i].name == name {
			return &f.vars[i]
		}
	}
	return nil
}

// outer returns the number of a captured variable, or -1.
func (f *function) outer(name string) int {
	if f.parent == nil || name == "this" {
		return -1
	}
	for i, o := range f.proto.Outers {
		if o.Name == name {
			return i
		}
	}
	o := Outer{Name: name}
	if v := f.parent.find(name); v != nil {
		o.Local, o.Index = true, int(v.reg)
	} else if o.Index = f.parent.outer(name); o.Index < 0 {
		return -1
	}
	f.proto.Outers = append(f.proto.Outers, o)
	return len(f.proto.Outers) - 1
}

// place is the place of a name.
type place struct {
	kind  placeKind
	reg   uint8
	outer int
	val   syntax.Expr // of a constant
}

type placeKind uint8

const (
	inSlot placeKind = iota // of this, or of the root table
	inRegister
	inCell
	inOuter
	isConst
	isEnum
)

// lookup resolves a name: a local, captured local, constant or slot.
func (f *function) lookup(name string) place {
	if v := f.find(name); v != nil {
		if v.cell {
			return place{kind: inCell, reg: v.reg}
		}
		return place{kind: inRegister, reg: v.reg}
	}
	if i := f.outer(name); i >= 0 {
		return place{kind: inOuter, outer: i}
	}
	if x, ok := f.c.consts.scalars[name]; ok {
		return place{kind: isConst, val: x}
	}
	if _, ok := f.c.consts.enums[name]; ok {
		return place{kind: isEnum}
	}
	return place{}
}

// enumMember resolves E.x, or returns nil when e is not an enum member.
func (f *function) enumMember(e *syntax.Index) syntax.Expr {
	name, ok := e.X.(*syntax.Name)
	if !ok || !e.Dot || f.lookup(name.Name).kind != isEnum {
		return nil
	}
	key := e.Key.(*syntax.Str).Val
	x, ok := f.c.consts.enums[name.Name][key]
	if !ok {
		f.c.fail(e.Pos(), "invalid constant ["+name.Name+"."+key+"]")
	}
	return x
}
