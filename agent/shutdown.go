package agent

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

const handlerShutdown = "server.onshutdown"

// Arguments of the callback of server.onshutdown; the numbers are the device API's.
const (
	shutdownNewSquirrel = 1
	shutdownNewFirmware = 2
	shutdownOther       = 3
)

// shutdown asks the program to end. A program without a handler, or that has been
// asked before, is ended at once.
func (m *Machine) shutdown(reason tandem.Reason) imp.Outcome {
	asked := m.stopping != tandem.ReasonNone
	m.stopping = reason
	fn := m.core.Handler(handlerShutdown)
	if fn.IsNull() || asked {
		m.end(reason)
		return imp.Done
	}
	code := shutdownOther
	switch reason {
	case tandem.ReasonReload:
		code = shutdownNewSquirrel
	case tandem.ReasonBytecode:
		code = shutdownNewFirmware
	}
	return m.core.Call(fn, squirrel.Int(int32(code)))
}

// end ends the incarnation.
func (m *Machine) end(reason tandem.Reason) {
	m.dead = true
	m.effects = append(m.effects, &Restart{Reason: reason})
}

// endReason returns the reason for which a program ends that calls server.restart.
func (m *Machine) endReason() tandem.Reason {
	if m.stopping != tandem.ReasonNone {
		return m.stopping
	}
	return tandem.ReasonRestart
}

func serverRestart(call *squirrel.Call) (squirrel.Value, error) {
	return imp.CoreOf(call).Suspend(call, imp.Ending)
}
