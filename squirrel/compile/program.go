// Package compile turns a parsed Squirrel script into a Program: register
// bytecode that any number of machines share and never change.
//
// A function's registers are this, its parameters, the array vargv if it takes one, then
// locals and temporaries, used as a stack. A local that an inner function captures is in
// a cell, which is made when its declaration is executed; all other locals are plain
// registers. Exception handlers are a table of code ranges, so that entering a try costs
// nothing.
package compile

import "github.com/tandem-iot/tandem/squirrel/syntax"

// Program is a compiled script.
type Program struct {
	Name    string
	Protos  []*Proto // 0 is the main chunk
	Strings []string // all strings that the code uses
	entries []Entry
	firsts  []uint32 // the number of each function's first instruction, counted through the program; then of all
	hash    [32]byte
	text    []byte // the source, for excerpts
}

// SourceLine returns a line of the source as an excerpt shows it.
func (p *Program) SourceLine(line int32) string { return syntax.SourceLine(p.text, int(line)) }

// Entries returns the data that a machine needs to enter each of the functions, close
// together in memory.
func (p *Program) Entries() []Entry { return p.entries }

// Entry is the data for entering a function.
type Entry struct {
	Code  *Inst   // the first instruction; there is room for one more after the last
	Cache *uint32 // its hint
	Fixed int32   // Proto.Fixed
}

// Hash identifies the code: programs with the same hash are the same for every machine. It
// depends on the source, its name, the options, and this compiler.
func (p *Program) Hash() [32]byte { return p.hash }

// Proto is the code of one function.
type Proto struct {
	Name      string // "" when anonymous
	Source    string
	Line      int32 // where it starts
	Code      []Inst
	Lines     []int32  // line of each instruction
	Cache     []uint32 // a hint per instruction; use atomics
	Params    []string // with this
	Defaults  int      // number of the last parameters that have a default
	Varargs   bool
	Generator bool
	Fixed     int // len(Params) when a call with that number can begin at once, else -1
	MaxStack  int // number of registers used, including call windows
	Outers    []Outer
	Handlers  []Handler // innermost first
	Locals    []Local   // for stack traces
	Places    syntax.Places
}

// Place returns the file and its line for a line of the source.
func (p *Proto) Place(line int32) (file string, at int) {
	file, line = p.Places.At(p.Source, line)
	return file, int(line)
}

// Outer is the place where a new closure finds the cell of a captured variable.
type Outer struct {
	Name  string
	Local bool // in a register of the enclosing function, else among its captured variables
	Index int
}

// Handler catches exceptions thrown by instructions in [From, To).
type Handler struct {
	From, To, Target int32
	Reg              uint8 // receives the exception
}

// Local is a named variable, for traces.
type Local struct {
	Name     string
	Reg      uint8
	Cell     bool
	From, To int32 // instructions during which it exists
}

// Options are the constants and settings of a script beside its own text.
type Options struct {
	// Consts are compile-time constants: int, int32, float64, string or bool.
	Consts map[string]any
	// Enums are compile-time tables of such constants.
	Enums map[string]map[string]any
	// Globals, if set, holds constants and enums from one script to the next, because scripts
	// of one VM share them. It is updated.
	Globals *Constants
	// LastIsResult makes the value of a final expression statement the result of the script,
	// for an interactive prompt.
	LastIsResult bool
	// Mark puts a mark at the beginning of each statement, by which Program.Marks knows what
	// machines have executed. A mark costs next to nothing and changes nothing that a script can see.
	Mark bool
}

// Constants is the table of constants and enums that scripts share.
type Constants struct {
	scalars map[string]syntax.Expr
	enums   map[string]map[string]syntax.Expr
}

// NewConstants returns an empty table.
func NewConstants() *Constants {
	return &Constants{scalars: map[string]syntax.Expr{}, enums: map[string]map[string]syntax.Expr{}}
}

// scalar and enum define a name, again if need be: constants and enums share one space.
func (c *Constants) scalar(name string, x syntax.Expr) {
	delete(c.enums, name)
	c.scalars[name] = x
}

func (c *Constants) enum(name string, members map[string]syntax.Expr) {
	delete(c.scalars, name)
	c.enums[name] = members
}

// Compile parses and compiles a script. Its error is a *syntax.Error. The program keeps src,
// which must not be changed afterwards.
func Compile(name string, src []byte, opts Options) (*Program, error) {
	file, err := syntax.Parse(name, src)
	if err != nil {
		return nil, err
	}
	c := &compiler{
		prog: &Program{Name: name, text: file.Text}, source: file, strings: map[string]int32{},
		consts: opts.Globals, captured: resolve(file), lastIsResult: opts.LastIsResult,
		mark:  opts.Mark,
		texts: map[*syntax.Binary]bool{},
	}
	if c.consts == nil {
		c.consts = NewConstants()
	}
	c.predefine(opts)
	if err := c.file(file); err != nil {
		return nil, err
	}
	for _, f := range c.prog.Protos {
		c.prog.entries = append(c.prog.entries, Entry{&f.Code[0], &f.Cache[0], int32(f.Fixed)})
	}
	c.prog.count()
	c.prog.hash = c.prog.sum()
	return c.prog, nil
}
