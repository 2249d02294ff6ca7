package record

import (
	"time"

	"github.com/tandem-iot/tandem"
)

// Node is a node of a cluster.
type Node struct {
	ID       string
	Session  int64   // of its registration
	URL      string  // of its API
	MQTT     string  // where devices connect
	Load     float64 // the part of its processors that it uses, 0 to 1
	Weight   float64 // its share of the shards is in proportion to it
	Agents   int
	Draining bool // it is to have no agents
	Alive    bool // its lease has not run out, by the database's clock
	Started  time.Time
	Version  string
	Key      string // of its Claim; "": none
	Address  string // of its Claim
}

// Membership is a cluster at one moment.
type Membership struct {
	Version int64   // raised by every change of shards, and of the set of nodes
	Shards  []Shard // ordered by number; nil when the caller knows the version
	Nodes   []Node  // the registered nodes, ordered by id
	Count   int     // of shards
}

// BurialDelay is the time after the end of its lease from which a node can be
// declared lost. By then the node has stopped its agents, even when its clock
// runs somewhat slow.
const BurialDelay = 500 * time.Millisecond

// Alive reports whether a lease has not run out, by the database's clock.
func Alive(expires, now time.Time) bool { return expires.After(now) }

// Buriable reports whether a node whose lease ended at expires can be declared
// lost.
func Buriable(expires, now time.Time) bool { return now.After(expires.Add(BurialDelay)) }

// Planner is the row of the planner, the node that plans where shards belong.
type Planner struct {
	Node    string // "": there has been no planner
	Expires time.Time
}

// MayPlan reports whether a node can become the planner, or remain it.
func (p Planner) MayPlan(node string, now time.Time) bool {
	return p.Node == node || p.Expires.Before(now)
}

// Fence is the session that a node's writes belong to.
type Fence struct {
	Node    string
	Session int64 // 0: the node is in no cluster
	Lost    bool  // the session has been declared lost, or has ended
}

// Admits reports whether a write that was submitted in a session may be part
// of a transaction. Writes of an earlier session are refused, since other nodes
// may have had its agents in between. Writes from before the first registration
// (session 0) are admitted, since the node owned no agents until then.
func (f Fence) Admits(session int64) bool {
	return !f.Lost && (session == 0 || session == f.Session)
}

// Holds reports whether a transaction may be made: the node is in no cluster,
// or session, which is that of its row, is still the node's.
func (f Fence) Holds(session int64) bool { return f.Session == 0 || f.Session == session }

// Fenced is the error of a node's writes after it was declared lost.
func Fenced() error {
	return tandem.Errorf(tandem.Conflict, "this node has been declared lost; its pending writes were rejected")
}

// NotRegistered is the error of operations that need a registered node.
func NotRegistered() error {
	return tandem.Errorf(tandem.Invalid, "this node is not registered with a cluster")
}

// CheckNode returns an error when a node cannot register.
func CheckNode(n Node) error {
	if n.ID == "" {
		return tandem.Errorf(tandem.Invalid, "a node needs an id")
	}
	return nil
}

// Stopped is the error of operations on a store that has stopped.
func Stopped() error {
	return tandem.Errorf(tandem.Unavailable, "the store is stopping; try again when the node is up")
}
