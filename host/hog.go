package host

import (
	"fmt"
	"time"

	"github.com/tandem-iot/tandem"
)

// An agent may use all the processor time there is while nobody else wants it.
// One that has used much lately shares half of the processors with its like,
// so that the others always have the other half: a few that never rest cannot
// be noticed by their neighbours, however many they are.
const (
	hogAfter    = 200 * time.Millisecond // of processor time, forgiven at a rate of …
	hogForgiven = 0.01                   // … so much for each second that passes
	hogTold     = 2 * time.Second        // of processor time; its developer is told
	hogLog      = 10 * time.Minute       // at most this often
)

// vmFactor is how much longer than its VM time an event can take a processor:
// VM time has much to spare, but collections and copies are not part of it.
const vmFactor = 4

// book adds what an event has taken to the agent's account: the time that has
// passed, but no more than the program can be made to answer for. On a machine
// that is busy with other things much time passes in which nothing is done.
func (p *pair) book(began time.Time, took, used time.Duration) {
	took = min(took, vmFactor*used)
	forgiven := time.Duration(float64(began.Sub(p.cpuAt)) * hogForgiven)
	p.cpu = max(0, p.cpu-forgiven) + took
	p.cpuAt = began
	if hog := p.cpu > hogAfter; hog != p.hog {
		p.hog = hog
		if hog {
			p.host.over(tandem.OverProcessor)
		}
	}
	if p.cpu > hogTold && began.Sub(p.hogged) >= hogLog {
		p.hogged = began
		p.log(tandem.LogStatus, fmt.Sprintf("Agent uses much processor time: %.1f s of late. It shares half of the processors with others that do.", p.cpu.Seconds()))
	}
}
