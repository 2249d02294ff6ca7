// Package imp is the part of the imp API that agents and devices share.
//
// An API is described by a registry: every native function is a Function with
// its parameters, documentation and source. Library makes a squirrel.Library of
// parts of the registry, with type checks derived from the parameters, so that
// the checks agree with the documentation. The reference manual is made of the
// same tables.
//
// Core is the part of a machine that both sides have: a VM, timers, imp.sleep,
// the handlers that a program registers, running a handler to its end under a CPU
// budget, the report of an uncaught exception, and the snapshot of all this.
// Package agent and package device each add their events to one.
//
// Values travel between machines in the compact encoding: Encode makes it from a
// machine's value, Decode a value from it. Package codec has everything about the
// encoding that needs no machine, including JSON and CBOR.
package imp

import (
	"github.com/tandem-iot/tandem"
)

// Sides is a set of sides.
type Sides uint8

// The sides on which a function or constant exists.
const (
	OnAgent  Sides = 1 << tandem.AgentSide
	OnDevice Sides = 1 << tandem.DeviceSide
	OnBoth         = OnAgent | OnDevice
)

// Has reports whether s contains side.
func (s Sides) Has(side tandem.Side) bool { return s&(1<<side) != 0 }

// SourceName returns the name of a side's program in stack traces.
func SourceName(side tandem.Side) string {
	if side == tandem.DeviceSide {
		return "device_code"
	}
	return "agent_code"
}
