package rehearsal

import (
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Script has programs act on their world, by the native function Native.
type Script struct {
	// Tester is a third program, with what agents can call. It belongs to neither side. nil: there
	// is none.
	Tester *compile.Program
	// Values are what the programs can ask for by name.
	Values map[string]string
	// Messages is how many messages between the sides are kept; 0: 64.
	Messages int
	// Verdict is told of an assertion of the tester whose state has changed; nil: nothing is.
	Verdict func(Verdict)
}

// Native is the name of the function by which a program with a Script acts on its world.
const Native = "__world"

// program is one of the three programs of a world.
type program uint8

const (
	agentProgram program = iota
	deviceProgram
	testerProgram
	programs
)

func (p program) String() string { return [...]string{"agent", "device", "test"}[p] }

// Report is what a program with a Script says for the owner of its world.
type Report struct {
	At      time.Duration
	Program string // agent, device or test
	Kind    string
	Text    string
	Numbers []int
	Lines   int // of the log, so far
	// Thrown is the newest exception with this Text that the program has thrown, if there is one.
	Thrown *squirrel.Error
}

// scripts are what the programs of a world have of a Script. Without one they have nothing.
type scripts struct {
	w       *World
	values  map[string]string
	sides   [programs]*side
	reports []Report
}

// side is a program that acts on its world.
type side struct {
	w       *World
	program program
	beside  *imp.Beside
	starts  int
	news    []news
	rung    bool             // it has been told that there is news
	thrown  []squirrel.Error // the newest exceptions
}

// news is what a program has not asked for yet.
type news struct {
	kind     string
	number   uint64
	route    string
	response *tandem.Response
	fetch    *tandem.Fetch
}

const (
	newsAnswer = "answer" // to its request
	newsServe  = "serve"  // a request of the agent, to an address that it serves
)

func newScripts(w *World, cfg *Script) *scripts {
	s := &scripts{w: w}
	if cfg == nil {
		return s
	}
	s.values = cfg.Values
	for p := range programs {
		x := &side{w: w, program: p}
		x.beside = &imp.Beside{Host: x, Library: libraryOf(p), Thrown: x.caught}
		s.sides[p] = x
	}
	return s
}

// beside is what a program's machine gets; nil without a Script.
func (s *scripts) beside(p program) *imp.Beside {
	if s.sides[p] == nil {
		return nil
	}
	return s.sides[p].beside
}

// Libraries are expensive to make, and all worlds have the same.
var (
	agentLibrary  = sync.OnceValue(func() *squirrel.Library { return agent.Library(nativeAPI) })
	deviceLibrary = sync.OnceValue(func() *squirrel.Library { return device.Library(nativeAPI) })
)

func libraryOf(p program) *squirrel.Library {
	if p == deviceProgram {
		return deviceLibrary()
	}
	return agentLibrary()
}

// maxThrown is the number of exceptions that are kept.
const maxThrown = 16

// caught notes an exception, whether or not it is caught.
func (x *side) caught() {
	core := x.beside.Core()
	if len(x.thrown) >= maxThrown {
		x.thrown = slices.Delete(x.thrown, 0, 1)
	}
	e := squirrel.Error{Message: core.VM.Thrown(), Source: core.VM.SourceLine(), Stack: core.VM.Stack()}
	x.thrown = append(x.thrown, e)
}

// ringHandler is the name under which a program's function is kept that is called for news.
const ringHandler = "rehearsal"

// tell gives a program news.
func (s *scripts) tell(p program, n news) {
	x := s.sides[p]
	if x == nil {
		return
	}
	x.news = append(x.news, n)
	if !x.rung {
		x.rung = true
		s.w.soon(ring{p})
	}
}

// ring has a program hear that there is news.
type ring struct{ program program }

func (e ring) happen(w *World) {
	x := w.script.sides[e.program]
	core := x.beside.Core()
	if core == nil {
		return
	}
	switch e.program {
	case testerProgram:
		if core.Ring(ringHandler) {
			w.setTesterTimer()
		}
		w.tester.release(w) // it may wait for what it has done to the pair
	case agentProgram:
		if core.Ring(ringHandler) && w.host.up {
			w.setLifeTimer()
		}
	case deviceProgram:
		if w.device.on && core.Ring(ringHandler) {
			w.after(tickTime, wakeDevice{w.device.power})
		}
	}
}

// began forgets what an earlier run of a program was to hear.
func (s *scripts) began(x *side) {
	x.starts++
	if x.starts == 1 {
		return
	}
	x.news, x.rung = nil, false
	o := &s.w.outside
	o.routes = slices.DeleteFunc(o.routes, func(r route) bool { return r.program == x.program })
}

// Used returns the processor time that the programs of a world with a Script have used, by the measure
// of their machines.
func (w *World) Used() (sum time.Duration) {
	for _, x := range w.script.sides {
		if x != nil {
			sum += x.beside.Used()
		}
	}
	return sum
}

// Reports returns what programs have reported since the last call.
func (w *World) Reports() []Report {
	list := w.script.reports
	w.script.reports = nil
	return list
}
