package protocol

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/store/record"
)

// Effect is an action that a core asks of its shell. The shell carries out a core's
// effects in the order in which the core returned them.
type Effect interface{ effect() }

// Effects of several cores.
type (
	// Tell sends a message to a run of a node. To may be this node's own run.
	// A message that cannot be sent is reported with the core's Refused event,
	// where the core has one; otherwise the run is lost, which Member notices.
	Tell struct {
		To      Peer
		Message Message
	}
	// Broadcast tells all nodes of routes. It may be lost.
	Broadcast struct{ Routes *Routes }
	// Learn gives the Member routes for the table.
	Learn struct{ Routes *Routes }
	// Look makes the Member read the membership soon.
	Look struct{}
	// Note is a line in the operator's log.
	Note struct {
		Text    string
		Node    string // "": not about a node
		Shards  int    // 0: not about shards
		Failure error
	}
)

// Effects of Link.
type (
	// Handled says that the message with this number may be acknowledged.
	Handled struct{ Seq uint64 }
	// Hand gives the device a message.
	Hand struct {
		Topic   string
		Message tandem.Message
	}
	// Cut closes the device's connection. The gateway answers with a Close.
	Cut struct{ Why string }
	// Over says that the link has ended and its owner knows.
	Over struct{}
)

// Effects of Guests. Each but Tell and Look has one outcome, Done, and Guests
// has only one under way for each link.
type (
	// Enter tells the host that a device has a link at another node.
	Enter struct {
		Ref     tandem.LinkRef
		Run     Peer // whose gateway has the link
		Device  tandem.DeviceID
		Shard   int
		Epoch   int64 // of the shard at this node, which messages to the device carry, or a later one that Moves hold
		Next    uint64
		Address string
		Hello   []byte
		Born    hlc.Timestamp
		Again   bool
	}
	// Pass gives the host a message of the device. When it has been handled,
	// an Ack goes to Run.
	Pass struct {
		Ref     tandem.LinkRef
		Run     Peer
		Device  tandem.DeviceID
		Seq     uint64
		Topic   string
		Message tandem.Message
	}
	// Leave tells the host that the link has ended.
	Leave struct {
		Ref    tandem.LinkRef
		Device tandem.DeviceID
		End    tandem.LinkEnd
	}
)

// Effects of Calls.
type (
	// Attempt sends a request or a question to a run of a node, which may be this one.
	// Outcome: Refused when it cannot be sent; otherwise Answered or Told, some time
	// later.
	Attempt struct {
		ID      uint64
		To      Peer
		Message Message // Request or Ask
	}
	// Find asks the store whether an agent exists. Outcome: Found.
	Find struct {
		ID    uint64
		Agent tandem.AgentID
	}
	// Wait says that a call waits for a table that shows its agent. Its deadline has
	// changed: see DeadlineOf.
	Wait struct{ ID uint64 }
	// Finish ends a call.
	Finish struct {
		ID       uint64
		Response *tandem.Response
		Yes      bool
		Lines    []tandem.LogEntry
		Failure  *Failure
	}
	// Serve gives the host a request of another node. Outcome: Served.
	Serve struct {
		From    Peer
		Request *Request
	}
)

// Effects of Moves, giving.
type (
	// Export stops the agents of some shards and takes them out of the host.
	// Outcome: Exported, at Until at the latest.
	Export struct {
		N      uint64
		Shards []int
		Until  time.Duration
	}
	// SendPart sends a part of an offer, and waits for room in the lane if necessary.
	// Outcome: Sent.
	SendPart struct {
		N     uint64
		To    Peer
		Offer *Offer
		Until time.Duration
	}
	// Flush waits until nodes have received all that this one has told them. Outcome:
	// Flushed, at Until at the latest.
	Flush struct {
		N     uint64
		To    []Peer
		Until time.Duration
	}
	// Handover changes the owner of shards in the database, from this node at their
	// epochs. Outcome: HandedOver.
	Handover struct {
		N      uint64
		Shards []record.Shard
		To     Peer
	}
	// Confirm reads the whole membership. Outcome: Confirmed.
	Confirm struct{ N uint64 }
	// Return gives exported pairs back to the host, which resumes them.
	Return struct {
		Shards []int
		Pairs  []*Pair
		Lost   []Peer // runs that were lost meanwhile
	}
	// Gave says that another node now owns shards and their agents.
	Gave struct{ Shards []int }
)

// OfferID names an offer of another node.
type OfferID struct {
	From Peer
	ID   uint64
}

// Effects of Moves, taking.
type (
	// Prepare restores the machines of offered pairs without running them. Outcome:
	// Prepared.
	Prepare struct {
		Offer OfferID
		Pairs []*Pair
		Why   tandem.Reason
	}
	// Discard drops pairs that were prepared, or are being prepared.
	Discard struct{ Offer OfferID }
	// Activate resumes prepared pairs: this node now owns their shards.
	Activate struct {
		Offer  OfferID
		Shards []int
		Epochs []int64
		Pairs  []*Pair // without Data
		Lost   []Peer  // runs that were lost since the agents stopped
	}
	// OpenShards gives the host shards. Agents that should run and are not in memory start
	// from their records.
	OpenShards struct{ Shards []int }
)

// Effects of Member. Those with a number have an outcome with the same one.
type (
	// Register makes this node part of the cluster. Outcome: Registered.
	Register struct {
		N        uint64
		Draining bool
	}
	// Renew extends the lease to its full time. Outcome: Renewed.
	Renew struct {
		N        uint64
		Draining bool
		Patience time.Duration
	}
	// Read reads the membership. Known is the version whose shards the node already has,
	// -1 for none. Outcome: HaveRead.
	Read struct {
		N     uint64
		Known int64
	}
	// AskPlanner asks the database whether this node plans. Outcome: Planning.
	AskPlanner struct {
		N     uint64
		Lease time.Duration
	}
	// Bury declares a run lost whose lease has ended. Outcome: Buried.
	Bury struct {
		N    uint64
		Peer Peer
	}
	// Assign carries out a plan. Outcome: Assigned.
	Assign struct {
		N    uint64
		Plan []record.Shard
	}
	// Lease lets agents act until Until.
	Lease struct{ Until time.Duration }
	// Begin begins a run of the node, with a table and without shards.
	Begin struct {
		Self  Peer
		Table *Table
	}
	// Replace replaces the node's table.
	Replace struct{ Table *Table }
	// Join says that a run of another node has appeared.
	Join struct{ Peer Peer }
	// Lose says that a run of another node has ended: its calls, its requests and its
	// links are lost.
	Lose struct{ Peer Peer }
	// Belong says that the node is part of the cluster and has a table. It is returned once.
	Belong struct{}
	// Abandon ends the run, because other nodes own this node's agents. The agents and all
	// pending work are dropped. Outcome: Abandoned.
	Abandon struct{}
	// Fail says why the node cannot join the cluster.
	Fail struct{ Failure error }
)

// Effects of News.
type (
	// Recall gives the host news that came before some shards were open here. The host
	// applies it to the agents of those shards that have not followed it yet.
	Recall struct {
		Question Question
		Shards   []int
	}
)

func (Tell) effect()       {}
func (Broadcast) effect()  {}
func (Learn) effect()      {}
func (Look) effect()       {}
func (Note) effect()       {}
func (Handled) effect()    {}
func (Hand) effect()       {}
func (Cut) effect()        {}
func (Over) effect()       {}
func (Enter) effect()      {}
func (Pass) effect()       {}
func (Leave) effect()      {}
func (Attempt) effect()    {}
func (Find) effect()       {}
func (Wait) effect()       {}
func (Finish) effect()     {}
func (Serve) effect()      {}
func (Export) effect()     {}
func (SendPart) effect()   {}
func (Flush) effect()      {}
func (Handover) effect()   {}
func (Confirm) effect()    {}
func (Return) effect()     {}
func (Gave) effect()       {}
func (Prepare) effect()    {}
func (Discard) effect()    {}
func (Activate) effect()   {}
func (OpenShards) effect() {}
func (Register) effect()   {}
func (Renew) effect()      {}
func (Read) effect()       {}
func (AskPlanner) effect() {}
func (Bury) effect()       {}
func (Assign) effect()     {}
func (Lease) effect()      {}
func (Begin) effect()      {}
func (Replace) effect()    {}
func (Join) effect()       {}
func (Lose) effect()       {}
func (Belong) effect()     {}
func (Abandon) effect()    {}
func (Fail) effect()       {}
func (Recall) effect()     {}
