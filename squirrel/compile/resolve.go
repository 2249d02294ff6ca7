package compile

import "github.com/tandem-iot/tandem/squirrel/syntax"

// A variable is identified by the node that declares it and, where a node declares several,
// its index among them.
type declKey struct {
	node any
	i    int
}

// resolver finds the locals that inner functions capture, by the same scope rules as code
// generation.
type resolver struct {
	captured map[declKey]bool
	fn       *resolverFunc
}

type resolverFunc struct {
	parent *resolverFunc
	vars   []resolverVar
}

type resolverVar struct {
	name string
	key  declKey
}

// resolve returns the captured variables of a file.
func resolve(f *syntax.File) map[declKey]bool {
	r := &resolver{captured: map[declKey]bool{}, fn: &resolverFunc{}}
	r.declare("vargv", declKey{f, 0})
	r.stmts(f.Body)
	return r.captured
}

func (r *resolver) declare(name string, key declKey) {
	r.fn.vars = append(r.fn.vars, resolverVar{name, key})
}

func (r *resolver) scoped(body func()) {
	n := len(r.fn.vars)
	body()
	r.fn.vars = r.fn.vars[:n]
}

func (r *resolver) use(name string) {
	for fn := r.fn; fn != nil; fn = fn.parent {
		for i := len(fn.vars) - 1; i >= 0; i-- {
			if fn.vars[i].name == name {
				if fn != r.fn {
					r.captured[fn.vars[i].key] = true
				}
				return
			}
		}
	}
}

func (r *resolver) stmts(list []syntax.Stmt) {
	for _, s := range list {
		r.stmt(s)
	}
}

func (r *resolver) body(s syntax.Stmt) { r.scoped(func() { r.stmt(s) }) }

func (r *resolver) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.Block:
		r.scoped(func() { r.stmts(s.List) })
	case *syntax.ExprStmt:
		r.expr(s.X)
	case *syntax.If:
		r.expr(s.C)
		r.body(s.Then)
		if s.Else != nil {
			r.body(s.Else)
		}
	case *syntax.While:
		r.expr(s.C)
		r.body(s.Body)
	case *syntax.DoWhile:
		r.body(s.Body)
		r.expr(s.C)
	case *syntax.For:
		r.scoped(func() { r.forStmt(s) })
	case *syntax.Foreach:
		r.expr(s.X)
		r.scoped(func() {
			r.declare(s.Key, declKey{s, 0})
			r.declare(s.Val, declKey{s, 1})
			r.body(s.Body)
		})
	case *syntax.Switch:
		r.switchStmt(s)
	case *syntax.Local:
		for i := range s.Vars {
			r.expr(s.Vars[i].Init)
			r.declare(s.Vars[i].Name, declKey{s, i})
		}
	case *syntax.FuncDecl:
		r.function(s.Fun)
	case *syntax.ClassDecl:
		r.expr(s.Target)
		r.expr(s.Class)
	case *syntax.Return:
		r.expr(s.X)
	case *syntax.Yield:
		r.expr(s.X)
	case *syntax.Throw:
		r.expr(s.X)
	case *syntax.Try:
		r.body(s.Body)
		r.scoped(func() {
			r.declare(s.Name, declKey{s, 0})
			r.stmt(s.Catch)
		})
	}
}

func (r *resolver) forStmt(s *syntax.For) {
	if s.Init != nil {
		r.stmt(s.Init)
	}
	r.expr(s.C)
	r.expr(s.Step)
	r.body(s.Body)
}

func (r *resolver) switchStmt(s *syntax.Switch) {
	r.expr(s.X)
	for _, c := range s.Cases {
		r.expr(c.X)
		r.scoped(func() { r.stmts(c.Body) })
	}
	r.scoped(func() { r.stmts(s.Default) })
}

func (r *resolver) function(f *syntax.Func) {
	for _, p := range f.Params {
		r.expr(p.Default)
	}
	r.fn = &resolverFunc{parent: r.fn}
	for i, p := range f.Params {
		r.declare(p.Name, declKey{f, i})
	}
	if f.Varargs {
		r.declare("vargv", declKey{f, len(f.Params)})
	}
	r.stmts(f.Body)
	r.fn = r.fn.parent
}

func (r *resolver) exprs(list []syntax.Expr) {
	for _, e := range list {
		r.expr(e)
	}
}

func (r *resolver) expr(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.Name:
		r.use(e.Name)
	case *syntax.Index:
		r.expr(e.X)
		r.expr(e.Key)
	case *syntax.Call:
		r.expr(e.Fun)
		r.exprs(e.Args)
	case *syntax.Unary:
		r.expr(e.X)
	case *syntax.Binary:
		r.expr(e.X)
		r.expr(e.Y)
	case *syntax.Cond:
		r.expr(e.C)
		r.expr(e.X)
		r.expr(e.Y)
	case *syntax.Assign:
		r.expr(e.X)
		r.expr(e.Y)
	case *syntax.NewSlot:
		r.expr(e.X)
		r.expr(e.Y)
	case *syntax.IncDec:
		r.expr(e.X)
	case *syntax.Comma:
		r.exprs(e.List)
	case *syntax.Array:
		r.exprs(e.Elems)
	case *syntax.Table:
		r.table(e)
	case *syntax.Func:
		r.function(e)
	case *syntax.Class:
		r.class(e)
	}
}

func (r *resolver) table(t *syntax.Table) {
	if t == nil {
		return
	}
	for _, p := range t.Pairs {
		r.expr(p.Key)
		r.expr(p.Val)
	}
}

func (r *resolver) class(c *syntax.Class) {
	r.expr(c.Extends)
	r.table(c.Attrs)
	for _, m := range c.Members {
		r.table(m.Attrs)
		r.expr(m.Key)
		r.expr(m.Val)
	}
}
