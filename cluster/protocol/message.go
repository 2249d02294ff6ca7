package protocol

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

// Message is a message from one node to another. All but Routes go over the mesh's
// lanes, which lose nothing and keep the order as long as both runs live.
type Message interface{ kind() kind }

// Messages about a device's link. Its reference is the gateway's node and the number
// ID.
type (
	// Open: gateway to owner; a device has a link.
	Open struct {
		_       struct{} `cbor:",toarray"`
		ID      uint64
		Device  tandem.DeviceID
		Agent   tandem.AgentID
		Address string
		Next    uint64        // number of the first message that will follow
		Hello   []byte        // the device's last hello on this link; nil: none yet
		Born    hlc.Timestamp // when the connection began
		Again   bool          // the link did not send it when it began
		Version int64         // of a membership that has the sender's run
	}
	// Publish: gateway to owner; the device has published a message.
	Publish struct {
		_       struct{} `cbor:",toarray"`
		ID      uint64
		Device  tandem.DeviceID
		Seq     uint64
		Topic   string
		Message tandem.Message
	}
	// Close: gateway to owner; the link has ended.
	Close struct {
		_      struct{} `cbor:",toarray"`
		ID     uint64
		Device tandem.DeviceID
		Agent  tandem.AgentID
		Clean  bool
		Lost   bool
	}
	// Send: owner to gateway; a message for the device.
	Send struct {
		_       struct{} `cbor:",toarray"`
		ID      uint64
		Device  tandem.DeviceID
		Epoch   int64 // of the owner's shard
		Topic   string
		Message tandem.Message
	}
	// End: owner to gateway; close the link.
	End struct {
		_     struct{} `cbor:",toarray"`
		ID    uint64
		Epoch int64
		Why   string
	}
	// Ack: owner to gateway; a message has been handled.
	Ack struct {
		_   struct{} `cbor:",toarray"`
		ID  uint64
		Seq uint64
	}
	// Closed: owner to gateway; a Close has been taken. Lost is what the owner knows now. The
	// gateway may have said Close several times, and more in the last than in the first.
	Closed struct {
		_    struct{} `cbor:",toarray"`
		ID   uint64
		Lost bool
	}
	// Astray: owner to gateway; the pair is not here, or does not know the
	// link. Messages on the link since then have not been taken.
	Astray struct {
		_  struct{} `cbor:",toarray"`
		ID uint64
	}
	// Gone: gateway to owner; the link does not exist.
	Gone struct {
		_      struct{} `cbor:",toarray"`
		ID     uint64
		Device tandem.DeviceID
	}
)

// Requests, and results of agents' own requests.
type (
	// Request: ingress to owner.
	Request struct {
		_       struct{} `cbor:",toarray"`
		ID      uint64
		Agent   tandem.AgentID
		Request *tandem.Request
	}
	// Answer: the agent's owner to ingress.
	Answer struct {
		_        struct{} `cbor:",toarray"`
		ID       uint64
		Response *tandem.Response
		Failure  *Failure
	}
	// Taken: old and new owner to ingress; requests have moved with their
	// agents. The message with the highest epoch is the newest.
	Taken struct {
		_     struct{} `cbor:",toarray"`
		IDs   []uint64
		By    Peer
		Epoch int64 // of the shard at the new owner
	}
	// Empty: to all; this node has no agents and will get none. Requests that it
	// has not answered have had no effect.
	Empty struct {
		_ struct{} `cbor:",toarray"`
	}
	// Settled: to all; the links of this node's gateway have ended, it gets no new ones, and
	// their owners know all that was lost over them.
	Settled struct {
		_ struct{} `cbor:",toarray"`
	}
	// Fetched: the node that made an agent's outgoing request to the agent's owner.
	Fetched struct {
		_        struct{} `cbor:",toarray"`
		Ref      tandem.FetchRef
		Hops     int
		Response *tandem.Response
		Part     []byte
	}
	// Cancel: the agent's owner to the node that makes its outgoing request.
	Cancel struct {
		_   struct{} `cbor:",toarray"`
		Ref tandem.FetchRef
	}
)

// Pair is a pair on its way between two nodes. Data is for the hosts; the other fields
// are for the cluster.
type Pair struct {
	_       struct{} `cbor:",toarray"`
	Device  tandem.DeviceID
	Agent   tandem.AgentID
	Link    *tandem.LinkRef // nil: the device has none
	Run     int64           // session of the node that has the link; 0: not known
	Origins []tandem.Origin // of the requests that wait for the agent
	Data    []byte
}

// Moves.
type (
	// Offer: old owner to new; a batch of agents to prepare.
	Offer struct {
		_       struct{} `cbor:",toarray"`
		ID      uint64
		Shards  []int
		Epochs  []int64 // before the move
		Why     tandem.Reason
		Version int64  // of the old owner's membership when the agents stopped
		Known   []Peer // the registered runs in that membership
		Pairs   []*Pair
		More    bool // pairs of the same offer follow
	}
	// Ready: new owner to old; the agents are prepared.
	Ready struct {
		_  struct{} `cbor:",toarray"`
		ID uint64
	}
	// Decline: new owner to old; the agents cannot be taken now.
	Decline struct {
		_       struct{} `cbor:",toarray"`
		ID      uint64
		Failure *Failure
	}
	// Go: old owner to new; the new owner owns the agents.
	Go struct {
		_      struct{} `cbor:",toarray"`
		ID     uint64
		Shards []int
		Epochs []int64 // after the move
	}
	// Stay: old owner to new; the offer is withdrawn.
	Stay struct {
		_  struct{} `cbor:",toarray"`
		ID uint64
	}
	// Routes: to all, by broadcast; these shards have this owner now. Without
	// shards it says only that the membership has changed.
	Routes struct {
		_      struct{} `cbor:",toarray"`
		Shards []int
		Owner  string
		Epochs []int64
	}
)

// Questions of the control plane, and log lines.
type (
	// Ask: a question. With ID 0 no answer is wanted.
	Ask struct {
		ID       uint64
		Again    bool // repeated news: agents that have already followed it do not do so again
		Question Question
	}
	// Told: the answer.
	Told struct {
		_       struct{} `cbor:",toarray"`
		ID      uint64
		Yes     bool
		Failure *Failure
		Lines   []tandem.LogEntry
	}
	// Line: a log line, to a node that follows the device's log.
	Line struct {
		_    struct{} `cbor:",toarray"`
		View uint64
		Line tandem.LogEntry
	}
)

// Question is a question of one node's control plane to another node.
type Question interface{ asks() question }

type (
	// RestartAgent asks the owner to restart an agent.
	RestartAgent struct {
		_      struct{} `cbor:",toarray"`
		Device tandem.DeviceID
	}
	// RestartDevice asks the owner to make the device restart its code.
	RestartDevice struct {
		_      struct{} `cbor:",toarray"`
		Device tandem.DeviceID
	}
	// Online asks the owner whether the device has a link.
	Online struct {
		_      struct{} `cbor:",toarray"`
		Device tandem.DeviceID
	}
	// Runs asks the owner whether the agent runs.
	Runs struct {
		_      struct{} `cbor:",toarray"`
		Device tandem.DeviceID
	}
	// Deployed tells every node that the agents of a device group are to restart with its current
	// code. Those that have started with Deployment do not; "" restarts them all.
	Deployed struct {
		_          struct{} `cbor:",toarray"`
		Group      string
		Deployment string
	}
	// Assigned tells every node that a device was created, or assigned to another group.
	Assigned struct {
		_      struct{} `cbor:",toarray"`
		Device tandem.DeviceID
		Shard  int // of its agent
	}
	// Deleted tells every node that a device was deleted.
	Deleted struct {
		_      struct{} `cbor:",toarray"`
		Device tandem.DeviceID
	}
	// Drain asks a node to give its agents to others, or with Undo to take agents again.
	Drain struct {
		_    struct{} `cbor:",toarray"`
		Undo bool
	}
	// History asks for a node's part of a log.
	History struct {
		_       struct{} `cbor:",toarray"`
		Devices []tandem.DeviceID
		Lines   int
	}
	// Follow asks for a node's new lines of a log, as Line messages.
	Follow struct {
		_       struct{} `cbor:",toarray"`
		View    uint64
		Devices []tandem.DeviceID
	}
	// Unfollow ends a Follow.
	Unfollow struct {
		_    struct{} `cbor:",toarray"`
		View uint64
	}
)
