package device

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// pinState is the state of a pin as the code has configured it.
type pinState struct {
	Mode  int
	Level float64 // of an output: 0 or 1, or a fraction between them
}

// plug puts the module's pins and buses into the global hardware.
func (m *Machine) plug() {
	v := m.vm()
	hardware := v.Field(v.Root(), "hardware")
	for i, p := range m.things {
		v.SetField(hardware, p.name, v.NewNative(p.class, squirrel.Int(int32(i))))
	}
}

// replug configures the board as the restored code expects it.
func (m *Machine) replug() error {
	for i, p := range m.st.Pins {
		if p.Mode == modeNone {
			continue
		}
		if err := m.board.Setup(m.things[i].name, modeNames[p.Mode], p.Level); err != nil {
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
	i, ok := m.thing(c, "pin")
	if !ok {
		return 0, nil, false
	}
	return i, &m.st.Pins[i], true
}

func notA(c *squirrel.Call, class string) (squirrel.Value, error) {
	return c.Errorf("this is not a %s: call the method on a slot of hardware", class)
}

func isOutput(mode int) bool { return mode >= modeDigitalOut && mode != modeAnalogIn }

func isDigitalInput(mode int) bool { return mode >= modeDigitalIn && mode <= modeDigitalInWakeup }

func pinHandler(i int) string { return "pin:" + strconv.Itoa(i) }

// supports reports whether a pin has a mode. Only some pins can wake a module.
func (m *Machine) supports(pin string, mode int) bool {
	if mode == modeDigitalInWakeup {
		return slices.Contains(wakePins, pin)
	}
	return mode > modeNone && mode < len(modeNames)
}

func pinConfigure(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	i, p, ok := m.pin(c)
	if !ok {
		return notA(c, "pin")
	}
	name, mode := m.things[i].name, int(c.Int(1))
	if !m.supports(name, mode) {
		return c.Errorf("this pin does not support that mode: %s, mode %d", name, mode)
	}
	option := c.Arg(2)
	handler := squirrel.Null
	number, hasNumber := option.Number()
	level := 0.0
	switch {
	case option.IsFunction() && !isDigitalInput(mode):
		return c.Errorf("only a digital input has a callback: %s is configured as %s", name, modeNames[mode])
	case option.IsFunction():
		handler = m.core.Callback(c, 2)
	case mode == modePWMOut:
		if !hasNumber || !(number > 0) {
			return c.Errorf("PWM_OUT needs a period in seconds, as in configure(PWM_OUT, 0.02, 0.5)")
		}
		level = share(c.Arg(3).AsFloat())
	case isOutput(mode) && hasNumber:
		level = outputLevel(mode, number)
	}
	if err := m.board.Setup(name, modeNames[mode], level); err != nil {
		return c.Errorf("%s: %v", name, err)
	}
	p.Mode, p.Level = mode, level
	m.core.SetHandler(pinHandler(i), handler)
	return squirrel.Null, nil
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

func pinRead(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	i, p, ok := m.pin(c)
	if !ok {
		return notA(c, "pin")
	}
	switch level := m.board.Read(m.things[i].name); {
	case p.Mode == modeAnalogIn:
		return squirrel.Int(int32(share(float32(level))*65535 + 0.5)), nil
	case p.Mode == modePWMOut || p.Mode == modeAnalogOut:
		return squirrel.Float(float32(level)), nil
	case level >= 0.5:
		return squirrel.Int(1), nil
	}
	return squirrel.Int(0), nil
}

func pinWrite(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	i, p, ok := m.pin(c)
	if !ok {
		return notA(c, "pin")
	}
	name := m.things[i].name
	if !isOutput(p.Mode) {
		return c.Errorf("%s is not configured as an output", name)
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
	m.st.Buses[i].receive(ev.Data)
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
