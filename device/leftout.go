package device

import "github.com/tandem-iot/tandem/imp"

// leftOut logs what a native has left out of a message because it cannot be serialised,
// and where in the program that was. It is called when the message has been taken, so
// that a device without a link does not collect lines about messages that it never had.
func (m *Machine) leftOut(native string, dropped []string) {
	if len(dropped) == 0 {
		return
	}
	for _, d := range dropped {
		m.explain(true, native+": "+d)
	}
	m.core.LogTrace(m.vm().Stack())
}

// traceCost is the fuel of a call stack in the log.
const traceCost = 10_000

// leftOutCost is the fuel of leftOut: that of a call stack.
func leftOutCost(dropped []string) int {
	if len(dropped) == 0 {
		return 0
	}
	return traceCost
}

// keepNV serialises the nv table, which lasts in a deep sleep.
func (m *Machine) keepNV() []byte {
	nv := m.vm().Field(m.vm().Root(), "nv")
	if nv.IsNull() {
		return nil
	}
	if !nv.IsTable() {
		m.explain(true, "nv: only a table is kept, not a value of type "+nv.Type().String())
		return nil
	}
	data, dropped, err := imp.Encode(nil, m.vm(), nv, imp.ForMessage)
	if err != nil {
		m.explain(true, "nv: "+err.Error())
		return nil
	}
	for _, d := range dropped {
		m.explain(true, "nv: "+d)
	}
	return data
}
