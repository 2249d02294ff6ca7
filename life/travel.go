package life

import (
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/hlc"
)

// version is that of Moved.State. A node takes no pairs of another version; they
// stay where they are, and the node that is to be emptied stops with them asleep.
const version = 1

// Moved is a pair on its way between two hosts: all there is of it. Nodes that
// carry it look at no more than what stands beside State.
type Moved struct {
	Device   tandem.DeviceID `cbor:"1,keyasint"`
	Agent    tandem.AgentID  `cbor:"2,keyasint"`
	Link     *tandem.LinkRef `cbor:"3,keyasint,omitempty"` // of the device, if it has one
	Origins  []tandem.Origin `cbor:"4,keyasint,omitempty"` // of the requests that go along
	Heard    tandem.LinkRef  `cbor:"5,keyasint"`           // the Door's
	Accepted uint64          `cbor:"6,keyasint,omitempty"` // the Door's
	Born     hlc.Timestamp   `cbor:"9,keyasint,omitempty"` // the Door's
	Version  int             `cbor:"7,keyasint"`
	State    []byte          `cbor:"8,keyasint"`
}

// Size is about how many bytes the pair takes on its way.
func (m *Moved) Size() int { return 200 + len(m.State) + 50*len(m.Origins) }

// tryLeave has the pair leave when it is at rest. Each is stopped between two
// events, or where its program waits; a start, or what the store has been asked
// for, is waited for.
func (l *Life) tryLeave() {
	busy := l.underWay()
	if busy && !l.due(l.leaveBy) {
		return
	}
	if busy {
		l.stay(tandem.Errorf(tandem.Unavailable, "agent %s does not come to rest", l.Agent))
		return
	}
	m, err := l.export()
	if err != nil {
		l.stay(fmt.Errorf("agent %s cannot be moved: %w", l.Agent, err))
		return
	}
	l.emit(&Left{m})
}

// underWay reports whether the pair waits for an outcome that would be lost with
// its leaving.
func (l *Life) underWay() bool {
	switch l.Phase {
	case loading, resuming, starting:
		return true
	}
	return l.saving != 0 || l.posts.pending > 0 || l.posts.loading != 0 || l.offered != 0 || l.reviewing != 0
}

// stay takes back what Leave has done to a pair that could not leave.
func (l *Life) stay(err error) {
	l.leaving = nil
	l.emit(&Stayed{err})
	l.takeResult()
}

// takeResult gives the machine the outcome that was kept back for a leave, if there
// is one.
func (l *Life) takeResult() {
	if it := l.Result; it != nil {
		l.Result = nil
		l.step(it.event)
	}
}

// export returns all there is of the pair, and ends it here.
func (l *Life) export() (*Moved, error) {
	packed, err := l.pack()
	if err != nil {
		// The others on their way do not wait for this one.
		const what = "agent cannot be moved with its memory; it starts from its saved state"
		l.emit(&Report{Bad: true, Msg: what, Err: err})
		left := l.machine.Credits()
		l.leaveMQTT()
		l.unfit()
		l.Credits = &left
		if IsFault(err) {
			l.Reason = tandem.ReasonFault
		}
	}
	s := l.state
	if l.wrong.loseInbox {
		s.Inbox = nil
	}
	if l.wrong.loseResult {
		s.Result = nil
	}
	switch l.Phase {
	case live:
		s.Packed = packed
	case codeless:
		s.Phase = absent // the other host looks for itself
		s.Inbox, s.Unread = append(slices.Clone(l.Unread), l.Inbox...), nil
	}
	m := &Moved{Device: l.Device, Agent: l.Agent, Link: l.Link, Version: version}
	if l.MQTT != 0 { // the connection does not go along
		if l.machine != nil {
			s.Inbox = append(s.Inbox, item{event: &agent.MQTTLost{ID: l.machine.MQTT(), Why: "the agent has moved"}})
		} else {
			s.Cut = true
		}
		s.MQTT = 0
	}
	s.Fetches = nil
	for _, f := range l.Fetches {
		if f.Upload && f.Node == "" {
			l.emit(&CancelFetch{f.ID}) // the rest of the body is with the agent
		} else if f.Node == "" {
			f.Node = l.leaving.Node
			l.emit(&HandOn{l.fetchRef(f)})
		}
		if !f.Upload {
			s.Fetches = append(s.Fetches, f)
		}
	}
	s.Requests = nil
	for _, r := range l.waiting() {
		there := &pending{Number: r.Number, Origin: r.Origin, Begun: r.Begun, Since: r.Since, Away: true}
		s.Requests = append(s.Requests, there)
		m.Origins = append(m.Origins, r.Origin)
	}
	s.depart(l.mono())
	s.Left = l.now.Wall
	if m.State, err = encoding.Marshal(&s); err != nil {
		return nil, err
	}
	l.letGo()
	return m, nil
}

// pack returns the machine as bytes, if the agent has one.
func (l *Life) pack() ([]byte, error) {
	if l.Phase != live {
		return nil, nil
	}
	packed, err := l.snapshot()
	if IsFault(err) {
		l.faulted(err)
	}
	return packed, err
}

// letGo ends the pair here after it has been written down. Who reads a body for
// the agent goes on: it has its piece, and will have it where it goes.
func (l *Life) letGo() {
	for _, r := range l.waiting() {
		if !r.Away {
			l.emit(&Answer{Token: r.token, Err: ErrMoved})
		}
	}
	letPiece := func(it *item) {
		if _, piece := it.event.(*agent.FetchedPart); piece {
			l.handled(it.token)
			it.token = 0
		}
	}
	letPiece(&l.Current)
	for i := range l.Inbox {
		letPiece(&l.Inbox[i])
	}
	l.Fetches = nil
	l.retire(ErrElsewhere)
	l.forgetRequests()
}

// Arrive makes a life of a pair that has arrived, of which nothing happens before
// GoOn. The program is what its device group has now; a pair whose machine cannot
// go on with it starts from its saved state, and why says the reason. The error
// says that the pair cannot be taken at the moment and is to stay where it was.
func Arrive(
	cfg *Config, now tandem.Now, m *Moved, program func(group string) (*Program, error),
) (l *Life, why, err error) {
	if m.Version != version {
		return nil, nil, tandem.Errorf(tandem.Conflict,
			"agent %s comes from a node of another version (%d, not %d): update all nodes to one version",
			m.Agent, m.Version, version)
	}
	l = New(cfg, m.Device, m.Agent)
	if err := decoding.Unmarshal(m.State, &l.state); err != nil {
		return nil, nil, fmt.Errorf("agent %s: %w", m.Agent, err)
	}
	if l.Device != m.Device || l.Agent != m.Agent {
		return nil, nil, tandem.Errorf(tandem.Invalid, "the state of agent %s is that of another agent", m.Agent)
	}
	if err := l.checkState(); err != nil {
		return nil, nil, tandem.Errorf(tandem.Invalid, "the state of agent %s is damaged: %v", m.Agent, err)
	}
	l.begin(now)
	l.arrive(l.mono())
	if !l.Left.IsZero() {
		l.shift(now.Wall.Sub(l.Left))
	}
	for _, r := range l.Requests {
		l.await(r)
	}
	l.Requests = nil
	for _, list := range [][]item{l.Inbox, l.Unread} {
		for _, it := range list {
			l.count(it, 1)
		}
	}
	l.messages += len(l.Hearing)
	if len(l.Packed) == 0 {
		return l, nil, nil
	}
	p, err := program(l.Group)
	if err == nil {
		err = p.AgentErr
	}
	switch {
	case err == nil:
	case passing(err):
		return nil, nil, err
	default:
		return l.unfit(), err, nil
	}
	l.program = p
	machine, err := l.restore(l.Packed)
	if err != nil {
		return l.unfit(), err, nil
	}
	if l.Result != nil && !(machine.Busy() && machine.Takes(l.Result.event)) || l.Phase == frozen && machine.Busy() {
		return nil, nil, tandem.Errorf(tandem.Invalid,
			"the state of agent %s is damaged: it is not that of its machine", m.Agent)
	}
	if l.Cut {
		l.lostMQTT(machine.MQTT())
		l.Cut = false
	}
	if l.Phase == live {
		l.machine, l.Packed = machine, nil
		l.Behind = 0
	}
	return l, nil, nil
}

// unfit is a pair whose machine cannot go on with this build, or with the code
// its group has now.
func (l *Life) unfit() *Life {
	l.Phase, l.Reason = absent, tandem.ReasonBytecode
	l.machine, l.Packed = nil, nil
	l.Behind = 0
	l.Alarm, l.Ringing = time.Time{}, time.Time{}
	l.StopBy, l.Result = 0, nil
	return l
}

// goOnHere is the first thing that happens to a pair on a host that it has come
// to.
func (l *Life) goOnHere(why tandem.Reason) {
	defer l.sendPosts()
	if len(l.Hearing) > 0 {
		l.greeted = l.id()
		l.emit(&LoadDevice{l.greeted})
	}
	switch l.Phase {
	case live:
		for _, id := range l.machine.Uploading() {
			l.push(item{event: &agent.Fetched{ID: id, Response: &tandem.Response{Status: tandem.FetchSendFailed}}})
		}
	case frozen:
	case absent:
		if l.Reason != tandem.ReasonNone {
			l.cancelFetches()
			l.refuseBegun(l.Reason)
			l.giveBackPost()
			l.settle()
			l.start(l.Reason)
		}
		return
	default:
		return
	}
	if why != "" {
		l.emit(&Arrived{why})
		l.logf(tandem.LogStatus, "Agent moved: %s.", why)
		l.sendSystem("sys/agent", agentMessage{Event: "moved", Reason: why, Incarnation: l.Incarnation})
	}
	if it := l.Result; it != nil && l.Phase == live {
		l.Result = nil
		l.step(it.event)
		return
	}
	l.settle()
}
