package rehearsal

import (
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Script has programs act on their world, by the native function ground.Native.
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
	sides   [ground.Programs]*side
	reports []Report
}

// side is a program that acts on its world.
type side struct {
	w       *World
	program ground.Program
	beside  *imp.Beside
	starts  int
	news    []ground.News
	rung    bool // it has been told that there is news
	thrown  ground.Thrown
}

func newScripts(w *World, cfg *Script) *scripts {
	s := &scripts{w: w}
	if cfg == nil {
		return s
	}
	s.values = cfg.Values
	for p := range ground.Programs {
		x := &side{w: w, program: p}
		x.beside = &imp.Beside{Host: x, Library: libraryOf(p), Thrown: x.caught}
		s.sides[p] = x
	}
	return s
}

// beside is what a program's machine gets; nil without a Script.
func (s *scripts) beside(p ground.Program) *imp.Beside {
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

func libraryOf(p ground.Program) *squirrel.Library {
	if p == ground.Device {
		return deviceLibrary()
	}
	return agentLibrary()
}

// caught notes an exception, whether or not it is caught.
func (x *side) caught() { x.thrown.Note(x.beside.Core().VM) }

// ringHandler is the name under which a program's function is kept that is called for news.
const ringHandler = "rehearsal"

// tell gives a program news.
func (s *scripts) tell(p ground.Program, n ground.News) {
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
type ring struct{ program ground.Program }

func (e ring) happen(w *World) {
	x := w.script.sides[e.program]
	core := x.beside.Core()
	if core == nil {
		return
	}
	switch e.program {
	case ground.Tester:
		if core.Ring(ringHandler) {
			w.setTesterTimer()
		}
		w.tester.release(w) // it may wait for what it has done to the pair
	case ground.Agent:
		if core.Ring(ringHandler) && w.host.up {
			w.setLifeTimer()
		}
	case ground.Device:
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
