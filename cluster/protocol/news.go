package protocol

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
)

// Limits of the news that is kept. An agent is without an owner for a few seconds at most
// while the database can be reached, and without the database there is no news.
const (
	newsKept = time.Minute
	newsMost = 10_000
)

// News has the recent changes of operators: deployments, assignments, deletions. Every
// node is told of them and applies them to its own agents. An agent may be between
// two owners at that moment, or have none, so a node that opens a shard applies the news
// that it has heard before, and a node that joins is told by the nodes that announced it.
type News struct {
	bugs  bugs
	said  []saying // announced by this node
	heard []saying // from any node, including this one
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

// Say keeps news of this node's control plane, and returns the nodes to tell, including
// this one. Nodes whose lease has run out are among them, because they may come back with
// their agents without joining again.
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

// Hear keeps news. It must be called before the host is told.
func (n *News) Hear(now tandem.Now, q Question) { n.heard = keep(n.heard, now, q) }

// Opened returns the news for the agents of newly opened shards.
func (n *News) Opened(now tandem.Now, shards []int) (out []Effect) {
	if n.bugs.forgetNews {
		return nil
	}
	groups := map[string]bool{} // several deployments of a group need one review
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

// Joined returns the messages that tell a new run the recent news.
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
