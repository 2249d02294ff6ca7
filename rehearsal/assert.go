package rehearsal

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/squirrel"
)

// What a tester that asserts has beside what tests have. It gives two functions, and the owner of
// the world has them called between two steps.

// Names under which the tester's functions are kept.
const (
	checkHandler = "rehearsal.check"  // looks at all assertions
	glanceHandle = "rehearsal.glance" // looks at those that may be false for a while
)

// State is what an assertion has come to.
type State int

// The states of an assertion.
const (
	Unknown State = iota // not looked at, or a side does not run
	Holds
	Fails
)

// Verdict is the new state of an assertion of the tester.
type Verdict struct {
	Number int // of the assertion, in the order in which they were made
	State  State
	Text   string        // of the assertion, when it is made; later why it fails, or cannot be known
	Within time.Duration // how long it may fail, when it is made; 0: not at all
	Made   bool
}

// Check has the tester look at its assertions: at all of them, or at those that may fail for a
// while. Nothing else happens.
func (w *World) Check(all bool) {
	t := w.tester
	if t == nil || t.over || t.machine.Busy() {
		return
	}
	core := w.script.sides[ground.Tester].beside.Core()
	name := glanceHandle
	if all {
		name = checkHandler
	}
	if !core.HasHandler(name) {
		return
	}
	core.Now = w.wall()
	core.CallHandler(name)
}

// checks takes the two functions.
func checks(_ *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	core.SetHandler(checkHandler, core.Callback(c, 2))
	core.SetHandler(glanceHandle, core.Callback(c, 3))
	return squirrel.Null, nil
}

// verdict says what state an assertion has: its number, the state, a text, and when it is made
// how many seconds it may fail.
func verdict(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	tell := x.w.cfg.Script.Verdict
	if tell == nil {
		return squirrel.Null, nil
	}
	v := Verdict{Number: int(c.Int(2)), State: State(c.Int(3)), Text: c.VM().ToString(c.Arg(4))}
	if !c.Arg(5).IsNull() {
		d, err := ground.Span(c, 5)
		if err != nil {
			return c.Errorf("%v", err)
		}
		v.Made, v.Within = true, d
	}
	tell(v)
	return squirrel.Null, nil
}

// visit makes a request that belongs to the traffic from outside: unless that has fallen silent.
func visit(x *side, core *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	if x.w.outside.quiet > x.w.now {
		return squirrel.Null, nil
	}
	number, err := request(x, core, c)
	if calls := x.w.outside.calls; err == nil {
		calls[len(calls)-1].visit = true
	}
	return number, err
}

// sent returns how many messages of the device with a name have reached the node, each once.
func sent(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	return imp.Int32(x.w.seen.counts[ToAgent+"  "+c.Str(2)]), nil
}

// acked returns for how many of them the acknowledgement has reached the device.
func acked(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	return imp.Int32(x.w.seen.counts[acknowledged+"  "+c.Str(2)]), nil
}

// Exchange is a request of the tester that was answered.
type Exchange struct {
	Method, Path, Query string
	Body                []byte
	Status              int
	Answer              []byte
}

// maxExchanges is how many are kept.
const maxExchanges = 100

func (o *outside) note(r *tandem.Request, answer *tandem.Response) {
	if len(o.done) >= maxExchanges {
		o.done = slices.Delete(o.done, 0, 1)
	}
	o.done = append(o.done, Exchange{r.Method, r.Path, r.Query, r.Body, answer.Status, answer.Body})
}

// answers returns the newest answers, the oldest first; with a method the newest to that, or null.
func answers(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	vm, done := c.VM(), x.w.outside.done
	if !c.Arg(2).IsNull() {
		method := strings.ToUpper(c.Str(2))
		for i := len(done) - 1; i >= 0; i-- {
			if done[i].Method == method {
				return done[i].table(c)
			}
		}
		return squirrel.Null, nil
	}
	list := vm.NewArray()
	for i := range done {
		t, err := done[i].table(c)
		if err != nil {
			return squirrel.Null, err
		}
		vm.Append(list, t)
	}
	return list, nil
}

func (e *Exchange) table(c *squirrel.Call) (squirrel.Value, error) {
	if err := c.Charge(50 + len(e.Body) + len(e.Answer)); err != nil {
		return squirrel.Null, err
	}
	vm := c.VM()
	t := vm.NewTable()
	vm.SetField(t, "method", vm.NewString(e.Method))
	vm.SetField(t, "path", vm.NewString(e.Path))
	vm.SetField(t, "body", vm.NewStringBytes(e.Body))
	vm.SetField(t, "status", imp.Int32(e.Status))
	vm.SetField(t, "answer", vm.NewStringBytes(e.Answer))
	return t, nil
}

// get returns what the agent would answer to a GET now: a copy of its machine is asked, which is
// dropped then. null: it would not answer at once.
func get(x *side, _ *imp.Core, c *squirrel.Call) (squirrel.Value, error) {
	if x.w.running(ground.Agent) == nil || x.w.host.life.Machine() == nil || x.w.host.life.Machine().Busy() {
		return c.Errorf("the agent does not run")
	}
	path, query, _ := strings.Cut(cmp.Or(c.Str(2), "/"), "?")
	r, err := x.w.askCopy(requestOf(ground.Request{Method: http.MethodGet, Path: path, Query: query}))
	switch {
	case err != nil:
		return c.Errorf("the agent cannot be copied: %v", err)
	case r == nil:
		return squirrel.Null, nil
	}
	vm := c.VM()
	t := vm.NewTable()
	vm.SetField(t, "status", imp.Int32(r.Status))
	vm.SetField(t, "headers", ground.HeadersTable(vm, r.Headers))
	vm.SetField(t, "body", vm.NewStringBytes(r.Body))
	return t, nil
}

// copyRequest is the number of a request to a copy. No other request has it.
const copyRequest = 1 << 62

// askCopy gives a copy of the agent's machine a request, and returns its answer.
func (w *World) askCopy(r *tandem.Request) (*tandem.Response, error) {
	data, err := w.host.life.Machine().Snapshot()
	if err != nil {
		return nil, err
	}
	h := &w.host
	beside := &imp.Beside{Library: w.script.sides[ground.Agent].beside.Library}
	m, err := agent.Restore(agent.Config{
		Program: w.cfg.Pair.program.Agent, Agent: AgentID, Device: DeviceID, URL: URL, Memory: h.cfg.Memory,
		Budget: h.cfg.Budget, Version: h.cfg.Version, Beside: beside,
	}, data, w.hostNow().Wall)
	if err != nil {
		return nil, err
	}
	for _, e := range m.Step(w.hostNow().Wall, &agent.Request{ID: copyRequest, Request: r}) {
		if a, ok := e.(*agent.Answer); ok && a.ID == copyRequest {
			return a.Response, nil
		}
	}
	return nil, nil
}
