package agent

import "github.com/tandem-iot/tandem/squirrel"

// leftOut logs what a native has left out of a value because it cannot be serialised,
// and where in the program that was.
func (m *Machine) leftOut(call *squirrel.Call, native string, dropped []string) error {
	if len(dropped) == 0 {
		return nil
	}
	if err := call.Charge(traceCost); err != nil {
		return err
	}
	for _, d := range dropped {
		m.log(true, native+": "+d)
	}
	m.core.LogTrace(call.VM().Stack())
	return nil
}

// traceCost is the fuel of a call stack in the log.
const traceCost = 10_000
