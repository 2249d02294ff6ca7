package syntax

import (
	"strings"
	"unicode/utf8"
)

// found stands in plainTexts for the token that is there instead.
const found = "{found}"

// plainTexts has the errors in plain words, by the original's text. What is not here is
// plain already.
var plainTexts = map[string]string{
	"'break' has to be in a loop block":    "break must be in a loop or a switch",
	"'continue' has to be in a loop block": "continue must be in a loop",
	"can't '++' or '--' an expression":     "++ and -- change a variable or a slot; this is neither",
	"can't 'create' a local slot":          "<- makes a slot of a table, as in table.name <- value",
	"can't assign expression":              "only a variable or a slot can be set; this is neither",
	"can't delete an expression":           "delete needs a slot, as in delete table.name",
	"cannot brake deref/or comma needed after [exp]=exp slot declaration": "this [ begins a line: " +
		"put it on the line before to index what is there, or write a comma or semicolon before it",
	"cannot create a class in a local with the syntax(class <local>)": "neither a local variable nor this " +
		"can name a class here: write local Name = class { … }",
	"cannot delete an (outer) local": "neither a local variable nor this can be deleted: " +
		"delete needs a slot, as in delete table.name",
	"constant too long":                   "single quotes hold one character; write a string in double quotes",
	"empty constant":                      "single quotes hold one character; there is none between them",
	"end of statement expected (; or lf)": "expected the end of the statement, a semicolon or a new line, found " + found,
	"error parsing the string":            "the string is not closed",
	"expected '.'":                        "expected '.', found " + found,
	"expected ')' or ','":                 "expected ')' or ',', found " + found,
	"expected 'IDENTIFIER'":               "expected a name, found " + found,
	"exponent expected":                   "the exponent of the number has no digits",
	"expression expected":                 "expected an expression, found " + found,
	"expression expected, found ')'":      "expected an expression after the comma, found ')'",
	"expression too long":                 "the expression is too long",
	"function with default parameters cannot have variable number of parameters": "a function cannot have both " +
		"parameters with defaults and '...'",
	"hexadecimal number expected":               "\\x needs hexadecimal digits after it",
	"internal compiler error: too many locals":  "the function has too many local variables",
	"invalid class name":                        "a class is named by a variable or a slot; this is neither",
	"invalid octal number":                      "a number that begins with 0 is octal: its digits are 0 to 7",
	"invalid token '..'":                        "'..' means nothing; '...' stands for any further parameters",
	`missing "*/" in comment`:                   "the comment is not closed: */ is missing",
	"nested too deeply":                         "this is nested too deeply",
	"newline in a constant":                     "the string is not closed before the end of its line",
	"scalar expected : integer,float":           "expected a number after the sign, found " + found,
	"scalar expected : integer,float or string": "expected a number or a string, found " + found,
	"too many digits for an Hex number":         "a hexadecimal number has 8 digits at most",
	"unexpected character(control)":             "a control character cannot be here",
	"unfinished string":                         "the string is not closed",
	"unrecognised escaper char":                 "no character is written like this; a backslash itself is written \\\\",
}

// Plain returns the error in plain words.
func (e *Error) Plain() string {
	if e.plain != "" {
		return e.plain
	}
	if name, ok := strings.CutPrefix(e.Msg, "invalid constant ["); ok {
		enum, member, _ := strings.Cut(strings.TrimSuffix(name, "]"), ".")
		return "the enum " + enum + " has no member " + member
	}
	text, ok := plainTexts[e.Msg]
	switch {
	case ok && e.Found != "":
		return strings.Replace(text, found, e.Found, 1)
	case ok:
		return strings.Replace(text, ", found "+found, "", 1)
	case e.Found != "" && strings.HasPrefix(e.Msg, "expected '"):
		return e.Msg + ", found " + e.Found
	}
	return e.Msg
}

// foundText describes the token that is there instead of the one that should be.
func (s *scanner) foundText() string {
	const longName = 40
	switch s.tok {
	case tokEOF:
		return "the end of the code"
	case tokIdent:
		if len(s.str) > longName {
			return "a name"
		}
		return "the name " + s.str
	case tokString:
		return "a string"
	case tokInt, tokFloat:
		return "a number"
	case tokRoot:
		return "'::'"
	}
	if s.tok > tokIdent {
		return "'" + s.tok.String() + "'"
	}
	_, size := utf8.DecodeRune(s.src[s.begin:]) // the token is its first byte
	return "'" + string(shown(s.src[s.begin:s.begin+size])) + "'"
}
