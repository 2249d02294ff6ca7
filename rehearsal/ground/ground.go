// Package ground is what programs of a test say and get, whatever ground they act on: a rehearsal's world
// in virtual time (package rehearsal), or a node and a device in real time (package stand).
//
// Programs act by the native function Native. Its first argument names what is to be done; functions of
// this package read the others, and make its results. What is done is the ground's own.
package ground

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/span"
	"github.com/tandem-iot/tandem/squirrel"
)

// Native is the name of the function by which a program acts on its ground.
const Native = "__world"

// API has Native, which fn carries out.
func API(fn squirrel.NativeFunc) imp.API {
	optional := func(name string) imp.Param { return imp.Param{Name: name, Type: "any", Optional: true} }
	return imp.API{Functions: []imp.Function{{
		Name: Native, On: imp.OnBoth, Result: "any",
		Params: []imp.Param{
			{Name: "what", Type: "string"}, optional("a"), optional("b"), optional("c"), optional("d"), optional("e"),
		},
		Doc: "Acts on the ground of a test.",
		Fn:  fn,
	}}}
}

// Program is one of the three programs of a ground.
type Program uint8

// The programs. The tester belongs to neither side.
const (
	Agent Program = iota
	Device
	Tester
	Programs
)

func (p Program) String() string { return [...]string{"agent", "device", "test"}[p] }

// Limits of the tester's machine.
const (
	TesterMemory = 16 << 20
	TesterBudget = 10 * time.Second
)

// Thrown has the newest exceptions of a program, whether or not they were caught.
type Thrown []squirrel.Error

// maxThrown is the number of exceptions that are kept.
const maxThrown = 16

// Note notes the exception that a machine has just thrown.
func (t *Thrown) Note(vm *squirrel.VM) {
	if len(*t) >= maxThrown {
		*t = slices.Delete(*t, 0, 1)
	}
	*t = append(*t, squirrel.Error{Message: vm.Thrown(), Source: vm.SourceLine(), Stack: vm.Stack()})
}

// Newest returns the newest exception with a message, nil if there is none.
func (t Thrown) Newest(message string) *squirrel.Error {
	for _, e := range slices.Backward(t) {
		if e.Message == message {
			return &e
		}
	}
	return nil
}

// Span reads an argument that is a span of time: seconds, or a text such as "3 weeks".
func Span(c *squirrel.Call, i int) (time.Duration, error) {
	arg := c.Arg(i)
	if n, ok := arg.Number(); ok {
		if n < 0 || float64(n) > span.Longest.Seconds() {
			return 0, fmt.Errorf("%v is not a number of seconds from 0 to 30 years", n)
		}
		return Seconds(float64(n)), nil
	}
	if !arg.IsString() {
		return 0, fmt.Errorf(`a span of time is a number of seconds, or a text such as "3 weeks"`)
	}
	return span.Parse(c.Str(i))
}

// Seconds returns a number of seconds, which a program has as a number of 32 bits, in whole microseconds.
func Seconds(n float64) time.Duration {
	return time.Duration(math.Round(n*1e6)) * time.Microsecond
}

// SpanInSeconds is Span for the result of a call: its second argument as a number.
func SpanInSeconds(c *squirrel.Call) (squirrel.Value, error) {
	d, err := Span(c, 2)
	if err != nil {
		return c.Errorf("%v", err)
	}
	return squirrel.Float(float32(d.Seconds())), nil
}

// Said reads what a program reports: its kind, a text, and numbers.
func Said(c *squirrel.Call) (kind, text string, numbers []int) {
	for i := 4; i <= c.NArgs(); i++ {
		numbers = append(numbers, int(c.Int(i)))
	}
	if !c.Arg(3).IsNull() {
		text = c.VM().ToString(c.Arg(3))
	}
	return c.Str(2), text, numbers
}

// News is what a program has not asked for yet: the answer to a request that it has made, or a request
// of the agent to an address that it serves.
type News struct {
	Number   int
	Response *tandem.Response // nil: it is a request
	Route    string
	Fetch    *tandem.Fetch
}

// Table returns the news as a program gets it.
func (n News) Table(vm *squirrel.VM) squirrel.Value {
	t := vm.NewTable()
	set := func(name string, v squirrel.Value) { vm.SetField(t, name, v) }
	if r := n.Response; r != nil {
		set("kind", vm.NewString("answer"))
		set("number", imp.Int32(n.Number))
		set("status", imp.Int32(r.Status))
		set("headers", HeadersTable(vm, r.Headers))
		set("body", vm.NewStringBytes(r.Body))
		return t
	}
	path, query, _ := strings.Cut(n.Fetch.URL, "?")
	set("kind", vm.NewString("serve"))
	set("number", imp.Int32(n.Number))
	set("route", vm.NewString(n.Route))
	set("method", vm.NewString(n.Fetch.Method))
	set("url", vm.NewString(path))
	set("query", vm.NewString(query))
	set("headers", HeadersTable(vm, n.Fetch.Headers))
	set("body", vm.NewStringBytes(n.Fetch.Body))
	return t
}

// HeadersTable returns headers as a program gets them, by their names in lower case.
func HeadersTable(vm *squirrel.VM, list []tandem.Header) squirrel.Value {
	t := vm.NewTable()
	for _, h := range list {
		vm.SetField(t, strings.ToLower(h.Name), vm.NewString(h.Value))
	}
	return t
}

// headersOf reads a table of headers, sorted by their names.
func headersOf(vm *squirrel.VM, t squirrel.Value) (list []tandem.Header) {
	for i, key, x, ok := vm.Next(t, 0); ok; i, key, x, ok = vm.Next(t, i) {
		list = append(list, tandem.Header{Name: vm.ToString(key), Value: vm.ToString(x)})
	}
	slices.SortFunc(list, func(a, b tandem.Header) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// bodyOf reads a body: a string or a blob as it is, all else as JSON.
func bodyOf(c *squirrel.Call, i int) ([]byte, error) {
	x := c.Arg(i)
	switch {
	case x.IsNull():
		return nil, nil
	case imp.IsData(c.VM(), x):
		return slices.Clone(c.Bytes(i)), nil
	}
	data, _, err := imp.Encode(nil, c.VM(), x, imp.ForJSON)
	if err != nil {
		return nil, err
	}
	if err := c.Charge(len(data)); err != nil {
		return nil, err
	}
	return codec.TranscodeJSON(data)
}

// Request is a request to the agent that a program wants to make.
type Request struct {
	Method, Path, Query string // Path is "" or begins with a slash
	Headers             []tandem.Header
	Body                []byte
}

// Requested reads one.
func Requested(c *squirrel.Call) (r Request, err error) {
	r.Path, r.Query, _ = strings.Cut(c.Str(3), "?")
	if r.Path != "" && !strings.HasPrefix(r.Path, "/") {
		return r, fmt.Errorf("a path begins with '/': %q", r.Path)
	}
	r.Method = strings.ToUpper(c.Str(2))
	r.Headers = headersOf(c.VM(), c.Arg(4))
	if r.Body, err = bodyOf(c, 5); err != nil {
		return r, fmt.Errorf("the body cannot be sent: %w", err)
	}
	return r, nil
}

// Serving reads which address of the agent's requests a program answers from now on, or does not any more.
func Serving(c *squirrel.Call) (url string, on bool, err error) {
	url = c.Str(2)
	if !strings.Contains(url, "://") {
		return "", false, fmt.Errorf("an address begins with http:// or https://: %q", url)
	}
	return url, c.Arg(3).AsBool(), nil
}

// Reply reads the answer to a request of the agent, and that request's number.
func Reply(c *squirrel.Call) (number int, r *tandem.Response, err error) {
	r = &tandem.Response{Status: int(c.Int(3)), Headers: headersOf(c.VM(), c.Arg(4))}
	if r.Body, err = bodyOf(c, 5); err != nil {
		return 0, nil, fmt.Errorf("the answer cannot be sent: %w", err)
	}
	return int(c.Int(2)), r, nil
}

// AppendLine adds a line of the log to an array, as a program gets it.
func AppendLine(c *squirrel.Call, list squirrel.Value, at time.Duration, typ, text string) error {
	if err := c.Charge(50 + len(text)/8); err != nil {
		return err
	}
	vm := c.VM()
	t := vm.NewTable()
	vm.SetField(t, "at", squirrel.Float(float32(at.Seconds())))
	vm.SetField(t, "type", vm.NewString(typ))
	vm.SetField(t, "text", vm.NewString(text))
	vm.Append(list, t)
	return nil
}

// Look copies a variable of a program, global or local to its file. It changes nothing in its machine. nil
// is the machine of a program that does not run.
func Look(vm *squirrel.VM, p Program, name string) (data []byte, err error) {
	if vm == nil {
		return nil, fmt.Errorf("the %s does not run", p)
	}
	found, ok := vm.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("the %s has no variable %q", p, name)
	}
	vm.Aside(func() { data, _, err = imp.Encode(nil, vm, found, imp.ForMessage) })
	if err != nil {
		return nil, fmt.Errorf("%s.%s cannot be copied: %w", p, name, err)
	}
	return data, nil
}

// Seen gives a program the variable that Look has copied.
func Seen(c *squirrel.Call, p Program, name string, data []byte) (squirrel.Value, error) {
	if err := c.Charge(len(data)); err != nil {
		return squirrel.Null, err
	}
	v, err := imp.Decode(c.VM(), data)
	if err != nil {
		return c.Errorf("%s.%s cannot be copied: %v", p, name, err)
	}
	return v, nil
}
