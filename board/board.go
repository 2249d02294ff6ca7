// Package board simulates the hardware of a device: pins, I2C, SPI and UART.
//
// A Simulated has two sides. The device machine uses Setup, Write, Read and
// Transfer, which together are its interface device.Board. A test, a script or
// a person plays the world outside: Drive puts a level on a pin, Attach hangs a
// peripheral on a bus, Feed lets bytes arrive at a UART, Sent shows what the
// device wrote. Command does the same from one line of text.
//
// Levels are fractions of the supply: 0 is low, 1 is high, 0.5 is half of it
// on an analog input. Two names are not pins: "voltage" is the supply in volts
// and "lightlevel" the light sensor's reading, 0 to 65535.
//
// A pin can be driven by a Wave instead of a level. The board has no clock: who
// reads a pin says when. So a machine in virtual time reads the same samples in
// every run.
//
// Every name is accepted: a board has each pin and bus that it is asked about.
// Package device knows which of them a type of module has.
package board

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Supply is the voltage a new board runs on.
const Supply = 3.3

// uartLog bounds the bytes that Sent keeps per bus.
const uartLog = 64 << 10

// uartEarly bounds how many things that happen at a UART wait for its configuration.
const uartEarly = 1000

// ErrNoAnswer is returned by Transfer when nothing on an I2C bus acknowledges
// the address.
var ErrNoAnswer = errors.New("no acknowledgement from the peripheral")

// A Peripheral answers a transfer: it takes what the device wrote and returns
// the bytes the device asked to read. On SPI, where both happen at once, in is
// len(out).
type Peripheral func(out []byte, in int) ([]byte, error)

// A Change is an event outside the device that the device can notice.
type Change struct {
	Pin   string // an input's level changed; empty for bytes on a UART
	Bus   string
	Data  []byte
	Fault string // of a UART: one of Faults; no data comes with it
}

// Faults are the faults of a line that a UART can notice.
var Faults = []string{"noise", "frame", "parity"}

type pin struct {
	mode   string
	out    float64 // the level that the device writes
	world  float64 // the level driven from outside
	driven bool
	wave   *Wave  // drives the pin instead of world; nil for none
	pulse  *pulse // what a pulse generator does; nil for none

	// Edges that were made by Drive and Release, and by waves that are over.
	rising, falling int64
	seen            time.Time // of the last call of Edges
}

// drive puts a level on the pin, or lets go of it.
func (p *pin) drive(level float64, driven bool) {
	p.setWave(nil)
	p.world = level
	p.driven = driven
}

// setWave replaces the wave that drives the pin. So that Edges does not jump, the old
// one's edges are kept, and the new one's of before are not counted.
func (p *pin) setWave(w *Wave) {
	if !p.seen.IsZero() {
		if p.wave != nil {
			up, down := p.wave.edges(p.seen)
			p.rising += up
			p.falling += down
		}
		if w != nil {
			up, down := w.edges(p.seen)
			p.rising -= up
			p.falling -= down
		}
	}
	p.wave = w
}

type bus struct {
	peripherals map[int]Peripheral
	open        bool               // a UART that the device has configured
	early       []Change           // of a UART, from before that
	registers   map[int]*Registers // made by Command
	wire        *oneWire           // made by Command
	sent        []byte
}

// Simulated is a board without hardware. It is safe for concurrent use.
type Simulated struct {
	mu     sync.Mutex
	pins   map[string]*pin
	buses  map[string]*bus
	notify func(Change)
}

// New returns a board on which nothing is connected.
func New() *Simulated {
	s := &Simulated{pins: map[string]*pin{}, buses: map[string]*bus{}}
	s.Drive("voltage", Supply)
	return s
}

// Setup gives a pin a mode, one of the imp API's names such as
// "DIGITAL_IN_PULLUP", and, for an output, its first level. The mode "UART" opens a UART.
func (s *Simulated) Setup(name, mode string, level float64) error {
	if mode == "UART" {
		s.open(name)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pin(name)
	p.mode = mode
	p.out = level
	p.pulse = nil
	if p.pulser() {
		return s.setPulse(p)
	}
	return nil
}

// Write sets the level of an output. Writing a pin that is an input is kept
// and shows when the pin becomes an output.
func (s *Simulated) Write(name string, level float64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pin(name).out = level
	return nil
}

// Read returns the level of a pin at a time, whatever its mode. The time matters
// to a pin that a Wave drives; of any other it is the level now.
func (s *Simulated) Read(name string, at time.Time) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pin(name).level(at)
}

// Edges returns how many rising and falling edges a pin has had until a time. Only
// the difference of two calls means something.
func (s *Simulated) Edges(name string, at time.Time) (rising, falling int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pin(name)
	p.seen = at
	rising = p.rising
	falling = p.falling
	if p.wave != nil {
		up, down := p.wave.edges(at)
		rising += up
		falling += down
	}
	return rising, falling
}

// Transfer writes out to a bus and reads in bytes back. The address matters on
// I2C alone, where it is the 8-bit form the imp API uses, and where silence is
// ErrNoAnswer. A SPI bus without a peripheral reads as ones, as a floating
// line pulled high does. A UART returns what a peripheral answers at once, in bytes at most.
func (s *Simulated) Transfer(name string, addr int, out []byte, in int) ([]byte, error) {
	s.mu.Lock()
	b := s.bus(name)
	b.sent = append(b.sent, out...)
	if n := len(b.sent) - uartLog; n > 0 {
		b.sent = slices.Delete(b.sent, 0, n)
	}
	if strings.HasPrefix(name, "i2c") {
		addr &^= 1 // the lowest bit is read or write, not part of the address
	} else {
		addr = 0
	}
	f := b.peripherals[addr]
	s.mu.Unlock()
	uart := strings.HasPrefix(name, "uart")
	switch {
	case f == nil && strings.HasPrefix(name, "i2c"):
		return nil, ErrNoAnswer
	case f == nil && uart:
		return nil, nil
	case f == nil:
		return slices.Repeat([]byte{0xff}, in), nil
	}
	got, err := f(out, in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(got) > in {
		got = got[:in]
	}
	if uart {
		return got, nil
	}
	return append(got[:len(got):len(got)], make([]byte, in-len(got))...), nil
}

// Drive puts a level on a pin from outside.
func (s *Simulated) Drive(name string, level float64) {
	s.change(name, func(p *pin) { p.drive(level, true) })
}

// DriveWave puts a signal on a pin from outside. Reads, samples and pulse counters
// have it; it calls no function set by Notify.
func (s *Simulated) DriveWave(name string, w Wave) error {
	if err := w.check(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pin(name)
	p.setWave(&w)
	p.driven = true
	return nil
}

// Release stops driving a pin: pull-ups and pull-downs decide its level again.
func (s *Simulated) Release(name string) {
	s.change(name, func(p *pin) { p.drive(0, false) })
}

func (s *Simulated) change(name string, f func(*pin)) {
	s.mu.Lock()
	p := s.pin(name)
	before := p.high()
	f(p)
	notify := s.notify
	edge := p.high() != before
	switch {
	case edge && before:
		p.falling++
	case edge:
		p.rising++
	}
	seen := edge && strings.HasPrefix(p.mode, "DIGITAL_IN")
	s.mu.Unlock()
	if seen && notify != nil {
		notify(Change{Pin: name})
	}
}

// Attach puts a peripheral on a bus, in place of one with that address. For
// SPI and UART, which have no addresses, addr is 0.
func (s *Simulated) Attach(name string, addr int, p Peripheral) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bus(name)
	if b.peripherals == nil {
		b.peripherals = map[int]Peripheral{}
	}
	b.peripherals[addr&^1] = p
}

// Feed lets bytes arrive at a UART. What arrives before the device has configured it waits
// for that: a file with lines is read before the code runs.
func (s *Simulated) Feed(name string, data []byte) {
	s.arrive(Change{Bus: name, Data: slices.Clone(data)})
}

// arrive lets something happen at a UART.
func (s *Simulated) arrive(c Change) {
	s.mu.Lock()
	b := s.bus(c.Bus)
	if !b.open {
		if len(b.early) == uartEarly {
			b.early = slices.Delete(b.early, 0, 1)
		}
		b.early = append(b.early, c)
		s.mu.Unlock()
		return
	}
	notify := s.notify
	s.mu.Unlock()
	if notify != nil {
		notify(c)
	}
}

// open opens a UART, at which what came before happens now.
func (s *Simulated) open(name string) {
	s.mu.Lock()
	b := s.bus(name)
	early := b.early
	b.open, b.early = true, nil
	notify := s.notify
	s.mu.Unlock()
	for _, c := range early {
		if notify != nil {
			notify(c)
		}
	}
}

// Disturb lets a fault happen on a UART's line: one of Faults.
func (s *Simulated) Disturb(name, fault string) error {
	if !slices.Contains(Faults, fault) {
		return fmt.Errorf("%q is not a fault of a line: use one of %v", fault, Faults)
	}
	s.arrive(Change{Bus: name, Fault: fault})
	return nil
}

// Sent returns what the device wrote to a bus since the last call.
func (s *Simulated) Sent(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.bus(name)
	sent := b.sent
	b.sent = nil
	return sent
}

// Mode returns the mode the device gave a pin, or "" if it never did.
func (s *Simulated) Mode(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pin(name).mode
}

// Reset removes every mode and output level, as a restart of the device does.
// Levels driven from outside and attached peripherals stay.
func (s *Simulated) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pins {
		p.mode = ""
		p.out = 0
		p.pulse = nil
	}
	for _, b := range s.buses {
		b.open = false
	}
}

// Notify sets the function that is called for every Change, from the goroutine
// that made it. There is one f at a time; nil removes it.
func (s *Simulated) Notify(f func(Change)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notify = f
}

func (s *Simulated) pin(name string) *pin {
	p := s.pins[name]
	if p == nil {
		p = &pin{}
		s.pins[name] = p
	}
	return p
}

func (s *Simulated) bus(name string) *bus {
	b := s.buses[name]
	if b == nil {
		b = &bus{}
		s.buses[name] = b
	}
	return b
}

// level returns the level that a meter on the pin would show at a time.
func (p *pin) level(at time.Time) float64 {
	switch {
	case p.mode == "DIGITAL_OUT_OD" || p.mode == "DIGITAL_OUT_OD_PULLUP":
		if p.out == 0 {
			return 0
		}
	case p.output():
		return p.out
	case p.pulser():
		return p.pulsed(at)
	}
	switch {
	case p.wave != nil:
		return p.wave.level(at)
	case p.driven:
		return p.world
	}
	if strings.HasSuffix(p.mode, "PULLUP") {
		return 1
	}
	return 0
}

func (p *pin) output() bool {
	return p.mode == "DIGITAL_OUT" || p.mode == "PWM_OUT" || p.mode == "ANALOG_OUT"
}

// high reports whether the pin is high. A Wave counts as low: its edges are its own.
func (p *pin) high() bool { return p.wave == nil && p.level(time.Time{}) >= 0.5 }
