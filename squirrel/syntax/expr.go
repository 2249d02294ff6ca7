package syntax

func (p *parser) commaExpr() Expr {
	at := At{p.pos()}
	x := p.expression()
	if p.tok != ',' {
		return x
	}
	list := []Expr{x}
	h := p.height
	for p.accept(',') {
		list = append(list, p.expression())
		h = max(h, p.height)
	}
	p.taller(h + 1)
	return &Comma{at, list}
}

var assignOps = map[token]Op{
	'=': OpNone, tokPlusEq: OpAdd, tokMinusEq: OpSub, tokMulEq: OpMul, tokDivEq: OpDiv, tokModEq: OpMod,
}

func (p *parser) expression() Expr {
	p.enter()
	defer p.leave()
	outside := p.lvalue
	begin := p.begin
	x := p.binary(1)
	op, assigns := assignOps[p.tok]
	switch {
	case assigns:
		x = p.assign(begin, x, op)
	case p.tok == tokNewSlot:
		x = p.newSlot(begin, x)
	case p.tok == '?':
		x = p.conditional(x)
	}
	p.lvalue = outside
	return x
}

// assign reads the rest of an assignment to x, which begins at an index.
func (p *parser) assign(begin int, x Expr, op Op) Expr {
	if !p.lvalue {
		p.failFrom(begin, "can't assign expression")
	}
	a := &Assign{At: At{p.posFrom(begin)}, Op: op, X: x, Loose: !assignable(x)}
	h := p.height
	p.scan()
	a.Y = p.expression()
	p.taller(max(h, p.height) + 1)
	return a
}

func (p *parser) newSlot(begin int, x Expr) Expr {
	if !p.lvalue {
		p.failFrom(begin, "can't assign expression")
	}
	h := p.height
	p.scan()
	y := p.expression()
	if _, ok := x.(*This); ok || !assignable(x) {
		p.failFrom(begin, "can't 'create' a local slot")
	}
	p.taller(max(h, p.height) + 1)
	return &NewSlot{At{p.posFrom(begin)}, x, y}
}

func (p *parser) conditional(x Expr) Expr {
	c := &Cond{At: At{p.pos()}, C: x}
	h := p.height
	p.scan()
	c.X = p.expression()
	h = max(h, p.height)
	p.expect(':')
	c.Y = p.expression()
	p.taller(max(h, p.height) + 1)
	return c
}

// assignable reports whether an assignment can have x on its left.
func assignable(x Expr) bool {
	switch x.(type) {
	case *Name, *Index, *This:
		return true
	}
	return false
}

// binaryOps are the operators of two operands; a greater prec binds tighter. All
// associate to the left; for || and && this makes no difference to the right.
var binaryOps = map[token]struct {
	op   Op
	prec int
}{
	tokOr:  {OpOr, 1},
	tokAnd: {OpAnd, 2},
	tokIn:  {OpIn, 3}, tokInstanceof: {OpInstanceof, 3},
	'|':   {OpBitOr, 4},
	'^':   {OpBitXor, 5},
	'&':   {OpBitAnd, 6},
	tokEq: {OpEq, 7}, tokNe: {OpNe, 7}, tokCmp: {OpCmp, 7},
	'<': {OpLt, 8}, tokLe: {OpLe, 8}, '>': {OpGt, 8}, tokGe: {OpGe, 8},
	tokShl: {OpShl, 9}, tokShr: {OpShr, 9}, tokUshr: {OpUshr, 9},
	'+': {OpAdd, 10}, '-': {OpSub, 10},
	'*': {OpMul, 11}, '/': {OpDiv, 11}, '%': {OpMod, 11},
}

// binary reads operands joined by operators of at least a precedence.
func (p *parser) binary(prec int) Expr {
	x := p.operand()
	for {
		o, ok := binaryOps[p.tok]
		if !ok || o.prec < prec {
			return x
		}
		at := At{p.pos()}
		h := p.height
		p.scan()
		y := p.binary(o.prec + 1)
		p.taller(max(h, p.height) + 1)
		x = &Binary{at, o.op, x, y}
	}
}

// operand reads a primary expression, or an operator and its operand, and the indexes
// and calls that follow.
func (p *parser) operand() Expr {
	p.enter()
	defer p.leave()
	begin := p.begin
	x := p.primary()
	for {
		switch p.tok {
		case '.':
			p.scan()
			key := p.strKey()
			p.ident()
			x = p.index(begin, x, key, true)
		case '[':
			if p.prev == '\n' {
				p.fail("cannot brake deref/or comma needed after [exp]=exp slot declaration")
			}
			h := p.height
			p.scan()
			key := p.expression()
			p.expect(']')
			p.height = max(h, p.height)
			x = p.index(begin, x, key, false)
		case tokPlusPlus, tokMinusMinus:
			if p.atEnd() {
				return x
			}
			dec := p.tok == tokMinusMinus
			p.scan()
			return p.incDec(begin, x, dec, true)
		case '(':
			x = p.call(x)
		default:
			return x
		}
	}
}

// index makes an Index. A member of base cannot be assigned to.
func (p *parser) index(begin int, x, key Expr, dot bool) Expr {
	_, base := x.(*Base)
	p.lvalue = !base
	p.taller(p.height + 1)
	return &Index{At{p.posFrom(begin)}, x, key, dot}
}

func (p *parser) call(fun Expr) Expr {
	c := &Call{At: At{p.pos()}, Fun: fun}
	h := p.height
	p.lvalue = false
	p.scan()
	for p.tok != ')' {
		c.Args = append(c.Args, p.expression())
		h = max(h, p.height)
		if p.accept(',') && p.tok == ')' {
			p.fail("expression expected, found ')'")
		}
	}
	c.Rparen = p.pos()
	p.scan()
	p.taller(h + 1)
	return c
}

func (p *parser) incDec(begin int, x Expr, dec, post bool) Expr {
	if !p.lvalue || !assignable(x) {
		p.failFrom(begin, "can't '++' or '--' an expression")
	}
	p.taller(p.height + 1)
	return &IncDec{At{p.posFrom(begin)}, x, dec, post}
}

var unaryOps = map[token]Op{
	'-': OpNeg, '!': OpNot, '~': OpBitNot, tokTypeof: OpTypeof, tokResume: OpResume, tokClone: OpClone,
}

func (p *parser) primary() Expr {
	p.lvalue = false
	p.taller(1)
	at := At{p.pos()}
	switch p.tok {
	case tokIdent, tokConstructor:
		name := p.str
		p.scan()
		p.lvalue = true
		return &Name{At{p.posFrom(int(at.P.At))}, name}
	case tokThis:
		p.scan()
		p.lvalue = true
		return &This{at}
	case tokRoot:
		p.tok = '.' // a name must follow, as after a point
		return &Root{at}
	case tokFunction:
		p.scan()
		return p.function(at.P, "", false)
	case '@':
		p.scan()
		return p.function(at.P, "", true)
	case tokClass:
		p.scan()
		return p.class(at.P, "")
	case '[':
		return p.array()
	case '{':
		p.scan()
		return p.table(at.P, '}')
	case '(':
		p.scan()
		x := p.commaExpr()
		p.expect(')')
		return x
	case '-', '!', '~', tokTypeof, tokResume, tokClone:
		return p.unary()
	case tokPlusPlus, tokMinusMinus:
		dec := p.tok == tokMinusMinus
		p.scan()
		x := p.incDec(int(at.P.At), p.operand(), dec, false)
		p.lvalue = false
		return x
	case tokDelete:
		return p.deleteExpr()
	}
	return p.literal()
}

func (p *parser) literal() Expr {
	at := At{p.pos()}
	var x Expr
	switch p.tok {
	case tokInt, tokFloat:
		return p.numeral(false)
	case tokString:
		x = p.strKey()
	case tokNull:
		x = &Null{at}
	case tokTrue, tokFalse:
		x = &Bool{at, p.tok == tokTrue}
	case tokBase:
		x = &Base{at}
	default:
		p.fail("expression expected")
	}
	p.scan()
	return x
}

// unary folds a sign into a number: -1 is a literal, so -1 .f() calls f of it.
func (p *parser) unary() Expr {
	at := At{p.pos()}
	op := unaryOps[p.tok]
	p.scan()
	switch {
	case op == OpNeg && (p.tok == tokInt || p.tok == tokFloat):
		return p.numeral(true)
	case op == OpBitNot && p.tok == tokInt:
		x := &Int{At{p.pos()}, ^p.int}
		p.scan()
		return x
	}
	x := p.operand()
	p.taller(p.height + 1)
	return &Unary{at, op, x}
}

func (p *parser) deleteExpr() Expr {
	begin := p.begin
	p.scan()
	x := p.operand()
	if _, ok := x.(*This); ok {
		p.failFrom(begin, "cannot delete an (outer) local")
	}
	if !p.lvalue || !assignable(x) {
		p.failFrom(begin, "can't delete an expression")
	}
	p.lvalue = false
	p.taller(p.height + 1)
	return &Unary{At{p.posFrom(begin)}, OpDelete, x}
}

func (p *parser) array() Expr {
	a := &Array{At: At{p.pos()}}
	h := 0
	p.scan()
	for p.tok != ']' {
		a.Elems = append(a.Elems, p.expression())
		h = max(h, p.height)
		p.accept(',')
	}
	p.scan()
	p.taller(h + 1)
	return a
}
