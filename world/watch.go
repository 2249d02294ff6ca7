package world

import (
	"fmt"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
)

// The checks here see all nodes and the database at once, which no node can. Each is a
// promise of a DESIGN.md; what breaks it would lead to a lost or a doubled effect sooner or
// later, and is seen here at once.

// watched is what the checks remember of the world.
type watched struct {
	endedAt map[protocol.Peer]time.Duration // when a run ended
	lossAt  time.Duration                   // when a run ended last without a word
	trouble time.Duration                   // until then faults last
	orphans []time.Duration                 // since when each shard has had no owner; 0: it has one
	asleep  map[tandem.AgentID]bool         // did not run at the first look, and should have
}

func newWatched(shards int) watched {
	return watched{endedAt: map[protocol.Peer]time.Duration{}, orphans: make([]time.Duration, shards)}
}

// watch is what the checks remember of a process.
type watch struct {
	emptied  bool // it has said that it has no agents
	heard    bool // the others have heard all that it has said, before it leaves
	failures int  // moves that failed, one after the other
	rest     time.Duration
	moves    int // begun
	offers   map[protocol.OfferID]offerStep
	drains   int           // orders to drain, or not to
	unheard  time.Duration // when the database last did not answer
}

// offerStep is how far the taking of an offer has come.
type offerStep int

const (
	offerNew     offerStep = iota + 1 // its first part is being looked at
	offerRefused                      // with this part
	offerBegun
	offerLate  // it came when the node was being emptied
	offerWhole // it is being prepared
)

// Bounds of what is waited for before something is wrong.
const (
	lookPeriod  = 100 * ms
	orphanWait  = 8 * time.Second  // for a shard to have an owner again, where the store is fast
	noticeWait  = 15 * time.Second // for all nodes to have noticed that a run is lost
	beliefWait  = 9 * time.Second  // for an agent to hear that its device's link has ended
	callWait    = 30 * time.Second // for an answer, when all is quiet
	undrainWait = 300 * ms         // for the others to know
	minMoveRest = 200 * ms         // after a move that failed; doubles with each
	maxMoveRest = 10 * time.Second
	maxOpens    = 40 // introductions of a link in a second
)

// rate counts what happens in a second.
type rate struct {
	from time.Duration
	n    int
}

func (r *rate) count(now time.Duration) int {
	if now-r.from >= time.Second {
		*r = rate{from: now}
	}
	r.n++
	return r.n
}

// ended notes that a run of a node has ended. Without a word, what others waited for is lost.
func (w *World) ended(run protocol.Peer, wordless bool) {
	w.endedAt[run] = w.now
	if wordless {
		w.lossAt = w.now
	}
}

// registered reports whether a run is part of the cluster, as the database has it.
func (w *World) registered(run protocol.Peer) bool {
	session, _, ok := w.db.Lease(run.Node)
	return ok && session == run.Session
}

// watchOwner: only who owns the shard of an agent acts for it.
func (p *pair) watchOwner() {
	if n := p.n; !p.life.Ended() && (n.w.db.Shard(p.shard).Owner != n.name || !n.w.registered(n.self)) {
		n.w.broken("node %s acts for agent %s, which it does not own", n.name, p.life.Agent)
	}
}

// watchBegun: what an incarnation does is not seen before it is durable.
func (p *pair) watchBegun() {
	if kept := p.n.w.db.Kept(p.life.Agent).Incarnation; kept < p.life.Incarnation {
		p.n.w.broken("agent %s runs as incarnation %d, and the store has %d", p.life.Agent, p.life.Incarnation, kept)
	}
}

// watchLease: agents are granted no more of a lease than the database has granted.
func (n *node) watchLease(until time.Duration) {
	end := n.booted + until - 1 // by the world's clock
	_, expires, _ := n.w.db.Lease(n.name)
	granted := expires.Sub(origin)
	if !n.w.registered(n.self) {
		granted = n.w.now
	}
	if end > granted {
		n.w.broken("node %s lets its agents act until %v, and its lease ends at %v", n.name, end, granted)
	}
}

// watchLost: a run is lost when the database says so.
func (n *node) watchLost(p protocol.Peer) {
	if n.w.registered(p) {
		n.w.broken("node %s takes the run %d of %s for lost, which is not", n.name, p.Session, p.Node)
	}
}

// watchDrain: a drain that is undone is told at once. That is looked at where the store is
// fast and answers.
func (n *node) watchDrain(on bool) {
	n.watch.drains++
	turn, began := n.watch.drains, n.w.now
	p := &n.w.profile
	if on || n.closing || p.read.high+p.answer.high > 60*ms {
		return
	}
	n.after(undrainWait, func() {
		undisturbed := max(n.watch.unheard, n.w.away, n.apart, n.paused, n.booted) < began && n.w.registered(n.self)
		if n.watch.drains == turn && undisturbed && n.w.db.Draining(n.name) {
			n.w.broken("node %s is drained for the others, and that was undone", n.name)
		}
	})
}

// watchMoves looks at what Moves want.
func (n *node) watchMoves(e protocol.Effect) {
	switch e := e.(type) {
	case protocol.Export:
		n.w.moment("export", n)
		n.watch.moves++
		if n.w.now < n.watch.rest {
			n.w.broken("node %s tries a move again after %d that failed, with too little rest", n.name, n.watch.failures)
		}
	case protocol.Handover:
		if e.To == n.self {
			n.w.moment("unsure", n)
		} else {
			n.w.moment("handover", n)
		}
	case protocol.Gave:
		n.watch.failures = 0
	case protocol.Return:
		n.w.moment("return", n)
		n.watchReturn()
	case protocol.Prepare:
		n.w.moment("prepare", n)
		if n.watch.offers[e.Offer] == offerLate {
			n.w.broken("node %s, which is being emptied, takes an offer of %s", n.name, e.Offer.From.Node)
		}
		n.watch.offers[e.Offer] = offerWhole
	case protocol.Tell:
		id := protocol.OfferID{From: e.To}
		if m, ok := e.Message.(*protocol.Decline); ok {
			id.ID = m.ID
			switch n.watch.offers[id] {
			case offerNew:
				n.watch.offers[id] = offerRefused
			case offerBegun:
				n.w.broken("node %s declines the rest of an offer of %s that it has begun to take", n.name, e.To.Node)
			}
		}
	}
}

// watchReturn: after a move that failed there is a rest, which doubles with each that fails
// and ends with one that does not.
func (n *node) watchReturn() {
	rest := min(minMoveRest<<min(n.watch.failures, 6), maxMoveRest)
	n.watch.failures++
	n.watch.rest = n.w.now + rest
	moves, count := n.moves, n.watch.moves
	n.after(rest+50*ms, func() {
		if n.moves == moves && n.watch.moves == count && !n.closing && n.w.now-n.paused > 100*ms && n.hasToMove() {
			n.w.broken("node %s does not try a move again, %v after one that failed", n.name, rest)
		}
	})
}

// hasToMove reports whether shards of the node are to be at another that lives.
func (n *node) hasToMove() bool {
	for s, r := range n.table.Routes {
		if r.Owner != n.name || r.Target == "" || r.Target == n.name || n.moves.Held(s) != r.Epoch {
			continue
		}
		if to := n.table.Node(r.Target); to != nil && to.Alive {
			return true
		}
	}
	return false
}

// watchOffer notes that a part of an offer has come.
func (n *node) watchOffer(from protocol.Peer, m *protocol.Offer) {
	id := protocol.OfferID{From: from, ID: m.ID}
	if n.watch.offers[id] != 0 {
		return
	}
	n.watch.offers[id] = offerNew
	if n.leaving {
		n.watch.offers[id] = offerLate
	}
}

// watchOffered notes that the node has had a look at a part of an offer.
func (n *node) watchOffered(from protocol.Peer, m *protocol.Offer) {
	if id := (protocol.OfferID{From: from, ID: m.ID}); n.watch.offers[id] == offerNew {
		n.watch.offers[id] = offerBegun
	}
}

// watchCalls: a node that has said that it has no agents does nothing for others.
func (n *node) watchCalls(e protocol.Effect) {
	switch e := e.(type) {
	case protocol.Serve:
		if n.watch.emptied {
			n.w.broken("node %s serves a request after it has said that it is empty", n.name)
		}
	case protocol.Tell:
		if _, ok := e.Message.(*protocol.Empty); ok {
			n.watch.emptied = true
		}
	}
}

// watchOpened: a link that finds no owner does not ask all the time.
func (c *conn) watchOpened(m protocol.Message) {
	switch m.(type) {
	case *protocol.Open, *protocol.Close:
		if c.opened.count(c.n.w.now) > maxOpens {
			c.n.w.broken("link %d of node %s tries more than %d times a second to find its owner", c.id, c.n.name, maxOpens)
		}
	}
}

// watchRefused: the gateways have heard all of the old owner before a move takes place, so
// what comes too late is from a run that was lost.
func (c *conn) watchRefused(from protocol.Peer, effects []protocol.Effect) {
	for _, e := range effects {
		if _, ok := e.(protocol.Cut); ok && c.n.w.registered(from) {
			const what = "device %s hears of its agent's owner before the rest of what the last one, %s, has said"
			c.n.w.broken(what, c.d.home.ID, from.Node)
		}
	}
}

// watchLostAnswer: that an answer is lost takes a run that was, a while before the request
// at most: it may have been sent to that run all the same.
func (w *World) watchLostAnswer(id tandem.AgentID, r *tandem.Response, began time.Duration) {
	lost := r != nil && r.Status == 502 && strings.Contains(string(r.Body), "A server was lost")
	if !lost || w.lossAt+noticeWait >= began {
		return
	}
	for _, n := range w.nodes {
		if n.self.Session != 0 && n.up && !w.registered(n.self) {
			return // it was declared lost and does not know yet
		}
	}
	w.broken("an answer of agent %s is lost, and since the request no node was", id)
}

// look looks at all nodes every now and then.
func (w *World) look() {
	for s := range w.orphans {
		w.lookAt(s)
	}
	w.after(lookPeriod, w.look)
}

// lookAt looks at a shard: it is open at its owner only, and without one only for a while.
func (w *World) lookAt(s int) {
	row := w.db.Shard(s)
	steady := false
	// A planner that is out of touch is one for two leases. Then another asks whether it is, and
	// declares that one lost, reads, and assigns; a query may fail.
	p := &w.profile
	wait := orphanWait + 5*(p.read.high+p.answer.high)
	for _, n := range w.nodes {
		if n.up && n.open[s] && !n.over && n.now().Mono < n.leaseEnd && (row.Owner != n.name || !w.registered(n.self)) {
			w.broken("shard %d is open at node %s, and the database has it at %q", s, n.name, row.Owner)
		}
		steady = steady || n.steady(wait)
	}
	switch {
	case row.Owner != "" || !steady:
		w.orphans[s] = 0
	case w.orphans[s] == 0:
		w.orphans[s] = w.now
	case w.now-w.orphans[s] > wait:
		w.broken("shard %d has had no owner for %v, and there is a node that could take it", s, wait)
	}
}

// steady reports whether a node has been part of the cluster for a while without a fault.
func (n *node) steady(d time.Duration) bool {
	since := n.w.now - d
	return n.up && n.belonged && !n.abandoning && n.w.registered(n.self) &&
		max(n.booted, n.paused, n.apart, n.w.away, n.joined) < since
}

// lookBeliefs looks at what agents believe of their devices when the last fault was long
// ago, and which of them run.
func (w *World) lookBeliefs() {
	for _, n := range w.nodes {
		if !n.steady(calm / 2) {
			continue
		}
		for _, id := range sorted(n.pairs) {
			if since, ended := w.linkEnded(n.pairs[id].link); ended && w.now-since > beliefWait {
				w.broken("agent %s believes in a connection that ended at %v", id, since)
			}
		}
	}
	for id := range w.sleepers() {
		if w.asleep[id] {
			w.broken("agent %s ought to run, and does not", id)
		}
	}
}

// linkEnded returns when a link ended that a pair has, if it has.
func (w *World) linkEnded(l tandem.Link) (since time.Duration, ended bool) {
	switch l := l.(type) {
	case *remote:
		if since, ended = w.endedAt[l.run]; ended {
			return since, true
		}
		n := w.named(l.run.Node)
		if c := n.conns[l.ref.ID]; n.self == l.run && c != nil {
			return c.endedAt, c.ended
		}
	case *local:
		return l.c.endedAt, l.c.ended
	}
	return 0, false
}

// sleepers returns the agents that ought to run and do not.
func (w *World) sleepers() map[tandem.AgentID]bool {
	list := map[tandem.AgentID]bool{}
	for _, id := range w.db.Agents() {
		row := w.db.Shard(w.nodes[0].shardOf(id))
		n := w.named(row.Owner)
		if !w.db.Kept(id).Running || n == nil || !n.steady(calm/4) || !n.moves.Quiet() {
			continue
		}
		if p := n.pairs[id]; p == nil || p.life.Idle() && !p.life.Runs() {
			list[id] = true
		}
	}
	return list
}

// unsettled says what has not come to rest; "" when all has.
func (w *World) unsettled() string {
	if list := w.load.unfinished(); len(list) > 0 {
		s := list[0]
		const what = "%d agents have not come to their end; %s has had %d posts, and its device has %d back, " +
			"running versions %d and %d; heard at %v"
		return fmt.Sprintf(what, len(list), s.id, s.up, s.done, s.version, s.deviceVersion, s.heard)
	}
	for _, n := range w.nodes {
		if what := n.unsettled(); what != "" {
			return fmt.Sprintf("node %s %s", n.name, what)
		}
	}
	for i := range w.orphans {
		if row := w.db.Shard(i); row.Owner == "" || row.Target != "" && row.Target != row.Owner {
			return fmt.Sprintf("shard %d is at %q and ought to be at %q", i, row.Owner, row.Target)
		}
	}
	for _, d := range w.devices {
		if what := w.unlinked(d); what != "" {
			return fmt.Sprintf("device %s %s", d.home.ID, what)
		}
	}
	return ""
}

func (n *node) unsettled() string {
	switch {
	case !n.up || !n.belonged || n.closing || n.abandoning || !n.w.registered(n.self):
		return "is not in the cluster"
	case !n.moves.Quiet():
		return "has agents on their way"
	case len(n.imports) > 0:
		return "has agents that were withdrawn"
	}
	for _, id := range sorted(n.callers) {
		if since := n.callers[id].since; n.w.now-since > callWait {
			return fmt.Sprintf("waits for an answer since %v", since)
		}
	}
	for _, id := range sorted(n.conns) {
		if c := n.conns[id]; c.ended {
			return fmt.Sprintf("has told no owner of the end of link %d", id)
		}
	}
	return ""
}

// unlinked says what is wrong between a device and its agent; "" when nothing is.
func (w *World) unlinked(d *device) string {
	n := w.named(w.db.Shard(w.nodes[0].shardOf(d.home.Agent)).Owner)
	switch {
	case d.conn == nil || d.conn.ended || d.conn.link == nil:
		return "is not connected"
	case n == nil || n.pairs[d.home.Agent] == nil:
		return "has no agent"
	}
	p := n.pairs[d.home.Agent]
	if !p.life.Connected || p.life.Link == nil || *p.life.Link != d.conn.ref() {
		return "is connected, and its agent does not know"
	}
	return ""
}
