package protocol

import (
	"cmp"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
)

// Limits of a move.
const (
	batchShards = 16                     // shards that move together
	moveWait    = 3 * time.Second        // for the agents to stop, and the new owner to prepare them
	flushWait   = 2 * time.Second        // for gateways to receive the agents' messages
	minMoveRest = 200 * time.Millisecond // pause after a move that failed; doubles with each failure
	maxMoveRest = 10 * time.Second
	unsureRest  = 100 * time.Millisecond // between two attempts to learn the outcome of a handover
	offerPart   = 4 << 20                // approximate bytes of agents in one message
)

// Moves are the agents that this node gives to other nodes, one batch of shards at a
// time, and those that other nodes offer to it. It also knows which shards are open
// here, and since which epoch.
//
// Giving: the agents are exported and offered in parts; the gateways of their devices
// receive their last messages; the new owner is ready; the database changes the owner.
// When the outcome of that is not known, the old owner raises the epochs for itself. This
// succeeds only if the handover has not happened, and then it no longer can.
//
// Taking: an offer is gathered and prepared. It is activated by the old owner's Go, or
// when the table shows that this node owns the shards, in both cases only with the epochs
// that follow those of the offer.
type Moves struct {
	self    Peer
	shardOf func(tandem.AgentID) int
	bugs    bugs

	ids      uint64
	table    *Table
	held     []hold // by shard
	lost     []Peer // in the order in which they were lost, since giving or offers began
	why      tandem.Reason
	part     int  // bytes of agents, and somewhat more, in one message
	refusing bool // no offers are taken
	halted   bool // no batch begins

	giving   *giving
	rest     time.Duration // no batch begins before this time
	patience time.Duration // pause after the last batch that failed
	failed   string        // target of the last batch that failed: other targets are tried first
	offers   []*offered    // the oldest first
}

// hold is this node's state of a shard.
type hold struct {
	epoch int64 // the highest epoch that was acted on; a table with a lower one is old
	here  bool  // the shard is open here since that epoch
}

// NewMoves returns the moves of a run of this node, which has no shards yet. Numbers
// of effects and offers count up from ids.
func NewMoves(self Peer, shardOf func(tandem.AgentID) int, ids uint64, t *Table) *Moves {
	return &Moves{
		self:    self,
		shardOf: shardOf,
		ids:     ids,
		table:   t,
		held:    make([]hold, len(t.Routes)),
		why:     tandem.ReasonBalance,
		part:    offerPart,
	}
}

// Parts has offers sent in parts of so many bytes of agents, and somewhat more; 0 is the
// default. It is for simulations, whose agents are few and small.
func (m *Moves) Parts(bytes int) {
	if bytes > 0 {
		m.part = bytes
	}
}

func (m *Moves) number() uint64 { m.ids++; return m.ids }

// Table takes a newer table: it opens the shards that this node now owns, and begins to
// give away shards with another target. draining sets the reason of these moves.
func (m *Moves) Table(now tandem.Now, t *Table, draining bool) []Effect {
	m.table, m.why = t, tandem.ReasonBalance
	if draining {
		m.why = tandem.ReasonDrain
	}
	var fresh []int
	for shard, r := range t.Routes {
		if r.Owner == m.self.Node && m.held[shard].epoch < r.Epoch && !m.underWay(shard) {
			fresh = append(fresh, shard)
		}
	}
	out := m.open(fresh)
	return append(out, m.begin(now)...)
}

// underWay reports whether a shard is being given away. Its owner is known only at the
// end of the giving.
func (m *Moves) underWay(shard int) bool {
	return m.giving != nil && slices.Contains(m.giving.shards, shard)
}

// open opens shards that this node owns by the table, with the agents that were offered,
// or without any.
func (m *Moves) open(fresh []int) (out []Effect) {
	for _, s := range fresh {
		m.held[s] = hold{epoch: m.table.Routes[s].Epoch, here: true}
	}
	rest := fresh
	for _, o := range slices.Clone(m.offers) {
		switch {
		case o.ready && m.follows(o, fresh):
			out = append(out, m.activate(o)...)
			rest = slices.DeleteFunc(slices.Clone(rest), func(s int) bool { return slices.Contains(o.shards, s) })
		case m.overtaken(o):
			out = append(out, m.discard(o)...)
		}
	}
	if len(rest) > 0 {
		out = append(out, OpenShards{Shards: rest})
	}
	return out
}

// follows reports whether an offer's shards are all among the newly opened ones, with the
// epochs that follow the offer's.
func (m *Moves) follows(o *offered, fresh []int) bool {
	for i, s := range o.shards {
		if !slices.Contains(fresh, s) || m.table.Route(s).Epoch != o.epochs[i]+1 {
			return false
		}
	}
	return true
}

// overtaken reports whether an offer can no longer be activated.
func (m *Moves) overtaken(o *offered) bool {
	for i, s := range o.shards {
		r := m.table.Route(s)
		if r.Epoch > o.epochs[i]+1 || r.Epoch > o.epochs[i] && r.Owner != m.self.Node {
			return true
		}
	}
	return false
}

// Lost records that a run is lost. Agents on their way are told when they are activated.
func (m *Moves) Lost(now tandem.Now, p Peer) (out []Effect) {
	if (m.giving != nil || len(m.offers) > 0) && !slices.Contains(m.lost, p) {
		m.lost = append(m.lost, p)
	}
	// Offers of that run stay: the table shows whether a handover has happened.
	if g := m.giving; g != nil && g.to == p && g.step < stepHandover {
		g.failure = Fatef(Lost, "node "+p.Node+" is gone")
		if g.step > stepExport || m.bugs.dropExport { // else the agents that are being stopped are needed first
			out = m.withdraw(now, g.failure)
		}
	}
	return out
}

// Refuse makes the node take no new offers, because it is stopping. Offers that it has
// begun to take may still be activated.
func (m *Moves) Refuse() { m.refusing = true }

// Quiet reports whether no agents are on their way from or to this node.
func (m *Moves) Quiet() bool {
	return m.giving == nil && (len(m.offers) == 0 || m.bugs.forgetOffers)
}

// Halt makes the node begin no more batches and take no new offers, because it is about to
// stop.
func (m *Moves) Halt() { m.refusing, m.halted = true, true }

// Idle reports whether no agents are on their way from this node.
func (m *Moves) Idle() bool { return m.giving == nil }

// Held returns the epoch since which a shard is open here, or 0 when it is not open.
func (m *Moves) Held(shard int) int64 {
	if shard < 0 || shard >= len(m.held) || !m.held[shard].here {
		return 0
	}
	return m.held[shard].epoch
}

// Deadline returns the time of the next step.
func (m *Moves) Deadline() (at time.Duration, ok bool) {
	if m.giving == nil {
		return soonest(m.rest)
	}
	return soonest(m.giving.deadline)
}

// Tick performs the step that is due.
func (m *Moves) Tick(now tandem.Now) []Effect {
	switch g := m.giving; {
	case g == nil && passed(m.rest, now):
		m.rest = 0
		return m.begin(now)
	case g != nil && passed(g.deadline, now):
		return m.late(now)
	}
	return nil
}

// runsOf returns the runs of a table's nodes.
func runsOf(t *Table) (list []Peer) {
	for i := range t.Nodes {
		list = append(list, peerOf(&t.Nodes[i]))
	}
	return list
}

// sayTaken tells the callers of the pairs' requests which node has them now.
func (m *Moves) sayTaken(pairs []*Pair, by Peer, epochOf func(shard int) int64) (out []Effect) {
	type key struct {
		node  string
		epoch int64
	}
	words := map[key]*Taken{}
	var order []key
	for _, p := range pairs {
		for _, o := range p.Origins {
			k := key{o.Node, epochOf(m.shardOf(p.Agent))}
			if words[k] == nil {
				words[k] = &Taken{By: by, Epoch: k.epoch}
				order = append(order, k)
			}
			words[k].IDs = append(words[k].IDs, o.ID)
		}
	}
	slices.SortStableFunc(order, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.epoch, b.epoch))
	})
	for _, k := range order {
		if peer, ok := m.table.Peer(k.node); ok {
			out = append(out, Tell{To: peer, Message: words[k]})
		}
	}
	return out
}
