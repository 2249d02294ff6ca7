package device

import (
	"time"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// poll is a read from a UART that found nothing and waits. Time does not pass while the
// code runs, and nothing arrives: a loop that reads until something comes would never end.
type poll struct {
	Empty int     // reads of this event that found nothing, since the last wait
	Until instant // when the read that waits ends; 0: none waits
	Of    pollOf
}

// pollOf is what a read that waited returns: nothing, in its own type.
type pollOf int

const (
	pollByte pollOf = iota
	pollString
	pollBlob
)

// waitPoll is the wait of a read from a UART.
const waitPoll = imp.FirstWait + 2

// pollPause is how long it is: what takes a byte at 9600 bits per second. An imp reads about
// pollBatch times meanwhile, so that a loop which counts its reads gives up as soon as there.
const (
	pollPause = time.Millisecond
	pollBatch = 50
)

// polls reports whether a read that got this has to wait: one in a row of many that get
// nothing. Code that empties a UART goes on at once.
func (m *Machine) polls(got []byte) bool {
	if len(got) > 0 {
		m.st.Poll.Empty = 0
		return false
	}
	m.st.Poll.Empty = (m.st.Poll.Empty + 1) % pollBatch
	return m.st.Poll.Empty == 0
}

// wait lets time pass, so that bytes can arrive for the next read.
func (m *Machine) wait(c *squirrel.Call, of pollOf) (squirrel.Value, error) {
	m.st.Poll.Until = instantOf(m.core.Now.Add(pollPause))
	m.st.Poll.Of = of
	return m.core.Suspend(c, waitPoll)
}

// polled ends a read when its time is over.
func (m *Machine) polled() imp.Outcome {
	if !m.st.Poll.Until.due(m.core.Now) {
		return imp.Waiting
	}
	m.st.Poll.Until = 0
	switch m.st.Poll.Of {
	case pollString:
		return m.core.Resume(m.vm().NewString(""))
	case pollBlob:
		return m.core.Resume(m.blob(nil))
	}
	return m.core.Resume(squirrel.Int(-1))
}
