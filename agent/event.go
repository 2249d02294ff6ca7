package agent

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// Event is something that happens to an agent. A machine takes one at a time;
// while Busy reports true it takes only those marked below, and the host keeps
// the others in order until it does not.
type Event interface{ event() }

type (
	// Boot runs the agent's code. It is the first event of an incarnation.
	Boot struct{}

	// DeviceMessage is an agent.send of the device.
	DeviceMessage struct{ Message tandem.Message }

	// DeviceConnected says that the device has a link now. Address is the
	// device's IP address as the gateway saw it.
	DeviceConnected struct{ Address string }

	// DeviceDisconnected says that the link is gone and the grace is over.
	DeviceDisconnected struct{}

	// PeerStarted says that the device's code has begun a new incarnation.
	PeerStarted struct {
		Reason      tandem.Reason
		Incarnation uint64
	}

	// Request is an HTTP request to the agent. It is answered by an Answer
	// effect with the same ID, from this event or any later one.
	Request struct {
		ID      uint64
		Request *tandem.Request
	}

	// Alarm runs the earliest timer that is due; see Machine.Alarm. It is
	// harmless when none is.
	Alarm struct{}

	// Fetched ends an outgoing request. Taken while busy when the machine
	// waits for that very request (sendsync).
	Fetched struct {
		ID       uint64
		Response *tandem.Response
	}

	// FetchedPart is a piece of the body of a streamed response.
	FetchedPart struct {
		ID   uint64
		Data []byte
	}

	// Uploaded says that of an Upload N bytes more have been sent. Taken while
	// busy when the machine waits for that very upload.
	Uploaded struct {
		ID uint64
		N  int
	}

	// MQTTConnected answers an MQTTConnect: Code is 0, a return code of
	// MQTT 3.1.1, or -1, and Why says what is wrong. What is not 0 ends the
	// connection.
	MQTTConnected struct {
		ID   uint64
		Code int
		Why  string
	}

	// MQTTMessage is a message of the broker.
	MQTTMessage struct {
		ID      uint64
		Topic   string
		Payload []byte
	}

	// MQTTDone ends an MQTTPublish, MQTTSubscribe or MQTTUnsubscribe: Code is 0
	// or what the broker or the host has against it, QoS what a subscription
	// was granted. Taken while busy when the machine waits for that request.
	MQTTDone struct {
		ID, Request uint64
		Code        int
		QoS         byte
	}

	// MQTTLost says that the connection has ended, and with it all requests.
	// Taken while busy when the machine waits for one of them.
	MQTTLost struct {
		ID  uint64
		Why string
	}

	// Saved ends a Save effect: the record is durable, or Err says why not.
	// Taken while busy.
	Saved struct{ Err error }

	// Posted ends a Post effect: the message is kept under the number Seq, 0 when
	// the device has handled it already, or Err says why it is not. Taken while
	// busy.
	Posted struct {
		Seq uint64
		Err error
	}

	// Handled says that the device has handled the post with a number.
	Handled struct{ Seq uint64 }

	// Woken ends an imp.sleep whose time has come; see Machine.Alarm. Taken
	// while busy.
	Woken struct{}

	// Shutdown asks the agent to end. With a callback set by
	// server.onshutdown the agent may take until the host's patience ends and
	// then says Restart; without one it says Restart at once.
	Shutdown struct{ Reason tandem.Reason }
)

func (*Boot) event()               {}
func (*DeviceMessage) event()      {}
func (*DeviceConnected) event()    {}
func (*DeviceDisconnected) event() {}
func (*PeerStarted) event()        {}
func (*Request) event()            {}
func (*Alarm) event()              {}
func (*Fetched) event()            {}
func (*FetchedPart) event()        {}
func (*Uploaded) event()           {}
func (*MQTTConnected) event()      {}
func (*MQTTMessage) event()        {}
func (*MQTTDone) event()           {}
func (*MQTTLost) event()           {}
func (*Saved) event()              {}
func (*Woken) event()              {}
func (*Posted) event()             {}
func (*Handled) event()            {}
func (*Shutdown) event()           {}

// Effect is something an agent wants done. Effects of one Step are in the
// order in which the program caused them.
type Effect interface{ effect() }

type (
	// Log is a line for the log.
	Log struct{ Type, Msg string }

	// Send is a device.send. It is lost when the device is not connected.
	Send struct{ Message tandem.Message }

	// Answer answers a Request.
	Answer struct {
		ID       uint64
		Response *tandem.Response
	}

	// Fetch starts an outgoing request, which ends with Fetched.
	Fetch struct {
		ID    uint64
		Fetch *tandem.Fetch
	}

	// Upload starts an outgoing request whose body comes in Chunks, until
	// ChunksEnd. It ends with Fetched.
	Upload struct {
		ID    uint64
		Fetch *tandem.Fetch
	}

	// Chunk is a piece of an Upload's body, never empty.
	Chunk struct {
		ID   uint64
		Data []byte
	}

	// ChunksEnd ends an Upload's body. The rest of the request may take
	// Timeout, 0 for any time. With Stream the response's body is given to the
	// agent in FetchedParts as it arrives.
	ChunksEnd struct {
		ID      uint64
		Timeout time.Duration
		Stream  bool
	}

	// Cancel ends an outgoing request; nothing more is to be heard of it.
	Cancel struct{ ID uint64 }

	// MQTTConnect makes a connection to an MQTT broker, of which there is one
	// at a time, after Wait. It ends with MQTTLost, with MQTTConnected when that has an
	// error, or by MQTTClose.
	MQTTConnect struct {
		ID      uint64
		URL     string
		Wait    time.Duration
		Connect *mqtt.Connect
	}

	// MQTTPublish sends a message; MQTTDone follows when it is written, with
	// QoS 1 and 2 when it is acknowledged.
	MQTTPublish struct {
		ID, Request uint64
		Message     *mqtt.Publish
	}

	// MQTTSubscribe asks for messages; MQTTDone follows.
	MQTTSubscribe struct {
		ID, Request uint64
		Filter      string
		QoS         byte
	}

	// MQTTUnsubscribe ends a subscription; MQTTDone follows.
	MQTTUnsubscribe struct {
		ID, Request uint64
		Filter      string
	}

	// MQTTClose ends the connection; nothing more is to be heard of it.
	MQTTClose struct{ ID uint64 }

	// Save replaces the saved table; it ends with Saved. Mark is that of the
	// newest device message that is part of the saved state.
	Save struct {
		Table []byte // compact encoding; see imp
		Mark  tandem.Mark
	}

	// Over says that the program has come upon a limit, one of tandem.Over,
	// so many times in this event. It wants nothing done.
	Over struct {
		Limit string
		Times int
	}

	// Post keeps a message for the device until it has handled it; it ends with
	// Posted, and later with Handled. Cause is the mark of the device's message
	// that is being handled, zero when none is or it has none; of the posts made
	// meanwhile this is the Nth, from 1.
	Post struct {
		Message tandem.Message
		Cause   tandem.Mark
		Nth     uint32
	}

	// Restart ends this incarnation: the machine takes no further events.
	// Detail is for the log, "" when the reason says it all.
	Restart struct {
		Reason tandem.Reason
		Detail string
	}
)

func (*Log) effect()             {}
func (*Send) effect()            {}
func (*Answer) effect()          {}
func (*Fetch) effect()           {}
func (*Upload) effect()          {}
func (*Chunk) effect()           {}
func (*ChunksEnd) effect()       {}
func (*Cancel) effect()          {}
func (*MQTTConnect) effect()     {}
func (*MQTTPublish) effect()     {}
func (*MQTTSubscribe) effect()   {}
func (*MQTTUnsubscribe) effect() {}
func (*MQTTClose) effect()       {}
func (*Save) effect()            {}
func (*Post) effect()            {}
func (*Over) effect()            {}
func (*Restart) effect()         {}
