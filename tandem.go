// Package tandem is the vocabulary of Tandem: the identifiers, kinds of
// error, log entries, reasons and limits that every other package uses.
// It imports no other package of Tandem and contains no behaviour.
//
// A device and its agent are a pair. Devices are assigned to a device group;
// the group's current deployment holds the device code and the agent code. A
// node is one running server process; it hosts agents. An incarnation is one
// run of a VM from its first line: a restart begins the next incarnation, a
// move does not.
package tandem

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// DeviceID names a device: 16 lower-case hexadecimal digits.
type DeviceID string

// AgentID names an agent. It is the single path component of the agent's URL:
// 12 characters of [A-Za-z0-9_-], because clients of the imp API cut URLs at
// that length.
type AgentID string

// Valid reports whether id has the form of a device id.
func (id DeviceID) Valid() bool {
	if len(id) != 16 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Valid reports whether id has the form of an agent id.
func (id AgentID) Valid() bool {
	if len(id) != 12 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// NewDeviceID returns a random device id.
func NewDeviceID() DeviceID { return DeviceID(randomHex(8)) }

// NewAgentID returns a random agent id.
func NewAgentID() AgentID {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b [12]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = alphabet[b[i]&63]
	}
	return AgentID(b[:])
}

// NewKey returns a random secret of 128 bits in hexadecimal, used as a device key.
func NewKey() string { return randomHex(16) }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// Side says which half of a pair something belongs to.
type Side uint8

const (
	AgentSide Side = iota
	DeviceSide
)

func (s Side) String() string {
	if s == DeviceSide {
		return "device"
	}
	return "agent"
}

// Types of log entry, as clients of the imp API know them. Device lines are
// called "server.*" for historical reasons.
const (
	LogAgent       = "agent.log"
	LogAgentError  = "agent.error"
	LogDevice      = "server.log"
	LogDeviceError = "server.error"
	LogSleep       = "server.sleep"
	LogStatus      = "status"
	LogExitCode    = "lastexitcode"
)

// LogEntry is one line of a device's log stream.
type LogEntry struct {
	Device DeviceID  `json:"device_id"`
	TS     time.Time `json:"ts"`   // wall clock of the writer, for people
	Type   string    `json:"type"` // one of the Log constants
	Msg    string    `json:"msg"`
	Clock  uint64    `json:"clock"` // hybrid logical clock (package hlc), for order

	// Written is when a device wrote a line that it has kept until now; zero: it came at once.
	Written time.Time `json:"written,omitzero"`
	*Where            // nil: the line is about no place in a program
	// Mark is of a line that the device has numbered, and may send again after its node is lost.
	Mark Mark `json:"-" cbor:"mark"`
}

// Reason says why a side started or stopped. Its text is the tail of a status
// line such as "Agent restarted: reload."
type Reason string

const (
	ReasonNone        Reason = ""       // the very first start
	ReasonReload      Reason = "reload" // a new deployment, or a re-assignment
	ReasonBytecode    Reason = "new_bytecode_version"
	ReasonRestart     Reason = "restart" // server.restart() or a request by an operator
	ReasonOutOfMemory Reason = "out_of_memory"
	ReasonException   Reason = "exception" // an uncaught exception
	ReasonWatchdog    Reason = "watchdog"  // an event used up its CPU budget
	ReasonFault       Reason = "fault"     // the server met a fault of its own in an event
	ReasonHostLost    Reason = "host_lost" // the node was lost, or stopped without warning
	ReasonPowerOn     Reason = "power_on"  // a device, cold
	ReasonWake        Reason = "wake"      // a device, from deep sleep
	ReasonMigrating   Reason = "migrating"
	ReasonBalance     Reason = "balance" // a move, to balance the load of the nodes
	ReasonDrain       Reason = "drain"   // a move, because the node is drained
	ReasonIdle        Reason = "idle"
	ReasonUnassigned  Reason = "unassigned"
	ReasonShutdown    Reason = "shutdown" // the node is being stopped on purpose
)

// Device group types of the impCentral API.
const (
	GroupDevelopment   = "development"
	GroupPreProduction = "pre_production"
	GroupProduction    = "production"
	GroupPreFactory    = "pre_factoryfixture"
	GroupFactory       = "factoryfixture"
	GroupPreDUT        = "pre_dut"
	GroupDUT           = "dut"
)

// Limits, the defaults of an installation. Sizes are bytes.
const (
	AgentMemory        = 1 << 20
	DeviceMemory       = 512 << 10
	SavedTableSize     = 64 << 10
	MessageSize        = 256 << 10 // either way, the name included
	PostsKept          = 1000      // of an agent, until its device has handled them
	PostsSize          = 1 << 20   // the names included
	RequestBodySize    = 512 << 10 // incoming HTTP
	ResponseBodySize   = 1 << 20   // answer to incoming HTTP
	FetchBodySize      = 1 << 20   // response of outgoing HTTP
	TimersPerAgent     = 1000
	FetchesInFlight    = 40
	LibrarySize        = 1 << 20 // source
	ProgramSize        = 4 << 20 // source of one side, with its libraries
	LogLineSize        = 4 << 10
	LogBurst           = 6000 // lines
	LogRatePerMinute   = 100  // lines, long-term
	PlacementWait      = 30 * time.Second
	AnswerWait         = 10 * time.Minute
	ShutdownWait       = 10 * time.Second
	RestartWait        = 3 * time.Second // the same, for a restart that an operator asks for
	EventBudget        = time.Second     // VM time per event
	EventPatience      = 2 * time.Second // by the clock, after which an event is stopped from outside
	ReconnectGrace     = 5 * time.Second
	PresenceTimeout    = 60 * time.Second
	HibernateAfterIdle = 10 * time.Second
	CrashPause         = time.Minute // the longest before what keeps crashing starts again
)
