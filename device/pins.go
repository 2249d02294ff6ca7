package device

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// pinState is the state of a pin as the code has configured it.
type pinState struct {
	Mode   int
	Level  float64       // of an output: 0 or 1, or a fraction between them; a pulse generator's delay in seconds
	Period time.Duration // of PWM_OUT; how long a read of PULSE_COUNTER counts; a pulse generator's pulse
	Falls  bool          // PULSE_COUNTER counts falling edges
	Told   bool          // the log says that a write had no effect

	Trigger int // index of the pin whose edges a pulse generator waits for
}

// count is a pulse counter's read that goes on.
type count struct {
	Pin   int
	Began int64 // what the board had counted then
	Until instant
}

// waitCount is the wait for the end of a count.
const waitCount = imp.FirstWait + 1

// plug puts the module's pins and buses into the global hardware.
func (m *Machine) plug() {
	v := m.vm()
	hardware := v.Field(v.Root(), "hardware")
	for i, p := range m.things {
		class := p.class
		if class == pwmPair {
			class = "pin"
		}
		v.SetField(hardware, p.name, v.NewNative(class, squirrel.Int(int32(i))))
	}
	for _, part := range parts {
		if !slices.Contains(m.module.has, part) {
			v.Delete(hardware, v.NewString(part))
		}
	}
	m.explainAbsent(hardware)
}

// replug configures the board as the restored code expects it.
func (m *Machine) replug() error {
	for i, p := range m.st.Pins {
		if p.Mode == modeNone {
			continue
		}
		if err := m.board.Setup(m.things[i].name, m.boardMode(&p), p.Level); err != nil {
			return fmt.Errorf("restore: %s: %w", m.things[i].name, err)
		}
	}
	for i := range m.st.Buses {
		b := &m.st.Buses[i]
		name := m.things[i].name
		var err error
		switch {
		case b.Ready && m.things[i].class == "uart":
			err = m.board.Setup(name, uartMode, 0)
		case b.Select:
			err = b.driveSelect(name, m.board)
		}
		if err != nil {
			return fmt.Errorf("restore: %s: %w", m.things[i].name, err)
		}
	}
	return nil
}

// thing returns the index of the peripheral that a method is called on.
func (m *Machine) thing(c *squirrel.Call, class string) (int, bool) {
	if !m.vm().IsNative(c.This(), class) {
		return 0, false
	}
	return int(m.vm().Payload(c.This()).AsInt()), true
}

// pin returns the pin that a method is called on. It reports whether there is one.
func (m *Machine) pin(c *squirrel.Call) (int, *pinState, bool) {
	i, ok := m.pinOf(c.This())
	if !ok {
		return 0, nil, false
	}
	return i, &m.st.Pins[i], true
}

// pinOf returns the index of a pin. It reports whether x is one; a pair of pins is none.
func (m *Machine) pinOf(x squirrel.Value) (int, bool) {
	v := m.vm()
	if !v.IsNative(x, "pin") {
		return 0, false
	}
	i := int(v.Payload(x).AsInt())
	return i, m.things[i].class == "pin"
}

func notA(c *squirrel.Call, class string) (squirrel.Value, error) {
	return c.Errorf("this is not a %s: call the method on a slot of hardware", class)
}

func isOutput(mode int) bool {
	return mode >= modeDigitalOut && mode != modeAnalogIn && mode != modePulseCounter
}

func isDigitalInput(mode int) bool { return mode >= modeDigitalIn && mode <= modeDigitalInWakeup }

func pinHandler(i int) string { return "pin:" + strconv.Itoa(i) }

func pinConfigure(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	i, p, ok := m.pin(c)
	if !ok {
		return notA(c, "pin")
	}
	name, mode := m.things[i].name, int(c.Int(1))
	if !m.module.can(name, mode) {
		return c.Errorf("this pin does not support that mode: %s, mode %s", name, modeText(mode))
	}
	want := pinState{Mode: mode}
	option := c.Arg(2)
	handler := squirrel.Null
	number, hasNumber := option.Number()
	switch {
	case option.IsFunction() && !isDigitalInput(mode):
		return c.Errorf("only a digital input has a callback: %s is configured as %s", name, modeNames[mode])
	case option.IsFunction():
		handler = m.core.Callback(c, 2)
	case mode == modePWMOut:
		if !hasNumber || !(number > 0) {
			return c.Errorf("PWM_OUT needs a period in seconds, as in configure(PWM_OUT, 0.02, 0.5)")
		}
		want.Period = period(number)
		want.Level = share(c.Arg(3).AsFloat())
	case mode == modePulseCounter:
		if !hasNumber || !(number > 0) {
			return c.Errorf("PULSE_COUNTER needs how long to count, in seconds, as in configure(PULSE_COUNTER, 0.5)")
		}
		want.Period = period(number)
		edge, _ := c.Arg(3).Number()
		want.Falls = edge < 0
	case isPulser(mode):
		if want, ok = m.pulser(c, mode); !ok {
			return c.Errorf("%s needs a pin, a delay and the length of a pulse in seconds, as in "+
				"configure(%[1]s, hardware.pin8, 0.0055, 0.001)", modeNames[mode])
		}
	case isOutput(mode) && hasNumber:
		want.Level = outputLevel(mode, number)
	}
	if err := m.board.Setup(name, m.boardMode(&want), want.Level); err != nil {
		return c.Errorf("%s: %v", name, err)
	}
	*p = want
	m.core.SetHandler(pinHandler(i), handler)
	return squirrel.Null, nil
}

// modeText is a mode in an error: its name, or the number that is none.
func modeText(mode int) string {
	if mode > modeNone && mode < len(modeNames) {
		return modeNames[mode]
	}
	return strconv.Itoa(mode)
}

// longestPeriod is the longest period of PWM_OUT and PULSE_COUNTER.
const longestPeriod = time.Hour

// period converts a positive number of seconds, which may be far less than one.
func period(s float32) time.Duration {
	if float64(s) >= longestPeriod.Seconds() {
		return longestPeriod
	}
	return max(time.Nanosecond, time.Duration(float64(s)*float64(time.Second)))
}

func pinDisable(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	i, p, ok := m.pin(c)
	switch {
	case !ok:
		return notA(c, "pin")
	case p.Mode == modeNone:
		return squirrel.Null, nil
	}
	if err := m.board.Setup(m.things[i].name, "", 0); err != nil {
		return c.Errorf("%s: %v", m.things[i].name, err)
	}
	*p = pinState{}
	m.core.SetHandler(pinHandler(i), squirrel.Null)
	return squirrel.Null, nil
}

func pinGetPeriod(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	i, p, ok := m.pin(c)
	switch {
	case !ok:
		return notA(c, "pin")
	case p.Mode != modePWMOut && !isPulser(p.Mode):
		return c.Errorf("%s is not configured as PWM_OUT or a pulse generator", m.things[i].name)
	}
	return squirrel.Float(float32(p.Period.Seconds())), nil
}

// share clamps x to the range from 0 to 1.
func share(x float32) float64 {
	if !(x > 0) { // also NaN
		return 0
	}
	return min(float64(x), 1)
}

// outputLevel returns the level of a pin of a mode to which x is written.
func outputLevel(mode int, x float32) float64 {
	if mode == modePWMOut || mode == modeAnalogOut {
		return share(x)
	}
	if x != 0 {
		return 1
	}
	return 0
}

// sense returns what the board has under a name now.
func (m *Machine) sense(name string) float64 { return m.board.Read(name, m.core.Now) }

func pinRead(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	i, p, ok := m.pin(c)
	if !ok {
		return notA(c, "pin")
	}
	if p.Mode == modePulseCounter {
		m.st.Count = count{Pin: i, Began: m.pulses(i), Until: instantOf(m.core.Now.Add(p.Period))}
		return m.core.Suspend(c, waitCount)
	}
	switch level := m.sense(m.things[i].name); {
	case p.Mode == modeAnalogIn:
		return squirrel.Int(int32(share(float32(level))*65535 + 0.5)), nil
	case p.Mode == modePWMOut || p.Mode == modeAnalogOut:
		return squirrel.Float(float32(level)), nil
	case level >= 0.5:
		return squirrel.Int(1), nil
	}
	return squirrel.Int(0), nil
}

// pulses returns what the board has counted at a pin until now.
func (m *Machine) pulses(i int) int64 {
	rising, falling := m.board.Edges(m.things[i].name, m.core.Now)
	if m.st.Pins[i].Falls {
		return falling
	}
	return rising
}

// counted ends a pulse counter's read when its time is over. A board that has been
// replaced meanwhile has counted less than it had.
func (m *Machine) counted() imp.Outcome {
	n := m.st.Count
	if !n.Until.due(m.core.Now) {
		return imp.Waiting
	}
	m.st.Count = count{}
	return m.core.Resume(squirrel.Int(int32(min(max(0, m.pulses(n.Pin)-n.Began), math.MaxInt32))))
}

func pinWrite(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	i, p, ok := m.pin(c)
	if !ok {
		return notA(c, "pin")
	}
	name := m.things[i].name
	if !isOutput(p.Mode) {
		return m.writeInput(c, name, p)
	}
	if isPulser(p.Mode) {
		return m.writePulser(c, name, p)
	}
	x, isNumber := c.Arg(1).Number()
	if !isNumber && c.Arg(1).AsBool() {
		x = 1
	}
	level := outputLevel(p.Mode, x)
	if err := m.board.Write(name, level); err != nil {
		return c.Errorf("%s: %v", name, err)
	}
	p.Level = level
	return squirrel.Null, nil
}

// writeInput is a write to a pin that is no output. It has no effect: imps throw nothing,
// and public code writes to a pin before it configures it. The log says so once, for it
// is a mistake more often than not.
func (m *Machine) writeInput(c *squirrel.Call, name string, p *pinState) (squirrel.Value, error) {
	if p.Told {
		return squirrel.Null, nil
	}
	if err := c.Charge(traceCost); err != nil {
		return squirrel.Null, err
	}
	p.Told = true
	m.explain(true, "pin.write: it has no effect, because "+name+" is not configured as an output")
	m.core.LogTrace(m.vm().Stack())
	return squirrel.Null, nil
}

// changed handles a change from outside the device.
func (m *Machine) changed(ev *Changed) imp.Outcome {
	name := ev.Pin
	if name == "" {
		name = ev.Bus
	}
	i := slices.IndexFunc(m.things, func(p peripheral) bool { return p.name == name })
	switch {
	case i < 0:
		return imp.Done
	case ev.Pin != "":
		return m.core.CallHandler(pinHandler(i))
	case m.things[i].class != "uart" || !m.st.Buses[i].Ready:
		return imp.Done
	}
	m.st.Buses[i].happened(ev)
	if m.Busy() {
		m.receivedLater(i)
		return imp.Done
	}
	return m.core.CallHandler(pinHandler(i))
}

// wakePins returns the pins configured to wake the module from deep sleep.
func (m *Machine) wakePins() (names []string) {
	for i, p := range m.st.Pins {
		if p.Mode == modeDigitalInWakeup {
			names = append(names, m.things[i].name)
		}
	}
	return names
}
