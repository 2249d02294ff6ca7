package device

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Board is the hardware. Package board has a simulated one.
type Board interface {
	// Setup gives a pin a mode by its name, and an output its first level. "" is the
	// mode of a pin after power-on. A UART has the mode "UART" when it is configured. The
	// mode of a pulse generator has the pin that triggers it and the length of a pulse, as in
	// "PTPG_OUT_ACTIVE_HIGH pin8 1ms"; its level is the delay in seconds. An edge before the
	// end of a pulse starts it again.
	Setup(pin, mode string, level float64) error
	// Write sets an output's level, 0 to 1.
	Write(pin string, level float64) error
	// Read returns a pin's level at a time, 0 to 1; the supply voltage for "voltage",
	// 0 to 65535 for "lightlevel".
	Read(pin string, at time.Time) float64
	// Edges returns how many edges a pin has had until a time, from any beginning.
	Edges(pin string, at time.Time) (rising, falling int64)
	// Transfer writes out to a bus and reads in bytes. addr matters on I2C alone. Of a UART
	// it returns what is answered at once, which may be nothing and is in bytes at most.
	Transfer(bus string, addr int, out []byte, in int) ([]byte, error)
}

// Config is the configuration of a machine and the state that an incarnation begins with.
type Config struct {
	Program     *compile.Program
	Device      tandem.DeviceID
	Incarnation uint64
	Wake        int           // reason of the start: one of the Wake constants
	Connected   bool          // whether there is a link at the start
	Address     string        // of the device, while connected
	NV          []byte        // of the DeepSleep before; nil when there was none
	User        []byte        // the user configuration; nil when there is none
	Permanent   []byte        // the table server.permanent in the compact encoding; nil when it is empty
	Room        Room          // what can be kept; the zero value is tandem.PostsSize
	KeepSends   bool          // agent.send keeps its messages, until the program says otherwise
	KeepLog     bool          // the same for lines of the log
	Module      string        // a type of module such as "imp003"; "" = AnyModule
	Board       Board         // nil: a board without any hardware
	Flash       Flash         // nil: a flash of 0 bytes
	Memory      int           // bytes; 0 = tandem.DeviceMemory
	Budget      time.Duration // VM time per event; 0 = tandem.EventBudget
	Version     string        // of the runtime
	Beside      *imp.Beside   // what a test adds; nil in production
}

// Names of handlers, in the Core.
const (
	onIdle       = "imp.onidle"
	onShutdown   = "server.onshutdown"
	onUnexpected = "server.onunexpecteddisconnect"
	onConnect    = "server.connect"
)

// reconnectPatience is how long the link may be lost until the code is told.
const reconnectPatience = time.Minute

// Machine is a device's code at work. See the package comment.
type Machine struct {
	core    imp.Core
	cfg     Config
	module  module
	things  []peripheral
	board   Board
	st      state
	effects []Effect
	dead    bool
}

// state is the state of a machine beside its VM; it is part of a snapshot.
type state struct {
	Link       link
	Posts      posts
	Wake       int
	Booted     instant // when the code started
	Read       instant // the last time returned by hardware.millis or hardware.micros
	Unexpected instant // when to tell the code that the link is lost
	Patience   instant // when to tell server.connect's callback that it has failed
	Later      []callback
	Sleep      time.Duration // duration of the deep sleep that waits for a flush
	User       []byte
	NV         []byte // until Boot
	PowerSave  bool   // of imp.setpowersave
	PowerOn    bool   // of imp.setpoweren
	Country    int32  // of imp.setcountry
	Pins       []pinState
	Buses      []busState
	I2CError   int
	Count      count
	Poll       poll
	Sampler    sampler
	Converter  converter
	Scan       instant // when imp.scanwifinetworks has its result
	Cell       instant // when imp.net.getcellinfo has its result
	Flash      bool    // enabled
	Dead       bool
}

// callback is a handler to be called after the one that runs.
type callback struct {
	Handler string
	Reason  int
	Bus     string // the UART whose callback it is; "" for any other
}

// library has the functions that device code sees. All machines share it.
var library = sync.OnceValue(func() *squirrel.Library {
	return addAbsentSlot(imp.Library("device", tandem.DeviceSide, API()...))
})

// Library returns a library with what device code sees and more, for tests; see imp.Beside.
func Library(more imp.API) *squirrel.Library {
	return addAbsentSlot(imp.Library("device", tandem.DeviceSide, append(API(), more)...))
}

// API returns all functions and constants that device code has beyond the language,
// for the manual.
func API() []imp.API {
	return []imp.API{
		imp.Shared, linkAPI, postAPI, keepAPI, impAPI, radioAPI, hardwareAPI, flashAPI, peripheralAPI, audioAPI, relicsAPI,
	}
}

// New returns a machine. Its first event is Boot. The module of cfg must be a
// known one; see Modules.
func New(cfg Config, now time.Time) *Machine {
	m := newMachine(cfg)
	m.st = state{
		Link: newLink(cfg.Connected, cfg.Address), Wake: cfg.Wake, Booted: instantOf(now),
		User: cfg.User, NV: cfg.NV, Posts: posts{Room: m.cfg.Room},
		Pins: make([]pinState, len(m.things)), Buses: make([]busState, len(m.things)),
	}
	m.st.Link.emit = m.emit
	m.st.Link.KeepSends, m.st.Link.KeepLog = cfg.KeepSends, cfg.KeepLog
	m.core.Start(m.coreConfig(), now)
	m.plug()
	m.plugRelics()
	return m
}

func newMachine(cfg Config) *Machine {
	if cfg.Module == "" {
		cfg.Module = AnyModule
	}
	if cfg.Memory == 0 {
		cfg.Memory = tandem.DeviceMemory
	}
	if cfg.Room == (Room{}) {
		cfg.Room.Bytes = tandem.PostsSize
	}
	if cfg.Board == nil {
		cfg.Board = noBoard{}
	}
	if cfg.Flash == nil {
		cfg.Flash = noFlash{}
	}
	mod, ok := modules()[cfg.Module]
	if !ok {
		panic("device: unknown type of module " + cfg.Module)
	}
	return &Machine{cfg: cfg, module: mod, things: mod.peripherals(), board: cfg.Board}
}

func (m *Machine) coreConfig() imp.Config {
	return imp.Config{
		Side: tandem.DeviceSide, Library: m.cfg.Beside.Or(library()), Program: m.cfg.Program,
		Memory: m.cfg.Memory, Budget: m.cfg.Budget, Version: m.cfg.Version,
		Environment: int32(m.module.environment), Incarnation: m.cfg.Incarnation,
		Log: m.explainAt, Owner: m, Beside: m.cfg.Beside,
	}
}

// explain logs a line that is not of server.log.
func (m *Machine) explain(isError bool, msg string) { m.explainAt(isError, msg, nil) }

// explainAt is explain for a line about a place in the code, such as one of an exception.
func (m *Machine) explainAt(isError bool, msg string, at *tandem.Where) {
	typ := tandem.LogDevice
	if isError {
		typ = tandem.LogDeviceError
	}
	m.st.Link.reportAt(typ, msg, at)
}

func (m *Machine) emit(e Effect) { m.effects = append(m.effects, e) }

func (m *Machine) vm() *squirrel.VM { return m.core.VM }

// readTime is the time that hardware.millis and hardware.micros take.
const readTime = 10 * time.Microsecond

// uptime returns the clock of hardware.millis. Reading it takes readTime: all of one
// event happens at one instant, but a driver may wait in a loop until the clock has
// moved, and must not wait for ever.
func (m *Machine) uptime(c *squirrel.Call) (time.Duration, error) {
	if err := c.Charge(int(readTime.Seconds() * imp.FuelPerSecond)); err != nil {
		return 0, err
	}
	m.st.Read = max(instantOf(m.core.Now), m.st.Read+instant(readTime))
	return time.Duration(m.st.Read - m.st.Booted), nil
}

// macAddress returns a locally administered address, made of the device id.
func (m *Machine) macAddress() string {
	id := string(m.cfg.Device)
	return "02" + strings.Repeat("0", max(0, 10-len(id))) + id[max(0, len(id)-10):]
}

// Busy reports whether the code is in the middle of an event; see TakenBusy.
func (m *Machine) Busy() bool { return m.core.Busy() }

// Dead reports whether the incarnation has ended.
func (m *Machine) Dead() bool { return m.dead }

// Alarm returns when the machine needs an event for the time alone: Woken while it
// is Busy, else Alarm. ok is false when it needs none.
func (m *Machine) Alarm() (time.Time, bool) {
	if m.dead {
		return time.Time{}, false
	}
	at, ok := m.core.Alarm()
	consider := func(i instant) {
		if t := time.Unix(0, int64(i)); i != 0 && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	if m.Busy() {
		consider(m.st.Link.Wait.Until)
		consider(m.st.Count.Until)
		consider(m.st.Poll.Until)
	} else {
		_, next := m.nextDue()
		consider(next)
	}
	return at, ok
}

// MemoryUsed returns the bytes the code uses.
func (m *Machine) MemoryUsed() int { return m.vm().MemoryUsed() }

// Snapshot returns the whole state of the machine, between events or while busy.
func (m *Machine) Snapshot() ([]byte, error) {
	m.st.Dead = m.dead
	own, err := cbor.Marshal(&m.st)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return m.core.Snapshot(own)
}

// Restore makes a machine from a snapshot. It uses the fields Program, Device,
// Module, Board, Memory, Budget and Version of cfg; the rest is in data. now, and the times of
// the Steps that follow, go on from those of the machine before.
func Restore(cfg Config, data []byte, now time.Time) (*Machine, error) {
	m := newMachine(cfg)
	own, err := m.core.Restore(m.coreConfig(), data, now)
	if err != nil {
		return nil, err
	}
	if err := imp.DecodeState(own, &m.st); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if len(m.st.Pins) != len(m.things) || len(m.st.Buses) != len(m.things) {
		return nil, tandem.Errorf(tandem.Invalid, "restore: the snapshot is of another type of module")
	}
	m.st.Link.emit = m.emit
	m.dead = m.st.Dead
	return m, m.replug()
}

// noBoard is a Board without hardware.
type noBoard struct{}

func (noBoard) Setup(string, string, float64) error { return nil }
func (noBoard) Write(string, float64) error         { return nil }

func (noBoard) Edges(string, time.Time) (rising, falling int64) { return 0, 0 }

func (noBoard) Read(pin string, _ time.Time) float64 {
	if pin == "voltage" {
		return 3.3
	}
	return 0
}

func (noBoard) Transfer(string, int, []byte, int) ([]byte, error) {
	return nil, tandem.Errorf(tandem.Unavailable, "nothing is connected to the bus")
}
