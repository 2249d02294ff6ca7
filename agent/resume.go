package agent

import (
	"maps"
	"slices"

	"github.com/tandem-iot/tandem"
)

// A host that has restored a machine must know what the machine waits for: the
// host that it ran on before has lost those requests and connections.

// Fetching returns the ids of the outgoing requests that have not ended, in
// the order in which they were made.
func (m *Machine) Fetching() []uint64 {
	ids := make([]uint64, 0, len(m.fetches))
	for _, id := range slices.Sorted(maps.Keys(m.fetches)) {
		ids = append(ids, uint64(id))
	}
	return ids
}

// Uploading returns the ids of the requests whose body is sent in chunks. Another
// host cannot continue them.
func (m *Machine) Uploading() []uint64 {
	return slices.DeleteFunc(m.Fetching(), func(id uint64) bool { return !m.fetches[uint32(id)].Upload })
}

// MQTT returns the id of the program's connection to an MQTT broker, also while it
// is being made; 0 when there is none.
func (m *Machine) MQTT() uint64 { return uint64(m.broker.ID) }

// Saved returns the table that was saved last, as far as the machine knows that it is
// durable, and the mark that was saved with it.
func (m *Machine) Saved() (table []byte, mark tandem.Mark) { return m.saved, m.kept }

// Mark returns the number of the newest device message that was given to the machine.
func (m *Machine) Mark() tandem.Mark { return m.mark }

// Saving reports whether the program waits for Saved.
func (m *Machine) Saving() bool { return m.core.Waiting() == waitSave }

// Posting reports whether the program waits for Posted.
func (m *Machine) Posting() bool { return m.core.Waiting() == waitPost }

// Connected reports whether the device was connected by the last event about it.
func (m *Machine) Connected() bool { return m.connected }
