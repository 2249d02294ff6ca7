package protocol

import (
	"slices"

	"github.com/tandem-iot/tandem"
)

// offered is a batch of agents that another node offers. They may not run here before
// the database shows that this node owns their shards, with the epochs after those of
// the offer.
type offered struct {
	id      OfferID
	shards  []int
	epochs  []int64 // before the move
	why     tandem.Reason
	version int64
	known   []Peer
	pairs   []*Pair
	whole   bool // all parts are here, and it is being prepared
	ready   bool
}

func (m *Moves) offer(id OfferID) *offered {
	for _, o := range m.offers {
		if o.id == id {
			return o
		}
	}
	return nil
}

// discard drops an offer.
func (m *Moves) discard(o *offered) []Effect {
	m.offers = slices.DeleteFunc(m.offers, func(x *offered) bool { return x == o })
	m.forgetLost()
	if !o.whole {
		return nil
	}
	return []Effect{Discard{Offer: o.id}}
}

// Offered takes a part of an offer. The first part replaces earlier offers of the same
// shards. The offer is recorded at once, so that a Stay finds it.
func (m *Moves) Offered(now tandem.Now, from Peer, part *Offer) (out []Effect) {
	id := OfferID{From: from, ID: part.ID}
	for _, s := range part.Shards {
		if s < 0 || s >= len(m.held) {
			return nil // no such shard
		}
	}
	if m.refusing && !m.bugs.takeAtEnd && (m.offer(id) == nil || m.bugs.breakOff) {
		stop := &Failure{Kind: tandem.Unavailable, Text: "the node stops"}
		return []Effect{Tell{To: from, Message: &Decline{ID: part.ID, Failure: stop}}}
	}
	if m.offer(id) == nil && slices.ContainsFunc(part.Shards, m.underWay) {
		still := &Failure{Kind: tandem.Unavailable, Text: "the node does not know yet that it has given the agents away"}
		return []Effect{Tell{To: from, Message: &Decline{ID: part.ID, Failure: still}}}
	}
	o := m.offer(id)
	if o == nil {
		for _, old := range slices.Clone(m.offers) {
			same := slices.ContainsFunc(old.shards, func(s int) bool { return slices.Contains(part.Shards, s) })
			if same && !m.bugs.keepTakenBack {
				out = append(out, m.discard(old)...)
			}
		}
		o = &offered{
			id:      id,
			shards:  part.Shards,
			epochs:  part.Epochs,
			why:     part.Why,
			version: part.Version,
			known:   part.Known,
		}
		m.offers = append(m.offers, o)
	}
	if o.whole {
		return out
	}
	o.pairs = append(o.pairs, part.Pairs...)
	if part.More {
		return out
	}
	o.whole = true
	return append(out, Prepare{Offer: id, Pairs: o.pairs, Why: o.why})
}

// Prepared says that the agents of an offer are ready to run here, or why not.
func (m *Moves) Prepared(now tandem.Now, id OfferID, err error) []Effect {
	o := m.offer(id)
	if o == nil {
		return []Effect{Discard{Offer: id}} // the offer was withdrawn
	}
	if err != nil {
		out := []Effect{
			Note{Text: "agents are not taken now", Node: id.From.Node, Shards: len(o.shards), Failure: err},
			Tell{To: id.From, Message: &Decline{ID: id.ID, Failure: FailureOf(err)}},
		}
		return append(m.discard(o), out...)
	}
	o.ready = true
	for _, p := range o.pairs {
		p.Data = nil // the machine is restored
	}
	return []Effect{Tell{To: id.From, Message: &Ready{ID: id.ID}}}
}

// Stayed takes an old owner's Stay: an offer is withdrawn.
func (m *Moves) Stayed(from Peer, id uint64) []Effect {
	o := m.offer(OfferID{From: from, ID: id})
	if o == nil || m.bugs.keepTakenBack {
		return nil
	}
	return m.discard(o)
}

// Went takes an old owner's Go: this node now owns the agents.
func (m *Moves) Went(now tandem.Now, from Peer, word *Go) []Effect {
	// Learn comes last, so that links which follow the new table find their pairs.
	routes := &Routes{Shards: word.Shards, Owner: m.self.Node, Epochs: word.Epochs}
	learn := Learn{Routes: routes}
	o := m.offer(OfferID{From: from, ID: word.ID})
	if o == nil || !o.ready || len(word.Shards) != len(o.shards) {
		return []Effect{learn} // the table opens the shards
	}
	for i, s := range o.shards {
		fits := word.Shards[i] == s && word.Epochs[i] == o.epochs[i]+1 && m.held[s].epoch < word.Epochs[i]
		if !fits && !m.bugs.activateAnyTime {
			return []Effect{learn}
		}
	}
	for i, s := range o.shards {
		m.held[s] = hold{epoch: word.Epochs[i], here: true}
	}
	return append(m.activate(o), learn)
}

// activate resumes the agents of an offer, and tells the callers of their requests. The
// old owner may not have started all agents that should run, so the shards are also
// opened like those without agents.
func (m *Moves) activate(o *offered) []Effect {
	m.offers = slices.DeleteFunc(m.offers, func(x *offered) bool { return x == o })
	act := Activate{Offer: o.id, Shards: o.shards, Pairs: o.pairs, Lost: m.since(o.known)}
	for _, s := range o.shards {
		act.Epochs = append(act.Epochs, m.held[s].epoch)
	}
	for _, p := range o.known { // add runs that this node never knew, because they ended before
		n := m.table.Node(p.Node)
		gone := m.table.Version >= o.version && n == nil || n != nil && n.Session > p.Session
		if gone && !slices.Contains(act.Lost, p) && !m.bugs.missLostInMove {
			act.Lost = append(act.Lost, p)
		}
	}
	out := []Effect{act}
	if !m.bugs.openUnasked {
		out = append(out, OpenShards{Shards: o.shards})
	}
	m.forgetLost()
	return append(out, m.sayTaken(o.pairs, m.self, func(s int) int64 { return m.held[s].epoch })...)
}
