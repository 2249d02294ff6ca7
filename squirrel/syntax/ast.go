package syntax

// Pos is a place in a source file, as Squirrel counts (see Errors in the package
// documentation). The Pos of a statement is where it begins. The Pos of an expression
// that a compiler may still refuse (Name, Index, Assign, NewSlot, IncDec, delete, the
// Class of a declaration) is where the original would report the error.
type Pos struct {
	Line, Col int32
	At        int32 // index in File.Text of the first byte of what it is the position of
}

// File is a parsed script.
type File struct {
	Name string // as error messages show it
	Body []Stmt
	// Generator is set when the main chunk itself contains yield.
	Generator bool
	End       Pos

	Text     []byte    // the source without a byte order mark, up to the first NUL
	Places   Places    // the files of its lines; positions in the tree are those in Text
	Requires []Require // in their order
}

// Expr is an expression.
type Expr interface {
	Pos() Pos
	expr()
}

// Stmt is a statement.
type Stmt interface {
	Pos() Pos
	stmt()
}

// At is embedded by every node.
type At struct{ P Pos }

func (a At) Pos() Pos { return a.P }

// Op is an operator. The binary arithmetic ones are also used by compound assignment,
// the ones of one operand by Unary.
type Op uint8

const (
	OpNone   Op = iota
	OpAdd       // +
	OpSub       // -
	OpMul       // *
	OpDiv       // /
	OpMod       // %
	OpShl       // <<
	OpShr       // >>
	OpUshr      // >>>
	OpBitAnd    // &
	OpBitOr     // |
	OpBitXor    // ^
	OpEq        // ==
	OpNe        // !=
	OpLt        // <
	OpLe        // <=
	OpGt        // >
	OpGe        // >=
	OpCmp       // <=>
	OpAnd       // &&
	OpOr        // ||
	OpIn        // in
	OpInstanceof
	OpNeg    // unary -
	OpNot    // !
	OpBitNot // ~
	OpTypeof
	OpResume
	OpClone
	OpDelete
)

// Expressions.
type (
	// Null is the literal null.
	Null struct{ At }
	// Int is an integer or character literal, already wrapped to 32 bits.
	Int struct {
		At
		Val int32
	}
	// Float is a floating-point literal.
	Float struct {
		At
		Val float32
	}
	// Bool is true or false.
	Bool struct {
		At
		Val bool
	}
	// Str is a string literal after escapes: arbitrary bytes.
	Str struct {
		At
		Val string
	}
	// Name is a bare identifier: a local, a captured variable, a constant, an
	// enum, or a slot of this.
	Name struct {
		At
		Name string
	}
	// This is `this`.
	This struct{ At }
	// Base is `base`.
	Base struct{ At }
	// Root is `::name`'s left side, the root table.
	Root struct{ At }
	// Index is X.Name (Key is a *Str and Dot is set) or X[Key]. `::x` is an
	// Index of Root.
	Index struct {
		At
		X   Expr
		Key Expr
		Dot bool
	}
	// Call is Fun(Args…).
	Call struct {
		At
		Fun    Expr
		Args   []Expr
		Rparen Pos
	}
	// Unary is one of OpNeg OpNot OpBitNot OpTypeof OpResume OpClone OpDelete
	// applied to a whole postfix chain. The operand of OpDelete is an *Index,
	// or a *Name that means a slot of this.
	Unary struct {
		At
		Op Op
		X  Expr
	}
	// Binary is any operator of two operands, && and || and in included.
	Binary struct {
		At
		Op   Op
		X, Y Expr
	}
	// Cond is C ? X : Y.
	Cond struct {
		At
		C, X, Y Expr
	}
	// Assign is X = Y (Op OpNone) or X op= Y. X is a Name, an Index or This,
	// unless Loose is set.
	Assign struct {
		At
		Op   Op
		X, Y Expr
		// Loose marks `a == b || c = d`, which the dialect accepts because c
		// could be assigned to: X is evaluated, nothing is assigned, and the
		// value is that of Y, or of X op Y.
		Loose bool
	}
	// NewSlot is X <- Y. X is an Index, or a Name that means a slot of this.
	NewSlot struct {
		At
		X, Y Expr
	}
	// IncDec is ++X, --X, X++ or X--.
	IncDec struct {
		At
		X    Expr
		Dec  bool
		Post bool
	}
	// Comma is X, Y, …; its value is the last one's.
	Comma struct {
		At
		List []Expr
	}
	// Array is [ … ].
	Array struct {
		At
		Elems []Expr
	}
	// Table is { … }.
	Table struct {
		At
		Pairs []Pair
	}
	// Func is a function expression, a lambda, or the body of a declaration.
	Func struct {
		At
		Name      string // "" when anonymous
		Params    []Param
		Varargs   bool // takes `...`
		Body      []Stmt
		Lambda    bool // @(…) expr: Body is a single Return
		Generator bool // contains yield itself, not only in an inner function
		End       Pos
	}
	// Class is a class expression or the body of a declaration.
	Class struct {
		At
		Name    string // for diagnostics, "" when anonymous
		Extends Expr   // nil without a base
		Attrs   *Table // nil without </ … />
		Members []Member
	}
)

// Param is a parameter of a function.
type Param struct {
	Name    string
	Default Expr // nil without a default
	P       Pos
}

// Pair is one slot of a table constructor.
type Pair struct {
	Key, Val Expr // Key is a *Str for a named slot
	P        Pos
}

// Member is one member of a class body.
type Member struct {
	Key    Expr // *Str for a named member
	Val    Expr // a *Func for methods and the constructor
	Static bool
	Attrs  *Table // nil without attributes
	P      Pos
}

// Statements.
type (
	// Empty is a lone semicolon.
	Empty struct{ At }
	// Block is { … }.
	Block struct {
		At
		List []Stmt
		End  Pos
	}
	// ExprStmt evaluates X for its effect.
	ExprStmt struct {
		At
		X Expr
	}
	// If is if (C) Then else Else; Else may be nil.
	If struct {
		At
		C          Expr
		Then, Else Stmt
	}
	// While is while (C) Body.
	While struct {
		At
		C    Expr
		Body Stmt
	}
	// DoWhile is do Body while (C).
	DoWhile struct {
		At
		Body Stmt
		C    Expr
	}
	// For is for (Init; C; Step) Body; each of the three may be nil.
	For struct {
		At
		Init Stmt // *Local or *ExprStmt
		C    Expr
		Step Expr
		Body Stmt
	}
	// Foreach is foreach (Key, Val in X) Body; Key is "" when not given.
	Foreach struct {
		At
		Key, Val string
		X        Expr
		Body     Stmt
	}
	// Switch is switch (X) { … }. A Default comes last.
	Switch struct {
		At
		X          Expr
		Cases      []Case
		HasDefault bool
		Default    []Stmt
	}
	// Local declares variables in order; an initialiser does not see its own
	// name.
	Local struct {
		At
		Vars []LocalVar
	}
	// FuncDecl is function A::B::c(…) …: a new slot on this or on the path.
	FuncDecl struct {
		At
		Path []string // at least one
		Fun  *Func
	}
	// ClassDecl is class A.B …: a new slot.
	ClassDecl struct {
		At
		Target Expr // *Name or *Index
		Class  *Class
	}
	// Return is return X; X may be nil.
	Return struct {
		At
		X Expr
	}
	// Yield is yield X; X may be nil.
	Yield struct {
		At
		X Expr
	}
	// Throw is throw X.
	Throw struct {
		At
		X Expr
	}
	// Try is try Body catch (Name) Catch.
	Try struct {
		At
		Body  Stmt
		Name  string
		Catch Stmt
	}
	// Break is break.
	Break struct{ At }
	// Continue is continue.
	Continue struct{ At }
	// Const declares a compile-time constant; Val is an Int, Float or Str
	// (or Bool).
	Const struct {
		At
		Name string
		Val  Expr
	}
	// Enum declares a compile-time table of scalars.
	Enum struct {
		At
		Name    string
		Members []EnumMember
	}
)

// Case is one case of a switch.
type Case struct {
	X    Expr
	Body []Stmt
	P    Pos
}

// LocalVar is one variable of a local statement. For `local function f` Init
// is a *Func.
type LocalVar struct {
	Name string
	Init Expr // nil: null
	P    Pos
}

// EnumMember is one member of an enum. Val is an Int, Float, Str or Bool.
type EnumMember struct {
	Name string
	Val  Expr
}

// name returns the name of a class declared at i.
func (i *Index) name() string {
	if key, ok := i.Key.(*Str); ok {
		return key.Val
	}
	return ""
}

func (*Null) expr()    {}
func (*Int) expr()     {}
func (*Float) expr()   {}
func (*Bool) expr()    {}
func (*Str) expr()     {}
func (*Name) expr()    {}
func (*This) expr()    {}
func (*Base) expr()    {}
func (*Root) expr()    {}
func (*Index) expr()   {}
func (*Call) expr()    {}
func (*Unary) expr()   {}
func (*Binary) expr()  {}
func (*Cond) expr()    {}
func (*Assign) expr()  {}
func (*NewSlot) expr() {}
func (*IncDec) expr()  {}
func (*Comma) expr()   {}
func (*Array) expr()   {}
func (*Table) expr()   {}
func (*Func) expr()    {}
func (*Class) expr()   {}

func (*Empty) stmt()     {}
func (*Block) stmt()     {}
func (*ExprStmt) stmt()  {}
func (*If) stmt()        {}
func (*While) stmt()     {}
func (*DoWhile) stmt()   {}
func (*For) stmt()       {}
func (*Foreach) stmt()   {}
func (*Switch) stmt()    {}
func (*Local) stmt()     {}
func (*FuncDecl) stmt()  {}
func (*ClassDecl) stmt() {}
func (*Return) stmt()    {}
func (*Yield) stmt()     {}
func (*Throw) stmt()     {}
func (*Try) stmt()       {}
func (*Break) stmt()     {}
func (*Continue) stmt()  {}
func (*Const) stmt()     {}
func (*Enum) stmt()      {}
