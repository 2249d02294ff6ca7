package compile

import "github.com/tandem-iot/tandem/squirrel/syntax"

// A chain of + in which a string literal comes first or second joins texts, and can be
// computed at once instead of pair by pair. Only a _tostring could see a difference, and
// OpText calls it where + would have.

// maxPieces limits the pieces that are joined at a time, each in a register.
const maxPieces = 8

// isText reports whether e is a string for all values of its variables.
func (c *compiler) isText(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Str:
		return true
	case *syntax.Binary:
		if e.Op != syntax.OpAdd {
			return false
		}
		// Every link of a chain is tested, so results are kept.
		text, known := c.texts[e]
		if !known {
			text = c.isText(e.X) || c.isText(e.Y)
			c.texts[e] = text
		}
		return text
	}
	return false
}

// flatten returns the pieces of a chain for which isText holds, or e alone.
func (c *compiler) flatten(e syntax.Expr) []syntax.Expr {
	var list []syntax.Expr // from the last to the first
	for {
		b, ok := e.(*syntax.Binary)
		if !ok || !c.isText(b) {
			break
		}
		if !c.isText(b.X) {
			// b.Y is the text, and if it is not a literal it may change variables that b.X reads.
			if _, ok := b.Y.(*syntax.Str); !ok {
				break
			}
		}
		list, e = append(list, b.Y), b.X
	}
	list = append(list, e)
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// pieces evaluates the pieces of a chain into adjacent registers.
func (f *function) pieces(list []syntax.Expr) (first, n uint8) {
	first = f.push()
	f.expr(list[0], first)
	n = 1
	for i, e := range list[1:] {
		if n == maxPieces {
			f.emit(OpConcat, first, first, n, 0)
			f.nreg, n = int(first)+1, 1
		}
		reg := f.push()
		f.expr(e, reg)
		if i == 0 {
			f.text(list[0], first)
		}
		f.text(e, reg)
		n++
	}
	return first, n
}

// text emits a call of _tostring unless e is known to have none.
func (f *function) text(e syntax.Expr, reg uint8) {
	switch e.(type) {
	case *syntax.Null, *syntax.Bool, *syntax.Int, *syntax.Float:
		return
	}
	if !f.c.isText(e) {
		f.emit(OpText, reg, 0, 0, 0)
	}
}

// operand is the right side of an assignment, in a register or in pieces.
type operand struct{ reg, n uint8 }

func (f *function) operand(e *syntax.Assign) operand {
	if e.Op == syntax.OpAdd {
		if list := f.c.flatten(e.Y); len(list) > 1 {
			first, n := f.pieces(list)
			return operand{first, n}
		}
	}
	return operand{reg: f.any(e.Y)}
}

// combine emits reg = reg op y.
func (f *function) combine(op syntax.Op, reg uint8, y operand) {
	if y.n > 0 {
		f.emit(OpExtend, reg, y.reg, y.n, 0)
		return
	}
	f.emit(binaryOps[op], reg, reg, y.reg, 0)
}
