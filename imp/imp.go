// Package imp is what the agent's and the device's half of the imp API share.
//
// An API is described by a registry: every native function is a Function with
// its parameters, documentation and source. Library turns parts of the
// registry into a squirrel.Library, and derives the type checks from the
// parameters, so that what is documented is what is checked. The same tables
// feed the reference manual.
//
// Core is the part of a machine that both sides have: a VM, timers, imp.sleep,
// handlers that a program registers, running a handler to its end under a CPU
// budget, the report of an uncaught exception, and the snapshot of all this.
// Package agent and package device each put their events around one.
//
// Values travel between machines in the compact encoding: Encode makes it of a
// machine's value, Decode the other way round. What can be done with it without
// a machine, JSON and CBOR included, is in package codec.
package imp

import (
	"github.com/tandem-iot/tandem"
)

// Sides is a set of sides.
type Sides uint8

// Where a function or constant exists.
const (
	OnAgent  Sides = 1 << tandem.AgentSide
	OnDevice Sides = 1 << tandem.DeviceSide
	OnBoth         = OnAgent | OnDevice
)

// Has reports whether s contains side.
func (s Sides) Has(side tandem.Side) bool { return s&(1<<side) != 0 }

// SourceName returns the name a side's program has in stack traces.
func SourceName(side tandem.Side) string {
	if side == tandem.DeviceSide {
		return "device_code"
	}
	return "agent_code"
}
