package protocol

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
)

// How long news is kept, and how much of it. An agent is without an owner for a
// few seconds at most while the database can be reached, and without the
// database there is no news.
const (
	newsKept = time.Minute
	newsMost = 10_000
)

// News is what operators have changed of late: deployments, assignments, deletions.
// Every node is told and sees to the agents that it has. An agent may be between
// two owners at that moment, or have none, so who opens a shard is reminded of what
// it has heard before; and a node that joins is told by those who said it.
type News struct {
	bugs  bugs
	said  []saying // by this node
	heard []saying // by any node, this one included
}

type saying struct {
	at time.Duration
	q  Question
}

// IsNews reports whether a question is one that News keeps.
func IsNews(q Question) bool {
	switch q.(type) {
	case *Deployed, *Assigned, *Deleted:
		return true
	}
	return false
}

func keep(list []saying, now tandem.Now, q Question) []saying {
	for len(list) > 0 && (now.Mono-list[0].at > newsKept || len(list) >= newsMost) {
		list = list[1:]
	}
	return append(list, saying{now.Mono, q})
}

// Say notes news of this node's control plane, and returns the nodes that are to be told,
// this one included. One whose lease has run out is among them: it may still come back
// with its agents, and does not join again then.
func (n *News) Say(now tandem.Now, q Question, t *Table) (nodes []string) {
	n.said = keep(n.said, now, q)
	if t == nil {
		return nil
	}
	for i := range t.Nodes {
		if t.Nodes[i].Alive || !n.bugs.onlyAlive {
			nodes = append(nodes, t.Nodes[i].ID)
		}
	}
	return nodes
}

// Hear notes news before the host is told.
func (n *News) Hear(now tandem.Now, q Question) { n.heard = keep(n.heard, now, q) }

// Opened returns what the host has to be told of shards that have just been opened
// here.
func (n *News) Opened(now tandem.Now, shards []int) (out []Effect) {
	if n.bugs.forgetNews {
		return nil
	}
	groups := map[string]bool{} // a group's deployments are one review
	for _, s := range n.heard {
		if now.Mono-s.at > newsKept {
			continue
		}
		switch q := s.q.(type) {
		case *Assigned:
			if !slices.Contains(shards, q.Shard) {
				continue
			}
		case *Deployed:
			if groups[q.Group] {
				continue
			}
			groups[q.Group] = true
		}
		out = append(out, Recall{Question: s.q, Shards: shards})
	}
	return out
}

// Joined returns what a run that has just joined must be told.
func (n *News) Joined(now tandem.Now, p Peer) (out []Effect) {
	if n.bugs.oldNodes {
		return nil
	}
	for _, s := range n.said {
		if now.Mono-s.at <= newsKept {
			out = append(out, Tell{To: p, Message: &Ask{Again: true, Question: s.q}})
		}
	}
	return out
}
