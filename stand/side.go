package stand

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/squirrel"
)

// side is a program that acts on its ground. But for what is in its mail it belongs to the goroutine
// that runs its machine.
type side struct {
	s       *Stand
	program ground.Program
	beside  *imp.Beside
	starts  int
	thrown  ground.Thrown
	bell    chan struct{} // of the tester: has a value when there is news
	mail
}

// mail is the news that a program has not asked for yet, under its lock.
type mail struct {
	mu   sync.Mutex
	news []ground.News
	rung bool // it has been told that there is news
}

// Libraries are expensive to make, and all Stands have the same.
var (
	agentLibrary  = sync.OnceValue(func() *squirrel.Library { return agent.Library(nativeAPI) })
	deviceLibrary = sync.OnceValue(func() *squirrel.Library { return device.Library(nativeAPI) })
)

func newSide(s *Stand, p ground.Program) *side {
	x := &side{s: s, program: p, bell: make(chan struct{}, 1)}
	library := agentLibrary()
	if p == ground.Device {
		library = deviceLibrary()
	}
	x.beside = &imp.Beside{Host: x, Library: library, Thrown: x.caught}
	return x
}

// caught notes an exception, whether or not it is caught.
func (x *side) caught() { x.thrown.Note(x.beside.Core().VM) }

// handler is the name under which a program's function is kept that is called for news.
const handler = "stand"

// tell gives the program news.
func (x *side) tell(n ground.News) {
	x.mu.Lock()
	x.news = append(x.news, n)
	first := !x.rung
	x.rung = true
	x.mu.Unlock()
	if first {
		x.s.work.Go(x.wake)
	}
}

// wake has the program hear that there is news.
func (x *side) wake() {
	ring := func() {
		if core := x.beside.Core(); core != nil {
			core.Ring(handler)
		}
	}
	switch x.program {
	case ground.Agent:
		_ = x.s.node.Host.Aside(x.s.ctx, x.s.device, ring) // an error is the end of the Stand
	case ground.Device:
		if r := x.s.running(); r != nil {
			r.Aside(ring)
		}
	case ground.Tester:
		select {
		case x.bell <- struct{}{}:
		default: // it has not looked yet
		}
	}
}

// take returns the oldest news.
func (x *side) take() (n ground.News, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rung = false
	if len(x.news) == 0 {
		return n, false
	}
	n = x.news[0]
	x.news = x.news[1:]
	return n, true
}

// some reports whether there is news.
func (x *side) some() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.news) > 0
}

// report tells the owner of the Stand something.
func (x *side) report(kind, text string, numbers ...int) {
	r := rehearsal.Report{
		At: x.s.Now(), Program: x.program.String(), Kind: kind, Text: text, Numbers: numbers, Lines: number(),
		Thrown: x.thrown.Newest(text),
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.reports = append(x.s.reports, r)
	x.s.ring()
}

// test runs the third program, whose machine is an agent's without a device.
func (x *side) test(ctx context.Context) {
	m := agent.New(agent.Config{
		Program: x.s.cfg.Script.Tester, Agent: x.s.agent, Device: x.s.device, URL: x.s.url, Incarnation: 1,
		Memory: ground.TesterMemory, Budget: ground.TesterBudget, Version: "tandem", Beside: x.beside,
	}, time.Now())
	timer := time.NewTimer(0)
	defer timer.Stop()
	var ev agent.Event = &agent.Boot{}
	for x.step(m, ev) {
		timer.Reset(x.patience(m))
		select {
		case <-ctx.Done():
			return
		case <-x.bell:
		case <-timer.C:
		}
		ev = &agent.Alarm{}
		if m.Busy() {
			core := x.beside.Core()
			core.Now = time.Now()
			core.Release()
			ev = &agent.Woken{}
		}
	}
}

// patience is how long the tester may be left alone.
func (x *side) patience(m *agent.Machine) time.Duration {
	wait := time.Hour
	if m.Busy() {
		if until := time.Duration(x.s.until.Load()) - x.s.Now(); until > 0 {
			wait = until
		}
	}
	if at, ok := m.Alarm(); ok {
		wait = min(wait, time.Until(at))
	}
	return wait
}

// step gives the tester an event, and does what it wants. It returns false when its program has ended.
func (x *side) step(m *agent.Machine, ev agent.Event) bool {
	for ev != nil {
		var next agent.Event
		for _, e := range m.Step(time.Now(), ev) {
			switch e := e.(type) {
			case *agent.Log:
				typ := rehearsal.LogTest
				if e.Type == tandem.LogAgentError {
					typ = rehearsal.LogTestError
				}
				x.s.line(typ, e.Msg, e.Where)
			case *agent.Save:
				next = &agent.Saved{}
			case *agent.Fetch:
				next = &agent.Fetched{ID: e.ID, Response: &tandem.Response{Status: tandem.FetchNoConnection}}
			case *agent.Restart:
				x.report("crash", string(e.Reason))
				return false
			}
		}
		ev = next
	}
	return true
}
