package compile

import (
	"sync/atomic"

	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// Reached is the hint of a mark that a machine has executed.
const Reached = 1

// markStatement emits a mark, if the options want marks, for a statement that does something.
func (f *function) markStatement(s syntax.Stmt) {
	if !f.c.mark {
		return
	}
	switch s.(type) {
	case *syntax.Empty, *syntax.Block, *syntax.Const, *syntax.Enum:
	default:
		f.emit(OpNop, 0, 0, 0, 0)
	}
}

// Marks calls fn for each statement of a program that was compiled with marks: where it begins,
// and whether any machine has executed it.
func (p *Program) Marks(fn func(file string, line int, reached bool)) {
	for _, f := range p.Protos {
		for i, in := range f.Code {
			if in.Op == OpNop {
				file, line := f.Place(f.Lines[i])
				fn(file, line, atomic.LoadUint32(&f.Cache[i]) == Reached)
			}
		}
	}
}

// Parent returns the number of the function in which another is written.
func (p *Program) Parent(proto uint32) uint32 {
	for i, f := range p.Protos {
		for _, in := range f.Code {
			if in.Op == OpClosure && uint32(in.D) == proto {
				return uint32(i)
			}
		}
	}
	return 0
}
