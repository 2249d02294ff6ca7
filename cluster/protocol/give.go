package protocol

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// giveStep is the step that the giving of a batch waits for.
type giveStep uint8

const (
	stepExport   giveStep = iota + 1 // the agents stop
	stepOffer                        // the parts of the offer are sent
	stepReady                        // the gateways flush, and the new owner prepares
	stepHandover                     // the database changes the owner; from here on the outcome may be unknown
	stepTakeBack                     // the epochs are raised for this node
	stepConfirm                      // the membership is read
	stepUnsure                       // a pause before the next attempt to take back
)

// giving is a batch of shards that is being given away.
type giving struct {
	id       uint64 // of the offer
	n        uint64 // number of the effect whose outcome is awaited
	step     giveStep
	shards   []int
	epochs   []int64
	to       Peer
	why      tandem.Reason
	known    []Peer // the registered runs when the agents were stopped
	version  int64
	pairs    []*Pair
	unsent   []*Pair
	ready    bool
	flushed  bool
	until    time.Duration // time limit for the new owner to be ready
	deadline time.Duration // of the step
	failure  error         // of the handover, or the new owner was lost before
}

// begin begins to give the next batch away, if there is one.
func (m *Moves) begin(now tandem.Now) []Effect {
	if m.giving != nil || m.halted || now.Mono < m.rest {
		return nil
	}
	shards, to := m.leaving()
	if len(shards) == 0 {
		return nil
	}
	m.rest = 0
	g := &giving{id: m.number(), n: m.number(), step: stepExport, shards: shards, to: to, why: m.why}
	for _, s := range shards {
		g.epochs = append(g.epochs, m.held[s].epoch)
	}
	g.known, g.version = runsOf(m.table), m.table.Version
	g.until = now.Mono + moveWait
	g.deadline = 0 // the export has its own time limit
	m.giving = g
	return []Effect{Export{N: g.n, Shards: shards, Until: g.until}}
}

// leaving returns the first shards whose target is another node that is alive. All are
// for one target: the next by name after the target of the last failed move.
func (m *Moves) leaving() (shards []int, to Peer) {
	targets := map[string][]int{}
	for s, r := range m.table.Routes {
		if r.Owner == m.self.Node && r.Target != "" && r.Target != r.Owner && m.Held(s) == r.Epoch {
			targets[r.Target] = append(targets[r.Target], s)
		}
	}
	var names []string
	for target := range targets {
		if n := m.table.Node(target); n != nil && n.Alive {
			names = append(names, target)
		}
	}
	if len(names) == 0 {
		return nil, Peer{}
	}
	slices.Sort(names)
	next := names[0]
	if i := slices.IndexFunc(names, func(s string) bool { return s > m.failed }); i >= 0 {
		next = names[i]
	}
	shards = targets[next]
	return shards[:min(len(shards), batchShards)], peerOf(m.table.Node(next))
}

// expects returns the giving if it waits in that step for the outcome with that number.
func (m *Moves) expects(n uint64, step giveStep) *giving {
	if g := m.giving; g != nil && g.n == n && g.step == step {
		return g
	}
	return nil
}

// Exported takes the exported pairs. An error means that some agents did not stop in
// time.
func (m *Moves) Exported(now tandem.Now, n uint64, pairs []*Pair, err error) []Effect {
	g := m.expects(n, stepExport)
	if g == nil {
		return nil
	}
	g.pairs = pairs
	for _, p := range pairs {
		if p.Link != nil && p.Run == 0 {
			p.Run = sessionOf(g.known, p.Link.Node)
		}
	}
	if err = cmp.Or(err, g.failure); err != nil {
		return m.withdraw(now, err)
	}
	g.step, g.unsent = stepOffer, pairs
	return m.sendPart(g)
}

func sessionOf(known []Peer, node string) int64 {
	for _, p := range known {
		if p.Node == node {
			return p.Session
		}
	}
	return 0
}

// sendPart sends the next part of the offer.
func (m *Moves) sendPart(g *giving) []Effect {
	part := &Offer{ID: g.id, Shards: g.shards, Epochs: g.epochs, Why: g.why, Version: g.version, Known: g.known}
	size, n := 0, 0
	for n < len(g.unsent) && (n == 0 || size < m.part) {
		size += len(g.unsent[n].Data)
		n++
	}
	part.Pairs, g.unsent = g.unsent[:n], g.unsent[n:]
	part.More = len(g.unsent) > 0
	g.n = m.number()
	return []Effect{SendPart{N: g.n, To: g.to, Offer: part, Until: g.until}}
}

// Sent says that a part of the offer was sent, or that it cannot be sent.
func (m *Moves) Sent(now tandem.Now, n uint64, err error) []Effect {
	g := m.expects(n, stepOffer)
	switch {
	case g == nil:
		return nil
	case err != nil:
		return m.withdraw(now, err)
	case len(g.unsent) > 0:
		return m.sendPart(g)
	}
	g.step, g.deadline = stepReady, g.until
	g.n = m.number()
	gateways := m.gateways(g)
	if len(gateways) == 0 {
		g.flushed = true
		return m.hand(g)
	}
	flush := Flush{N: g.n, To: gateways, Until: now.Mono + flushWait}
	if m.bugs.goBeforeFlush {
		g.flushed = true
		return append(m.hand(g), flush)
	}
	return []Effect{flush}
}

// gateways returns the runs of other nodes that have links of the batch's pairs.
func (m *Moves) gateways(g *giving) []Peer {
	set := map[Peer]bool{}
	for _, p := range g.pairs {
		if p.Link == nil || p.Link.Node == m.self.Node {
			continue
		}
		if peer, ok := m.table.Peer(p.Link.Node); ok {
			set[peer] = true
		}
	}
	return sortedPeers(set)
}

// Flushed says that the gateways have received all messages of the agents. If one has
// not, the agents stay, because a device would get the new owner's messages before the
// rest of the old owner's.
func (m *Moves) Flushed(now tandem.Now, n uint64, err error) (out []Effect) {
	g := m.expects(n, stepReady)
	switch {
	case g == nil:
		return nil
	case err != nil && !m.bugs.ignoreFlush:
		return m.withdraw(now, err)
	}
	g.flushed = true
	return m.hand(g)
}

// Readied takes the new owner's Ready.
func (m *Moves) Readied(now tandem.Now, from Peer, id uint64) []Effect {
	g := m.giving
	if g == nil || g.id != id || g.to != from || g.step > stepReady {
		return nil
	}
	g.ready = true
	return m.hand(g)
}

// Declined takes the new owner's Decline.
func (m *Moves) Declined(now tandem.Now, from Peer, id uint64, failure *Failure) []Effect {
	g := m.giving
	if g == nil || g.id != id || g.to != from || g.step > stepReady {
		return nil
	}
	return m.withdraw(now, failure.Err())
}

// hand changes the owner in the database when the new owner and the gateways are ready.
func (m *Moves) hand(g *giving) []Effect {
	if g.step != stepReady || !g.ready || !g.flushed {
		return nil
	}
	g.step, g.deadline = stepHandover, 0
	g.n = m.number()
	return []Effect{Handover{N: g.n, Shards: m.rows(g), To: g.to}}
}

func (m *Moves) rows(g *giving) (list []record.Shard) {
	for i, s := range g.shards {
		list = append(list, record.Shard{Shard: s, Owner: m.self.Node, Epoch: g.epochs[i]})
	}
	return list
}

// late handles the deadline of a step.
func (m *Moves) late(now tandem.Now) []Effect {
	g := m.giving
	g.deadline = 0
	switch g.step {
	case stepReady:
		return m.withdraw(now, tandem.Errorf(tandem.Unavailable, "node %s does not take the agents", g.to.Node))
	case stepUnsure:
		return m.takeBack(g)
	}
	return nil
}

// withdraw ends a move before its handover: the agents resume here.
func (m *Moves) withdraw(now tandem.Now, why error) []Effect {
	g := m.giving
	out := []Effect{Tell{To: g.to, Message: &Stay{ID: g.id}}}
	return append(out, m.back(now, why)...)
}

// back resumes the agents here.
func (m *Moves) back(now tandem.Now, why error) []Effect {
	g := m.giving
	m.giving, m.failed = nil, g.to.Node
	m.patience = min(max(2*m.patience, minMoveRest), maxMoveRest)
	if m.bugs.restlessMoves {
		m.patience = minMoveRest
	}
	m.rest = now.Mono + m.patience
	var out []Effect
	if !slices.Contains(m.lost, g.to) { // else the log has that already
		out = append(out, Note{Text: "move failed; it will be retried", Node: g.to.Node, Shards: len(g.shards), Failure: why})
	}
	out = append(out, Return{Shards: g.shards, Pairs: g.pairs, Lost: m.since(g.known)})
	m.forgetLost()
	return out
}

// since returns those of the known runs that have been lost meanwhile.
func (m *Moves) since(known []Peer) (list []Peer) {
	if m.bugs.missLostInMove {
		return nil
	}
	for _, p := range m.lost {
		if slices.Contains(known, p) {
			list = append(list, p)
		}
	}
	return list
}

func (m *Moves) forgetLost() {
	if m.giving == nil && len(m.offers) == 0 {
		m.lost = nil
	}
}

// HandedOver takes the outcome of Handover: the new epochs, by shard, or an error. An
// error of kind Conflict means that nothing has changed; after any other it may have.
func (m *Moves) HandedOver(now tandem.Now, n uint64, epochs map[int]int64, err error) []Effect {
	if g := m.expects(n, stepHandover); g != nil {
		if err == nil {
			return m.given(now, epochs)
		}
		if m.bugs.believeFailure {
			return m.withdraw(now, err)
		}
		g.failure = err
		note := Note{Text: "a move is not confirmed", Node: g.to.Node, Shards: len(g.shards), Failure: err}
		return append([]Effect{note}, m.takeBack(g)...)
	}
	g := m.expects(n, stepTakeBack)
	switch {
	case g == nil:
		return nil
	case err == nil:
		return m.stayed(now, epochs)
	case tandem.KindOf(err) == tandem.Conflict && !m.bugs.lookUpNothing:
		g.step, g.n = stepConfirm, m.number()
		return []Effect{Confirm{N: g.n}}
	}
	return m.unsure(now, g)
}

// takeBack raises the epochs for this node. If that succeeds, the handover has not
// happened and no longer can; it fails if the handover has happened.
func (m *Moves) takeBack(g *giving) []Effect {
	g.step, g.deadline = stepTakeBack, 0
	g.n = m.number()
	return []Effect{Handover{N: g.n, Shards: m.rows(g), To: m.self}}
}

func (m *Moves) unsure(now tandem.Now, g *giving) []Effect {
	g.step, g.n = stepUnsure, 0
	g.deadline = now.Mono + unsureRest
	return nil
}

// errUnconfirmed says that a membership does not show the outcome of a handover.
var errUnconfirmed = errors.New("the shards have not changed")

// Confirmed takes the membership that shows the owner of the shards.
func (m *Moves) Confirmed(now tandem.Now, n uint64, rows *record.Membership, err error) []Effect {
	g := m.expects(n, stepConfirm)
	if g == nil {
		return nil
	}
	mine := false
	if err == nil {
		mine, err = m.tookBack(g, rows)
	}
	next := map[int]int64{}
	for i, s := range g.shards {
		next[s] = g.epochs[i] + 1
	}
	switch {
	case err != nil:
		return m.unsure(now, g)
	case mine && !m.bugs.countHigher: // the answer to an earlier attempt was lost
		return m.stayed(now, next)
	}
	return m.given(now, next)
}

// tookBack reports whether this node raised the epochs of a batch, by one. Then the shards
// are its own, because no other node changes them while it is part of the cluster. If
// another node raised them, the handover has happened, even when the shards have moved on.
func (m *Moves) tookBack(g *giving, rows *record.Membership) (mine bool, err error) {
	self := func(n record.Node) bool { return n.ID == m.self.Node && n.Session == m.self.Session }
	if !slices.ContainsFunc(rows.Nodes, self) {
		return false, errUnconfirmed // this node was declared lost, and its shards were taken
	}
	found := map[int]record.Shard{}
	for _, s := range rows.Shards {
		found[s.Shard] = s
	}
	mine = true
	for i, s := range g.shards {
		if found[s].Epoch <= g.epochs[i] {
			return false, errUnconfirmed
		}
		mine = mine && found[s].Owner == m.self.Node && found[s].Epoch == g.epochs[i]+1
	}
	return mine, nil
}

// given ends a move that has happened.
func (m *Moves) given(now tandem.Now, epochs map[int]int64) []Effect {
	g := m.giving
	m.giving = nil
	if !m.bugs.staySlow {
		m.patience = 0
	}
	word := &Go{ID: g.id, Shards: g.shards}
	for _, s := range g.shards {
		word.Epochs = append(word.Epochs, epochs[s])
		m.held[s] = hold{epoch: epochs[s]}
	}
	out := []Effect{Tell{To: g.to, Message: word}, Gave{Shards: g.shards}}
	if !m.bugs.tellOnlyOnce {
		out = append(out, m.sayTaken(g.pairs, g.to, func(s int) int64 { return epochs[s] })...)
	}
	routes := &Routes{Shards: g.shards, Owner: g.to.Node, Epochs: word.Epochs}
	out = append(out, Broadcast{Routes: routes}, Learn{Routes: routes})
	m.forgetLost()
	return append(out, m.begin(now)...)
}

// stayed ends a move that has not happened and no longer can: this node owns the shards,
// with higher epochs.
func (m *Moves) stayed(now tandem.Now, epochs map[int]int64) []Effect {
	g := m.giving
	routes := &Routes{Shards: g.shards, Owner: m.self.Node}
	for _, s := range g.shards {
		m.held[s] = hold{epoch: epochs[s], here: true}
		routes.Epochs = append(routes.Epochs, epochs[s])
	}
	out := []Effect{Learn{Routes: routes}}
	out = append(out, m.withdraw(now, g.failure)...)
	return append(out, Broadcast{Routes: routes})
}
