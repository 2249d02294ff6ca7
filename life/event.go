package life

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/squirrel/compile"
	"github.com/tandem-iot/tandem/store/record"
)

// Event is something that happens to a pair.
type Event interface{ event() }

// What others want of the agent.
type (
	// Request is an HTTP request. An Answer with its Token follows, or, when the
	// request gives up, a Forget.
	Request struct {
		Token   uint64
		Number  uint64 // unique on this host
		Origin  tandem.Origin
		Request *tandem.Request
	}

	// GaveUp says that the caller of a request has gone.
	GaveUp struct{ Number uint64 }

	// Reload has both sides run what the device group has now. The agent restarts, unless it is
	// about to read its code, or has started with Deployment, which may be "" for none.
	Reload struct {
		Group      string
		Deployment string
	}

	// Review is Reload for a pair that may run that already, and then is left alone: news
	// that came while it was between two hosts is repeated.
	Review struct{ Group string }

	// Restart restarts the agent. One that has asked for it by server.onshutdown
	// is told and gets some time first.
	Restart struct{ Reason tandem.Reason }

	// RestartDevice tells the device to restart its code.
	RestartDevice struct{}

	// Deleted says that the device and its agent are no more.
	Deleted struct{}
)

// What the device's link brings.
type (
	// Linked says that the device has a link. It may be the one it has already, by
	// another way.
	Linked struct {
		Ref     tandem.LinkRef
		Address string
	}

	// Unlinked says that a link has ended.
	Unlinked struct {
		Ref tandem.LinkRef
		End tandem.LinkEnd
	}

	// Message is an agent.send or a tandem.post of the device.
	Message struct {
		Token   uint64
		Seq     uint64 // among what came by its link
		Message tandem.Message
	}

	// Again is a Message or a Said that the pair has taken already: it is in the inbox,
	// being handled, or has been.
	Again struct{ Token, Seq uint64 }

	// Said is what a device publishes for the log and about itself.
	Said struct {
		Token uint64
		Seq   uint64
		Topic string
		Data  []byte
		Mark  tandem.Mark // of a line of the log, zero when the device does not number them
		Where string      // the place in the device's code that a line for the log is about, as JSON; "" for none

		Written int64 // when the device wrote a line, in milliseconds since 1970; 0: it comes at once
	}

	// Remind repeats what the device said last on sys/hello, to a pair that may have been
	// taken over from a lost node, and then has not heard it.
	Remind struct{ Data []byte }

	// NotSent says that the link did not take a message. Post is its number, 0
	// when it was no post.
	NotSent struct{ Post uint64 }
)

// What the node wants of the pair.
type (
	// Resume brings back an agent that ran when its node stopped or was lost.
	Resume struct{}

	// Stop ends the life on this node: the machine goes to the store. Events
	// under way may take Patience. Stopped follows.
	Stop struct{ Patience time.Duration }

	// Refuse answers all requests: the node has waited for them long enough.
	Refuse struct{}

	// Leave has the pair be taken to another node as soon as it is at rest. Left
	// follows, or Stayed when that takes longer than Patience. A Stop before or
	// after it is stronger: then End or Stopped follows in place of those.
	Leave struct {
		Node     string // this one, for those who make the agent's requests
		Patience time.Duration
	}

	// GoOn is the first event of a pair that has arrived. Why is for the log; ""
	// when it has come back to the host it did not leave after all.
	GoOn struct{ Why tandem.Reason }

	// Vanish ends the pair here without a trace: another node has it.
	Vanish struct{}

	// NodeLost says that a node is gone, and with it the requests that it made
	// for the agent. Settled says that it had left in good order: what it had said of
	// the ends of its links is all there was to say.
	NodeLost struct {
		Node    string
		Settled bool
	}

	// Tick says that Deadline has come. It is harmless before that.
	Tick struct{}
)

// Program is what the sides of a pair are to run. It is shared and does not
// change.
type Program struct {
	Agent     *compile.Program
	AgentErr  error             // the agent's code does not compile
	Validate  bool              // the agent's requests verify servers unless they say otherwise
	Device    string            // the device's code, with its libraries; "" when there is none
	DeviceSHA string            // of Device
	Env       map[string]string // the imp.Environment of the device's code
}

// Outcomes of effects.
type (
	// AgentLoaded is the outcome of LoadAgent.
	AgentLoaded struct {
		ID         uint64
		Record     record.Agent
		Err        error // the record cannot be read
		Group      string
		Program    *Program
		ProgramErr error // the program cannot be had; NotFound when there is none
	}

	// ProgramLoaded is the outcome of LoadProgram.
	ProgramLoaded struct {
		ID      uint64
		Group   string
		Program *Program
		Err     error
	}

	// DeviceLoaded is the outcome of LoadDevice.
	DeviceLoaded struct {
		ID   uint64
		Peer Peer
		Err  error
	}

	// SeenKept is the outcome of a Seen that has an ID.
	SeenKept struct {
		ID  uint64
		Err error
	}

	// PostsLoaded is the outcome of LoadPosts, in order.
	PostsLoaded struct {
		ID    uint64
		Posts []record.Post
		Err   error
	}

	// Begun is the outcome of Begin.
	Begun struct {
		ID, Incarnation uint64
		Err             error
	}

	// SnapshotTaken is the outcome of TakeSnapshot. Data is nil when there is
	// none: the node that ran the agent was lost.
	SnapshotTaken struct {
		ID   uint64
		Data []byte
		Err  error
	}

	// Saved is the outcome of Save.
	Saved struct {
		ID  uint64
		Err error
	}

	// QuarantineKept is the outcome of Quarantine.
	QuarantineKept struct{ Err error }

	// Posted is the outcome of KeepPost.
	Posted struct {
		ID, Seq uint64
		Err     error
	}

	// PostForgotten is the outcome of ForgetPost.
	PostForgotten struct {
		Seq uint64
		Err error
	}

	// Fetched is what came of an outgoing request.
	Fetched struct {
		Token           uint64
		Incarnation, ID uint64
		Response        *tandem.Response
	}

	// FetchedPart is a piece of the body of a response.
	FetchedPart struct {
		Token           uint64
		Incarnation, ID uint64
		Data            []byte
	}

	// Uploaded says that N bytes more of a request's body have been sent.
	Uploaded struct {
		Incarnation, ID uint64
		N               int
	}

	// MQTT is what comes of the connection to an MQTT broker that has a number.
	MQTT struct {
		Token uint64
		Conn  uint64
		Event agent.Event // MQTTConnected, MQTTMessage, MQTTDone or MQTTLost
	}
)

func (*Request) event()        {}
func (*GaveUp) event()         {}
func (*Reload) event()         {}
func (*Review) event()         {}
func (*Remind) event()         {}
func (*Restart) event()        {}
func (*RestartDevice) event()  {}
func (*Deleted) event()        {}
func (*Linked) event()         {}
func (*Unlinked) event()       {}
func (*Message) event()        {}
func (*Again) event()          {}
func (*Said) event()           {}
func (*NotSent) event()        {}
func (*Resume) event()         {}
func (*Stop) event()           {}
func (*Refuse) event()         {}
func (*Leave) event()          {}
func (*GoOn) event()           {}
func (*Vanish) event()         {}
func (*NodeLost) event()       {}
func (*Tick) event()           {}
func (*AgentLoaded) event()    {}
func (*ProgramLoaded) event()  {}
func (*DeviceLoaded) event()   {}
func (*SeenKept) event()       {}
func (*PostsLoaded) event()    {}
func (*Begun) event()          {}
func (*SnapshotTaken) event()  {}
func (*Saved) event()          {}
func (*QuarantineKept) event() {}
func (*Posted) event()         {}
func (*PostForgotten) event()  {}
func (*Fetched) event()        {}
func (*FetchedPart) event()    {}
func (*Uploaded) event()       {}
func (*MQTT) event()           {}
