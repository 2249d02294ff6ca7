package squirrel

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// numbers are operands: bounds of integers and of what fits an instruction,
// shifts beyond the width, and floats of every kind.
var numbers = []Value{
	Int(0), Int(1), Int(-1), Int(2), Int(3), Int(-7), Int(10), Int(31), Int(32), Int(33), Int(126), Int(127), Int(128),
	Int(-127),
	Int(-128), Int(-129), Int(65536), Int(math.MaxInt32), Int(math.MinInt32), Int(1 << 24),
	Float(0), Float(float32(math.Copysign(0, -1))), Float(0.5), Float(1), Float(2), Float(-2.5), Float(10), Float(127),
	Float(-128), Float(3e38),
	Float(float32(math.Inf(1))), Float(float32(math.Inf(-1))),
}

// arithmetic says what x op y is, or what it throws.
func arithmetic(op string, x, y Value) (Value, string) {
	if x.IsInt() && y.IsInt() {
		return integers(op, x.AsInt(), y.AsInt())
	}
	if strings.Contains("& | ^ << >> >>>", op) {
		return Null, fmt.Sprintf("bitwise op between '%s' and '%s'", x.Type(), y.Type())
	}
	a, b := x.AsFloat(), y.AsFloat()
	switch op {
	case "+":
		return Float(a + b), ""
	case "-":
		return Float(a - b), ""
	case "*":
		return Float(a * b), ""
	case "/":
		return Float(a / b), ""
	}
	r := math.Mod(float64(a), float64(b))
	if math.IsNaN(r) {
		return Value(Float(math.Float32frombits(0xffc00000))), ""
	}
	return Float(float32(r)), ""
}

func integers(op string, a, b int32) (Value, string) {
	switch op {
	case "+":
		return Int(a + b), ""
	case "-":
		return Int(a - b), ""
	case "*":
		return Int(a * b), ""
	case "/":
		if b == 0 {
			return Null, "division by zero"
		}
		return Int(a / b), ""
	case "%":
		if b == 0 {
			return Null, "modulo by zero"
		}
		return Int(a % b), ""
	case "&":
		return Int(a & b), ""
	case "|":
		return Int(a | b), ""
	case "^":
		return Int(a ^ b), ""
	case "<<":
		return Int(a << (b & 31)), ""
	case ">>":
		return Int(a >> (b & 31)), ""
	}
	return Int(int32(uint32(a) >> (b & 31))), ""
}

// comparison says what x op y is.
func comparison(op string, x, y Value) bool {
	less, equal := x.AsFloat() < y.AsFloat(), x.AsFloat() == y.AsFloat()
	if x.IsInt() && y.IsInt() {
		less = x.AsInt() < y.AsInt()
	}
	if x.Type() == y.Type() {
		equal = x == y // of floats too: -0.0 is not 0.0, and not below it
	}
	switch op {
	case "<":
		return less
	case "<=":
		return less || equal
	case ">":
		return !less && !equal
	case ">=":
		return !less
	case "==":
		return equal
	}
	return !equal
}

// operands calls functions of two parameters with every pair of numbers.
type operands struct {
	t *testing.T
	v *VM
}

func newOperands(t *testing.T) *operands { return &operands{t, New(standard, 1<<20)} }

// function makes a function of x and y of its body.
func (o *operands) function(body string) {
	o.t.Helper()
	p, err := compile.Compile("operands", []byte("return function(x, y) { local z; "+body+" };"), compile.Options{})
	if err != nil {
		o.t.Fatal(body, err)
	}
	o.v.Start(o.v.Load(p), o.v.Root())
	if s := o.v.Run(1 << 20); s != Done {
		o.t.Fatal(body, s, o.v.Err())
	}
	o.v.SetField(o.v.Root(), "f", o.v.Result())
}

// call returns what the function makes of x and y, and what it throws.
func (o *operands) call(x, y Value) (Value, string) {
	o.v.Start(o.v.Field(o.v.Root(), "f"), o.v.Root(), x, y)
	if s := o.v.Run(1 << 20); s == Failed {
		return Null, o.v.Err().Message
	}
	return o.v.Result(), ""
}

// check compares a function with what is expected of it, for every pair.
func (o *operands) check(body string, want func(x, y Value) (Value, string)) {
	o.t.Helper()
	o.compare(body, numbers, want)
}

// checkOne is check for a function that does not use y.
func (o *operands) checkOne(body string, want func(x Value) (Value, string)) {
	o.t.Helper()
	o.compare(body, []Value{Null}, func(x, _ Value) (Value, string) { return want(x) })
}

func (o *operands) compare(body string, ys []Value, want func(x, y Value) (Value, string)) {
	o.t.Helper()
	o.function(body)
	for _, x := range numbers {
		for _, y := range ys {
			wanted, thrown := want(x, y)
			got, threw := o.call(x, y)
			if !identical(got, wanted) || threw != thrown {
				o.t.Fatalf("%s with x = %s, y = %s: got %s %q, want %s %q", body,
					described(o.v, x), described(o.v, y), described(o.v, got), threw, described(o.v, wanted), thrown)
			}
		}
	}
}

// identical compares values with their types; one NaN is as good as another.
func identical(a, b Value) bool {
	if a.Type() == TypeFloat && b.Type() == TypeFloat && a.AsFloat() != a.AsFloat() {
		return b.AsFloat() != b.AsFloat()
	}
	return a == b
}

func described(v *VM, x Value) string { return fmt.Sprintf("%s %s", x.Type(), v.ToString(x)) }

var arithmeticOps = []string{"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>"}

// TestArithmetic: each operator gives what it should for integers, floats and
// both, with its result in a register of its own and in an operand's.
func TestArithmetic(t *testing.T) {
	o := newOperands(t)
	for _, op := range arithmeticOps {
		want := func(x, y Value) (Value, string) { return arithmetic(op, x, y) }
		forms := []string{"z = x %s y; return z;", "x = x %s y; return x;", "y = x %s y; return y;", "return x %s y;"}
		if strings.Contains("+ - * / %", op) {
			forms = append(forms, "x %s= y; return x;", "z = [x]; z[0] %s= y; return z[0];",
				"z = { x = x }; z.x %s= y; return z.x;")
		}
		for _, form := range forms {
			o.check(fmt.Sprintf(form, op), want)
		}
		same := func(x Value) (Value, string) { return arithmetic(op, x, x) }
		o.checkOne(fmt.Sprintf("x = x %s x; return x;", op), same)
	}
}

// TestArithmeticWithLiterals: the same with one operand in the instruction.
func TestArithmeticWithLiterals(t *testing.T) {
	o := newOperands(t)
	for _, op := range arithmeticOps {
		for _, n := range numbers {
			if n.Type() == TypeFloat && (math.IsInf(float64(n.AsFloat()), 0) || n == Float(3e38)) || n == Int(math.MinInt32) {
				continue // these have no literal
			}
			literal := o.v.ToString(n)
			if n.Type() == TypeFloat && !strings.Contains(literal, ".") {
				literal += ".0"
			}
			if strings.HasPrefix(literal, "-") {
				literal = "(" + literal + ")"
			}
			if n == Float(float32(math.Copysign(0, -1))) {
				continue // -0.0 is an operator and a literal
			}
			right := func(x Value) (Value, string) { return arithmetic(op, x, n) }
			left := func(x Value) (Value, string) { return arithmetic(op, n, x) }
			o.checkOne(fmt.Sprintf("x = x %s %s; return x;", op, literal), right)
			o.checkOne(fmt.Sprintf("z = x %s %s; return z;", op, literal), right)
			o.checkOne(fmt.Sprintf("x = %s %s x; return x;", literal, op), left)
		}
	}
}

// TestComparisons: each comparison as a value, and as the condition of an if, of
// its else, of loops and of what joins conditions.
func TestComparisons(t *testing.T) {
	o := newOperands(t)
	forms := []string{
		"z = x %s y; return z;", "x = x %s y; return x;", "y = x %s y; return y;", "return !!(x %s y);",
		"if (x %s y) return true; return false;", "if (!(x %s y)) return false; return true;",
		"if (x %s y) z = true; else z = false; return z;", "return x %s y ? true : false;",
		"while (x %s y) return true; return false;", "z = 0; do { if (z++ > 0) return true; } while (x %s y); return false;",
		"for (; x %s y;) return true; return false;", "return (x %s y) && true;", "return (x %s y) || false;",
	}
	for _, op := range []string{"<", "<=", ">", ">=", "==", "!="} {
		for _, form := range forms {
			o.check(fmt.Sprintf(form, op), func(x, y Value) (Value, string) { return Bool(comparison(op, x, y)), "" })
		}
		for _, n := range []int32{0, 1, -1, 2, 126, 127, 128, -127, -128, -129, 1000} {
			right := func(x Value) (Value, string) { return Bool(comparison(op, x, Int(n))), "" }
			left := func(x Value) (Value, string) { return Bool(comparison(op, Int(n), x)), "" }
			o.checkOne(fmt.Sprintf("return x %s %d;", op, n), right)
			o.checkOne(fmt.Sprintf("if (x %s %d) return true; return false;", op, n), right)
			o.checkOne(fmt.Sprintf("if (!(x %s %d)) return false; return true;", op, n), right)
			o.checkOne(fmt.Sprintf("if (%d %s x) return true; return false;", n, op), left)
		}
	}
	o.check("return x <=> y;", func(x, y Value) (Value, string) {
		switch {
		case comparison("<", x, y):
			return Int(-1), ""
		case comparison("==", x, y):
			return Int(0), ""
		}
		return Int(1), ""
	})
}

// TestUnary: operators of one operand, and the two of a variable.
func TestUnary(t *testing.T) {
	o := newOperands(t)
	negated := func(x Value) (Value, string) {
		if x.IsInt() {
			return Int(-x.AsInt()), ""
		}
		return Float(-x.AsFloat()), ""
	}
	o.checkOne("z = -x; return z;", negated)
	o.checkOne("x = -x; return x;", negated)
	inverted := func(x Value) (Value, string) {
		if x.IsInt() {
			return Int(^x.AsInt()), ""
		}
		return Null, "attempt to perform a bitwise op on a float"
	}
	o.checkOne("z = ~x; return z;", inverted)
	o.checkOne("x = ~x; return x;", inverted)
	not := func(x Value) (Value, string) { return Bool(comparison("==", x, Int(0))), "" }
	o.checkOne("z = !x; return z;", not)
	o.checkOne("x = !x; return x;", not)
	more := func(x Value) (Value, string) { return arithmetic("+", x, Int(1)) }
	less := func(x Value) (Value, string) { return arithmetic("-", x, Int(1)) }
	before := func(x Value) (Value, string) { return x, "" }
	o.checkOne("return ++x;", more)
	o.checkOne("return --x;", less)
	o.checkOne("return x++;", before)
	o.checkOne("return x--;", before)
	o.checkOne("x++; return x;", more)
	o.checkOne("x--; return x;", less)
	o.checkOne("z = { x = x }; z.x++; return z.x;", more)
	o.checkOne("z = [x]; z[0]--; return z[0];", less)
	o.checkOne("z = [x]; return z[0]++;", before)
}
