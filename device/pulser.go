package device

import (
	"math"
	"time"

	"github.com/tandem-iot/tandem/squirrel"
)

// A pulse generator is an output that gives one pulse after each edge of another pin: it
// waits for a delay, and is active for as long as the pulse is. Imps count both in
// microseconds, 65,535 at most together.
const (
	pulseUnit = time.Microsecond
	pulseMax  = math.MaxUint16 * pulseUnit
)

func isPulser(mode int) bool { return mode == modePulserHigh || mode == modePulserLow }

// pulseTime converts seconds to a whole number of units, limit at most. What is no
// positive number is 0.
func pulseTime(s float32, limit time.Duration) time.Duration {
	if !(s > 0) { // also NaN
		return 0
	}
	if float64(s) >= limit.Seconds() {
		return limit
	}
	return time.Duration(float64(s)*float64(time.Second) + 0.5).Round(pulseUnit)
}

// pulser returns the state of a pin that pin.configure makes a pulse generator.
// It reports whether the arguments are a pin, a delay and the length of a pulse.
func (m *Machine) pulser(c *squirrel.Call, mode int) (pinState, bool) {
	trigger, isPin := m.pinOf(c.Arg(2))
	delay, hasDelay := c.Arg(3).Number()
	length, hasLength := c.Arg(4).Number()
	p := pinState{Mode: mode, Trigger: trigger, Period: pulseTime(length, pulseMax)}
	p.Level = pulseTime(delay, pulseMax-p.Period).Seconds()
	return p, isPin && hasDelay && hasLength && delay >= 0 && p.Period > 0
}

// boardMode returns the mode of a pin for the Board.
func (m *Machine) boardMode(p *pinState) string {
	if !isPulser(p.Mode) {
		return modeNames[p.Mode]
	}
	return modeNames[p.Mode] + " " + m.things[p.Trigger].name + " " + p.Period.String()
}

// writePulser sets the delay of a pulse generator.
func (m *Machine) writePulser(c *squirrel.Call, name string, p *pinState) (squirrel.Value, error) {
	x, _ := c.Arg(1).Number()
	delay := pulseTime(x, pulseMax-p.Period).Seconds()
	if err := m.board.Write(name, delay); err != nil {
		return c.Errorf("%s: %v", name, err)
	}
	p.Level = delay
	return squirrel.Null, nil
}

func pinGetDelay(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	i, p, ok := m.pin(c)
	switch {
	case !ok:
		return notA(c, "pin")
	case !isPulser(p.Mode):
		return c.Errorf("%s is not configured as a pulse generator", m.things[i].name)
	}
	return squirrel.Float(float32(p.Level)), nil
}
