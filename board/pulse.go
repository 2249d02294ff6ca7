package board

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// pulse is what a pulse generator does: after each edge of a pin it waits for its delay, and
// is active for length. An edge before the end starts it again.
type pulse struct {
	trigger *pin
	length  time.Duration
}

// setPulse reads what a pulse generator does from its mode, which is like
// "PTPG_OUT_ACTIVE_HIGH pin8 1ms"; out is the delay in seconds. The edges of a Wave are meant:
// one that Drive makes has no time, and its pulse is over before anything reads the pin.
func (s *Simulated) setPulse(p *pin) error {
	words := strings.Fields(p.mode)
	p.mode = words[0]
	if len(words) != 3 {
		return fmt.Errorf("%q: a pulse generator has a trigger and a length", words)
	}
	length, err := time.ParseDuration(words[2])
	if err != nil {
		return err
	}
	p.pulse = &pulse{trigger: s.pin(words[1]), length: length}
	return nil
}

// pulser reports whether the pin is a pulse generator.
func (p *pin) pulser() bool { return strings.HasPrefix(p.mode, "PTPG_OUT_") }

// pulsed returns the level of a pulse generator at a time.
func (p *pin) pulsed(at time.Time) float64 {
	active := false
	if p.pulse != nil && p.pulse.trigger.wave != nil {
		since, ok := p.pulse.trigger.wave.sinceEdge(at)
		delay := time.Duration(math.Round(p.out * float64(time.Second)))
		active = ok && since >= delay && since < delay+p.pulse.length
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
