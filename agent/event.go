package agent

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// Event is something that happens to an agent. A machine takes one at a time.
// While Busy reports true it takes only those marked below, and the host keeps
// the others in order until it is not busy.
type Event interface{ event() }

type (
	// Boot runs the agent's code. It is the first event of an incarnation.
	Boot struct{}

	// DeviceMessage is a message that the device sent by agent.send.
	DeviceMessage struct{ Message tandem.Message }

	// DeviceConnected says that the device has a link now. Address is the
	// device's IP address as the gateway saw it.
	DeviceConnected struct{ Address string }

	// DeviceDisconnected says that the link has ended and the time to reconnect has passed.
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

	// Alarm runs the earliest timer that is due; see Machine.Alarm. It does nothing
	// when none is due.
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

	// Uploaded says that N more bytes of an Upload have been sent. Taken while busy
	// when the machine waits for that very upload.
	Uploaded struct {
		ID uint64
		N  int
	}

	// MQTTConnected answers an MQTTConnect: Code is 0, a return code of
	// MQTT 3.1.1, or -1, and Why is the text of the error. Any Code but 0 ends the
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

	// MQTTDone ends an MQTTPublish, MQTTSubscribe or MQTTUnsubscribe. Code is 0 or
	// the error of the broker or the host, QoS what the broker granted a
	// subscription. Taken while busy when the machine waits for that request.
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

	// Posted ends a Post effect: the message is kept under the number Seq, which is 0
	// when the device has handled it already; or it is not kept, and Err says why.
	// Taken while busy.
	Posted struct {
		Seq uint64
		Err error
	}

	// Handled says that the device has handled the post with a number.
	Handled struct{ Seq uint64 }

	// Woken ends an imp.sleep whose time has come; see Machine.Alarm. Taken
	// while busy.
	Woken struct{}

	// Shutdown asks the agent to end. An agent with a callback of server.onshutdown
	// may run on until the host ends it, and ends itself by Restart; one without
	// a callback ends by Restart at once.
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

// Effect is something that an agent asks the host to do. The effects of one Step
// are in the order in which the program caused them.
type Effect interface{ effect() }

type (
	// Log is a line for the log. Where is the place in the program that it is about, nil
	// for none.
	Log struct {
		Type, Msg string
		Where     *tandem.Where
	}

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

	// Cancel ends an outgoing request. No event for it follows.
	Cancel struct{ ID uint64 }

	// MQTTConnect connects to an MQTT broker, after Wait. There is one connection at
	// a time. It ends with MQTTLost, with an MQTTConnected that has an error, or by
	// MQTTClose.
	MQTTConnect struct {
		ID      uint64
		URL     string
		Wait    time.Duration
		Connect *mqtt.Connect
	}

	// MQTTPublish sends a message. MQTTDone follows when it is written (QoS 0) or
	// acknowledged (QoS 1 and 2).
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

	// MQTTClose ends the connection. No event for it follows.
	MQTTClose struct{ ID uint64 }

	// Save replaces the saved table; it ends with Saved. Mark is that of the
	// newest device message that is part of the saved state.
	Save struct {
		Table []byte // compact encoding; see imp
		Mark  tandem.Mark
	}

	// Over counts how often the program ran into a limit, one of tandem.Over, in this
	// event. It is only for statistics.
	Over struct {
		Limit string
		Times int
	}

	// Post keeps a message for the device until the device has handled it. It ends
	// with Posted, and later with Handled. Cause is the mark of the device's message
	// that is being handled, zero when there is none or it has no mark. Nth counts the
	// posts made while that message is handled, from 1.
	Post struct {
		Message tandem.Message
		Cause   tandem.Mark
		Nth     uint32
	}

	// Restart ends this incarnation: the machine takes no further events.
	// Detail is for the log, "" when the reason is enough.
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
