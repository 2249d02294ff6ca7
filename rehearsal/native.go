package rehearsal

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

// nativeAPI is the function by which programs act on their world: the name of what is to be done
// comes first.
var nativeAPI = imp.API{Functions: []imp.Function{{
	Name: Native, On: imp.OnBoth, Result: "any",
	Params: []imp.Param{
		{Name: "what", Type: "string"},
		{Name: "a", Type: "any", Optional: true}, {Name: "b", Type: "any", Optional: true},
		{Name: "c", Type: "any", Optional: true}, {Name: "d", Type: "any", Optional: true},
		{Name: "e", Type: "any", Optional: true},
	},
	Doc: "Acts on the world of a test.",
	Fn:  act,
}}}

// act does what a program wants of its world.
func act(c *squirrel.Call) (squirrel.Value, error) {
	core := imp.CoreOf(c)
	x := core.Beside().Host.(*side)
	what := c.Str(1)
	if do, ok := acts[what]; ok {
		return do(x, core, c)
	}
	f, err := faultOf(what, c)
	if err != nil {
		return c.Errorf("%v", err)
	}
	x.w.Do(f)
	return x.pause(core, c)
}

// pause has the tester wait until what it has wanted has happened.
func (x *side) pause(core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	if x.program != testerProgram {
		return squirrel.Null, nil
	}
	x.w.soon(ring{testerProgram})
	return core.Hold(c)
}

// acts are what programs can want beside faults.
var acts = map[string]func(x *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error){
	"program": func(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
		return c.VM().NewString(x.program.String()), nil
	},
	"value":   value,
	"begin":   begin,
	"listen":  listen,
	"seconds": secondsOf,
	"now":     now,
	"wait":    wait,
	"waited":  waited,
	"report":  report,
	"news":    takeNews,
	"request": request,
	"serve":   serve,
	"reply":   reply,
	"log":     readLog,
	"level":   level,
	"peek":    peek,
	"linked":  linked,
	"ready":   ready,
	"checks":  checks,
	"verdict": verdict,
	"visit":   visit,
	"sent":    sent,
	"acked":   acked,
	"answers": answers,
	"get":     get,
}

// value returns one of Script.Values, or null.
func value(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	text, ok := x.w.script.values[c.Str(2)]
	if !ok {
		return squirrel.Null, nil
	}
	return c.VM().NewString(text), nil
}

// begin says that a program has started; the result is how often it has.
func begin(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	x.w.script.began(x)
	return imp.Int32(x.starts), nil
}

// listen has a function called when there is news.
func listen(_ *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	core.SetHandler(ringHandler, core.Callback(c, 2))
	return squirrel.Null, nil
}

// duration reads a span of time: seconds, or a text such as "3 weeks".
func duration(c *squirrel.Call, i int) (time.Duration, error) {
	arg := c.Arg(i)
	if n, ok := arg.Number(); ok {
		if n < 0 || float64(n) > longest.Seconds() {
			return 0, fmt.Errorf("%v is not a number of seconds from 0 to 30 years", n)
		}
		return spanOf(float64(n)), nil
	}
	if !arg.IsString() {
		return 0, fmt.Errorf(`a span of time is a number of seconds, or a text such as "3 weeks"`)
	}
	return ParseSpan(c.Str(i))
}

// spanOf returns a number of seconds, which a program has as a number of 32 bits, in whole microseconds.
func spanOf(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds*1e6)) * time.Microsecond
}

// longest is the longest span of time.
const longest = span.Longest

// ParseSpan reads a span of time, such as "90 seconds", "3 weeks" or "1 hour 30 minutes".
func ParseSpan(text string) (time.Duration, error) { return span.Parse(text) }

func secondsOf(_ *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	d, err := duration(c, 2)
	if err != nil {
		return c.Errorf("%v", err)
	}
	return squirrel.Float(float32(d.Seconds())), nil
}

// now returns the seconds since the world began.
func now(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Float(float32(x.w.now.Seconds())), nil
}

// wait has the tester wait for a span of time, or go on with such a wait when there is none, until
// it is over or there is news.
func wait(x *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	t := x.w.tester
	if x.program != testerProgram {
		return c.Errorf("only a test that runs beside the pair can wait")
	}
	if !c.Arg(2).IsNull() {
		d, err := duration(c, 2)
		if err != nil {
			return c.Errorf("%v", err)
		}
		t.until = x.w.now + d
		x.w.after(d, ring{testerProgram})
	}
	if len(x.news) > 0 || t.until <= x.w.now {
		return squirrel.Null, nil
	}
	return core.Hold(c)
}

// waited reports whether the wait is over.
func waited(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Bool(x.w.tester.until <= x.w.now), nil
}

// report tells the owner of the world something: its kind, a text, and numbers.
func report(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	var numbers []int
	for i := 4; i <= c.NArgs(); i++ {
		numbers = append(numbers, int(c.Int(i)))
	}
	text := ""
	if !c.Arg(3).IsNull() {
		text = c.VM().ToString(c.Arg(3))
	}
	x.report(c.Str(2), text, numbers...)
	return squirrel.Null, nil
}

func (x *side) report(kind, text string, numbers ...int) {
	r := Report{At: x.w.now, Program: x.program.String(), Kind: kind, Text: text, Numbers: numbers, Lines: x.w.lines}
	for _, thrown := range slices.Backward(x.thrown) {
		if thrown.Message == text {
			r.Thrown = &thrown
			break
		}
	}
	x.w.script.reports = append(x.w.script.reports, r)
}

// takeNews returns the oldest news as a table, or null.
func takeNews(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	x.rung = false
	if len(x.news) == 0 {
		return squirrel.Null, nil
	}
	n := x.news[0]
	x.news = x.news[1:]
	vm := c.VM()
	t := vm.NewTable()
	vm.SetField(t, "kind", vm.NewString(n.kind))
	vm.SetField(t, "number", imp.Int32(int(n.number)))
	if n.kind == newsAnswer {
		vm.SetField(t, "status", imp.Int32(n.response.Status))
		vm.SetField(t, "headers", headersTable(vm, n.response.Headers))
		vm.SetField(t, "body", vm.NewStringBytes(n.response.Body))
		return t, nil
	}
	path, query, _ := strings.Cut(n.fetch.URL, "?")
	vm.SetField(t, "route", vm.NewString(n.route))
	vm.SetField(t, "method", vm.NewString(n.fetch.Method))
	vm.SetField(t, "url", vm.NewString(path))
	vm.SetField(t, "query", vm.NewString(query))
	vm.SetField(t, "headers", headersTable(vm, n.fetch.Headers))
	vm.SetField(t, "body", vm.NewStringBytes(n.fetch.Body))
	return t, nil
}

func headersTable(vm *squirrel.VM, list []tandem.Header) squirrel.Value {
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

// request makes a request to the agent: method, path, headers, body. The result is its number.
func request(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	path, query, _ := strings.Cut(c.Str(3), "?")
	if path != "" && !strings.HasPrefix(path, "/") {
		return c.Errorf("a path begins with '/': %q", path)
	}
	headers := headersOf(c.VM(), c.Arg(4))
	body, err := bodyOf(c, 5)
	if err != nil {
		return c.Errorf("the body cannot be sent: %v", err)
	}
	r := requestOf(strings.ToUpper(c.Str(2)), path, query, headers, body)
	return imp.Int32(int(x.w.request(x.program, 0, r))), nil
}

// serve has the program answer the agent's requests to an address.
func serve(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	url := c.Str(2)
	if !strings.Contains(url, "://") {
		return c.Errorf("an address begins with http:// or https://: %q", url)
	}
	o := &x.w.outside
	o.routes = slices.DeleteFunc(o.routes, func(r route) bool { return r.url == url })
	if c.Arg(3).AsBool() {
		o.routes = append(o.routes, route{url, x.program})
	}
	return squirrel.Null, nil
}

// reply answers a request of the agent: its number, status, headers, body.
func reply(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	r := &tandem.Response{Status: int(c.Int(3)), Headers: headersOf(c.VM(), c.Arg(4))}
	var err error
	if r.Body, err = bodyOf(c, 5); err != nil {
		return c.Errorf("the answer cannot be sent: %v", err)
	}
	x.w.soon(replied{uint64(c.Int(2)), r})
	return squirrel.Null, nil
}

// replied is the answer of a server outside.
type replied struct {
	number   uint64
	response *tandem.Response
}

func (e replied) happen(w *World) { w.outside.fetched(w, e.number, e.response) }

// readLog returns the lines of the log.
func readLog(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	vm := c.VM()
	list := vm.NewArray()
	for _, l := range x.w.log {
		if err := c.Charge(50 + len(l.Text)/8); err != nil {
			return squirrel.Null, err
		}
		t := vm.NewTable()
		vm.SetField(t, "at", squirrel.Float(float32(l.At.Seconds())))
		vm.SetField(t, "type", vm.NewString(l.Type))
		vm.SetField(t, "text", vm.NewString(l.Text))
		vm.Append(list, t)
	}
	return list, nil
}

// level returns the level of a pin of the device's board.
func level(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Float(float32(x.w.device.board.Read(c.Str(2), x.w.deviceNow().Wall))), nil
}

// peek returns a copy of a variable of the agent or of the device, global or local to its file.
func peek(x *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	p := agentProgram
	if c.Str(2) == deviceProgram.String() {
		p = deviceProgram
	}
	name := c.Str(3)
	there := x.w.running(p)
	if there == nil || there == core {
		return c.Errorf("the %s does not run", p)
	}
	found, ok := there.VM.Lookup(name)
	if !ok {
		return c.Errorf("the %s has no variable %q", p, name)
	}
	var data []byte
	var err error
	there.VM.Aside(func() { data, _, err = imp.Encode(nil, there.VM, found, imp.ForMessage) })
	if err != nil {
		return c.Errorf("%s.%s cannot be copied: %v", p, name, err)
	}
	if err := c.Charge(len(data)); err != nil {
		return squirrel.Null, err
	}
	v, err := imp.Decode(c.VM(), data)
	if err != nil {
		return c.Errorf("%s.%s cannot be copied: %v", p, name, err)
	}
	return v, nil
}

// linked reports whether both sides run and believe in their link.
func linked(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Bool(x.w.linked()), nil
}

func (w *World) linked() bool {
	c := w.connOf(w.device.conn)
	return w.host.up && w.device.on && c != nil && !c.ended && w.host.link == c
}

// ready reports whether the agent runs and, if there is one, the device has its link.
func ready(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	w := x.w
	return squirrel.Bool(w.host.up && w.host.life.Runs() && (w.linked() || !w.cfg.Pair.HasDevice)), nil
}
