package device

import (
	"time"

	"github.com/tandem-iot/tandem"
)

// Event is something that happens to a device. A machine takes one at a time.
// While Busy reports true it takes only those marked below, and the runner keeps
// the others in order until it is not busy.
type Event interface{ event() }

type (
	// Boot runs the device's code. It is the first event of an incarnation.
	Boot struct{}

	// AgentMessage is a message that the agent sent by device.send.
	AgentMessage struct{ Message tandem.Message }

	// Linked says that there is a link to the server now. Address is the
	// device's own IP address. Taken while busy.
	Linked struct{ Address string }

	// Unlinked says that the link has ended, or that an attempt to connect has
	// failed. Reason is one of the constants from NOT_CONNECTED to NO_SERVER.
	// Everything that was sent and not acknowledged is sent again over the next
	// link. Taken while busy.
	Unlinked struct{ Reason int }

	// Written says that the message of a Send or the line of a Log has left the send
	// buffer. Taken while busy.
	Written struct{ ID uint64 }

	// Sent says that a message or line was acknowledged (Code 0) or refused by the
	// server (Code Refused), or that a line was lost (Refused). Taken while busy.
	Sent struct {
		ID   uint64
		Code int
	}

	// Handled says that the agent has handled a Post. ID is 0 for a post of an earlier
	// incarnation.
	Handled struct{ ID uint64 }

	// Settled says that so many kept sends and lines of this incarnation need no more sending: they
	// were acknowledged or refused, or are lost. Taken while busy.
	Settled struct{ Count int }

	// Room says what can be kept from now on. Taken while busy.
	Room struct {
		Bytes      int64  // of posts and kept sends, each counted with PostOverhead
		Full       string // why there are no more; "": there may be, later
		Unwritable string // why nothing can be kept; "": it can
	}

	// Alarm runs the earliest timer that is due; see Machine.Alarm. It does nothing
	// when none is due.
	Alarm struct{}

	// Woken ends a wait whose time has come; see Machine.Alarm. It does nothing
	// when the time has not come. Taken while busy.
	Woken struct{}

	// Changed says that the level of an input was changed from outside, that bytes
	// have arrived at a UART, or that its line has had a fault.
	Changed struct {
		Pin   string // empty for a UART
		Bus   string
		Data  []byte
		Fault string // "noise", "frame" or "parity"; "" for none
	}

	// Shutdown asks the code to end, for one of the SHUTDOWN constants. Code with a
	// callback of server.onshutdown chooses the time, by server.restart. Without one
	// the machine ends by Restart at once.
	Shutdown struct{ Reason int }

	// PeerStarted says that the agent's code has begun a new incarnation.
	PeerStarted struct {
		Reason      tandem.Reason
		Incarnation uint64
	}

	// Idle says that no other event waits. The runner sends it after each event after
	// which none waits.
	Idle struct{}
)

func (*Boot) event()         {}
func (*AgentMessage) event() {}
func (*Linked) event()       {}
func (*Unlinked) event()     {}
func (*Written) event()      {}
func (*Sent) event()         {}
func (*Handled) event()      {}
func (*Settled) event()      {}
func (*Room) event()         {}
func (*Alarm) event()        {}
func (*Woken) event()        {}
func (*Changed) event()      {}
func (*Shutdown) event()     {}
func (*PeerStarted) event()  {}
func (*Idle) event()         {}

// TakenBusy reports whether a busy machine takes the event.
func TakenBusy(ev Event) bool {
	switch ev := ev.(type) {
	case *Linked, *Unlinked, *Written, *Sent, *Settled, *Woken, *Room:
		return true
	case *Changed:
		return ev.Bus != "" // a UART receives while the code sleeps
	}
	return false
}

// Effect is something that a device asks the runner to do. The effects of one Step
// are in the order in which the program caused them.
type Effect interface{ effect() }

type (
	// Log is a line for the log. It is kept and sent again like a message, in order with
	// the messages, until it is acknowledged, which Sent reports.
	Log struct {
		ID   uint64
		Type string // one of tandem.LogDevice, LogDeviceError, LogSleep, LogExitCode
		Msg  string

		Where *tandem.Where // the place in the code that it is about; nil: none

		// Keep says that it is to be kept across restarts and power cuts too. Settled reports it, and
		// not Sent.
		Keep bool
	}

	// Send is an agent.send. It is kept and sent again, in order, until it is
	// acknowledged, which Sent reports.
	Send struct {
		ID      uint64
		Message tandem.Message // without a mark: the runner numbers messages
	}

	// Forget withdraws a Send or Log because the code was told that it failed.
	Forget struct{ ID uint64 }

	// Connect asks for a link, and for attempts until there is one. Linked and
	// Unlinked report them. It does nothing when there is a link.
	Connect struct{}

	// Disconnect ends the link, after everything sent before is written, and any
	// attempt to connect. No Unlinked follows.
	Disconnect struct{}

	// Post is a tandem.post. It is kept across restarts and power cuts, and sent in
	// order with the messages until the agent has handled it, which Handled reports.
	// Cause is the number of the agent's post that is being handled, zero when there
	// is none. Nth counts the posts made while it is handled, from 1. Send says that it is an
	// agent.send that is kept: Settled reports that too.
	Post struct {
		ID      uint64
		Message tandem.Message // without a mark: the runner numbers messages
		Cause   uint64
		Nth     uint32
		Send    bool
	}

	// Configured replaces the user configuration, which survives restarts and power
	// cuts; nil erases it. When Cause is not zero, it becomes durable together with
	// the handling of the agent's post with that number.
	Configured struct {
		Data  []byte
		Cause uint64
	}

	// Permanent replaces the table server.permanent, in the compact encoding, which
	// survives restarts and power cuts. Cause is as in Configured.
	Permanent struct {
		Data  []byte
		Cause uint64
	}

	// DeepSleep ends the link and switches the device off. It starts again after
	// Duration with the wake reason TIMER, or when one of the Pins goes high with
	// the reason PIN. NV is the nv table in the compact encoding for the next Config,
	// nil when the code has none. The machine takes no further events.
	DeepSleep struct {
		Duration time.Duration
		Pins     []string
		NV       []byte
	}

	// Restart ends this incarnation: the machine takes no further events. Wake is
	// the wake reason of the next incarnation. Detail is for the log, "" when the
	// reason is enough.
	Restart struct {
		Reason tandem.Reason
		Wake   int
		Detail string
	}
)

func (*Log) effect()        {}
func (*Send) effect()       {}
func (*Forget) effect()     {}
func (*Connect) effect()    {}
func (*Disconnect) effect() {}
func (*Post) effect()       {}
func (*Configured) effect() {}
func (*Permanent) effect()  {}
func (*DeepSleep) effect()  {}
func (*Restart) effect()    {}
