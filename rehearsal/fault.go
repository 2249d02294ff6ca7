package rehearsal

import (
	"cmp"
	"fmt"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/core"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/span"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/squirrel"
)

// Kind is a kind of Fault.
type Kind string

// The kinds of faults, and of other things that are done to a pair from outside.
const (
	PowerCycle    Kind = "powercycle"    // of the device; it is without power for For
	PowerOff      Kind = "poweroff"      // of the device, until PowerOn
	PowerOn       Kind = "poweron"       // of the device
	Cut           Kind = "cut"           // the network delivers nothing for For; 0: until Mend
	Mend          Kind = "mend"          // the network delivers again, at once and without loss
	Latency       Kind = "latency"       // the network takes For from now on
	Loss          Kind = "loss"          // the network loses the share Value of all segments from now on
	Reset         Kind = "reset"         // both ends of the connection hear that it is over
	Restart       Kind = "restart"       // of the agent, for the reason Text
	RestartDevice Kind = "restartdevice" // of the device's code
	Move          Kind = "move"          // the agent goes to another node
	Lose          Kind = "lose"          // the agent's node is lost; the next one has the agent after For
	Deploy        Kind = "deploy"        // both sides get their code again, as from a new deployment
	Refuse        Kind = "refuse"        // the store refuses all for For
	Silence       Kind = "silence"       // no server outside answers for For; Text may be Late or Unreachable
	AgentClock    Kind = "agentclock"    // the agent's wall clock is off by For
	DeviceClock   Kind = "deviceclock"   // the device's wall clock is off by For
	Board         Kind = "board"         // the line Text for the simulated board; see board.Command
	Quiet         Kind = "quiet"         // the tester makes no request for For; 0: never again
	Hibernate     Kind = "hibernate"     // the agent becomes bytes, as after a long rest
	Sleep         Kind = "sleep"         // the device sleeps deeply for For, as if its code had wanted that
	MemoryFull    Kind = "memoryfull"    // the agent, or the device if Text says so, finds no memory next
	Overtake      Kind = "overtake"      // the device loses its connection; what it has sent arrives after For
)

// How servers are silent, if not for good for what comes in the time of the fault.
const (
	Late        = "late"        // they answer after it
	Unreachable = "unreachable" // they accept no connection
)

// Fault is something that is done to the pair from outside.
type Fault struct {
	Kind  Kind
	For   time.Duration
	Value float64
	Text  string
}

// String returns the fault for people.
func (f Fault) String() string {
	switch f.Kind {
	case PowerCycle:
		return "the device loses its power" + lasting(f.For)
	case PowerOff:
		return "the device's power is off"
	case PowerOn:
		return "the device's power is on"
	case Cut:
		return "the link is cut" + lasting(f.For)
	case Mend:
		return "the link is whole"
	case Latency:
		return fmt.Sprintf("the link takes %v", f.For)
	case Loss:
		return fmt.Sprintf("the link loses %.3g %% of all segments", 100*f.Value)
	case Reset:
		return "the connection is reset"
	case Restart:
		return "the agent is to restart: " + f.Text
	case RestartDevice:
		return "the device's code is to restart"
	case Move:
		return "the agent moves to another node"
	case Lose:
		return "the agent's node is lost" + lasting(f.For)
	case Deploy:
		return "the code is deployed again"
	case Refuse:
		return "the store refuses everything" + lasting(f.For)
	case Silence:
		return map[string]string{
			"": "no server outside answers", Late: "all servers outside hang",
			Unreachable: "no server outside can be reached",
		}[f.Text] + lasting(f.For)
	case AgentClock:
		return fmt.Sprintf("the agent's clock is off by %v", f.For)
	case DeviceClock:
		return fmt.Sprintf("the device's clock is off by %v", f.For)
	}
	return f.ofRest()
}

// ofRest is String for kinds that come to rest, or to an end, by themselves.
func (f Fault) ofRest() string {
	switch f.Kind {
	case Quiet:
		return "no request comes from outside any more" + lasting(f.For)
	case Hibernate:
		return "the agent hibernates"
	case Sleep:
		return "the device sleeps deeply" + lasting(f.For)
	case MemoryFull:
		return "the memory of the " + f.program().String() + " is full"
	case Overtake:
		return fmt.Sprintf("the device loses its connection; what is on its way arrives %v later", f.For)
	}
	return string(f.Kind) + ": " + f.Text
}

func lasting(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf(", for %v", d)
}

// reasons are those for which an agent can be restarted from outside.
var reasons = []tandem.Reason{
	tandem.ReasonRestart, tandem.ReasonReload, tandem.ReasonBytecode, tandem.ReasonMigrating, tandem.ReasonShutdown,
	tandem.ReasonUnassigned, tandem.ReasonIdle,
}

// Do does something to the pair, as the next thing that happens.
func (w *World) Do(f Fault) { w.soon(f) }

// Later does something to the pair after a while.
func (w *World) Later(d time.Duration, f Fault) { w.after(d, f) }

// Strike does something to the pair at once: after what has happened, and before what is due.
func (w *World) Strike(f Fault) { f.happen(w) }

func (f Fault) happen(w *World) {
	if f.Kind == Board {
		w.line(LogBoard, f.Text, nil)
	} else {
		w.line(LogFault, f.String(), nil)
	}
	switch f.Kind {
	case PowerCycle:
		w.cutPower()
		w.after(max(f.For, bootTime), powerOn{})
	case PowerOff:
		w.cutPower()
	case PowerOn:
		if w.cfg.Pair.HasDevice {
			w.after(bootTime, powerOn{})
		}
	case RestartDevice:
		w.stepDevice(&core.Restart{})
	case DeviceClock:
		w.device.skew = f.For
	case Board:
		if err := w.device.board.Command(f.Text); err != nil {
			w.line(LogFault, err.Error(), nil)
		}
	case Silence:
		w.outside.silent, w.outside.silence = w.now+f.For, f.Text
	case Restart, Move, Lose, Deploy, Refuse, AgentClock, Hibernate:
		f.toNode(w)
	case Quiet:
		w.outside.quiet = w.now + cmp.Or(f.For, span.Longest)
	case Sleep, MemoryFull:
		f.toProgram(w)
	default:
		f.toLink(w)
	}
}

func (f Fault) toLink(w *World) {
	x := &w.wire
	switch f.Kind {
	case Cut:
		w.cutWire(f.For)
	case Mend:
		x.loss = 0
		w.mendWire()
	case Latency:
		x.latency = f.For
	case Loss:
		x.loss = min(max(f.Value, 0), 0.99)
	case Reset:
		if id := w.device.conn; id != 0 {
			brokenAtHost{id}.happen(w)
			closedAtDevice{id}.happen(w)
		}
	case Overtake:
		w.overtake(f.For)
	}
}

// program is the one that MemoryFull is about.
func (f Fault) program() ground.Program {
	if f.Text == ground.Device.String() {
		return ground.Device
	}
	return ground.Agent
}

// toProgram acts on a machine, which needs a Script.
func (f Fault) toProgram(w *World) {
	p := f.program()
	if f.Kind == Sleep {
		p = ground.Device
	}
	core := w.running(p)
	if core == nil {
		return
	}
	if f.Kind == MemoryFull {
		core.VM.Exhaust()
		return
	}
	vm := core.VM
	sleep := vm.Field(vm.Field(vm.Root(), "imp"), "deepsleepfor")
	if _, ok := core.After(0, sleep, squirrel.Float(float32(f.For.Seconds()))); ok {
		w.after(tickTime, wakeDevice{w.device.power})
	}
}

// running returns what runs a side's program; nil when nothing does.
func (w *World) running(p ground.Program) *imp.Core {
	x := w.script.sides[p]
	switch {
	case x == nil:
	case p == ground.Device && !w.device.on:
	case p == ground.Agent && (!w.host.up || !w.host.life.Runs()):
	default:
		return x.beside.Core()
	}
	return nil
}

func (f Fault) toNode(w *World) {
	h := &w.host
	switch f.Kind {
	case Restart:
		if h.up {
			w.arrive(arrival{event: &life.Restart{Reason: tandem.Reason(f.Text)}})
		}
	case Move:
		if h.up && !h.onWay {
			w.arrive(arrival{event: &life.Leave{Node: "node", Patience: 5 * time.Second}})
		}
	case Lose:
		w.lose()
		w.after(max(f.For, time.Second), hostUp{h.run})
	case Deploy:
		if h.up {
			w.arrive(arrival{event: firstEvent()})
		}
	case Refuse:
		h.away = w.now + f.For
	case AgentClock:
		h.skew = f.For
	case Hibernate:
		if h.up && !h.onWay {
			after := h.cfg.HibernateAfter
			h.cfg.HibernateAfter = 0
			w.arrive(arrival{event: &life.Tick{}})
			h.cfg.HibernateAfter = after
		}
	}
}
