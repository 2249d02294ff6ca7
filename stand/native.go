package stand

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/squirrel"
)

// nativeAPI is the function by which programs act on their ground, as in package rehearsal: the name of
// what is to be done comes first.
var nativeAPI = imp.API{Functions: []imp.Function{{
	Name: rehearsal.Native, On: imp.OnBoth, Result: "any",
	Params: []imp.Param{
		{Name: "what", Type: "string"},
		{Name: "a", Type: "any", Optional: true}, {Name: "b", Type: "any", Optional: true},
		{Name: "c", Type: "any", Optional: true}, {Name: "d", Type: "any", Optional: true},
		{Name: "e", Type: "any", Optional: true},
	},
	Doc: "Acts on the ground of a test.",
	Fn:  act,
}}}

// act does what a program wants of its ground.
func act(c *squirrel.Call) (squirrel.Value, error) {
	core := imp.CoreOf(c)
	x := core.Beside().Host.(*side)
	what := c.Str(1)
	if do, ok := acts[what]; ok {
		return do(x, core, c)
	}
	f, err := rehearsal.FaultOf(what, c)
	if err == nil {
		err = x.do(f)
	}
	if err != nil {
		return c.Errorf("%v", err)
	}
	return squirrel.Null, nil
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
}

// value returns one of Script.Values, or null.
func value(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	text, ok := x.s.cfg.Script.Values[c.Str(2)]
	if !ok {
		return squirrel.Null, nil
	}
	return c.VM().NewString(text), nil
}

// begin says that a program has started; the result is how often it has.
func begin(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	if x.starts++; x.starts > 1 {
		x.mu.Lock()
		x.news, x.rung = nil, false
		x.mu.Unlock()
		x.s.mu.Lock()
		x.s.routes = slices.DeleteFunc(x.s.routes, func(r route) bool { return r.program == x.program })
		x.s.mu.Unlock()
	}
	return imp.Int32(x.starts), nil
}

// listen has a function called when there is news.
func listen(_ *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	core.SetHandler(handler, core.Callback(c, 2))
	return squirrel.Null, nil
}

func secondsOf(_ *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	d, err := rehearsal.SpanOf(c, 2)
	if err != nil {
		return c.Errorf("%v", err)
	}
	return squirrel.Float(float32(d.Seconds())), nil
}

// now returns the seconds since the Stand began.
func now(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Float(float32(x.s.Now().Seconds())), nil
}

// wait has the tester wait for a span of time, or go on with such a wait when there is none, until
// it is over or there is news.
func wait(x *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	if x.program != testerProgram {
		return c.Errorf("only a test that runs beside the pair can wait")
	}
	if !c.Arg(2).IsNull() {
		d, err := rehearsal.SpanOf(c, 2)
		if err != nil {
			return c.Errorf("%v", err)
		}
		x.s.until.Store(int64(x.s.Now() + d))
	}
	if x.some() || x.over() {
		return squirrel.Null, nil
	}
	return core.Hold(c)
}

// over reports whether the tester's wait is over.
func (x *side) over() bool { return time.Duration(x.s.until.Load()) <= x.s.Now() }

func waited(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Bool(x.over()), nil
}

// report tells the owner of the Stand something: its kind, a text, and numbers. A wait that is too long
// for real time is refused.
func report(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	var numbers []int
	for i := 4; i <= c.NArgs(); i++ {
		numbers = append(numbers, int(c.Int(i)))
	}
	kind, text := c.Str(2), ""
	if !c.Arg(3).IsNull() {
		text = c.VM().ToString(c.Arg(3))
	}
	if kind == "skip" && time.Duration(numbers[0]-1)*time.Second > x.s.cfg.Longest {
		return c.Errorf("world.time.skip: %v", x.s.tooLong(time.Duration(numbers[0]-1)*time.Second))
	}
	x.report(kind, text, numbers...)
	return squirrel.Null, nil
}

// takeNews returns the oldest news as a table, or null.
func takeNews(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	n, ok := x.take()
	if !ok {
		return squirrel.Null, nil
	}
	vm := c.VM()
	t := vm.NewTable()
	vm.SetField(t, "kind", vm.NewString(n.kind))
	vm.SetField(t, "number", imp.Int32(n.number))
	if n.kind == newsAnswer {
		vm.SetField(t, "status", imp.Int32(n.response.Status))
		vm.SetField(t, "headers", rehearsal.HeadersTable(vm, n.response.Headers))
		vm.SetField(t, "body", vm.NewStringBytes(n.response.Body))
		return t, nil
	}
	path, query, _ := strings.Cut(n.fetch.URL, "?")
	vm.SetField(t, "route", vm.NewString(n.route))
	vm.SetField(t, "method", vm.NewString(n.fetch.Method))
	vm.SetField(t, "url", vm.NewString(path))
	vm.SetField(t, "query", vm.NewString(query))
	vm.SetField(t, "headers", rehearsal.HeadersTable(vm, n.fetch.Headers))
	vm.SetField(t, "body", vm.NewStringBytes(n.fetch.Body))
	return t, nil
}

// request makes a request to the agent: method, path, headers, body. The result is its number.
func request(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	path := c.Str(3)
	if path != "" && !strings.HasPrefix(path, "/") && path[0] != '?' {
		return c.Errorf("a path begins with '/': %q", path)
	}
	body, err := rehearsal.BodyOf(c, 5)
	if err != nil {
		return c.Errorf("the body cannot be sent: %v", err)
	}
	n, err := x.s.request(x.program, strings.ToUpper(c.Str(2)), path, rehearsal.HeadersOf(c.VM(), c.Arg(4)), body)
	if err != nil {
		return c.Errorf("the request cannot be made: %v", err)
	}
	return imp.Int32(n), nil
}

// serve has the program answer the agent's requests to an address.
func serve(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	url := c.Str(2)
	if !strings.Contains(url, "://") {
		return c.Errorf("an address begins with http:// or https://: %q", url)
	}
	x.s.serve(x.program, url, c.Arg(3).AsBool())
	return squirrel.Null, nil
}

// reply answers a request of the agent: its number, status, headers, body.
func reply(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	r := &tandem.Response{Status: int(c.Int(3)), Headers: rehearsal.HeadersOf(c.VM(), c.Arg(4))}
	var err error
	if r.Body, err = rehearsal.BodyOf(c, 5); err != nil {
		return c.Errorf("the answer cannot be sent: %v", err)
	}
	x.s.reply(int(c.Int(2)), r)
	return squirrel.Null, nil
}

// readLog returns the lines of the log, which come to it a tenth of a second later.
func readLog(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	x.s.mu.Lock()
	lines := linesFrom(x.s.log, 0)
	x.s.mu.Unlock()
	vm := c.VM()
	list := vm.NewArray()
	for _, l := range lines {
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
	return squirrel.Float(float32(x.s.board.Read(c.Str(2), time.Now()))), nil
}

// peekWait is how long a look at a program may wait for the end of what it does.
const peekWait = 30 * time.Second

// peek returns a copy of a variable of the agent or of the device, global or local to its file. It is
// made between two events of that side, by its goroutine.
func peek(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	there := x.s.sides[agentProgram]
	if c.Str(2) == deviceProgram.String() {
		there = x.s.sides[deviceProgram]
	}
	if there == x {
		return c.Errorf("a program cannot look into itself")
	}
	name := c.Str(3)
	var seen look
	if !x.s.aside(there.program, func() { seen = there.look(name) }) {
		return c.Errorf("the %s does not run", there.program)
	}
	if seen.wrong != "" {
		return c.Errorf("%s", seen.wrong)
	}
	if err := c.Charge(len(seen.data)); err != nil {
		return squirrel.Null, err
	}
	v, err := imp.Decode(c.VM(), seen.data)
	if err != nil {
		return c.Errorf("%s.%s cannot be copied: %v", there.program, name, err)
	}
	return v, nil
}

// look is what a look at a variable has found.
type look struct {
	data  []byte
	wrong string // why there is none
}

func (x *side) look(name string) (l look) {
	core := x.beside.Core()
	if core == nil {
		return look{wrong: "the " + x.program.String() + " does not run"}
	}
	found, ok := core.VM.Lookup(name)
	if !ok {
		return look{wrong: "the " + x.program.String() + " has no variable \"" + name + "\""}
	}
	var err error
	core.VM.Aside(func() { l.data, _, err = imp.Encode(nil, core.VM, found, imp.ForMessage) })
	if err != nil {
		return look{wrong: x.program.String() + "." + name + " cannot be copied: " + err.Error()}
	}
	return l
}

// aside calls f between two events of a side, and reports whether it could.
func (s *Stand) aside(p program, f func()) bool {
	ctx, cancel := context.WithTimeout(s.ctx, peekWait)
	defer cancel()
	if p == agentProgram {
		return s.node.Host.Aside(ctx, s.device, f) == nil
	}
	r := s.running()
	if r == nil {
		return false
	}
	done := make(chan struct{})
	r.Aside(func() { f(); close(done) })
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// linked reports whether both sides run and have a link.
func linked(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Bool(x.s.linked()), nil
}

func (s *Stand) linked() bool {
	return s.running() != nil && s.wire.Open() && s.node.Host.Linked(s.device)
}

// ready reports whether the agent runs and, if there is one, the device has its link and its code. A
// program that has failed is not waited for.
func ready(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	s := x.s
	if s.failed() {
		return squirrel.Bool(true), nil
	}
	ok := s.node.Host.Runs(s.device)
	if ok && s.cfg.Code.Device != "" {
		ok = s.linked() && s.aside(deviceProgram, func() { ok = s.sides[deviceProgram].beside.Core() != nil }) && ok
	}
	return squirrel.Bool(ok), nil
}

// failed reports whether one of the sides has logged an error.
func (s *Stand) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.log, func(l rehearsal.Line) bool {
		return l.Type == tandem.LogAgentError || l.Type == tandem.LogDeviceError
	})
}
