package rehearsal

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// tester is the third program. Its machine is an agent's without a device.
type tester struct {
	machine *agent.Machine
	until   time.Duration // what it waits for
	tickAt  time.Time
	over    bool
}

func newTester(w *World, program *compile.Program) *tester {
	m := agent.New(agent.Config{
		Program: program, Agent: AgentID, Device: DeviceID, URL: URL, Incarnation: 1, Memory: ground.TesterMemory,
		Budget: ground.TesterBudget, Version: "tandem", Beside: w.script.beside(ground.Tester),
	}, w.wall())
	return &tester{machine: m}
}

// testerBoot runs the tester from its first line.
type testerBoot struct{}

func (testerBoot) happen(w *World) { w.stepTester(&agent.Boot{}) }

// stepTester gives the tester an event, and does what it wants.
func (w *World) stepTester(ev agent.Event) {
	t := w.tester
	if t.over {
		return
	}
	saved := false
	for _, e := range t.machine.Step(w.wall(), ev) {
		switch e := e.(type) {
		case *agent.Log:
			typ := LogTest
			if e.Type == tandem.LogAgentError {
				typ = LogTestError
			}
			w.line(typ, e.Msg, e.Where)
		case *agent.Save:
			saved = true
		case *agent.Fetch:
			none := &tandem.Response{Status: tandem.FetchNoConnection}
			w.after(httpTime, testerEvent{&agent.Fetched{ID: e.ID, Response: none}})
		case *agent.Restart:
			t.over = true
			w.script.sides[ground.Tester].report("crash", string(e.Reason))
		}
	}
	if saved {
		w.soon(testerEvent{&agent.Saved{}})
	}
	w.setTesterTimer()
}

// testerEvent is an event for the tester.
type testerEvent struct{ event agent.Event }

func (e testerEvent) happen(w *World) {
	if t := w.tester; !t.over && t.machine.Takes(e.event) {
		w.stepTester(e.event)
	}
}

// release ends the tester's wait, for it to look what has happened.
func (t *tester) release(w *World) {
	if t.over {
		return
	}
	c := w.script.sides[ground.Tester].beside.Core()
	c.Now = w.wall()
	c.Release()
	if t.machine.Busy() {
		w.stepTester(&agent.Woken{})
	}
}

// testerTick looks whether the tester has something to do.
type testerTick struct{ at time.Time }

func (e testerTick) happen(w *World) {
	t := w.tester
	if t.over || !t.tickAt.Equal(e.at) {
		return
	}
	t.tickAt = time.Time{}
	if t.machine.Busy() {
		w.stepTester(&agent.Woken{})
	} else {
		w.stepTester(&agent.Alarm{})
	}
}

func (w *World) setTesterTimer() {
	t := w.tester
	at, ok := t.machine.Alarm()
	if !ok || t.over || !t.tickAt.IsZero() && !t.tickAt.After(at) || at.Sub(w.wall()) > testerFar {
		return
	}
	t.tickAt = at
	w.after(max(at.Sub(w.wall()), tickTime), testerTick{at})
}

// testerFar is longer than any timer: what waits longer waits to be released.
const testerFar = 200 * 365 * 24 * time.Hour
