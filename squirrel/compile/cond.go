package compile

import "github.com/tandem-iot/tandem/squirrel/syntax"

// smallInt returns an integer literal that fits an instruction's c.
func smallInt(e syntax.Expr) (int8, bool) {
	if e, ok := e.(*syntax.Int); ok {
		return int8(e.Val), e.Val >= -128 && e.Val <= 127
	}
	return 0, false
}

var jumpOps = map[syntax.Op]Op{
	syntax.OpEq: OpJumpEq, syntax.OpNe: OpJumpEq, syntax.OpLt: OpJumpLt, syntax.OpLe: OpJumpLe,
	syntax.OpGt: OpJumpGt, syntax.OpGe: OpJumpGe,
}

// jumpIf compiles e as a condition and returns the jumps that are taken when its truth is
// want.
func (f *function) jumpIf(e syntax.Expr, want bool) []int {
	mark := f.nreg
	defer func() { f.nreg = mark }()
	switch e := e.(type) {
	case *syntax.Unary:
		if e.Op == syntax.OpNot {
			return f.jumpIf(e.X, !want)
		}
	case *syntax.Binary:
		switch e.Op {
		case syntax.OpAnd:
			return f.shortCircuit(e, want, false)
		case syntax.OpOr:
			return f.shortCircuit(e, want, true)
		}
		if op, ok := jumpOps[e.Op]; ok {
			return []int{f.compareJump(e, op, want)}
		}
	}
	op := OpJumpF
	if want {
		op = OpJumpT
	}
	return []int{f.emit(op, f.any(e), 0, 0, 0)}
}

// shortCircuit is && (decides is false) or || (decides is true): the operator is decided
// when the truth of its first operand is decides.
func (f *function) shortCircuit(e *syntax.Binary, want, decides bool) []int {
	if want == decides {
		return append(f.jumpIf(e.X, want), f.jumpIf(e.Y, want)...)
	}
	skip := f.jumpIf(e.X, decides)
	jumps := f.jumpIf(e.Y, want)
	f.patch(skip...)
	return jumps
}

func (f *function) compareJump(e *syntax.Binary, op Op, want bool) int {
	if e.Op == syntax.OpNe {
		want = !want
	}
	x := f.any(e.X)
	if i, ok := smallInt(e.Y); ok {
		return f.emit(op-OpJumpEq+OpJumpEqI, bit(want), x, uint8(i), 0)
	}
	y := f.any(e.Y)
	return f.emit(op, bit(want), x, y, 0)
}
