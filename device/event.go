package device

import (
	"time"

	"github.com/tandem-iot/tandem"
)

// Event is something that happens to a device. A machine takes one at a time;
// while Busy reports true it takes only those marked below, and the runner
// keeps the others in order until it does not.
type Event interface{ event() }

type (
	// Boot runs the device's code. It is the first event of an incarnation.
	Boot struct{}

	// AgentMessage is a device.send of the agent.
	AgentMessage struct{ Message tandem.Message }

	// Linked says that there is a link to the server now. Address is the
	// device's own IP address. Taken while busy.
	Linked struct{ Address string }

	// Unlinked says that the link is gone, or that an attempt to make one has
	// failed. Reason is one of the constants from NOT_CONNECTED to NO_SERVER.
	// Everything sent and not acknowledged is sent again with the next link,
	// except lines that are not Sure. Taken while busy.
	Unlinked struct{ Reason int }

	// Written says that what a Send or Log asked for has left the send buffer.
	// Taken while busy.
	Written struct{ ID uint64 }

	// Sent says that a message, or a line that is Sure, has been acknowledged,
	// with Code 0, or Refused by the server. Taken while busy.
	Sent struct {
		ID   uint64
		Code int
	}

	// Handled says that the agent has handled a Post of so many bytes. ID is 0
	// for one of an earlier incarnation.
	Handled struct {
		ID   uint64
		Size int
	}

	// Alarm runs the earliest timer that is due; see Machine.Alarm. It is
	// harmless when none is.
	Alarm struct{}

	// Woken ends a wait whose time has come; see Machine.Alarm. It is harmless
	// when it has not. Taken while busy.
	Woken struct{}

	// Changed says that the world has changed an input's level, or that bytes
	// have arrived at a UART.
	Changed struct {
		Pin  string // empty for bytes on a UART
		Bus  string
		Data []byte
	}

	// Shutdown asks the code to end, for one of the SHUTDOWN constants. With a
	// callback set by server.onshutdown the code decides when, by
	// server.restart; without one the machine says Restart at once.
	Shutdown struct{ Reason int }

	// PeerStarted says that the agent's code has begun a new incarnation.
	PeerStarted struct {
		Reason      tandem.Reason
		Incarnation uint64
	}

	// Idle says that no other event waits. The runner gives it after each event
	// that leaves it with nothing to do.
	Idle struct{}
)

func (*Boot) event()         {}
func (*AgentMessage) event() {}
func (*Linked) event()       {}
func (*Unlinked) event()     {}
func (*Written) event()      {}
func (*Sent) event()         {}
func (*Handled) event()      {}
func (*Alarm) event()        {}
func (*Woken) event()        {}
func (*Changed) event()      {}
func (*Shutdown) event()     {}
func (*PeerStarted) event()  {}
func (*Idle) event()         {}

// TakenBusy reports whether a busy machine takes the event.
func TakenBusy(ev Event) bool {
	switch ev.(type) {
	case *Linked, *Unlinked, *Written, *Sent, *Woken:
		return true
	}
	return false
}

// Effect is something a device wants done. Effects of one Step are in the
// order in which the program caused them.
type Effect interface{ effect() }

type (
	// Log is a line for the log. It travels over the link like a message, and
	// its place among them is kept. One that is Sure is kept until there is a
	// link and sent until it is acknowledged, which Sent reports; any other is
	// lost with the link.
	Log struct {
		ID   uint64
		Type string // one of tandem.LogDevice, LogDeviceError, LogSleep, LogExitCode
		Msg  string
		Sure bool
	}

	// Send is an agent.send. It is kept and sent again, in order, until it is
	// acknowledged, which Sent reports.
	Send struct {
		ID      uint64
		Message tandem.Message // without a mark: the runner numbers messages
	}

	// Forget withdraws a Send or Log: the code has been told that it failed.
	Forget struct{ ID uint64 }

	// Connect asks for a link, again and again until there is one. Linked and
	// Unlinked tell how it goes. It is harmless when there is one.
	Connect struct{}

	// Disconnect ends the link after what was sent before is written, and any
	// attempt to make one. It is not answered by Unlinked.
	Disconnect struct{}

	// Post is a tandem.post. It is kept, whatever happens, and sent in its place
	// among the messages until the agent has handled it, which Handled reports.
	// Cause is the number of the agent's post that is being handled, zero when
	// none is; of the posts made meanwhile this is the Nth, from 1.
	Post struct {
		ID      uint64
		Message tandem.Message // without a mark: the runner numbers messages
		Cause   uint64
		Nth     uint32
	}

	// Configured replaces the user configuration, which outlives everything;
	// nil erases it. When Cause is not zero it and the handling of the agent's
	// post with that number become durable as one.
	Configured struct {
		Data  []byte
		Cause uint64
	}

	// DeepSleep switches the device off, its link first. It starts again after
	// Duration with the wake reason TIMER, or when one of the Pins goes high with
	// the reason PIN. NV is the nv table in compact encoding for the next Config,
	// nil when the code has none. The machine takes no further events.
	DeepSleep struct {
		Duration time.Duration
		Pins     []string
		NV       []byte
	}

	// Restart ends this incarnation: the machine takes no further events. Wake
	// is the wake reason for the next. Detail is for the log, "" when the reason
	// says it all.
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
func (*DeepSleep) effect()  {}
func (*Restart) effect()    {}
