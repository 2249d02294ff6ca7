package syntax

// Limits that bound the stacks of the parser and of programs that walk a tree.
const (
	MaxNesting = 1000  // nested statements, operands and brackets
	MaxDepth   = 10000 // levels of an expression, long chains of operators included
)

// parser reads one token ahead. Its methods are named after what they read.
type parser struct {
	scanner
	nesting int
	fn      *funcState

	// lvalue reports that the last operand read can be assigned to, if its
	// name does not turn out to be a constant.
	lvalue bool

	// height is the depth of the tree that was read last, tallest the greatest
	// of those read since it was reset.
	height, tallest int
}

// funcState is the parser's state of the function that it is in.
type funcState struct {
	generator         bool
	breaks, continues int // surrounding constructs that break and continue can leave
}

// Parse reads a script; name is what error messages and traces call it. The
// error is an *Error.
func Parse(name string, src []byte) (file *File, err error) {
	p := parser{scanner: newScanner(name, src), fn: &funcState{}}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *Error:
			file, err = nil, p.places.place(e, p.src)
		default:
			panic(e)
		}
	}()
	p.scan()
	file = &File{Name: name, Text: p.src}
	for p.tok != tokEOF {
		file.Body = append(file.Body, p.terminated())
	}
	file.Generator, file.End = p.fn.generator, p.pos()
	file.Places, file.Requires = p.places, p.requires
	return file, nil
}

func (p *parser) enter() {
	if p.nesting++; p.nesting > MaxNesting {
		p.fail("nested too deeply")
	}
}

func (p *parser) leave() { p.nesting-- }

// taller records that the tree read last has grown to height h.
func (p *parser) taller(h int) {
	if h > MaxDepth {
		p.fail("expression too long")
	}
	p.height, p.tallest = h, max(p.tallest, h)
}

// tallestOf returns the height of the tallest tree that read reads.
func (p *parser) tallestOf(read func()) int {
	before := p.tallest
	p.tallest = 0
	read()
	h := p.tallest
	p.tallest = max(before, h)
	return h
}

// expect reads a token of a kind; constructor passes for an identifier.
func (p *parser) expect(tok token) {
	if p.tok != tok && (tok != tokIdent || p.tok != tokConstructor) {
		p.fail("expected '" + tok.String() + "'")
	}
	p.scan()
}

func (p *parser) ident() string {
	name := p.str
	p.expect(tokIdent)
	return name
}

// accept reads a token if it is the next.
func (p *parser) accept(tok token) bool {
	if p.tok != tok {
		return false
	}
	p.scan()
	return true
}

func (p *parser) atEnd() bool {
	return p.prev == '\n' || p.tok == tokEOF || p.tok == '}' || p.tok == ';'
}

func (p *parser) terminator() {
	if !p.accept(';') && !p.atEnd() {
		p.fail("end of statement expected (; or lf)")
	}
}

// terminated reads a statement and its end.
func (p *parser) terminated() Stmt {
	s := p.statement()
	if p.prev != '}' && p.prev != ';' {
		p.terminator()
	}
	return s
}

func (p *parser) statements() []Stmt {
	var list []Stmt
	for p.tok != '}' && p.tok != tokDefault && p.tok != tokCase {
		list = append(list, p.terminated())
	}
	return list
}

func (p *parser) statement() Stmt {
	p.enter()
	defer p.leave()
	at := At{p.pos()}
	switch p.tok {
	case ';':
		p.scan()
		return &Empty{at}
	case '{':
		return p.block()
	case tokIf:
		return p.ifStmt()
	case tokWhile:
		p.scan()
		s := &While{At: at, C: p.condition()}
		s.Body = p.loopBody()
		return s
	case tokDo:
		p.scan()
		s := &DoWhile{At: at, Body: p.loopBody()}
		p.expect(tokWhile)
		s.C = p.condition()
		return s
	case tokFor:
		return p.forStmt()
	case tokForeach:
		return p.foreach()
	case tokSwitch:
		return p.switchStmt()
	case tokLocal:
		return p.local()
	case tokReturn:
		p.scan()
		return &Return{at, p.optionalExpr()}
	case tokYield:
		p.fn.generator = true
		p.scan()
		return &Yield{at, p.optionalExpr()}
	case tokBreak:
		if p.fn.breaks == 0 {
			p.fail("'break' has to be in a loop block")
		}
		p.scan()
		return &Break{at}
	case tokContinue:
		if p.fn.continues == 0 {
			p.fail("'continue' has to be in a loop block")
		}
		p.scan()
		return &Continue{at}
	case tokFunction:
		return p.funcDecl()
	case tokClass:
		return p.classDecl()
	case tokEnum:
		return p.enum()
	case tokConst:
		return p.constStmt()
	case tokTry:
		return p.try()
	case tokThrow:
		p.scan()
		return &Throw{at, p.commaExpr()}
	}
	return &ExprStmt{at, p.commaExpr()}
}

func (p *parser) block() *Block {
	b := &Block{At: At{p.pos()}}
	p.scan()
	b.List = p.statements()
	b.End = p.pos()
	p.expect('}')
	return b
}

// condition reads an expression in parentheses.
func (p *parser) condition() Expr {
	p.expect('(')
	c := p.commaExpr()
	p.expect(')')
	return c
}

// optionalExpr reads the expression that may follow return and yield on their line.
func (p *parser) optionalExpr() Expr {
	if p.atEnd() {
		return nil
	}
	return p.commaExpr()
}

func (p *parser) loopBody() Stmt {
	p.fn.breaks++
	p.fn.continues++
	s := p.statement()
	p.fn.breaks--
	p.fn.continues--
	return s
}

func (p *parser) ifStmt() *If {
	s := &If{At: At{p.pos()}}
	p.scan()
	s.C = p.condition()
	s.Then = p.statement()
	if p.tok != '}' && p.tok != tokElse {
		p.terminator()
	}
	if p.accept(tokElse) {
		s.Else = p.statement()
		p.terminator()
	}
	return s
}

func (p *parser) forStmt() *For {
	s := &For{At: At{p.pos()}}
	p.scan()
	p.expect('(')
	if p.tok == tokLocal {
		s.Init = p.local()
	} else if p.tok != ';' {
		at := At{p.pos()}
		s.Init = &ExprStmt{at, p.commaExpr()}
	}
	p.expect(';')
	if p.tok != ';' {
		s.C = p.commaExpr()
	}
	p.expect(';')
	if p.tok != ')' {
		s.Step = p.commaExpr()
	}
	p.expect(')')
	s.Body = p.loopBody()
	return s
}

func (p *parser) foreach() *Foreach {
	s := &Foreach{At: At{p.pos()}}
	p.scan()
	p.expect('(')
	s.Val = p.ident()
	if p.accept(',') {
		s.Key = s.Val
		s.Val = p.ident()
	}
	p.expect(tokIn)
	s.X = p.expression()
	p.expect(')')
	s.Body = p.loopBody()
	return s
}

func (p *parser) switchStmt() *Switch {
	s := &Switch{At: At{p.pos()}}
	p.scan()
	s.X = p.condition()
	p.expect('{')
	p.fn.breaks++
	for p.tok == tokCase {
		c := Case{P: p.pos()}
		p.scan()
		c.X = p.expression()
		p.expect(':')
		c.Body = p.statements()
		s.Cases = append(s.Cases, c)
	}
	if p.accept(tokDefault) {
		p.expect(':')
		s.HasDefault, s.Default = true, p.statements()
	}
	p.fn.breaks--
	p.expect('}')
	return s
}

func (p *parser) try() *Try {
	s := &Try{At: At{p.pos()}}
	p.scan()
	s.Body = p.statement()
	p.expect(tokCatch)
	p.expect('(')
	s.Name = p.ident()
	p.expect(')')
	s.Catch = p.statement()
	return s
}
