package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// mutation is one change of a file's text.
type mutation struct {
	File       string
	Func       string // the package, and Name or Type.Name; "" at the package's level
	Line       int
	Kind       string
	Old, New   string // the text between Start and End, and what takes its place
	Start, End int    // offsets
	src        []byte
}

// text returns the change without its place; the ignore list has it in this form.
func (m mutation) text() string {
	if m.New == "" {
		return m.Kind + ": " + oneLine(m.Old)
	}
	return fmt.Sprintf("%s: %s → %s", m.Kind, oneLine(m.Old), oneLine(m.New))
}

func (m mutation) String() string {
	return fmt.Sprintf("%s:%d (%s) %s", m.File, m.Line, m.Func, m.text())
}

// oneLine shortens code to fit a line.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 70 {
		return string(r[:70]) + "…"
	}
	return s
}

// apply returns the file with the change.
func (m mutation) apply() []byte {
	return bytes.Join([][]byte{m.src[:m.Start], []byte(m.New), m.src[m.End:]}, nil)
}

// finder collects the mutations of one file.
type finder struct {
	path    string
	src     []byte
	fset    *token.FileSet
	name    string         // of the function
	results *ast.FieldList // of the function, or of the function literal
	found   []mutation
}

func (f *finder) add(kind string, from, to token.Pos, text string) {
	start, end := f.fset.Position(from), f.fset.Position(to)
	f.found = append(f.found, mutation{
		File: f.path, Func: f.name, Line: start.Line, Kind: kind, src: f.src,
		Old: string(f.src[start.Offset:end.Offset]), New: text, Start: start.Offset, End: end.Offset,
	})
}

func (f *finder) textOf(n ast.Node) string {
	return string(f.src[f.fset.Position(n.Pos()).Offset:f.fset.Position(n.End()).Offset])
}

// inspect collects the mutations within a node.
func (f *finder) inspect(root ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field: // a field's tag is not a constant
			return false
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "panic" {
				return false // code that must not run cannot be tested
			}
		case *ast.FuncLit:
			outer := f.results
			f.results = n.Type.Results
			f.inspect(n.Body)
			f.results = outer
			return false
		case *ast.IfStmt:
			f.condition(n.Cond)
			f.add("branch dropped", n.Cond.Pos(), n.Cond.End(), "false && ("+f.textOf(n.Cond)+")")
		case *ast.ForStmt:
			if n.Cond != nil {
				f.condition(n.Cond)
			}
		case *ast.BinaryExpr:
			f.operator(n)
		case *ast.BasicLit:
			f.constant(n)
		case *ast.Ident:
			f.boolean(n)
		case *ast.ReturnStmt:
			f.returned(n)
		case *ast.BlockStmt:
			f.statements(n.List)
		case *ast.CaseClause:
			f.statements(n.Body)
		case *ast.CommClause:
			f.statements(n.Body)
		}
		return true
	})
}

// condition negates a condition. A comparison is changed by operator instead.
func (f *finder) condition(cond ast.Expr) {
	if b, ok := cond.(*ast.BinaryExpr); ok && comparisons[b.Op].changed != 0 {
		return
	}
	f.add("condition negated", cond.Pos(), cond.End(), "!("+f.textOf(cond)+")")
}

// comparisons has the opposite of each operator, and the operator with its bound
// shifted by one.
var comparisons = map[token.Token]struct{ changed, shifted token.Token }{
	token.EQL: {changed: token.NEQ}, token.NEQ: {changed: token.EQL},
	token.LSS: {token.GEQ, token.LEQ}, token.LEQ: {token.GTR, token.LSS},
	token.GTR: {token.LEQ, token.GEQ}, token.GEQ: {token.LSS, token.GTR},
}

// operators maps operators to those that they are often confused with.
var operators = map[token.Token]token.Token{
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.SUB: token.ADD, token.MUL: token.ADD, token.SHL: token.SHR, token.SHR: token.SHL,
}

func (f *finder) operator(n *ast.BinaryExpr) {
	replace := func(kind string, op token.Token) {
		f.add(kind, n.Pos(), n.End(), f.between(n, op))
	}
	c := comparisons[n.Op]
	if c.changed != 0 {
		replace("comparison changed", c.changed)
	}
	if c.shifted != 0 {
		replace("bound shifted", c.shifted)
	}
	if op := operators[n.Op]; op != 0 {
		replace("operator changed", op)
	}
}

// between returns the text of n with another operator.
func (f *finder) between(n *ast.BinaryExpr, op token.Token) string {
	text, at := f.textOf(n), f.fset.Position(n.OpPos).Offset-f.fset.Position(n.Pos()).Offset
	return text[:at] + op.String() + text[at+len(n.Op.String()):]
}

// constant adds one to an integer.
func (f *finder) constant(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	x, err := strconv.ParseUint(n.Value, 0, 64)
	if err != nil || x == 1<<64-1 {
		return
	}
	text := strconv.FormatUint(x+1, 10)
	if strings.HasPrefix(n.Value, "0x") {
		text = "0x" + strconv.FormatUint(x+1, 16)
	}
	f.add("constant changed", n.Pos(), n.End(), text)
}

func (f *finder) boolean(n *ast.Ident) {
	switch n.Name {
	case "true":
		f.add("constant changed", n.Pos(), n.End(), "false")
	case "false":
		f.add("constant changed", n.Pos(), n.End(), "true")
	}
}

// returned replaces an error that is the last result of a function by nil.
func (f *finder) returned(n *ast.ReturnStmt) {
	if f.results == nil || len(n.Results) == 0 {
		return
	}
	last := f.results.List[len(f.results.List)-1]
	if id, ok := last.Type.(*ast.Ident); !ok || id.Name != "error" || len(n.Results) != f.results.NumFields() {
		return
	}
	x := n.Results[len(n.Results)-1]
	if id, ok := x.(*ast.Ident); ok && id.Name == "nil" {
		return
	}
	// The expression is still evaluated, so that its variables are used.
	f.add("error made nil", x.Pos(), x.End(), "func(error) error { return nil }("+f.textOf(x)+")")
}

// statements drops statements of a list.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch n := s.(type) {
		case *ast.ExprStmt:
			if call, ok := n.X.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
					continue
				}
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE || isBlank(n) {
				continue
			}
		case *ast.BranchStmt:
			if n.Tok == token.GOTO || n.Tok == token.FALLTHROUGH {
				continue
			}
			f.add(n.Tok.String()+" dropped", s.Pos(), s.End(), "")
			continue
		case *ast.ReturnStmt:
			if len(n.Results) > 0 {
				continue
			}
		case *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		default:
			continue
		}
		f.add("statement dropped", s.Pos(), s.End(), "")
	}
}

// isBlank reports whether an assignment only marks a value as unused.
func isBlank(n *ast.AssignStmt) bool {
	for _, x := range n.Lhs {
		if id, ok := x.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	return true
}
