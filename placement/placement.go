// Package placement decides which node of a cluster has which shard of the
// agents. It is a function of what is known, without clock or database; package
// cluster asks it and carries out what it says.
//
// Agents hash to a fixed number of shards (ShardOf), so a shard is about as many agents
// as any other. Every node gets its share, in proportion to its weight; a shard
// stays where it is unless its node is gone, is being drained, or has more than
// its share while another has less. So a node that comes takes from all others
// and causes no move between them, and one that goes leaves to all others.
//
// A shard that nobody owns is given at once. One that somebody owns gets a
// target: its owner moves it there, agents and all, and no more than a few at
// a time are under way.
package placement

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// Node is one that can have shards.
type Node struct {
	ID       string
	Weight   float64 // its share is in proportion; 0 counts as 1
	Draining bool    // it is to have none
}

// Shard is where a shard is, and where it is to go. Its number is its index.
type Shard struct {
	Owner  string // "" when nobody has it
	Target string // where it is to be; "" or Owner: nowhere else
}

// Change is a new target of a shard.
type Change struct {
	Shard  int
	Target string
}

// Plan returns what is to change. moves bounds how many shards that have an
// owner may be on the way at one time, those that are already included.
// Owners that are not among the nodes are waited for: they may come back, or
// be declared lost, which leaves their shards without an owner. The plan is the
// same whoever makes it.
//
// When every node is to have none, what no node owns is given to them all the same:
// agents that run where they should not are better than agents that do not run.
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
				p.stay(i) // its target is gone; it is looked at again below
			} else {
				moves--
			}
		}
	}
	p.empty(&moves)
	p.level(&moves)
	return p.changes
}

// lastResort gives shards that no node owns to nodes that are being drained.
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
	able    []Node         // that may have shards, by id
	share   map[string]int // how many each of them is to have
	has     map[string]int // how many it has, or is about to
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

// home is where a shard is, or is about to be.
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

// give finds a node for a shard that has none: the one it had been meant for,
// or else the one that lacks most.
func (p *plan) give(shard int) {
	if t := p.shards[shard].Target; t != "" && p.lack(t) > 0 {
		p.set(shard, t)
		return
	}
	p.set(shard, p.neediest(shard))
}

// lack is how many shards a node is short of.
func (p *plan) lack(id string) int {
	share, able := p.share[id]
	if !able {
		return -1
	}
	return share - p.has[id]
}

// neediest returns the node that lacks most, for a shard that is to move.
// Among equals the shard's hash decides, so that no node is the favourite.
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

// empty moves shards off nodes that are being drained.
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

// level moves shards from nodes with more than their share to those with less.
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
