package squirrel

import (
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Param describes a parameter of a native function for people who read an error.
type Param struct {
	Name  string
	Takes string // what it takes, in words, such as "a string or a blob"; "": what the mask says
}

// blame is why the machine has refused a call. Programs catch the original's text, which
// names neither the function nor the parameter; people read Error.Plain. It is set
// together with the exception, and it is void as soon as that is caught or reported, so
// it is not part of a snapshot, and no collection comes between.
type blame struct {
	native *native        // that was called; nil: closure was, or there is no blame
	proto  *compile.Proto // of the closure that was called
	args   uint32         // number of arguments, without this
	arg    int            // the argument of a wrong type; -1: there are too many arguments, or too few
	given  Value          // that argument
}

// refuse throws an error and keeps what it is about.
func (v *VM) refuse(b blame, format string, args ...any) outcome {
	out := v.throwf(format, args...)
	v.blame = b
	return out
}

// refuseCall throws that the function of frame f does not take n parameters, counting this.
func (v *VM) refuseCall(f, n uint32) outcome {
	b := blame{args: max(n, 1) - 1, arg: -1}
	if fn := v.stackAt(f - hdrFunc); fn.isClosure() {
		b.proto = v.proto(lo(*v.at(fn.off() + 1)))
	} else {
		b.native = &v.lib.natives[fn.off()]
	}
	return v.refuse(b, "wrong number of parameters")
}

// BadArg is Errorf for an argument of the wrong type.
func (c *Call) BadArg(i int, format string, args ...any) (Value, error) {
	x, err := c.Errorf(format, args...)
	if err == errThrown {
		nat := &c.v.lib.natives[c.v.stackAt(c.base-hdrFunc).off()]
		c.v.blame = blame{native: nat, args: uint32(c.NArgs()), arg: i, given: c.Arg(i)}
	}
	return x, err
}

// plain returns what the exception is about in words, with the name of the function that
// was called; "" when its message says all that is known.
func (v *VM) plain() string {
	switch b := &v.blame; {
	case b.native != nil && b.arg >= 0:
		return b.native.label() + ": " + v.plainType(b)
	case b.native != nil:
		return fmt.Sprintf("%s: it takes %s, and is given %d", b.native.label(), b.native.arity(), b.args)
	case b.proto != nil:
		file, line := b.proto.Place(b.proto.Line)
		name := b.proto.Name
		if name == "" {
			name = "the function"
		}
		return fmt.Sprintf("%s: it takes %s, and is given %d; it is defined at %s:%d",
			name, arity(b.proto), b.args, file, line)
	case v.frame != 0 && v.exc.isString():
		return v.thrower()
	}
	return ""
}

// thrower returns the message of a native function that has thrown, after its name; "" for
// a function of the program, or when the message has the name already.
func (v *VM) thrower() string {
	fn := v.stackAt(v.frame - hdrFunc)
	if fn.tag() != tagNative {
		return ""
	}
	name, msg := v.lib.natives[fn.off()].label(), v.ToString(v.exc)
	if strings.HasPrefix(msg, name) || strings.Contains(msg, ": "+name+" ") {
		return ""
	}
	return name + ": " + msg
}

// plainType says what the argument is and what the parameter takes.
func (v *VM) plainType(b *blame) string {
	takes, what := b.native.takes(b.arg), v.inWords(b.given)
	if b.arg == 0 {
		return fmt.Sprintf("it is called on %s; it needs %s", what, takes)
	}
	name := b.native.param(b.arg).Name
	if name != "" {
		name = " the " + name + ","
	}
	return fmt.Sprintf("parameter %d,%s is %s; it takes %s", b.arg, name, what, takes)
}

// label returns the name of a native as programs write it.
func (n *native) label() string {
	name := strings.Replace(n.path, "::", ".", 1)
	return strings.TrimSuffix(name, ".constructor")
}

// param returns parameter i, counted from 1.
func (n *native) param(i int) Param {
	all := n.params()
	if i < 1 || i > len(all) {
		return Param{}
	}
	return all[i-1]
}

// params returns the parameters that have a name.
func (n *native) params() []Param {
	if len(n.Params) > 0 {
		return n.Params
	}
	return builtinParamsOf(n.path)
}

// takes returns what a parameter takes, in words; 0 is this.
func (n *native) takes(i int) string {
	if i > 0 {
		if words := n.param(i).Takes; words != "" {
			return words
		}
	}
	if i >= len(n.masks) || n.masks[i] == maskAny {
		return "any value"
	}
	return maskWords(n.masks[i])
}

// most returns the greatest number of arguments that a native takes by its checks, and
// whether it can take more.
func (n *native) most() (args int, more bool) {
	if n.Check > 0 {
		return n.Check - 1, false
	}
	args = len(n.params())
	return args, n.param(args).Name == rest
}

// arity says how many arguments a native takes, and which.
func (n *native) arity() string {
	least := max(n.Check, -n.Check, 1) - 1
	most, more := n.most()
	var names []string
	for i := 1; i <= most; i++ {
		name := n.param(i).Name
		if i > least && name != rest {
			name = "[" + name + "]"
		}
		names = append(names, name)
	}
	return counted(least, most, more, names)
}

// arity says how many arguments a function of a program takes, and which.
func arity(p *compile.Proto) string {
	names := append([]string(nil), p.Params[1:]...)
	most := len(names)
	least := most - p.Defaults
	for i := least; i < most; i++ {
		names[i] = "[" + names[i] + "]"
	}
	if p.Varargs {
		names = append(names, rest)
	}
	return counted(least, most, p.Varargs, names)
}

// rest is the name of a last parameter that stands for any number of arguments.
const rest = "..."

// counted returns "2 arguments (a, b)".
func counted(least, most int, more bool, names []string) string {
	var count string
	switch {
	case more:
		count = fmt.Sprintf("%d or more", least)
	case least == most && least == 0:
		return "no arguments"
	case least == most:
		count = fmt.Sprint(least)
	case least+1 == most:
		count = fmt.Sprintf("%d or %d", least, most)
	default:
		count = fmt.Sprintf("%d to %d", least, most)
	}
	noun := "arguments"
	if count == "1" {
		noun = "argument"
	}
	return fmt.Sprintf("%s %s (%s)", count, noun, strings.Join(names, ", "))
}

// typeWords are the types in words.
var typeWords = [typeCount]string{
	"null", "an integer", "a float", "a bool", "a string", "a table", "an array", "a function", "a generator",
	"a class", "an instance", "a weak reference",
}

// inWords says what a value is: its type, or the native class that it is an instance of.
func (v *VM) inWords(x Value) string {
	if x.isInst() {
		for _, c := range v.lib.classes {
			if v.IsNative(x, c.name) {
				return article(c.name)
			}
		}
	}
	return typeWords[x.Type()]
}

// article returns a noun with its article.
func article(noun string) string {
	if strings.ContainsRune("aeio", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// maskWords lists the types of a mask in words.
func maskWords(mask uint16) string {
	var words []string
	for t := TypeInteger; t < typeCount; t++ {
		switch {
		case t == TypeInteger && mask&maskNumber == maskNumber:
			words = append(words, "a number")
		case t == TypeFloat && mask&maskNumber == maskNumber:
		case mask&(1<<t) != 0:
			words = append(words, typeWords[t])
		}
	}
	if mask&(1<<TypeNull) != 0 {
		words = append(words, typeWords[TypeNull])
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return words[0]
}
