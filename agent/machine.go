// Package agent is an agent as a value: a pure machine over a Squirrel VM,
// with the agent's half of the imp API.
//
// New makes the machine of one incarnation. Step takes one event and returns
// the effects that the agent asks for. It never waits, and has no clock but its
// argument now. A program that must wait (server.save, sendsync, imp.sleep) is
// suspended inside its VM: the machine is Busy, and takes only the events that
// Takes allows until the one that it waits for. Snapshot writes the state of the
// machine, also while it is busy, and Restore continues from it on any host.
//
// The host does everything that takes time: it delivers events one at a time
// and in order, carries out effects, calls Step with an Alarm at the time that
// Alarm returns, and ends the incarnation on a Restart.
//
// The functions that programs see are in the API tables of this package (API)
// and of package imp (imp.Shared).
package agent

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Config is what an incarnation starts with.
type Config struct {
	Program     *compile.Program // from imp.Compile
	Agent       tandem.AgentID
	Device      tandem.DeviceID
	URL         string // the result of http.agenturl()
	Incarnation uint64
	Start       tandem.Reason
	Connected   bool          // whether the device has a link
	Address     string        // its IP address, "" when the device never connected
	Saved       []byte        // the saved table in the compact encoding, nil when there is none
	Mark        tandem.Mark   // of the newest device message that is part of Saved
	Memory      int           // limit of the program's memory in bytes; 0 is tandem.AgentMemory
	Budget      time.Duration // VM time per event; 0 is tandem.EventBudget
	Version     string        // the result of imp.getsoftwareversion()
	ValidateTLS bool          // requests verify servers unless the program says otherwise
	Yield       func()        // called about every 10 ms of a Step, which may wait; nil: nothing is called
	Credits     *Credits      // what the earlier incarnation had left; nil: there was none
	Beside      *imp.Beside   // what a test adds; nil in production
}

// Machine is one incarnation of an agent. It is not safe for concurrent use.
type Machine struct {
	core    imp.Core
	cfg     Config
	effects []Effect
	volume  int     // bytes of data that the effects hold
	lines   int     // log lines among the effects
	overs   []*Over // the Over effects among the effects
	dead    bool
	turn    uint64 // number of Steps

	connected bool
	announce  bool // device.onconnect is still to be called for a device connected since before the start
	address   string

	saved  []byte // the result of server.load
	mark   tandem.Mark
	saving []byte      // the new table while the program waits for Saved
	kept   tandem.Mark // mark when saved was saved

	cause   tandem.Mark       // mark of the device's message that is being handled
	nth     uint32            // posts made while it is handled
	post    uint64            // checksum of the last of them
	unsure  uint64            // checksum of a failed post that may be kept all the same; 0: none
	posting uint32            // key of the callback while the program waits for Posted; 0: none
	posts   map[uint64]uint32 // keys of callbacks by the numbers of posts; nil at first

	stopping tandem.Reason // why the host wants the agent to end

	broker broker

	requests    map[uint32]openRequest // by the numbers in httpresponses
	lastRequest uint32                 // the newest of these numbers
	fetches     map[uint32]fetch       // by id
	syncID      uint32                 // number of the request that sendsync waits for
	sending     credits                // for outgoing requests
	signing     credits                // for signatures

	patterns patterns // of regexp2
}

// Reasons for which a program is suspended, beside imp.Sleeping and imp.Ending.
const (
	waitSave = imp.FirstWait + iota
	waitFetch
	waitUpload
	waitMQTT
	waitPost
)

// nativeCost is the fuel of a native function whose work exceeds a few
// instructions, beside the fuel for its data.
const nativeCost = 30

// library has the functions that programs see. All machines share it.
var library = sync.OnceValue(func() *squirrel.Library {
	return imp.Library("agent", tandem.AgentSide, imp.Shared, API)
})

// Library returns a library with what agents see and more, for tests; see imp.Beside.
func Library(more imp.API) *squirrel.Library {
	return imp.Library("agent", tandem.AgentSide, imp.Shared, API, more)
}

// New returns the machine of a new incarnation. Its first event is a Boot.
func New(cfg Config, now time.Time) *Machine {
	m := &Machine{
		cfg: cfg, connected: cfg.Connected, announce: cfg.Connected, address: cfg.Address,
		saved: cfg.Saved, mark: cfg.Mark, kept: cfg.Mark,
		requests: map[uint32]openRequest{}, fetches: map[uint32]fetch{},
		sending: newCredits(now), signing: newCredits(now),
	}
	if c := cfg.Credits; c != nil {
		m.sending, m.signing = c.Sending, c.Signing
	}
	m.core.Start(m.coreConfig(), now)
	vm := m.core.VM
	vm.SetField(vm.Field(vm.Root(), "server"), permanentTable, vm.NewTable())
	m.core.SetParam("deviceid", m.core.VM.NewString(string(cfg.Device)))
	return m
}

func (m *Machine) coreConfig() imp.Config {
	memory := m.cfg.Memory
	if memory <= 0 {
		memory = tandem.AgentMemory
	}
	return imp.Config{
		Side: tandem.AgentSide, Library: m.cfg.Beside.Or(library()), Program: m.cfg.Program, Memory: memory,
		Budget: m.cfg.Budget, Version: m.cfg.Version, Environment: imp.EnvironmentAgent, Incarnation: m.cfg.Incarnation,
		Log: m.logAt, Over: m.over, Yield: m.cfg.Yield, Owner: m, Beside: m.cfg.Beside,
	}
}

// machineOf returns the machine whose program makes the call.
func machineOf(call *squirrel.Call) *Machine { return imp.CoreOf(call).Owner().(*Machine) }

// Busy reports whether the current event is not complete because the program
// waits in the middle of it.
func (m *Machine) Busy() bool { return m.core.Busy() }

// Dead reports whether the incarnation has ended.
func (m *Machine) Dead() bool { return m.dead }

// Alarm returns when the host must call Step without another event: with Woken
// when the machine is Busy, else with Alarm. ok is false when it need not.
func (m *Machine) Alarm() (time.Time, bool) {
	if m.dead {
		return time.Time{}, false
	}
	return m.core.Alarm()
}

// Used returns the VM time that the program has used since the machine was made.
func (m *Machine) Used() time.Duration {
	return time.Duration(m.core.VM.FuelUsed()) * (time.Second / imp.FuelPerSecond)
}

// Memory returns the bytes of Go memory that the machine's arena takes.
func (m *Machine) Memory() int { return m.core.VM.Footprint() }

// Takes reports whether Step takes ev now. A machine that is not busy takes every
// event.
func (m *Machine) Takes(ev Event) bool {
	switch ev := ev.(type) {
	case *Woken:
		return true
	case *Saved:
		return !m.Busy() || m.core.Waiting() == waitSave
	case *MQTTDone:
		return !m.Busy() || m.core.Waiting() == waitMQTT && ev.Request == uint64(m.syncID)
	case *MQTTLost:
		return !m.Busy() || m.core.Waiting() == waitMQTT && ev.ID == uint64(m.broker.ID)
	case *Posted:
		return !m.Busy() || m.core.Waiting() == waitPost
	case *Fetched:
		w := m.core.Waiting()
		return !m.Busy() || (w == waitFetch || w == waitUpload) && ev.ID == uint64(m.syncID)
	case *Uploaded:
		return !m.Busy() || m.core.Waiting() == waitUpload && ev.ID == uint64(m.syncID)
	}
	return !m.Busy()
}

// Step takes one event and returns the effects that the program caused by it. The
// next Step reuses the slice, but not its elements. A dead machine does nothing.
func (m *Machine) Step(now time.Time, ev Event) []Effect {
	clear(m.effects)
	m.effects = m.effects[:0]
	m.volume = 0
	m.lines = 0
	m.overs = nil
	m.turn++
	if m.dead {
		return nil
	}
	m.core.VM.SetTurn(m.turn)
	if !m.Takes(ev) {
		panic(fmt.Sprintf("agent: %T while the machine is busy", ev))
	}
	m.core.Now = now
	if !m.Busy() {
		m.core.During = during(ev)
		m.cause = tandem.Mark{}
		m.nth = 0
		m.unsure = 0
	}
	for o := m.take(ev); ; o = m.announced() {
		switch {
		case o == imp.Interrupted:
			m.withdraw()
			m.end(o.Reason())
		case o.Over():
			m.end(o.Reason())
		case m.core.Waiting() == imp.Ending:
			m.core.Abort()
			m.end(m.endReason())
		case o == imp.Done && m.announce && m.core.HasHandler(handlerConnect):
			continue
		}
		if !m.Busy() {
			m.core.During = imp.During{}
		}
		return m.effects
	}
}

// NextTurn returns the number of the Step that begins next, for Interrupt.
func (m *Machine) NextTurn() uint64 { return m.turn + 1 }

// Interrupt stops the Step with a number in the middle, whatever it does: within some
// tens of milliseconds it returns the lines written to the log, and a Restart. Other
// effects of the event are withdrawn, because where it stops is chance. Interrupt is
// the only method that may be called from any goroutine, and at any time: it does not
// touch a Step with another number, and stops one that has not begun when it begins.
func (m *Machine) Interrupt(turn uint64) { m.core.VM.InterruptIn(turn) }

// Shift puts all times on that the machine has, by d: the wall clock that Step is given has
// stepped, and timers are meant as spans of time.
func (m *Machine) Shift(d time.Duration) {
	m.core.Shift(d)
	m.sending.At += int64(d)
	m.signing.At += int64(d)
	for number, r := range m.requests {
		r.At += int64(d / time.Second)
		m.requests[number] = r
	}
}

// Starve leaves the agent no memory: its next event ends it. It may be called between two Steps.
func (m *Machine) Starve() { m.core.VM.Starve() }

// SetYield replaces the Yield of the configuration.
func (m *Machine) SetYield(yield func()) { m.core.VM.SetYield(yield) }

// withdraw drops the effects of the Step but the lines for the log.
func (m *Machine) withdraw() {
	m.effects = slices.DeleteFunc(m.effects, func(e Effect) bool {
		switch e.(type) {
		case *Log, *Over:
			return false
		}
		return true
	})
}

// take runs the program for one event.
func (m *Machine) take(ev Event) (o imp.Outcome) {
	defer m.core.Guard(&o)
	switch ev := ev.(type) {
	case *Boot:
		return m.core.Boot()
	case *DeviceMessage:
		return m.message(&ev.Message)
	case *DeviceConnected:
		return m.deviceConnected(ev.Address)
	case *DeviceDisconnected:
		return m.deviceDisconnected()
	case *PeerStarted:
		return m.core.PeerStarted(ev.Reason, ev.Incarnation)
	case *Request:
		return m.request(ev)
	case *Alarm:
		return m.core.Fire()
	case *Fetched:
		return m.fetched(ev)
	case *FetchedPart:
		return m.fetchedPart(ev)
	case *Uploaded:
		return m.uploaded(ev)
	case *MQTTConnected:
		return m.mqttConnected(ev)
	case *MQTTMessage:
		return m.mqttMessage(ev)
	case *MQTTDone:
		return m.mqttDone(ev)
	case *MQTTLost:
		return m.mqttLost(ev)
	case *Saved:
		return m.savedTable(ev.Err)
	case *Posted:
		return m.posted(ev)
	case *Handled:
		return m.postHandled(ev.Seq)
	case *Woken:
		return m.core.Wake()
	case *Shutdown:
		return m.shutdown(ev.Reason)
	}
	panic(fmt.Sprintf("agent: %T is not an event", ev))
}

// maxVolume bounds the bytes of data in the effects of one Step, which are outside
// the program's memory.
const maxVolume = 8 << 20

const noRoom = "too much data in one event; go on in another, with imp.wakeup"

// room reserves n bytes of maxVolume. It reports whether there are as many.
func (m *Machine) room(n int) bool {
	const perEffect = 100
	if m.volume+n+perEffect > maxVolume {
		m.over(tandem.OverEventData)
		return false
	}
	m.volume += n + perEffect
	return true
}

// over counts that the program ran into a limit.
func (m *Machine) over(limit string) {
	for _, o := range m.overs {
		if o.Limit == limit {
			o.Times++
			return
		}
	}
	o := &Over{limit, 1}
	m.overs = append(m.overs, o)
	m.effects = append(m.effects, o)
}
