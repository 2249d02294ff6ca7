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

// Board is the hardware: see package board, whose Simulated is one.
type Board interface {
	// Setup gives a pin a mode by its name, and an output its first level.
	Setup(pin, mode string, level float64) error
	// Write sets an output's level, 0 to 1.
	Write(pin string, level float64) error
	// Read returns a pin's level, 0 to 1; the supply voltage for "voltage", 0 to
	// 65535 for "lightlevel".
	Read(pin string) float64
	// Transfer writes out to a bus and reads in bytes. addr matters on I2C alone.
	Transfer(bus string, addr int, out []byte, in int) ([]byte, error)
}

// Config is what a machine is made of.
type Config struct {
	Program     *compile.Program
	Device      tandem.DeviceID
	Incarnation uint64
	Wake        int           // why it starts: one of the Wake constants
	Connected   bool          // whether there is a link at the start
	Address     string        // of the device, while connected
	NV          []byte        // of the DeepSleep before; nil when there is none
	User        []byte        // the user configuration; nil when there is none
	Posts       int           // how many of earlier incarnations are kept
	PostsSize   int           // bytes of them
	Module      string        // a type of module such as "imp003"; "" = AnyModule
	Board       Board         // nil: a board on which nothing ever happens
	Flash       Flash         // nil: none, of 0 bytes
	Memory      int           // bytes; 0 = tandem.DeviceMemory
	Budget      time.Duration // VM time per event; 0 = tandem.EventBudget
	Version     string        // of the runtime
}

// Names of handlers, in the Core.
const (
	onIdle       = "imp.onidle"
	onShutdown   = "server.onshutdown"
	onUnexpected = "server.onunexpecteddisconnect"
	onConnect    = "server.connect"
)

// reconnectPatience is how long the link may be lost before the code is told.
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

// state is what a machine remembers beside its VM; it is part of a snapshot.
type state struct {
	Link       link
	Posts      posts
	Wake       int
	Booted     instant // when the code started
	Read       instant // what the clock of hardware.millis showed last
	Unexpected instant // when to tell the code that the link is lost
	Patience   instant // when to tell server.connect's callback that it has failed
	Later      []callback
	Sleep      time.Duration // of the deep sleep that waits for a flush
	User       []byte
	NV         []byte // until Boot
	Pins       []pinState
	Buses      []busState
	I2CError   int
	Flash      bool // enabled
	Dead       bool
}

// callback is a handler that is to be called when the one that runs has ended.
type callback struct {
	Handler string
	Reason  int
}

// library is what device code finds in its root table. Machines share it.
var library = sync.OnceValue(func() *squirrel.Library {
	return imp.Library("device", tandem.DeviceSide, API()...)
})

// API returns all that device code can call beyond the language, for the
// manual.
func API() []imp.API {
	return []imp.API{imp.Shared, linkAPI, postAPI, impAPI, hardwareAPI, flashAPI, peripheralAPI, relicsAPI}
}

// New returns a machine. Its first event is Boot. The module of cfg must be a
// known one; see Modules.
func New(cfg Config, now time.Time) *Machine {
	m := newMachine(cfg)
	m.st = state{
		Link: newLink(cfg.Connected, cfg.Address), Wake: cfg.Wake, Booted: instantOf(now),
		User: cfg.User, NV: cfg.NV, Posts: posts{Count: cfg.Posts, Size: cfg.PostsSize},
		Pins: make([]pinState, len(m.things)), Buses: make([]busState, len(m.things)),
	}
	m.st.Link.emit = m.emit
	m.core.Start(m.coreConfig(), now)
	m.plug()
	return m
}

func newMachine(cfg Config) *Machine {
	if cfg.Module == "" {
		cfg.Module = AnyModule
	}
	if cfg.Memory == 0 {
		cfg.Memory = tandem.DeviceMemory
	}
	if cfg.Board == nil {
		cfg.Board = noBoard{}
	}
	if cfg.Flash == nil {
		cfg.Flash = noFlash{}
	}
	mod, ok := lookupModule(cfg.Module)
	if !ok {
		panic("device: unknown type of module " + cfg.Module)
	}
	return &Machine{cfg: cfg, module: mod, things: mod.peripherals(), board: cfg.Board}
}

func (m *Machine) coreConfig() imp.Config {
	return imp.Config{
		Side: tandem.DeviceSide, Library: library(), Program: m.cfg.Program,
		Memory: m.cfg.Memory, Budget: m.cfg.Budget, Version: m.cfg.Version,
		Environment: int32(m.module.environment), Incarnation: m.cfg.Incarnation,
		Log: m.explain, Owner: m,
	}
}

// explain logs a line of the Core: an exception, or what print() wrote.
func (m *Machine) explain(isError bool, msg string) {
	typ := tandem.LogDevice
	if isError {
		typ = tandem.LogDeviceError
	}
	m.st.Link.report(typ, msg)
}

func (m *Machine) emit(e Effect) { m.effects = append(m.effects, e) }

func (m *Machine) vm() *squirrel.VM { return m.core.VM }

// readTime is how long hardware.millis and hardware.micros take.
const readTime = 10 * time.Microsecond

// uptime reads the clock of hardware.millis. It takes time to read: code that
// waits in a loop for the clock to move, as drivers do for a chip that does not
// answer, gets on although all of one event happens at one time.
func (m *Machine) uptime(c *squirrel.Call) time.Duration {
	c.Charge(int(readTime.Seconds() * imp.FuelPerSecond))
	m.st.Read = max(instantOf(m.core.Now), m.st.Read+instant(readTime))
	return time.Duration(m.st.Read - m.st.Booted)
}

// macAddress makes an address of the kind that is locally administered.
func (m *Machine) macAddress() string {
	id := string(m.cfg.Device)
	return "02" + strings.Repeat("0", max(0, 10-len(id))) + id[max(0, len(id)-10):]
}

// Busy reports whether the code has begun to handle an event and not ended:
// see TakenBusy.
func (m *Machine) Busy() bool { return m.core.Busy() }

// Dead reports whether the incarnation has ended.
func (m *Machine) Dead() bool { return m.dead }

// Alarm returns when the machine wants to hear of the time: by Woken while
// Busy, else by Alarm.
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
	} else {
		consider(m.st.Unexpected)
		consider(m.st.Patience)
	}
	return at, ok
}

// MemoryUsed returns the bytes the code uses.
func (m *Machine) MemoryUsed() int { return m.vm().MemoryUsed() }

// Snapshot returns everything the machine is, between events and while busy.
func (m *Machine) Snapshot() ([]byte, error) {
	m.st.Dead = m.dead
	own, err := cbor.Marshal(&m.st)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return m.core.Snapshot(own)
}

// Restore makes a machine that goes on where the snapshot was taken. Of cfg it
// uses Program, Device, Module, Board, Memory, Budget and Version; the rest is in
// data.
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

// noBoard is the hardware of a device that has none.
type noBoard struct{}

func (noBoard) Setup(string, string, float64) error { return nil }
func (noBoard) Write(string, float64) error         { return nil }

func (noBoard) Read(pin string) float64 {
	if pin == "voltage" {
		return 3.3
	}
	return 0
}

func (noBoard) Transfer(string, int, []byte, int) ([]byte, error) {
	return nil, tandem.Errorf(tandem.Unavailable, "nothing is connected to the bus")
}
