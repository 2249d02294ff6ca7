// Package protocol has the messages between the nodes of a cluster, and the decisions of
// each node.
//
// It consists of cores, one type and file each. A core takes an event and
// returns effects, which are plain data; it has no goroutine, lock, clock,
// socket or store, and the same events give the same effects.
//
//	Table    nodes, and the owners of shards; replaced, never changed
//	Link     a device's connection at this node's gateway, bound to the pair's owner
//	Guests   links of other nodes' gateways whose pairs are here
//	Calls    requests and questions that wait for an answer
//	Moves    agents that are given to other nodes, and taken from them
//	Member   registration, lease, membership, plan and drain of a node
//	News     recent changes, for agents that had no owner when they were announced
//
// Package cluster is their shell: it has a lock for each core, carries out the
// effects in the order in which a core returned them, and gives the core their outcomes
// as events. An effect with a number N, or with an ID, has an outcome: exactly one
// event with the same number.
//
// Deadlines are monotonic (tandem.Now.Mono). A core that waits returns the time with
// Deadline and expects a Tick then.
//
// The messages and their encoding are here, too: Encode and Decode. DESIGN.md
// lists data, invariants, events, effects and failures.
package protocol

import (
	"cmp"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// Peer is one run of a node: the time between one registration with the
// cluster and its end. A later run of the node has a higher session.
type Peer struct {
	Node    string
	Session int64
}

// peerOf returns a node's current run.
func peerOf(n *record.Node) Peer { return Peer{Node: n.ID, Session: n.Session} }

func comparePeers(a, b Peer) int {
	return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Session, b.Session))
}

// runs has the lost runs of nodes: for each node, all up to a session.
type runs map[string]int64

func (r runs) lose(p Peer) { r[p.Node] = max(r[p.Node], p.Session) }

func (r runs) lost(p Peer) bool { return p.Node != "" && p.Session <= r[p.Node] }

// soonest returns the earliest of some deadlines; zero means no deadline.
func soonest(deadlines ...time.Duration) (at time.Duration, ok bool) {
	for _, d := range deadlines {
		if d != 0 && (!ok || d < at) {
			at, ok = d, true
		}
	}
	return at, ok
}

// passed reports whether a deadline that is set has passed.
func passed(deadline time.Duration, now tandem.Now) bool {
	return deadline != 0 && now.Mono >= deadline
}

func sortedPeers(set map[Peer]bool) []Peer {
	list := make([]Peer, 0, len(set))
	for p := range set {
		list = append(list, p)
	}
	slices.SortFunc(list, comparePeers)
	return list
}
