package protocol

import (
	"cmp"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
)

// Bounds of a move.
const (
	batchShards = 16                     // shards that move together
	moveWait    = 3 * time.Second        // for the agents to come to rest, and the new owner to take them
	flushWait   = 2 * time.Second        // for gateways to hear what agents have said
	minMoveRest = 200 * time.Millisecond // after a move that failed; doubles with each
	maxMoveRest = 10 * time.Second
	unsureRest  = 100 * time.Millisecond // between two attempts to learn what became of a handover
	offerPart   = 4 << 20                // bytes of agents, and somewhat more, in one message
)

// Moves are the agents that this node gives to others, one batch of shards at a
// time, and those that others offer to it. It also knows which shards are open
// here, and since which epoch.
//
// Giving: the agents are exported; offered in parts; the gateways of their devices hear
// what they have said; the new owner is ready; the database changes the owner. When
// the outcome of that is not known, the old owner raises the epochs for itself. That
// succeeds only if the handover has not taken place, and then it never can.
//
// Taking: an offer is gathered and prepared. It is activated when the old owner says
// so, or when the table shows the shards here, in both cases only with the epochs
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
	rest     time.Duration // no batch begins before
	patience time.Duration // after the last batch that came back
	failed   string        // target of the last batch that came back: others have their turn first
	offers   []*offered    // by age
}

// hold is what a node knows of having a shard.
type hold struct {
	epoch int64 // the highest that it acted on; a table with a lower one is old
	here  bool  // the shard is open here since that epoch
}

// NewMoves returns the moves of a run of this node, which has no shards yet. Numbers
// of effects and offers count up from ids.
func NewMoves(self Peer, shardOf func(tandem.AgentID) int, ids uint64, t *Table) *Moves {
	return &Moves{
		self: self, shardOf: shardOf, ids: ids, table: t, held: make([]hold, len(t.Routes)),
		why: tandem.ReasonBalance, part: offerPart,
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

// Table takes a newer table: it opens the shards that are this node's now, and begins to
// give those away that are to be elsewhere. draining says why.
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

// underWay reports whether a shard is being given away: whose it is then, the
// end of the giving shows.
func (m *Moves) underWay(shard int) bool {
	return m.giving != nil && slices.Contains(m.giving.shards, shard)
}

// open opens shards that the table shows here: with the agents that were offered, or
// without any.
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

// follows reports whether an offer's shards are all among those that are open only now,
// with the epochs that follow the offer's.
func (m *Moves) follows(o *offered, fresh []int) bool {
	for i, s := range o.shards {
		if !slices.Contains(fresh, s) || m.table.Route(s).Epoch != o.epochs[i]+1 {
			return false
		}
	}
	return true
}

// overtaken reports whether an offer can come to nothing any more.
func (m *Moves) overtaken(o *offered) bool {
	for i, s := range o.shards {
		r := m.table.Route(s)
		if r.Epoch > o.epochs[i]+1 || r.Epoch > o.epochs[i] && r.Owner != m.self.Node {
			return true
		}
	}
	return false
}

// Lost notes that a run is over. Agents on their way are told when they go on.
func (m *Moves) Lost(now tandem.Now, p Peer) (out []Effect) {
	if (m.giving != nil || len(m.offers) > 0) && !slices.Contains(m.lost, p) {
		m.lost = append(m.lost, p)
	}
	// Offers of that run stay: the table shows whether a handover took place.
	if g := m.giving; g != nil && g.to == p && g.step < stepHandover {
		g.failure = Fatef(Lost, "node "+p.Node+" is gone")
		if g.step > stepExport || m.bugs.dropExport { // else the agents that are being stopped are needed first
			out = m.withdraw(now, g.failure)
		}
	}
	return out
}

// Refuse has no offer be taken any more: the node is being emptied for good. Those that have
// been taken may still come to something.
func (m *Moves) Refuse() { m.refusing = true }

// Quiet reports whether nothing is on its way from here, nor to here.
func (m *Moves) Quiet() bool {
	return m.giving == nil && (len(m.offers) == 0 || m.bugs.forgetOffers)
}

// Halt has no batch begin any more, and no offer be taken: the node is about to stop.
func (m *Moves) Halt() { m.refusing, m.halted = true, true }

// Idle reports whether no agents are on their way from here.
func (m *Moves) Idle() bool { return m.giving == nil }

// Held returns the epoch since which a shard is open here; 0: it is not.
func (m *Moves) Held(shard int) int64 {
	if shard < 0 || shard >= len(m.held) || !m.held[shard].here {
		return 0
	}
	return m.held[shard].epoch
}

// Deadline says when the next step is due.
func (m *Moves) Deadline() (at time.Duration, ok bool) {
	if m.giving == nil {
		return soonest(m.rest)
	}
	return soonest(m.giving.deadline)
}

// Tick makes the step that is due.
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

// sayTaken tells those who wait for answers of some pairs who has them now.
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
