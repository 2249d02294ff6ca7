package board

import (
	"strings"
	"time"
)

// pulse is what a pulse generator does: after each edge of a pin it waits for delay, and
// is active for length. An edge before the end starts it again.
type pulse struct {
	trigger       *pin
	delay, length time.Duration
}

// Pulse makes a pin whose mode is PTPG_OUT_ACTIVE_HIGH or PTPG_OUT_ACTIVE_LOW give a pulse
// after each edge of another pin. The edges of a Wave are meant: one that Drive makes has no
// time, and its pulse is over before anything reads the pin.
func (s *Simulated) Pulse(name, trigger string, delay, length time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pin(name).pulse = &pulse{trigger: s.pin(trigger), delay: delay, length: length}
	return nil
}

// pulser reports whether the pin is a pulse generator.
func (p *pin) pulser() bool { return strings.HasPrefix(p.mode, "PTPG_OUT_") }

// pulsed returns the level of a pulse generator at a time.
func (p *pin) pulsed(at time.Time) float64 {
	active := false
	if p.pulse != nil && p.pulse.trigger.wave != nil {
		since, ok := p.pulse.trigger.wave.sinceEdge(at)
		active = ok && since >= p.pulse.delay && since < p.pulse.delay+p.pulse.length
	}
	if active == (p.mode == "PTPG_OUT_ACTIVE_HIGH") {
		return 1
	}
	return 0
}

// sinceEdge returns how long before a time the last edge was, rising or falling. It reports
// whether the wave has edges.
func (w *Wave) sinceEdge(at time.Time) (time.Duration, bool) {
	if !w.crosses() {
		return 0, false
	}
	_, phase := w.position(at)
	if phase >= 0.5 {
		phase -= 0.5
	}
	return time.Duration(phase / w.Hertz * float64(time.Second)), true
}
