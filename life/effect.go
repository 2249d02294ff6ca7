package life

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/store/record"
)

// Effect is something that a life wants done.
type Effect interface{ effect() }

// For those who wait for the agent.
type (
	// Answer answers a Request and gives its Token back. Err is in place of a
	// Response when the agent gave none.
	Answer struct {
		Token    uint64
		Response *tandem.Response
		Err      error
	}

	// AnswerAway answers a request that has come here with its agent.
	AnswerAway struct {
		Origin   tandem.Origin
		Response *tandem.Response
		Err      error
	}

	// Handled gives a Token back: what it stands for has been handled.
	Handled struct{ Token uint64 }

	// Forget gives a Token back: another is told in its place, or none is.
	Forget struct{ Token uint64 }
)

// For the device.
type (
	// UseLink has the link that Linked brought be the device's from now on.
	UseLink struct{ Ref tandem.LinkRef }

	// CloseLink ends the device's link; Why is for the device.
	CloseLink struct{ Why string }

	// DropLink forgets the device's link.
	DropLink struct{}

	// Send gives the device's link a message. NotSent follows when it does not
	// take it.
	Send struct {
		Topic   string
		Message tandem.Message
	}
)

// For people.
type (
	// Log is a line of the device's log.
	Log struct {
		TS        time.Time
		Type, Msg string
		Where     *tandem.Where // the place in a program that it is about; nil: none
		Mark      tandem.Mark   // of a line that the device has numbered
		Written   time.Time     // when the device wrote it, that has kept it since; zero: it came at once
	}

	// Report is a line for the operator. Bad says that something was lost or
	// cannot go on.
	Report struct {
		Bad bool
		Msg string
		Err error
	}

	// Over counts that a limit was met, one of tandem.Over.
	Over struct {
		Limit string
		Times int
	}

	// Restarted counts a restart.
	Restarted struct{ Reason tandem.Reason }

	// Froze says that the machine is bytes now, and its arena is garbage; see
	// Life.Arena.
	Froze struct{}

	// Arrived counts a move to this host.
	Arrived struct{ Why tandem.Reason }
)

// For the store. The shell adds the agent's and the device's id.
type (
	// LoadAgent reads the agent's record and its program. Group is its device
	// group if Grouped says that it is known.
	LoadAgent struct {
		ID      uint64
		Group   string
		Grouped bool
	}

	// LoadProgram reads what the group's sides are to run.
	LoadProgram struct {
		ID      uint64
		Group   string
		Grouped bool
	}

	// LoadDevice reads what is remembered of the device.
	LoadDevice struct{ ID uint64 }

	// LoadPosts reads what the agent has posted and its device has not handled.
	LoadPosts struct{ ID uint64 }

	// Begin makes the next incarnation durable.
	Begin struct{ ID uint64 }

	// Save replaces the saved table.
	Save struct {
		ID, Incarnation uint64
		Table           []byte
		Mark            tandem.Mark
	}

	// KeepPost keeps a message for the device.
	KeepPost struct {
		ID, Incarnation uint64
		Post            record.Post
	}

	// Quarantine keeps that the agent is not to be started with some code.
	Quarantine struct {
		Incarnation uint64
		Code        string
	}

	// ForgetPost says that the device has handled a post.
	ForgetPost struct{ Seq uint64 }

	// Seen remembers what is new of the device. Should it be forgotten, a start
	// of the device may be logged twice. With an ID, the boot that it tells of must be
	// durable before anything that the device says in it is handled: SeenKept follows.
	Seen struct {
		ID       uint64
		Sighting record.Sighting
	}

	// TakeSnapshot takes the agent's snapshot out of the store. From then on the
	// bytes are void: should the node be lost, the agent must not go back to
	// them.
	TakeSnapshot struct{ ID uint64 }

	// End puts the agent to sleep in the store. Stopped is part of it: it is true
	// when the store has answered.
	End struct {
		Incarnation uint64
		Data        []byte
	}
)

// For the agent's way out. IDs are the program's own.
type (
	// Fetch starts an outgoing request.
	Fetch struct {
		Incarnation, ID uint64
		Fetch           *tandem.Fetch
	}

	// Upload starts an outgoing request whose body comes by Chunk and ChunksEnd.
	Upload struct {
		Incarnation, ID uint64
		Fetch           *tandem.Fetch
	}

	// Chunk is a piece of an upload's body.
	Chunk struct {
		ID   uint64
		Data []byte
	}

	// ChunksEnd ends an upload's body; see agent.ChunksEnd.
	ChunksEnd struct {
		ID      uint64
		Timeout time.Duration
		Stream  bool
	}

	// CancelFetch ends an outgoing request that this node makes.
	CancelFetch struct{ ID uint64 }

	// CancelAway ends one that another node makes.
	CancelAway struct{ Ref tandem.FetchRef }

	// HandOn says that this node goes on making a request for an agent that has
	// left. What comes of it is to be sent after the agent.
	HandOn struct{ Ref tandem.FetchRef }

	// ConnectMQTT makes a connection to a broker; it has the number Conn.
	ConnectMQTT struct {
		Conn    uint64
		Connect *agent.MQTTConnect
	}

	// DoMQTT is a publish, subscribe or unsubscribe on that connection.
	DoMQTT struct {
		Conn   uint64
		Effect agent.Effect
	}

	// CloseMQTT ends the connection in good order.
	CloseMQTT struct{ Conn uint64 }
)

// Ends of the life on this host.
type (
	// Stopped says that the life has ended here.
	Stopped struct{}

	// Left says that the pair is on its way: Moved is all there is of it.
	Left struct{ Moved *Moved }

	// Stayed says that the pair could not leave.
	Stayed struct{ Err error }
)

func (*Answer) effect()       {}
func (*AnswerAway) effect()   {}
func (*Handled) effect()      {}
func (*Forget) effect()       {}
func (*UseLink) effect()      {}
func (*CloseLink) effect()    {}
func (*DropLink) effect()     {}
func (*Send) effect()         {}
func (*Log) effect()          {}
func (*Report) effect()       {}
func (*Over) effect()         {}
func (*Restarted) effect()    {}
func (*Arrived) effect()      {}
func (*Froze) effect()        {}
func (*LoadAgent) effect()    {}
func (*LoadProgram) effect()  {}
func (*LoadDevice) effect()   {}
func (*LoadPosts) effect()    {}
func (*Begin) effect()        {}
func (*Save) effect()         {}
func (*KeepPost) effect()     {}
func (*Quarantine) effect()   {}
func (*ForgetPost) effect()   {}
func (*Seen) effect()         {}
func (*TakeSnapshot) effect() {}
func (*End) effect()          {}
func (*Fetch) effect()        {}
func (*Upload) effect()       {}
func (*Chunk) effect()        {}
func (*ChunksEnd) effect()    {}
func (*CancelFetch) effect()  {}
func (*CancelAway) effect()   {}
func (*HandOn) effect()       {}
func (*ConnectMQTT) effect()  {}
func (*DoMQTT) effect()       {}
func (*CloseMQTT) effect()    {}
func (*Stopped) effect()      {}
func (*Left) effect()         {}
func (*Stayed) effect()       {}
