package rehearsal

import (
	"time"

	"github.com/tandem-iot/tandem"
)

// Line is a line of the log of a world: of both sides, in the order in which they came to the
// log, and of what happened to them.
type Line struct {
	At    time.Duration
	Type  string // one of tandem.Log…, or LogFault, LogHTTP or LogTest
	Text  string
	Where *tandem.Where
}

// Types of lines that production does not have.
const (
	LogFault = "fault" // what a Fault did
	LogHTTP  = "http"  // requests to the agent and of it
	LogTest  = "test"  // what the tester wrote
)

// maxLog bounds the lines that a world keeps. The oldest go.
const maxLog = 20_000

func (w *World) line(typ, text string, at *tandem.Where) {
	if len(w.log) >= maxLog {
		w.log = append(w.log[:0:0], w.log[maxLog/2:]...)
	}
	w.log = append(w.log, Line{w.now, typ, text, at})
	w.lines++
}

// Log returns the lines, the newest maxLog at most.
func (w *World) Log() []Line { return w.log }

// LogFrom returns the lines from a number on, as far as they are kept. The first has number 0.
func (w *World) LogFrom(number int) []Line {
	first := w.lines - len(w.log)
	return w.log[min(max(0, number-first), len(w.log)):]
}
