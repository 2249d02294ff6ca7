package tandem

// LinkRef names a device's connection: the node whose gateway has it, and a
// number that the node gives to one connection only, over all its runs.
type LinkRef struct {
	Node string `cbor:"1,keyasint"`
	ID   uint64 `cbor:"2,keyasint"`
}

// Link is a device's connection, as its pair sees it. Its methods do not block
// and may be called from any goroutine.
type Link interface {
	// Ref names the connection. Two Links with the same Ref are one connection.
	Ref() LinkRef
	// Send sends the device a message on a topic: device/<name>, or sys/…. It
	// returns false when the message is certain not to arrive.
	Send(topic string, m Message) bool
	// Close ends the connection. The device is told the reason, why.
	Close(why string)
}

// LinkEnd says how a link has ended.
type LinkEnd struct {
	Clean bool // the device sent DISCONNECT
	Lost  bool // messages that the link had accepted may not have arrived
}

// Origin says where to send the answer to a request: the node that received the
// request, and its number on that node.
type Origin struct {
	Node string `cbor:"1,keyasint"`
	ID   uint64 `cbor:"2,keyasint"`
}

// FetchRef names an agent's outgoing request, and the node that makes it.
type FetchRef struct {
	Node        string  `cbor:"1,keyasint"`
	Agent       AgentID `cbor:"2,keyasint"`
	Incarnation uint64  `cbor:"3,keyasint"`
	ID          uint64  `cbor:"4,keyasint"`
}

// RefusedTopic is the topic by which a pair refuses a message of its device, before it says that the message
// is handled. The message, a Refusal as JSON, is for the link's gateway and does not reach the device.
const RefusedTopic = "sys/refused"

// Refusal says that a numbered message is not handled, because its mark is not above Newest.
type Refusal struct {
	Seq    uint64 `json:"seq"` // of the message on its link
	Newest Mark   `json:"newest"`
}
