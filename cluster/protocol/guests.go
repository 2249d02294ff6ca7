package protocol

import (
	"cmp"
	"slices"

	"github.com/tandem-iot/tandem"
)

// Guests are the links of other nodes' gateways whose pairs are here. The messages of
// a link go to the host one after the other; links do not wait for each other. A
// link belongs to the run of the node that opened it, and ends with that run.
type Guests struct {
	shardOf func(tandem.AgentID) int
	bugs    bugs

	table   *Table
	links   map[tandem.LinkRef]*guest
	lost    runs
	settled map[Peer]bool // runs that have sent Settled
}

// guest is one link.
type guest struct {
	ref    tandem.LinkRef
	run    Peer
	device tandem.DeviceID
	shard  int
	known  bool // the link was opened since the pair is here, or moved here with it
	held   bool // the host may have it as the device's link, and must be told of its end

	busy  bool // the first of steps is with the host
	steps []step
}

// step is a message of a link for the host: enter, pass, or the link's end when neither
// is set.
type step struct {
	from  Peer
	enter *Open
	pass  *Publish
	end   tandem.LinkEnd
	lost  bool // the link's run is lost, so its end is not confirmed
}

// NewGuests returns a Guests without links.
func NewGuests(shardOf func(tandem.AgentID) int) *Guests {
	return &Guests{shardOf: shardOf, links: map[tandem.LinkRef]*guest{}, lost: runs{}, settled: map[Peer]bool{}}
}

// Table replaces the table.
func (g *Guests) Table(t *Table) { g.table = t }

func (g *Guests) get(from Peer, id uint64, device tandem.DeviceID) *guest {
	ref := tandem.LinkRef{Node: from.Node, ID: id}
	l := g.links[ref]
	if l == nil {
		l = &guest{ref: ref, run: from, device: device, shard: -1}
		g.links[ref] = l
	}
	return l
}

// Opened takes an Open. It refuses one of a run that the table does not have, because
// this node would not learn that such a run is lost.
func (g *Guests) Opened(from Peer, m *Open) []Effect {
	if !g.table.Has(from) && !g.bugs.answerUnknown || g.lost.lost(from) {
		return []Effect{Tell{To: from, Message: &Astray{ID: m.ID}}, Look{}}
	}
	l := g.get(from, m.ID, m.Device)
	l.run = from
	l.shard = g.shardOf(m.Agent)
	l.known = true
	l.held = true
	return g.add(l, step{from: from, enter: m})
}

// Published takes a message on a link. A link must be opened first, since the pair is
// here: otherwise the number of its first message is not known.
func (g *Guests) Published(from Peer, m *Publish) []Effect {
	l := g.links[tandem.LinkRef{Node: from.Node, ID: m.ID}]
	if (l == nil || !l.known || l.run != from) && !g.bugs.takeStrangers {
		return []Effect{Tell{To: from, Message: &Astray{ID: m.ID}}}
	}
	if l == nil {
		l = g.get(from, m.ID, m.Device)
	}
	return g.add(l, step{from: from, pass: m})
}

// Closed takes the end of a link, opened here or not: it may have moved here with the
// pair. If the next run of the gateway's node sends it, messages to the earlier run may
// have been lost.
func (g *Guests) Closed(from Peer, m *Close) []Effect {
	l := g.get(from, m.ID, m.Device)
	l.known = false
	lost := m.Lost || l.run != from && !g.bugs.trustNextRun
	return g.add(l, step{from: from, end: tandem.LinkEnd{Clean: m.Clean, Lost: lost}})
}

// Gone takes a gateway's message that a link does not exist.
func (g *Guests) Gone(from Peer, m *Gone) []Effect {
	l := g.get(from, m.ID, m.Device)
	l.known = false
	return g.add(l, step{from: from, end: tandem.LinkEnd{Lost: true}, lost: true})
}

// Came records a link that moved here with its pair, which knows the number of the next
// message. It ends the link if its run is already lost.
func (g *Guests) Came(ref tandem.LinkRef, run Peer, device tandem.DeviceID, shard int) []Effect {
	if g.bugs.forgetArrivals {
		return nil
	}
	l := g.get(Peer{Node: ref.Node}, ref.ID, device)
	if l.known {
		return nil // the link's own Open arrived first
	}
	l.run = run
	l.shard = shard
	l.known = true
	l.held = true
	if g.lost.lost(run) {
		l.known = false
		return g.add(l, step{from: run, end: tandem.LinkEnd{Lost: true}, lost: true})
	}
	return nil
}

// Run returns the run that a link belongs to.
func (g *Guests) Run(ref tandem.LinkRef) (Peer, bool) {
	l := g.links[ref]
	if l == nil {
		return Peer{}, false
	}
	return l.run, true
}

// Settled records that a run has sent Settled.
func (g *Guests) Settled(from Peer) { g.settled[from] = true }

// HasSettled reports whether a run has sent Settled: that it is lost then is no loss to the
// links that it had.
func (g *Guests) HasSettled(p Peer) bool { return g.settled[p] || g.bugs.trustLost }

// Lost ends the links of a lost run.
func (g *Guests) Lost(p Peer) (out []Effect) {
	g.lost.lose(p)
	delete(g.settled, p)
	for _, l := range g.sorted() {
		of := l.run.Node == p.Node && (l.run.Session <= p.Session || g.bugs.loseByName)
		if of {
			l.known = false
			out = append(out, g.add(l, step{from: l.run, end: tandem.LinkEnd{Lost: true}, lost: true})...)
		}
	}
	return out
}

// Gave forgets the links of shards that have left. If their pairs return, the links are
// opened again.
func (g *Guests) Gave(shards []int) {
	if g.bugs.keepGivenLinks {
		return
	}
	for _, l := range g.sorted() {
		if slices.Contains(shards, l.shard) {
			l.known, l.held = false, false
			g.drop(l)
		}
	}
}

// Returned takes that the pairs of some shards are back after a move that failed. The host
// no longer knows whom to tell when the messages that wait with them have been handled. So
// their links are opened again, and send these messages again.
func (g *Guests) Returned(shards []int) (out []Effect) {
	for _, l := range g.sorted() {
		if l.known && slices.Contains(shards, l.shard) && !g.bugs.keepReturned {
			l.known = false
			out = append(out, Tell{To: l.run, Message: &Astray{ID: l.ref.ID}})
		}
	}
	return out
}

// Abandoned forgets all links: other nodes have their pairs.
func (g *Guests) Abandoned() {
	clear(g.settled)
	for _, l := range g.sorted() {
		l.known, l.held = false, false
		g.drop(l)
	}
}

// drop forgets a link unless the host has it or one of its steps.
func (g *Guests) drop(l *guest) {
	if !l.busy && !l.held {
		delete(g.links, l.ref)
	}
}

func (g *Guests) sorted() []*guest {
	list := make([]*guest, 0, len(g.links))
	for _, l := range g.links {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *guest) int {
		return cmp.Or(cmp.Compare(a.ref.Node, b.ref.Node), cmp.Compare(a.ref.ID, b.ref.ID))
	})
	return list
}

func (g *Guests) add(l *guest, s step) []Effect {
	l.steps = append(l.steps, s)
	if l.busy && !g.bugs.overtakeInGuest {
		return nil
	}
	return g.next(l)
}

// next gives the host the first step of a link.
func (g *Guests) next(l *guest) []Effect {
	l.busy = true
	s := &l.steps[0]
	if g.bugs.overtakeInGuest {
		s = &l.steps[len(l.steps)-1]
	}
	switch {
	case s.enter != nil:
		m := s.enter
		return []Effect{Enter{
			Ref: l.ref, Run: s.from, Device: m.Device, Shard: l.shard, Epoch: g.table.Route(l.shard).Epoch,
			Next: m.Next, Address: m.Address, Hello: m.Hello, Born: m.Born, Again: m.Again,
		}}
	case s.pass != nil:
		m := s.pass
		return []Effect{Pass{Ref: l.ref, Run: s.from, Device: m.Device, Seq: m.Seq, Topic: m.Topic, Message: m.Message}}
	}
	return []Effect{Leave{Ref: l.ref, Device: l.device, End: s.end}}
}

// Done takes the result of the step that is with the host: nil, or a failure. Fate
// Elsewhere means that the pair is not here, and kind NotFound that the device does
// not exist.
func (g *Guests) Done(ref tandem.LinkRef, failure *Failure) (out []Effect) {
	l := g.links[ref]
	if l == nil || !l.busy || len(l.steps) == 0 {
		return nil
	}
	s := l.steps[0]
	l.steps = l.steps[1:]
	l.busy = false
	out = g.outcome(l, s, failure)
	if len(l.steps) > 0 {
		return append(out, g.next(l)...)
	}
	l.steps = nil
	g.drop(l)
	return out
}

// end tells the gateway of a link to close it.
func (g *Guests) end(l *guest, s step, why string) []Effect {
	end := &End{ID: l.ref.ID, Epoch: g.table.Route(l.shard).Epoch, Why: why}
	return []Effect{Tell{To: s.from, Message: end}}
}

func (g *Guests) outcome(l *guest, s step, failure *Failure) []Effect {
	id := l.ref.ID
	if s.pass == nil && !slices.ContainsFunc(l.steps, func(s step) bool { return s.enter != nil }) {
		l.held = s.enter != nil && failure == nil
	}
	switch {
	case s.lost:
		return nil
	case s.enter == nil && s.pass == nil: // only the pair's owner can confirm the end
		if FateOf(failure) == Elsewhere {
			return []Effect{Tell{To: s.from, Message: &Astray{ID: id}}}
		}
		return []Effect{Tell{To: s.from, Message: &Closed{ID: id, Lost: s.end.Lost}}}
	case failure == nil:
		return nil
	}
	if why, ends := EndsLink(failure); s.enter != nil && ends {
		return g.end(l, s, why)
	}
	out := []Effect{Tell{To: s.from, Message: &Astray{ID: id}}}
	if !slices.ContainsFunc(l.steps, func(s step) bool { return s.enter != nil }) {
		l.known = false // until it is opened again
		l.held = l.held && !g.bugs.forgetRefused
	}
	// The agent's log reports limits, and a node that stops refuses many links, each again and
	// again, until the table names another.
	if FateOf(failure) == Refused && failure.Kind != tandem.Limit && failure.Kind != tandem.Unavailable {
		out = append(out, Note{Text: "a device's link is not taken", Failure: failure})
	}
	return out
}
