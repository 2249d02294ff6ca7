package imp

import (
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
)

// Param is a parameter of a native function.
type Param struct {
	Name string
	// Type is a name in paramTypes, or letters of squirrel.Native's mask.
	Type     string
	Optional bool // may be left out, or null
	Doc      string
}

// Function is one native function of the API.
type Function struct {
	// Name is a path from the root table ("server.log") or, where the part
	// before the dot is a Class, a method ("httprequest.sendasync").
	Name    string
	On      Sides
	Params  []Param
	Result  string   // type of the result; "" is null
	Throws  []string // exceptions, besides those for wrong types
	Doc     string
	Source  string // the vendor's documentation; "tandem" for a function of our own
	Example string
	Fn      squirrel.NativeFunc
}

// Constant is one constant of the API.
type Constant struct {
	Name   string // path from the root table
	On     Sides
	Value  any // int, float64, bool or string
	Doc    string
	Source string
}

// Class is a native class. Programs get instances from functions of the API.
type Class struct {
	Name string
	On   Sides
	// Global is the path of an instance in the root table; "" for none.
	Global string
	// Open says that the class is in the root table itself, so that programs make instances
	// and derive classes: the Function with its name is the constructor.
	Open bool
	// Typeof is what typeof returns for an instance; "" is the name.
	Typeof string
	Doc    string
}

// API is a part of the functions, constants and classes that programs see.
type API struct {
	Functions []Function
	Constants []Constant
	Classes   []Class
}

// paramTypes maps the names of parameter types to their mask letters.
var paramTypes = map[string]string{
	"any":      ".",
	"null":     "o",
	"integer":  "i",
	"float":    "f",
	"number":   "n",
	"bool":     "b",
	"string":   "s",
	"table":    "t",
	"array":    "a",
	"function": "c",
	"instance": "x",
	"blob":     "x",
	"data":     "s|x",   // a string or a blob
	"body":     "s|x|n", // the same, or a number, whose text is meant
	"handler":  "c|o",   // a function, or null to remove it
}

// paramWords says what a parameter takes where its mask says less.
var paramWords = map[string]string{
	"blob":    "a blob",
	"data":    "a string or a blob",
	"body":    "a string, a blob or a number",
	"handler": "a function or null",
}

// mask returns the mask letters of p.
func (p Param) mask() string {
	m, ok := paramTypes[p.Type]
	if !ok {
		m = p.Type
	}
	if p.Optional && m != "." && !strings.Contains(m, "o") {
		m += "|o"
	}
	return m
}

// Native returns f in the form that the VM needs.
func (f Function) Native() squirrel.Native {
	n := squirrel.Native{Name: f.Name[strings.LastIndexByte(f.Name, '.')+1:], Check: 1, Mask: ".", Fn: f.Fn}
	optional := false
	for _, p := range f.Params {
		n.Mask += p.mask()
		n.Params = append(n.Params, squirrel.Param{Name: p.Name, Takes: paramWords[p.Type]})
		optional = optional || p.Optional
		if !optional {
			n.Check++
		}
	}
	if optional {
		n.Check = -n.Check
	}
	return n
}

// Library returns a library with the language, the standard library of imps, and the
// functions, constants and classes of parts for a side. Every name must be unique.
func Library(name string, side tandem.Side, parts ...API) *squirrel.Library {
	l := squirrel.NewLibrary(name)
	addStandard(l, side)
	seen := map[string]bool{}
	for _, part := range parts {
		for _, name := range part.names(side) {
			if seen[name] {
				panic("imp: " + name + " is declared twice")
			}
			seen[name] = true
		}
		part.addTo(l, side)
	}
	return l
}

// names returns the names of the functions and constants of a side.
func (a API) names(side tandem.Side) (names []string) {
	for _, f := range a.Functions {
		if f.On.Has(side) {
			names = append(names, f.Name)
		}
	}
	for _, c := range a.Constants {
		if c.On.Has(side) {
			names = append(names, c.Name)
		}
	}
	return names
}

func (a API) addTo(l *squirrel.Library, side tandem.Side) {
	for _, c := range a.Classes {
		if c.On.Has(side) {
			l.Class(c.Name, a.methods(c.Name, side)...)
			if c.Typeof != "" {
				l.Typeof(c.Name, c.Typeof)
			}
			if c.Global != "" {
				l.Global(c.Global, c.Name)
			}
			if c.Open {
				l.ClassGlobal(c.Name, c.Name)
			}
		}
	}
	for _, f := range a.Functions {
		if _, method := a.classOf(f); f.On.Has(side) && !method && a.constructor(f.Name, side) == nil {
			l.Func(f.Name, f.Native())
		}
	}
	for _, c := range a.Constants {
		if c.On.Has(side) {
			l.Const(c.Name, c.Value)
		}
	}
}

// classOf returns the class that f is a method of.
func (a API) classOf(f Function) (string, bool) {
	owner, _, ok := strings.Cut(f.Name, ".")
	return owner, ok && slices.ContainsFunc(a.Classes, func(c Class) bool { return c.Name == owner })
}

// constructor returns the constructor of an open class, nil for any other name.
func (a API) constructor(class string, side tandem.Side) *Function {
	if !slices.ContainsFunc(a.Classes, func(c Class) bool { return c.Open && c.Name == class }) {
		return nil
	}
	i := slices.IndexFunc(a.Functions, func(f Function) bool { return f.Name == class && f.On.Has(side) })
	if i < 0 {
		return nil
	}
	return &a.Functions[i]
}

func (a API) methods(class string, side tandem.Side) (all []squirrel.Native) {
	if f := a.constructor(class, side); f != nil {
		n := f.Native()
		n.Name = "constructor"
		all = append(all, n)
	}
	for _, f := range a.Functions {
		if owner, method := a.classOf(f); method && owner == class && f.On.Has(side) {
			all = append(all, f.Native())
		}
	}
	return all
}
