package syntax

// token is a kind of token. A token of one character is that character, 0 the
// end of the source.
type token int

const (
	tokEOF token = 0

	tokIdent token = iota + 256
	tokString
	tokInt
	tokFloat

	tokEq         // ==
	tokNe         // !=
	tokLe         // <=
	tokGe         // >=
	tokCmp        // <=>
	tokAnd        // &&
	tokOr         // ||
	tokShl        // <<
	tokShr        // >>
	tokUshr       // >>>
	tokNewSlot    // <-
	tokPlusEq     // +=
	tokMinusEq    // -=
	tokMulEq      // *=
	tokDivEq      // /=
	tokModEq      // %=
	tokPlusPlus   // ++
	tokMinusMinus // --
	tokRoot       // ::
	tokVarargs    // ...
	tokAttrOpen   // </
	tokAttrClose  // />

	tokBase
	tokBreak
	tokCase
	tokCatch
	tokClass
	tokClone
	tokConst
	tokConstructor
	tokContinue
	tokDefault
	tokDelete
	tokDo
	tokElse
	tokEnum
	tokExtends
	tokFalse
	tokFor
	tokForeach
	tokFunction
	tokIf
	tokIn
	tokInstanceof
	tokLocal
	tokNull
	tokResume
	tokReturn
	tokStatic
	tokSwitch
	tokThis
	tokThrow
	tokTrue
	tokTry
	tokTypeof
	tokWhile
	tokYield
	tokCount
)

var keywords = map[string]token{
	"base": tokBase, "break": tokBreak, "case": tokCase, "catch": tokCatch, "class": tokClass, "clone": tokClone,
	"const": tokConst, "constructor": tokConstructor, "continue": tokContinue, "default": tokDefault,
	"delete": tokDelete, "do": tokDo, "else": tokElse, "enum": tokEnum, "extends": tokExtends, "false": tokFalse,
	"for": tokFor, "foreach": tokForeach, "function": tokFunction, "if": tokIf, "in": tokIn,
	"instanceof": tokInstanceof, "local": tokLocal, "null": tokNull, "resume": tokResume, "return": tokReturn,
	"static": tokStatic, "switch": tokSwitch, "this": tokThis, "throw": tokThrow, "true": tokTrue, "try": tokTry,
	"typeof": tokTypeof, "while": tokWhile, "yield": tokYield,
}

// operators lists the tokens that begin with a character, longest first. A character
// that is not here is a token of its own.
var operators = map[byte][]operator{
	'/': {{"/=", tokDivEq}, {"/>", tokAttrClose}},
	'=': {{"==", tokEq}},
	'<': {{"<=>", tokCmp}, {"<=", tokLe}, {"<-", tokNewSlot}, {"<<", tokShl}, {"</", tokAttrOpen}},
	'>': {{">>>", tokUshr}, {">>", tokShr}, {">=", tokGe}},
	'!': {{"!=", tokNe}},
	'&': {{"&&", tokAnd}},
	'|': {{"||", tokOr}},
	':': {{"::", tokRoot}},
	'*': {{"*=", tokMulEq}},
	'%': {{"%=", tokModEq}},
	'-': {{"-=", tokMinusEq}, {"--", tokMinusMinus}},
	'+': {{"+=", tokPlusEq}, {"++", tokPlusPlus}},
	'.': {{"...", tokVarargs}},
}

type operator struct {
	text string
	tok  token
}

// String returns the name of a token in "expected '…'".
func (t token) String() string {
	switch t {
	case tokIdent:
		return "IDENTIFIER"
	case tokString:
		return "STRING_LITERAL"
	case tokInt:
		return "INTEGER"
	case tokFloat:
		return "FLOAT"
	}
	for word, k := range keywords {
		if k == t {
			return word
		}
	}
	for _, list := range operators {
		for _, o := range list {
			if o.tok == t {
				return o.text
			}
		}
	}
	return string([]byte{byte(t)})
}
