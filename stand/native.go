package stand

import (
	"context"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/squirrel"
)

// nativeAPI is the function by which programs act on their ground, as in package rehearsal.
var nativeAPI = ground.API(act)

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
	return ground.SpanInSeconds(c)
}

// now returns the seconds since the Stand began.
func now(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Float(float32(x.s.Now().Seconds())), nil
}

// wait has the tester wait for a span of time, or go on with such a wait when there is none, until
// it is over or there is news.
func wait(x *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	if x.program != ground.Tester {
		return c.Errorf("only a test that runs beside the pair can wait")
	}
	if !c.Arg(2).IsNull() {
		d, err := ground.Span(c, 2)
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
	kind, text, numbers := ground.Said(c)
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
	return n.Table(c.VM()), nil
}

// request makes a request to the agent: method, path, headers, body. The result is its number.
func request(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	r, err := ground.Requested(c)
	if err != nil {
		return c.Errorf("%v", err)
	}
	n, err := x.s.request(x.program, r)
	if err != nil {
		return c.Errorf("the request cannot be made: %v", err)
	}
	return imp.Int32(n), nil
}

// serve has the program answer the agent's requests to an address.
func serve(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	url, on, err := ground.Serving(c)
	if err != nil {
		return c.Errorf("%v", err)
	}
	x.s.serve(x.program, url, on)
	return squirrel.Null, nil
}

// reply answers a request of the agent: its number, status, headers, body.
func reply(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	number, r, err := ground.Reply(c)
	if err != nil {
		return c.Errorf("%v", err)
	}
	x.s.reply(number, r)
	return squirrel.Null, nil
}

// readLog returns the lines of the log, which come to it a tenth of a second later.
func readLog(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	x.s.mu.Lock()
	lines := linesFrom(x.s.log, 0)
	x.s.mu.Unlock()
	list := c.VM().NewArray()
	for _, l := range lines {
		if err := ground.AppendLine(c, list, l.At, l.Type, l.Text); err != nil {
			return squirrel.Null, err
		}
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
	there := x.s.sides[ground.Agent]
	if c.Str(2) == ground.Device.String() {
		there = x.s.sides[ground.Device]
	}
	if there == x {
		return c.Errorf("a program cannot look into itself")
	}
	name := c.Str(3)
	var data []byte
	var err error
	look := func() {
		var vm *squirrel.VM
		if core := there.beside.Core(); core != nil {
			vm = core.VM
		}
		data, err = ground.Look(vm, there.program, name)
	}
	if !x.s.aside(there.program, look) {
		return c.Errorf("the %s does not run", there.program)
	}
	if err != nil {
		return c.Errorf("%v", err)
	}
	return ground.Seen(c, there.program, name, data)
}

// aside calls f between two events of a side, and reports whether it could.
func (s *Stand) aside(p ground.Program, f func()) bool {
	ctx, cancel := context.WithTimeout(s.ctx, peekWait)
	defer cancel()
	if p == ground.Agent {
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
		ok = s.linked() && s.aside(ground.Device, func() { ok = s.sides[ground.Device].beside.Core() != nil }) && ok
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
