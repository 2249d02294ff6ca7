package syntax

func (p *parser) local() *Local {
	s := &Local{At: At{p.pos()}}
	p.scan()
	if p.tok == tokFunction {
		at := p.pos()
		p.scan()
		name := p.ident()
		s.Vars = []LocalVar{{Name: name, Init: p.function(at, name, false), P: at}}
		return s
	}
	for {
		v := LocalVar{P: p.pos(), Name: p.ident()}
		if p.accept('=') {
			v.Init = p.expression()
		}
		s.Vars = append(s.Vars, v)
		if !p.accept(',') {
			return s
		}
	}
}

func (p *parser) funcDecl() *FuncDecl {
	s := &FuncDecl{At: At{p.pos()}}
	p.scan()
	s.Path = []string{p.ident()}
	for p.accept(tokRoot) {
		s.Path = append(s.Path, p.ident())
	}
	s.Fun = p.function(s.P, s.Path[len(s.Path)-1], false)
	return s
}

// function reads the parameters and the body of a function.
func (p *parser) function(at Pos, name string, lambda bool) *Func {
	f := &Func{At: At{at}, Name: name, Lambda: lambda}
	h := p.tallestOf(func() {
		p.expect('(')
		p.params(f)
		p.expect(')')
		outside := p.fn
		p.fn = &funcState{}
		if lambda {
			at := At{p.pos()}
			f.Body = []Stmt{&Return{at, p.expression()}}
		} else {
			f.Body = []Stmt{p.statement()}
			if b, ok := f.Body[0].(*Block); ok {
				f.Body = b.List
			}
		}
		f.Generator = p.fn.generator
		p.fn = outside
	})
	p.taller(h + 1)
	f.End = p.pos()
	if p.prev == '\n' {
		f.End = Pos{p.lastLine, 1, int32(p.end)}
	}
	return f
}

func (p *parser) params(f *Func) {
	defaults := false
	for p.tok != ')' {
		if p.tok == tokVarargs {
			if defaults {
				p.fail("function with default parameters cannot have variable number of parameters")
			}
			f.Varargs = true
			p.scan()
			if p.tok != ')' {
				p.fail("expected ')'")
			}
			return
		}
		par := Param{P: p.pos(), Name: p.ident()}
		if p.accept('=') {
			par.Default = p.expression()
			defaults = true
		} else if defaults {
			p.fail("expected '='")
		}
		f.Params = append(f.Params, par)
		if !p.accept(',') && p.tok != ')' {
			p.fail("expected ')' or ','")
		}
	}
}

// table reads the slots of a table up to end, which is } or />.
func (p *parser) table(at Pos, end token) *Table {
	t := &Table{At: At{at}}
	h := p.tallestOf(func() {
		for p.tok != end {
			t.Pairs = append(t.Pairs, p.pair())
			p.accept(',')
		}
		p.scan()
	})
	p.taller(h + 1)
	return t
}

func (p *parser) pair() Pair {
	at := p.pos()
	if p.tok == tokString {
		key := p.strKey()
		p.scan()
		p.expect(':')
		return Pair{Key: key, Val: p.expression(), P: at}
	}
	key, val := p.slot()
	return Pair{Key: key, Val: val, P: at}
}

func (p *parser) strKey() *Str { return &Str{At{p.pos()}, p.str} }

// slot reads a slot that both a table and a class can have.
func (p *parser) slot() (key, val Expr) {
	at := p.pos()
	switch p.tok {
	case tokConstructor:
		key := p.strKey()
		p.scan()
		return key, p.function(at, key.Val, false)
	case tokFunction:
		p.scan()
		key := p.strKey()
		p.ident()
		return key, p.function(at, key.Val, false)
	case '[':
		p.scan()
		key = p.commaExpr()
		p.expect(']')
	default:
		key = p.strKey()
		p.ident()
	}
	p.expect('=')
	return key, p.expression()
}

func (p *parser) classDecl() *ClassDecl {
	s := &ClassDecl{At: At{p.pos()}}
	outside := p.lvalue
	p.scan()
	begin := p.begin
	s.Target = p.operand()
	at := p.posFrom(begin)
	switch target := s.Target.(type) {
	case *Index:
		if !p.lvalue {
			p.failFrom(begin, "invalid class name")
		}
		s.Class = p.class(at, target.name())
	case *Name:
		s.Class = p.class(at, target.Name)
	case *This:
		p.failFrom(begin, "cannot create a class in a local with the syntax(class <local>)")
	default:
		p.failFrom(begin, "invalid class name")
	}
	p.lvalue = outside
	return s
}

// class reads a class without its name.
func (p *parser) class(at Pos, name string) *Class {
	c := &Class{At: At{at}, Name: name}
	h := p.tallestOf(func() {
		if p.accept(tokExtends) {
			c.Extends = p.expression()
		}
		c.Attrs = p.attributes()
		p.expect('{')
		for p.tok != '}' {
			m := Member{P: p.pos(), Attrs: p.attributes(), Static: p.accept(tokStatic)}
			m.Key, m.Val = p.slot()
			c.Members = append(c.Members, m)
			p.accept(';')
		}
		p.scan()
	})
	p.taller(h + 1)
	return c
}

func (p *parser) attributes() *Table {
	if p.tok != tokAttrOpen {
		return nil
	}
	at := p.pos()
	p.scan()
	return p.table(at, tokAttrClose)
}

func (p *parser) constStmt() *Const {
	s := &Const{At: At{p.pos()}}
	p.scan()
	s.Name = p.ident()
	p.expect('=')
	s.Val = p.scalar()
	p.terminator()
	return s
}

func (p *parser) enum() *Enum {
	s := &Enum{At: At{p.pos()}}
	p.scan()
	s.Name = p.ident()
	p.expect('{')
	n := int32(0) // counts only the members without a value
	for p.tok != '}' {
		at := At{p.pos()}
		m := EnumMember{Name: p.ident()}
		if p.accept('=') {
			m.Val = p.scalar()
		} else {
			m.Val = &Int{at, n}
			n++
		}
		s.Members = append(s.Members, m)
		p.accept(',')
	}
	p.scan()
	return s
}

func (p *parser) scalar() Expr {
	if p.tok == tokString {
		s := p.strKey()
		p.scan()
		return s
	}
	msg := "scalar expected : integer,float or string"
	negative := p.accept('-')
	if negative {
		msg = "scalar expected : integer,float"
	}
	if x := p.numeral(negative); x != nil {
		return x
	}
	p.fail(msg)
	return nil
}

// numeral reads a number if one is next.
func (p *parser) numeral(negative bool) Expr {
	at := At{p.pos()}
	switch p.tok {
	case tokInt:
		x := &Int{at, p.int}
		if negative {
			x.Val = -x.Val
		}
		p.scan()
		return x
	case tokFloat:
		x := &Float{at, p.float}
		if negative {
			x.Val = -x.Val
		}
		p.scan()
		return x
	}
	return nil
}
