package protocol

import (
	"maps"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
)

// Intervals and limits of a node's repeated steps.
const (
	lookEvery   = 500 * time.Millisecond // between two readings of the membership
	lookRest    = 5 * time.Millisecond   // the least time between two readings
	lookAgain   = 200 * time.Millisecond // after a reading that failed
	joinAgain   = time.Second            // after a registration that failed
	maxUnderWay = 512                    // the most shards that move in the whole cluster
)

// phase is the phase of a node's run.
type phase uint8

const (
	phaseOut        phase = iota // waits for the next attempt to register
	phaseRegister                // registers
	phaseJoin                    // is registered, and reads the membership
	phaseIn                      // is part of the cluster
	phaseAbandoning              // was declared lost, and drops its agents
)

// Member is a node's membership of the cluster: it registers, renews the lease, follows
// the membership, and plans when this node is the planner.
//
// The lease that it grants its agents is counted from the time of the query, so it ends
// before the lease in the database. A node that learns that it was declared lost
// abandons its agents at once and registers again.
type Member struct {
	MemberConfig
	bugs bugs

	ids   uint64
	phase phase
	self  Peer
	table *Table
	known map[string]knownRun // other nodes

	joinN    uint64
	joinFrom time.Duration // time of the query of the registration
	joinAt   time.Duration // time of the next attempt

	renewN     uint64
	renewFrom  time.Duration
	renewAt    time.Duration
	renewAgain bool // something changed while a renewal was under way

	readN    uint64
	lookAt   time.Duration
	wanted   bool // a reading was requested
	belonged bool // Belong was returned

	planN  uint64
	mine   bool   // this node is the planner
	bury   []Peer // runs to declare lost
	buried bool   // one was declared lost since the last reading

	draining bool
	leaving  bool // the node is stopping: its drain cannot be undone
}

// MemberConfig is the configuration of a Member.
type MemberConfig struct {
	Node  string
	Lease time.Duration // how long the database may be unreachable before others take the agents
}

// knownRun is a known run of another node.
type knownRun struct {
	session int64
	version int64 // of a membership in which the run was registered
}

// NewMember returns the Member of a node that has not joined yet.
func NewMember(c MemberConfig) *Member {
	return &Member{MemberConfig: c, known: map[string]knownRun{}}
}

func (m *Member) number() uint64 { m.ids++; return m.ids }

// Self returns the node's current run.
func (m *Member) Self() Peer { return m.self }

// Draining reports whether the node is drained.
func (m *Member) Draining() bool { return m.draining }

// Start registers the node.
func (m *Member) Start(now tandem.Now) []Effect {
	m.phase, m.joinAt = phaseRegister, 0
	m.joinFrom = now.Mono
	m.joinN = m.number()
	return []Effect{Register{N: m.joinN, Draining: m.draining}}
}

// Registered takes the session of the registration, or an error. An error of a kind other
// than Unavailable is final.
func (m *Member) Registered(now tandem.Now, n uint64, session int64, err error) []Effect {
	if m.phase != phaseRegister || n != m.joinN {
		return nil
	}
	if err != nil {
		return m.notYet(now, err)
	}
	m.self = Peer{Node: m.Node, Session: session}
	m.phase = phaseJoin
	if m.bugs.leaseFromAnswer {
		m.joinFrom = now.Mono
	}
	m.readN = m.number()
	return []Effect{Read{N: m.readN, Known: -1}}
}

func (m *Member) notYet(now tandem.Now, err error) []Effect {
	if tandem.KindOf(err) != tandem.Unavailable {
		m.phase = phaseOut
		return []Effect{Fail{Failure: err}}
	}
	m.phase, m.joinAt = phaseOut, now.Mono+joinAgain
	return []Effect{Note{Text: "the node cannot join the cluster yet", Node: m.Node, Failure: err}}
}

// HaveRead takes the membership.
func (m *Member) HaveRead(now tandem.Now, n uint64, rows *record.Membership, err error) []Effect {
	if n != m.readN {
		return nil
	}
	m.readN = 0
	switch {
	case m.phase == phaseJoin && err != nil:
		return m.notYet(now, err)
	case m.phase == phaseJoin:
		return m.enter(now, rows)
	case m.phase != phaseIn:
		return nil
	case err != nil:
		return m.rest(now, err)
	}
	out := m.replace(NewTable(rows, m.table))
	if !m.belonged {
		m.belonged = true
		out = append(out, Belong{})
	}
	if m.mine { // the membership was read again for the plan
		return append(out, m.plan(now)...)
	}
	m.planN = m.number()
	return append(out, AskPlanner{N: m.planN, Lease: 2 * m.Lease})
}

// enter begins the node's run.
func (m *Member) enter(now tandem.Now, rows *record.Membership) []Effect {
	m.phase = phaseIn
	m.table = NewTable(rows, nil)
	m.known = map[string]knownRun{}
	out := []Effect{
		Begin{Self: m.self, Table: m.table},
		Lease{Until: m.joinFrom + m.Lease},
	}
	out = append(out, m.replace(m.table)...)
	out = append(out, m.renew(now)...)
	m.wanted = true
	m.lookAt = now.Mono + lookRest
	return out
}

// replace installs a newer table, and notices nodes that have joined or are lost.
func (m *Member) replace(t *Table) (out []Effect) {
	m.table = t
	for _, id := range slices.Sorted(maps.Keys(m.known)) {
		k := m.known[id]
		n := t.Node(id)
		switch {
		case n != nil && n.Session == k.session:
			continue
		case n != nil && n.Session > k.session:
		case t.Version < k.version && !m.bugs.loseStale:
			continue // the table is older than what is known of the run
		}
		delete(m.known, id)
		out = append(out, m.lose(Peer{Node: id, Session: k.session})...)
	}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if _, ok := m.known[n.ID]; ok || n.ID == m.Node {
			continue
		}
		m.known[n.ID] = knownRun{session: n.Session, version: t.Version}
		out = append(out, Join{Peer: peerOf(n)})
	}
	return append(out, Replace{Table: t})
}

func (m *Member) lose(p Peer) []Effect {
	return []Effect{Note{Text: "a node is gone", Node: p.Node}, Lose{Peer: p}}
}

// Exists records that a message has shown a run of a node, registered in a membership of
// that version. An earlier run of the node is lost then, before messages of the new run
// are handled.
func (m *Member) Exists(p Peer, version int64) (out []Effect) {
	k, ok := m.known[p.Node]
	if m.phase != phaseIn || p.Node == m.Node || ok && k.session >= p.Session {
		return nil
	}
	if ok {
		out = m.lose(Peer{Node: p.Node, Session: k.session})
	}
	m.known[p.Node] = knownRun{session: p.Session, version: version}
	return append(out, Join{Peer: p}, Look{})
}

// Learn takes routes that are newer than the table.
func (m *Member) Learn(r *Routes) []Effect {
	if m.phase != phaseIn {
		return nil
	}
	t := m.table.With(r)
	if t == nil {
		return nil
	}
	m.table = t
	return []Effect{Replace{Table: t}}
}

// Look requests a reading of the membership soon.
func (m *Member) Look(now tandem.Now) {
	if m.wanted || m.phase != phaseIn {
		return
	}
	m.wanted = true
	if m.lookAt != 0 {
		m.lookAt = min(m.lookAt, now.Mono+lookRest)
	}
}

// rest ends a reading with its planning, and sets the time of the next.
func (m *Member) rest(now tandem.Now, err error) []Effect {
	m.mine = false
	m.buried = false
	m.bury = nil
	m.planN = 0
	if err != nil {
		m.lookAt = now.Mono + lookAgain
		return []Effect{Note{Text: "cannot read the cluster's membership", Failure: err}}
	}
	m.lookAt = now.Mono + lookEvery
	if m.wanted {
		m.lookAt = now.Mono + lookRest
	}
	return nil
}

// Renewed takes the outcome of a renewal. Conflict means that the node was declared
// lost.
func (m *Member) Renewed(now tandem.Now, n uint64, err error) (out []Effect) {
	if m.phase != phaseIn || n != m.renewN {
		return nil
	}
	m.renewN = 0
	switch {
	case err == nil:
		from := m.renewFrom
		if m.bugs.leaseFromAnswer {
			from = now.Mono
		}
		out = []Effect{Lease{Until: from + m.Lease}}
		m.renewAt = now.Mono + m.Lease/6
	case tandem.KindOf(err) == tandem.Conflict:
		return m.abandon()
	default:
		out = []Effect{Note{Text: "cannot renew the node's lease", Failure: err}}
		m.renewAt = now.Mono + m.Lease/15
	}
	if m.renewAgain {
		out = append(out, m.renew(now)...)
	}
	return out
}

func (m *Member) renew(now tandem.Now) []Effect {
	if m.renewN != 0 {
		m.renewAgain = true
		return nil
	}
	m.renewAgain = false
	m.renewAt = 0
	m.renewFrom = now.Mono
	m.renewN = m.number()
	return []Effect{Renew{N: m.renewN, Draining: m.draining, Patience: m.Lease / 3}}
}

// Fenced says that a transaction was refused because the session has been declared lost.
func (m *Member) Fenced(session int64) []Effect {
	if m.phase != phaseIn || session != m.self.Session {
		return nil
	}
	return m.abandon()
}

// abandon ends the run. It does not wait for moves under way, which may wait for agents
// that wait for a lease.
func (m *Member) abandon() []Effect {
	m.phase = phaseAbandoning
	m.renewN = 0
	m.readN = 0
	m.planN = 0
	m.mine, m.bury = false, nil
	if m.bugs.waitToAbandon {
		return nil
	}
	return []Effect{
		Note{Text: "this node was declared lost; others have its agents. It rejoins without agents", Node: m.Node},
		Abandon{},
	}
}

// Abandoned says that the agents and all state of the run are dropped.
func (m *Member) Abandoned(now tandem.Now) []Effect {
	if m.phase != phaseAbandoning {
		return nil
	}
	return m.Start(now)
}

// Drain makes the node give its agents to others and take none. leaving says that the
// node is stopping.
func (m *Member) Drain(now tandem.Now, leaving bool) []Effect {
	m.leaving = m.leaving || leaving
	return m.drain(now, true)
}

// Undrain lets the node take agents again.
func (m *Member) Undrain(now tandem.Now) ([]Effect, error) {
	if m.leaving {
		return nil, tandem.Errorf(tandem.Conflict, "node %s is being stopped; start it again to have it take agents", m.Node)
	}
	return m.drain(now, false), nil
}

func (m *Member) drain(now tandem.Now, on bool) []Effect {
	m.draining = on
	if m.phase != phaseIn || !on && m.bugs.forgetUndrain {
		return nil
	}
	out := m.renew(now)
	m.Look(now)
	return append(out, Replace{Table: m.table}, Broadcast{Routes: &Routes{}})
}

// Deadline returns the time of the next step.
func (m *Member) Deadline() (at time.Duration, ok bool) {
	switch m.phase {
	case phaseOut:
		return soonest(m.joinAt)
	case phaseIn:
		return soonest(m.renewAt, m.lookAt)
	}
	return 0, false
}

// Tick performs the steps that are due.
func (m *Member) Tick(now tandem.Now) (out []Effect) {
	if m.phase == phaseOut && passed(m.joinAt, now) {
		return m.Start(now)
	}
	if m.phase != phaseIn {
		return nil
	}
	if passed(m.renewAt, now) {
		out = m.renew(now)
	}
	if passed(m.lookAt, now) {
		m.lookAt, m.wanted = 0, false
		m.readN = m.number()
		out = append(out, Read{N: m.readN, Known: m.table.Version})
	}
	return out
}

// Planning says whether this node is the planner.
func (m *Member) Planning(now tandem.Now, n uint64, mine bool, err error) []Effect {
	if m.phase != phaseIn || n != m.planN {
		return nil
	}
	if err != nil || !mine {
		return m.rest(now, err)
	}
	m.mine = true
	for i := range m.table.Nodes {
		if n := &m.table.Nodes[i]; !n.Alive {
			m.bury = append(m.bury, peerOf(n))
		}
	}
	return m.buryNext(now)
}

// buryNext declares nodes lost whose lease has run out, one after the other. If one was,
// the membership is read again before the plan is made.
func (m *Member) buryNext(now tandem.Now) []Effect {
	if len(m.bury) > 0 {
		p := m.bury[0]
		m.bury = m.bury[1:]
		m.planN = m.number()
		return []Effect{Bury{N: m.planN, Peer: p}}
	}
	if m.buried {
		m.buried = false
		m.readN = m.number()
		return []Effect{Read{N: m.readN, Known: -1}}
	}
	return m.plan(now)
}

// Buried says whether a run has been declared lost.
func (m *Member) Buried(now tandem.Now, n uint64, gone bool, err error) []Effect {
	if m.phase != phaseIn || n != m.planN {
		return nil
	}
	if err != nil {
		return m.rest(now, err)
	}
	m.buried = m.buried || gone
	return m.buryNext(now)
}

// plan assigns shards without an owner to nodes, and sets targets for shards to move.
func (m *Member) plan(now tandem.Now) []Effect {
	var able []placement.Node
	takers := false
	for _, n := range m.table.Nodes {
		if n.Alive {
			able = append(able, placement.Node{ID: n.ID, Weight: n.Weight, Draining: n.Draining})
			takers = takers || !n.Draining
		}
	}
	if !takers && m.bugs.planWithoutAble {
		return m.rest(now, nil)
	}
	shards := make([]placement.Shard, len(m.table.Routes))
	for i, r := range m.table.Routes {
		shards[i] = placement.Shard{Owner: r.Owner, Target: r.Target}
	}
	changes := placement.Plan(able, shards, maxUnderWay)
	if len(changes) == 0 {
		return m.rest(now, nil)
	}
	m.planN = m.number()
	rows := make([]record.Shard, len(changes))
	for i, ch := range changes {
		r := m.table.Routes[ch.Shard]
		rows[i] = record.Shard{Shard: ch.Shard, Owner: r.Owner, Epoch: r.Epoch, Target: ch.Target}
	}
	return []Effect{Assign{N: m.planN, Plan: rows}}
}

// Assigned says that the plan is in the database.
func (m *Member) Assigned(now tandem.Now, n uint64, err error) []Effect {
	if m.phase != phaseIn || n != m.planN {
		return nil
	}
	if err != nil {
		return m.rest(now, err)
	}
	m.wanted = true
	m.rest(now, nil)
	return []Effect{Broadcast{Routes: &Routes{}}}
}
