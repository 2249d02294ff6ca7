// Package placement decides which node of a cluster gets which shard of the
// agents. It is a pure function, without clock or database; package cluster calls
// it and carries out the result.
//
// Agents hash to a fixed number of shards (ShardOf), so that all shards have about as
// many agents. Every node gets a share in proportion to its weight. A shard stays
// where it is unless its node is lost, is being drained, or has more than its share
// while another has less. So a new node takes shards from all others and causes no
// move between them, and the shards of a lost node are spread over all others.
//
// A shard without an owner is given to a node at once. A shard with an owner gets a
// target: its owner moves it there with its agents, and only a few moves are
// running at a time.
package placement

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// Node is a node that can have shards.
type Node struct {
	ID       string
	Weight   float64 // its share is in proportion; 0 counts as 1
	Draining bool    // it must give all its shards away
}

// Shard has the place of a shard and its target. Its number is its index.
type Shard struct {
	Owner  string // "" when no node owns it
	Target string // the node it moves to; "" or Owner: it stays
}

// Change is a new target of a shard.
type Change struct {
	Shard  int
	Target string
}

// Plan returns the changes to make. moves limits how many shards with an owner may
// be moving at one time, including those that move already. Owners that are not
// among the nodes keep their shards: they may come back, or be declared lost, which
// leaves their shards without an owner. Every node computes the same plan.
//
// When every node is being drained, shards without an owner are given to them all the
// same: agents that run on a node being drained are better than agents that do not
// run.
func Plan(nodes []Node, shards []Shard, moves int) []Change {
	p := newPlan(nodes, shards)
	if len(p.able) == 0 {
		return lastResort(nodes, shards)
	}
	for i, s := range shards {
		if s.Owner == "" {
			p.give(i)
			continue
		}
		if s.Target != "" && s.Target != s.Owner {
			if _, able := p.share[s.Target]; !able {
				p.stay(i) // its target is gone; a new one is found below
			} else {
				moves--
			}
		}
	}
	p.empty(&moves)
	p.level(&moves)
	return p.changes
}

// lastResort gives shards without an owner to nodes that are being drained.
func lastResort(nodes []Node, shards []Shard) []Change {
	nodes = slices.Clone(nodes)
	for i := range nodes {
		nodes[i].Draining = false
	}
	p := newPlan(nodes, shards)
	if len(p.able) == 0 {
		return nil
	}
	for i, s := range shards {
		if s.Owner == "" {
			p.give(i)
		}
	}
	return p.changes
}

type plan struct {
	shards  []Shard
	able    []Node         // nodes that may have shards, by id
	share   map[string]int // number of shards that each of them should have
	has     map[string]int // number of shards that it has or is about to get
	known   map[string]bool
	changes []Change
}

func newPlan(nodes []Node, shards []Shard) *plan {
	p := &plan{shards: slices.Clone(shards), share: map[string]int{}, has: map[string]int{}, known: map[string]bool{}}
	total := 0.0
	for _, n := range nodes {
		p.known[n.ID] = true
		if n.Draining {
			continue
		}
		if n.Weight <= 0 {
			n.Weight = 1
		}
		p.able = append(p.able, n)
		total += n.Weight
	}
	slices.SortFunc(p.able, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	left := len(shards)
	for _, n := range p.able {
		share := int(float64(len(shards)) * n.Weight / total)
		p.share[n.ID] = share
		left -= share
	}
	for i := 0; left > 0 && len(p.able) > 0; i, left = i+1, left-1 {
		p.share[p.able[i%len(p.able)].ID]++
	}
	for _, s := range shards {
		p.has[p.home(s)]++
	}
	return p
}

// home returns the node that has a shard or is about to get it.
func (p *plan) home(s Shard) string {
	if s.Target != "" && s.Owner != "" {
		return s.Target
	}
	return s.Owner
}

func (p *plan) set(shard int, target string) {
	p.has[p.home(p.shards[shard])]--
	p.has[target]++
	p.shards[shard].Target = target
	if p.shards[shard].Owner == "" {
		p.shards[shard].Owner = target
	}
	p.changes = append(p.changes, Change{shard, target})
}

func (p *plan) stay(shard int) { p.set(shard, p.shards[shard].Owner) }

// give finds a node for a shard without an owner: its target, or else the node that
// lacks most shards.
func (p *plan) give(shard int) {
	if t := p.shards[shard].Target; t != "" && p.lack(t) > 0 {
		p.set(shard, t)
		return
	}
	p.set(shard, p.neediest(shard))
}

// lack returns how many shards a node has less than its share.
func (p *plan) lack(id string) int {
	share, able := p.share[id]
	if !able {
		return -1
	}
	return share - p.has[id]
}

// neediest returns the node that lacks most shards, for a shard that must move. Among
// equals the shard's hash decides, so that no node is preferred.
func (p *plan) neediest(shard int) string {
	return slices.MaxFunc(p.able, func(a, b Node) int {
		if c := cmp.Compare(p.lack(a.ID), p.lack(b.ID)); c != 0 {
			return c
		}
		return cmp.Compare(score(a.ID, shard), score(b.ID, shard))
	}).ID
}

// score is the rendezvous hash of a node and a shard.
func score(id string, shard int) uint32 {
	h := fnv.New32a()
	h.Write([]byte{byte(shard), byte(shard >> 8)})
	h.Write([]byte(id))
	return h.Sum32()
}

// empty moves shards away from nodes that are being drained.
func (p *plan) empty(moves *int) {
	for i, s := range p.shards {
		if *moves <= 0 {
			return
		}
		home := p.home(s)
		if _, able := p.share[home]; able || !p.known[home] {
			continue
		}
		p.set(i, p.neediest(i))
		*moves--
	}
}

// level moves shards from nodes with more than their share to nodes with less.
func (p *plan) level(moves *int) {
	for i, s := range p.shards {
		if *moves <= 0 {
			return
		}
		home := p.home(s)
		if share, able := p.share[home]; !able || p.has[home] <= share || s.Target != "" && s.Target != s.Owner {
			continue
		}
		if to := p.neediest(i); p.lack(to) > 0 {
			p.set(i, to)
			*moves--
		}
	}
}
