package rehearsal

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/span"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/squirrel"
)

// nativeAPI is the function by which programs act on their world.
var nativeAPI = ground.API(act)

// act does what a program wants of its world.
func act(c *squirrel.Call) (squirrel.Value, error) {
	core := imp.CoreOf(c)
	x := core.Beside().Host.(*side)
	what := c.Str(1)
	if do, ok := acts[what]; ok {
		return do(x, core, c)
	}
	f, err := FaultOf(what, c)
	if err != nil {
		return c.Errorf("%v", err)
	}
	x.w.Do(f)
	return x.pause(core, c)
}

// pause has the tester wait until what it has wanted has happened.
func (x *side) pause(core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	if x.program != ground.Tester {
		return squirrel.Null, nil
	}
	x.w.soon(ring{ground.Tester})
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

// ParseSpan reads a span of time, such as "90 seconds", "3 weeks" or "1 hour 30 minutes".
func ParseSpan(text string) (time.Duration, error) { return span.Parse(text) }

func secondsOf(_ *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	return ground.SpanInSeconds(c)
}

// now returns the seconds since the world began.
func now(x *side, _ *imp.Core, _ *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Float(float32(x.w.now.Seconds())), nil
}

// wait has the tester wait for a span of time, or go on with such a wait when there is none, until
// it is over or there is news.
func wait(x *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	t := x.w.tester
	if x.program != ground.Tester {
		return c.Errorf("only a test that runs beside the pair can wait")
	}
	if !c.Arg(2).IsNull() {
		d, err := ground.Span(c, 2)
		if err != nil {
			return c.Errorf("%v", err)
		}
		t.until = x.w.now + d
		x.w.after(d, ring{ground.Tester})
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
	kind, text, numbers := ground.Said(c)
	x.report(kind, text, numbers...)
	return squirrel.Null, nil
}

func (x *side) report(kind, text string, numbers ...int) {
	r := Report{
		At: x.w.now, Program: x.program.String(), Kind: kind, Text: text, Numbers: numbers, Lines: x.w.lines,
		Thrown: x.thrown.Newest(text),
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
	return n.Table(c.VM()), nil
}

// request makes a request to the agent: method, path, headers, body. The result is its number.
func request(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	r, err := ground.Requested(c)
	if err != nil {
		return c.Errorf("%v", err)
	}
	return imp.Int32(int(x.w.request(x.program, 0, requestOf(r)))), nil
}

// serve has the program answer the agent's requests to an address.
func serve(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	url, on, err := ground.Serving(c)
	if err != nil {
		return c.Errorf("%v", err)
	}
	o := &x.w.outside
	o.routes = slices.DeleteFunc(o.routes, func(r route) bool { return r.url == url })
	if on {
		o.routes = append(o.routes, route{url, x.program})
	}
	return squirrel.Null, nil
}

// reply answers a request of the agent: its number, status, headers, body.
func reply(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	number, r, err := ground.Reply(c)
	if err != nil {
		return c.Errorf("%v", err)
	}
	x.w.soon(replied{uint64(number), r})
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
	list := c.VM().NewArray()
	for _, l := range x.w.log {
		if err := ground.AppendLine(c, list, l.At, l.Type, l.Text); err != nil {
			return squirrel.Null, err
		}
	}
	return list, nil
}

// level returns the level of a pin of the device's board.
func level(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Float(float32(x.w.device.board.Read(c.Str(2), x.w.deviceNow().Wall))), nil
}

// peek returns a copy of a variable of the agent or of the device, global or local to its file.
func peek(x *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	p := ground.Agent
	if c.Str(2) == ground.Device.String() {
		p = ground.Device
	}
	name := c.Str(3)
	there := x.w.running(p)
	if there == nil || there == core {
		return c.Errorf("the %s does not run", p)
	}
	data, err := ground.Look(there.VM, p, name)
	if err != nil {
		return c.Errorf("%v", err)
	}
	return ground.Seen(c, p, name, data)
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
