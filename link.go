package tandem

// LinkRef names a device's connection: the node whose gateway has it, and a
// number that the node uses once.
type LinkRef struct {
	Node string
	ID   uint64
}

// Origin says where the answer to a request is to go.
type Origin struct {
	Node string
	ID   uint64
}

// FetchRef names an outgoing request of an agent, and the node that makes it.
type FetchRef struct {
	Node            string
	Agent           AgentID
	Incarnation, ID uint64
}

// Link is a device's connection as the host of its agent sees it. Its methods
// do not block and may be called on any goroutine.
type Link interface {
	Ref() LinkRef
	// Send gives the device a message on a topic: device/<name>, or sys/…. It
	// returns false when the message is lost already. The data is the link's
	// from here on.
	Send(topic string, m Message) bool
	// Close ends the connection; why is for the device.
	Close(why string)
}

// LinkEnd says how a device's connection ended.
type LinkEnd struct {
	// Clean: the device has said that it disconnects.
	Clean bool
	// Lost: a message that the link was given did not get across, as far as
	// the gateway knows. Posts do not count, they are sent again.
	Lost bool
}
