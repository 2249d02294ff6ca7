package agent

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// regexp2Class is an agent's class of regular expressions with the syntax of RE2,
// which package regexp has. An instance's payload is the text of its pattern, so
// a snapshot needs nothing else.
const regexp2Class = "regexp2"

// squirrelDocs is the address of the vendor's language reference.
const squirrelDocs = "https://developer.electricimp.com/squirrel/"

// A search cannot be interrupted, so its worst case is bounded beforehand: each
// instruction of the pattern is tried once for each byte of the text.
const (
	patternSize  = 256 // bytes, as on Electric Imp
	patternCode  = 2000
	searchSteps  = 32 << 20  // about half a second
	patternsKept = 512 << 10 // bytes of the compiled patterns of an agent
)

// pattern is a compiled pattern.
type pattern struct {
	search *regexp.Regexp
	whole  *regexp.Regexp // the same, for the whole text
	code   int            // instructions
	bulk   bulk
}

// patterns are the compiled patterns of an agent by their text.
type patterns struct {
	byText map[string]*pattern // nil at first
	size   int                 // bytes of all
}

func (ps *patterns) keep(text string, p *pattern) {
	size := p.bulk.size()
	if size > patternsKept {
		return
	}
	if ps.size += size; ps.size > patternsKept || ps.byText == nil {
		ps.byText = map[string]*pattern{}
		ps.size = size
	}
	ps.byText[text] = p
}

// bulk is what a pattern is compiled to, about: it is known before.
type bulk struct {
	code  int // instructions, at least
	runes int // of all the sets in them
}

// bulkOf adds up a tree of which there are so many copies.
func bulkOf(re *syntax.Regexp, copies int) (b bulk) {
	switch re.Op {
	case syntax.OpLiteral:
		return bulk{copies * len(re.Rune), copies * len(re.Rune)}
	case syntax.OpCharClass:
		return bulk{copies, copies * len(re.Rune)}
	case syntax.OpRepeat:
		copies *= max(re.Min, re.Max, 1)
	case syntax.OpConcat, syntax.OpAlternate, syntax.OpCapture:
	default:
		b.code = copies
	}
	for _, sub := range re.Sub {
		more := bulkOf(sub, copies)
		b.code += more.code
		b.runes += more.runes
	}
	return b
}

func (b bulk) size() int { return 400*b.code + 8*b.runes }

func (b bulk) cost() int { return 128*b.code + b.runes/2 }

// readCost is the fuel of parsing a pattern, which is done three times. A class of
// Unicode has hundreds of ranges, and a range of many letters in both cases is walked
// letter by letter.
func readCost(text string) int {
	const perByte, perClass, perRange = 64, 12_000, 250_000
	cost := nativeCost + perByte*len(text) + perClass*(strings.Count(text, `\p`)+strings.Count(text, `\P`))
	wide := strings.Contains(text, `\x`) || strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
	if wide && strings.Contains(text, "(?") {
		cost += perRange * strings.Count(text, "-")
	}
	return cost
}

var regexp2Functions = []imp.Function{
	{
		Name: regexp2Class, On: imp.OnAgent, Result: regexp2Class,
		Params:  []imp.Param{{Name: "pattern", Type: "string", Doc: "in the syntax of RE2, 256 bytes at most"}},
		Throws:  []string{"the pattern is malformed, too long or too complex"},
		Doc:     "Makes a regular expression.",
		Source:  squirrelDocs + "regexp2/regexp2",
		Example: `if (regexp2(@"(?i)^/room/\d+$").match("/Room/12")) server.log("a room");   // → a room`,
		Fn:      newRegexp2,
	}, {
		Name: "regexp2.match", On: imp.OnAgent, Result: "bool",
		Params: []imp.Param{{Name: "text", Type: "string", Doc: "to match"}},
		Throws: []string{"the text is too long for the pattern"},
		Doc:    "Whether the whole text matches.",
		Source: squirrelDocs + "regexp2/match", Fn: regexp2Match,
		Example: `server.log(regexp2("on|off").match("off"));   // → true`,
	}, {
		Name: "regexp2.search", On: imp.OnAgent, Result: "table",
		Params: regexp2Params, Throws: []string{"the text is too long for the pattern"},
		Doc:    "Finds the first match: a table with its begin, and its end, the byte after it. Null when there is none.",
		Source: squirrelDocs + "regexp2/search", Fn: regexp2Search(false),
		Example: `local m = regexp2(@"\d+").search("room 12");
server.log(m.begin + " to " + m.end);   // → 5 to 7`,
	}, {
		Name: "regexp2.capture", On: imp.OnAgent, Result: "array",
		Params: regexp2Params, Throws: []string{"the text is too long for the pattern"},
		Doc: "Finds the first match and its groups: an array of tables as search returns them, " +
			"first that of the match. A group without a match has -1 twice. Null when there is no match.",
		Source: squirrelDocs + "regexp2/capture", Fn: regexp2Search(true),
		Example: `local text = "/room/12", m = regexp2(@"^/room/(\d+)$").capture(text);
server.log(text.slice(m[1].begin, m[1].end));   // → 12`,
	},
}

var regexp2Params = []imp.Param{
	{Name: "text", Type: "string", Doc: "to search"},
	{Name: "start", Type: "integer", Optional: true, Doc: "the byte to begin at, where ^ matches then"},
}

func newRegexp2(call *squirrel.Call) (squirrel.Value, error) {
	if _, err := machineOf(call).pattern(call, call.Arg(1)); err != nil {
		return call.Errorf("regexp2: %v", err)
	}
	return call.VM().NewNative(regexp2Class, call.Arg(1)), nil
}

// pattern returns the compiled pattern of a value, from the cache if it is there. The
// program cannot observe whether it was, so that an agent that has moved runs as
// before: it pays for the compiling in any case. The error is for the program.
func (m *Machine) pattern(call *squirrel.Call, x squirrel.Value) (*pattern, error) {
	if n := call.VM().Len(x); n > patternSize {
		return nil, fmt.Errorf("the pattern has %d bytes, %d at most", n, patternSize)
	}
	text := call.VM().Text(x)
	if err := call.Charge(readCost(text)); err != nil {
		return nil, err
	}
	if p := m.patterns.byText[text]; p != nil {
		return p, call.Charge(p.bulk.cost())
	}
	p, err := compilePattern(call, text)
	if err != nil {
		return nil, err
	}
	m.patterns.keep(text, p)
	return p, nil
}

func compilePattern(call *squirrel.Call, text string) (*pattern, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	b := bulkOf(tree, 1)
	if b.code > patternCode {
		return nil, errTooComplex
	}
	if err := call.Charge(b.cost()); err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	switch {
	case err != nil:
		return nil, err
	case len(prog.Inst) > patternCode:
		return nil, errTooComplex
	}
	search, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	whole, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, err
	}
	return &pattern{search: search, whole: whole, code: len(prog.Inst), bulk: b}, nil
}

var errTooComplex = errors.New("the pattern is too complex: use shorter repetitions")

// regexp2Call returns the pattern and the text of a call. The error is for the program.
func regexp2Call(call *squirrel.Call) (p *pattern, text []byte, err error) {
	vm := call.VM()
	if !vm.IsNative(call.This(), regexp2Class) {
		return nil, nil, fmt.Errorf("this is not a regexp2")
	}
	p, err = machineOf(call).pattern(call, vm.Payload(call.This()))
	if err != nil {
		return nil, nil, err
	}
	text = call.Bytes(1)
	steps := p.code * (len(text) + 1)
	if steps > searchSteps {
		return nil, nil, fmt.Errorf("a text of %d bytes is too long for this pattern", len(text))
	}
	return p, text, call.Charge(steps)
}

func regexp2Match(call *squirrel.Call) (squirrel.Value, error) {
	p, text, err := regexp2Call(call)
	if err != nil {
		return call.Errorf("regexp2.match: %v", err)
	}
	return squirrel.Bool(p.whole.Match(text)), nil
}

// regexp2Search is search, or capture when groups is set.
func regexp2Search(groups bool) squirrel.NativeFunc {
	return func(call *squirrel.Call) (squirrel.Value, error) {
		p, text, err := regexp2Call(call)
		if err != nil {
			return call.Errorf("regexp2: %v", err)
		}
		start := int(call.Int(2))
		if start < 0 || start > len(text) {
			return squirrel.Null, nil
		}
		at := p.search.FindSubmatchIndex(text[start:])
		if at == nil {
			return squirrel.Null, nil
		}
		vm := call.VM()
		if !groups {
			return span(vm, at, start), nil
		}
		if err := call.Charge(spanCost * len(at)); err != nil {
			return squirrel.Null, err
		}
		all := vm.NewArray()
		for ; len(at) > 0; at = at[2:] {
			vm.Append(all, span(vm, at, start))
		}
		return all, nil
	}
}

// spanCost is the fuel of half a span.
const spanCost = 8

// span returns the first two offsets of at as a table.
func span(vm *squirrel.VM, at []int, start int) squirrel.Value {
	begin, end := at[0], at[1]
	if begin >= 0 {
		begin, end = begin+start, end+start
	}
	t := vm.NewTable()
	vm.SetField(t, "begin", squirrel.Int(int32(begin)))
	vm.SetField(t, "end", squirrel.Int(int32(end)))
	return t
}
