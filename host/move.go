package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// Moved is a pair on its way between two hosts: all there is of it. Times are
// nanoseconds since 1970, 0 for none.
type Moved struct {
	Device tandem.DeviceID `cbor:"1,keyasint"`
	Agent  tandem.AgentID  `cbor:"2,keyasint"`
	Group  string          `cbor:"3,keyasint,omitempty"`
	State  uint8           `cbor:"4,keyasint"`
	Packed []byte          `cbor:"5,keyasint,omitempty"` // the machine, when there is one

	Incarnation uint64        `cbor:"6,keyasint,omitempty"`
	Reason      tandem.Reason `cbor:"7,keyasint,omitempty"`
	Began       tandem.Reason `cbor:"8,keyasint,omitempty"`
	Started     int64         `cbor:"9,keyasint,omitempty"`
	StartAt     int64         `cbor:"10,keyasint,omitempty"`
	StopBy      int64         `cbor:"11,keyasint,omitempty"`
	Alarm       int64         `cbor:"12,keyasint,omitempty"` // of a frozen machine
	Crashes     int           `cbor:"13,keyasint,omitempty"`

	Connected  bool            `cbor:"14,keyasint,omitempty"`
	GraceUntil int64           `cbor:"15,keyasint,omitempty"`
	Address    string          `cbor:"16,keyasint,omitempty"`
	Link       *tandem.LinkRef `cbor:"17,keyasint,omitempty"`
	Heard      tandem.LinkRef  `cbor:"18,keyasint"`
	Accepted   uint64          `cbor:"19,keyasint,omitempty"`
	Peer       MovedPeer
	PostsUpTo  uint64       `cbor:"24,keyasint,omitempty"`
	Result     *MovedResult `cbor:"25,keyasint,omitempty"`

	Current *MovedItem        `cbor:"20,keyasint,omitempty"`
	Inbox   []MovedItem       `cbor:"21,keyasint,omitempty"`
	Waiting []MovedWait       `cbor:"22,keyasint,omitempty"`
	Fetches []tandem.FetchRef `cbor:"23,keyasint,omitempty"`
}

// MovedResult is what has come of the save or the post that the machine waits for.
type MovedResult struct {
	Post    bool        `cbor:"1,keyasint,omitempty"`
	Seq     uint64      `cbor:"2,keyasint,omitempty"` // of a post
	Failed  bool        `cbor:"3,keyasint,omitempty"`
	Kind    tandem.Kind `cbor:"4,keyasint,omitempty"`
	Failure string      `cbor:"5,keyasint,omitempty"`
}

func movedResult(ev agent.Event) *MovedResult {
	var r *MovedResult
	var err error
	switch ev := ev.(type) {
	case *agent.Saved:
		r, err = &MovedResult{}, ev.Err
	case *agent.Posted:
		r, err = &MovedResult{Post: true, Seq: ev.Seq}, ev.Err
	default:
		return nil
	}
	if err != nil {
		r.Failed, r.Kind, r.Failure = true, tandem.KindOf(err), err.Error()
	}
	return r
}

func (r *MovedResult) event() agent.Event {
	var err error
	if r.Failed {
		err = &tandem.Error{Kind: r.Kind, Msg: r.Failure}
	}
	if r.Post {
		return &agent.Posted{Seq: r.Seq, Err: err}
	}
	return &agent.Saved{Err: err}
}

// Size is about how many bytes the pair has on its way.
func (m *Moved) Size() int {
	n := 1000 + len(m.Packed)
	for i := range m.Inbox {
		it := &m.Inbox[i]
		n += 100
		if it.Message != nil {
			n += len(it.Message.Data)
		}
		if it.Request != nil {
			n += len(it.Request.Body)
		}
		if it.Part != nil {
			n += len(it.Part.Data)
		}
		if it.MQTTMessage != nil {
			n += len(it.MQTTMessage.Payload)
		}
		if it.Fetched != nil && it.Fetched.Response != nil {
			n += len(it.Fetched.Response.Body)
		}
	}
	return n
}

// MovedPeer is what the host knows of the device's side.
type MovedPeer struct {
	Known       bool   `cbor:"1,keyasint,omitempty"`
	Boot        uint64 `cbor:"2,keyasint,omitempty"`
	Incarnation uint64 `cbor:"3,keyasint,omitempty"`
	Code        string `cbor:"4,keyasint,omitempty"`
}

// MovedItem is an event of a queue; one of its pointers is set, or Gone.
type MovedItem struct {
	Seq         uint64                 `cbor:"1,keyasint,omitempty"`
	Number      uint64                 `cbor:"2,keyasint,omitempty"`
	Message     *tandem.Message        `cbor:"3,keyasint,omitempty"`
	Request     *tandem.Request        `cbor:"4,keyasint,omitempty"`
	Connected   *agent.DeviceConnected `cbor:"5,keyasint,omitempty"`
	Gone        bool                   `cbor:"6,keyasint,omitempty"` // DeviceDisconnected
	PeerStarted *agent.PeerStarted     `cbor:"7,keyasint,omitempty"`
	Shutdown    *agent.Shutdown        `cbor:"8,keyasint,omitempty"`
	Fetched     *agent.Fetched         `cbor:"9,keyasint,omitempty"`
	Part        *agent.FetchedPart     `cbor:"10,keyasint,omitempty"`
	Alarm       bool                   `cbor:"11,keyasint,omitempty"`
	Boot        bool                   `cbor:"12,keyasint,omitempty"`
	Handled     *agent.Handled         `cbor:"17,keyasint,omitempty"`

	MQTTConnected *agent.MQTTConnected `cbor:"13,keyasint,omitempty"`
	MQTTMessage   *agent.MQTTMessage   `cbor:"14,keyasint,omitempty"`
	MQTTDone      *agent.MQTTDone      `cbor:"15,keyasint,omitempty"`
	MQTTLost      *agent.MQTTLost      `cbor:"16,keyasint,omitempty"`
}

// MovedWait is a request that waits for the agent's answer.
type MovedWait struct {
	Number uint64        `cbor:"1,keyasint"`
	Begun  bool          `cbor:"2,keyasint,omitempty"`
	Origin tandem.Origin `cbor:"3,keyasint"`
}

// settleWait is between two looks at an agent that is in the middle of what
// cannot be moved.
const settleWait = 2 * time.Millisecond

// Export ends the life of some shards' agents on this host and returns all
// that is needed for them to go on at another. Each is stopped between two
// events, or where its program waits; a save under way, or a start, is waited
// for. From the moment of the call the shards' agents are Elsewhere. When ctx
// ends before all could be stopped the error says so; those that were are
// returned all the same, to be given to Import.
func (h *Host) Export(ctx context.Context, shards []int) ([]*Moved, error) {
	pairs := h.closeShards(shards)
	for _, p := range pairs {
		p.mu.Lock()
		p.leaving = true
		p.mu.Unlock()
	}
	var (
		mu     sync.Mutex
		all    []*Moved
		failed error
		wg     sync.WaitGroup
	)
	for _, p := range pairs {
		wg.Add(1)
		p.command(func() {
			p.leave(ctx, func(m *Moved, err error) {
				mu.Lock()
				defer mu.Unlock()
				if m != nil {
					all = append(all, m)
				}
				if err != nil {
					failed = err
				}
				wg.Done()
			})
		})
	}
	if !h.await(&wg) {
		return nil, errStopping
	}
	return all, failed
}

// leave gives the pair to left as soon as it can be moved.
func (p *pair) leave(ctx context.Context, left func(*Moved, error)) {
	switch {
	case p.state == stopped:
		left(nil, nil)
		return
	case p.state == starting, p.posts.pending > 0, p.state == live && p.result == nil && (p.machine.Saving() || p.machine.Posting()):
		if ctx.Err() != nil {
			p.stay()
			left(nil, fmt.Errorf("agent %s does not come to rest: %w", p.agent, ctx.Err()))
			return
		}
		time.AfterFunc(settleWait, func() { p.command(func() { p.leave(ctx, left) }) })
		return
	}
	m, err := p.export()
	if err != nil {
		p.stay()
		left(nil, err)
		return
	}
	p.host.mu.Lock()
	p.host.devices.CompareAndDelete(p.device, p)
	p.host.agents.CompareAndDelete(p.agent, p)
	p.host.mu.Unlock()
	left(m, nil)
}

// stay takes back what Export has done to a pair that could not leave.
func (p *pair) stay() {
	p.mu.Lock()
	p.leaving = false
	p.mu.Unlock()
	if ev := p.result; ev != nil {
		p.result = nil
		p.step(ev)
	}
}

// export returns all there is of the pair, and ends it here.
func (p *pair) export() (*Moved, error) {
	m := &Moved{
		Device: p.device, Agent: p.agent, State: uint8(p.state), Incarnation: p.incarnation,
		Reason: p.reason, Began: p.began, Started: nanos(p.started), StartAt: nanos(p.startAt), StopBy: nanos(p.stopBy),
		Crashes: p.crashes, Connected: p.connected, GraceUntil: nanos(p.graceUntil),
		Peer:      MovedPeer{p.peer.known, p.peer.boot, p.peer.incarnation, p.peer.code},
		PostsUpTo: p.posts.upTo,
	}
	switch p.state {
	case live:
		data, err := p.machine.Snapshot()
		if err != nil {
			return nil, fmt.Errorf("agent %s cannot be moved: %w", p.agent, err)
		}
		m.Packed = pack(data)
		p.host.counts.live.Add(-1)
	case frozen:
		m.Packed, m.Alarm = p.frozen, nanos(p.frozenAlarm)
		p.host.counts.frozen.Add(-1)
	case codeless:
		m.State = uint8(absent) // the other host looks for itself
	}
	m.Result = movedResult(p.result)
	if p.handling {
		it := p.current.moved()
		m.Current = &it
		p.current.letGo()
	}
	if p.mqtt != nil {
		p.lostMQTT(p.mqtt.id)
	}
	p.mu.Lock()
	m.Group, m.Address, m.Heard, m.Accepted = p.group, p.address, p.heard, p.accepted
	if p.link != nil {
		ref := p.link.Ref()
		m.Link = &ref
	}
	for _, it := range append(p.unread, p.inbox...) {
		m.Inbox = append(m.Inbox, it.moved())
		it.letGo()
	}
	waiting := p.waiting
	p.waiting, p.inbox = nil, nil
	p.mu.Unlock()
	for number, w := range waiting {
		m.Waiting = append(m.Waiting, MovedWait{number, w.begun, w.origin})
		w.finish(p.host, nil, ErrMoved)
	}
	for id, cancel := range p.fetches {
		if p.uploads[id] != nil {
			cancel() // the rest of the body is with the agent
			continue
		}
		ref := tandem.FetchRef{Node: p.host.node, Agent: p.agent, Incarnation: p.incarnation, ID: id}
		if at, ok := p.fetchedAt[id]; ok {
			ref.Node = at
		} else {
			p.host.away.Store(ref, cancel)
		}
		m.Fetches = append(m.Fetches, ref)
	}
	p.away, p.fetches, p.uploads = true, nil, nil
	p.retire()
	return m, nil
}

// letGo has whoever reads a body for the agent go on: it has its piece, and will
// have it where it goes.
func (it item) letGo() {
	if _, piece := it.event.(*agent.FetchedPart); piece && it.handled != nil {
		it.handled()
	}
}

// moved returns an item as it travels.
func (it item) moved() MovedItem {
	m := MovedItem{Seq: it.seq, Number: it.request}
	switch ev := it.event.(type) {
	case *agent.DeviceMessage:
		m.Message = &ev.Message
	case *agent.Request:
		m.Request = ev.Request
	case *agent.DeviceConnected:
		m.Connected = ev
	case *agent.DeviceDisconnected:
		m.Gone = true
	case *agent.PeerStarted:
		m.PeerStarted = ev
	case *agent.Shutdown:
		m.Shutdown = ev
	case *agent.Fetched:
		m.Fetched = ev
	case *agent.FetchedPart:
		m.Part = ev
	case *agent.MQTTConnected:
		m.MQTTConnected = ev
	case *agent.MQTTMessage:
		m.MQTTMessage = ev
	case *agent.MQTTDone:
		m.MQTTDone = ev
	case *agent.MQTTLost:
		m.MQTTLost = ev
	case *agent.Boot:
		m.Boot = true
	case *agent.Handled:
		m.Handled = ev
	case *agent.Alarm, *agent.Woken, *agent.Saved, *agent.Posted, *agent.Uploaded:
		m.Alarm = true // of which only that it is under way matters
	}
	return m
}

func (m *MovedItem) item() item {
	it := item{seq: m.Seq, request: m.Number}
	switch {
	case m.Message != nil:
		it.event = &agent.DeviceMessage{Message: *m.Message}
	case m.Request != nil:
		it.event = &agent.Request{ID: m.Number, Request: m.Request}
	case m.Connected != nil:
		it.event = m.Connected
	case m.Gone:
		it.event = &agent.DeviceDisconnected{}
	case m.PeerStarted != nil:
		it.event = m.PeerStarted
	case m.Shutdown != nil:
		it.event = m.Shutdown
	case m.Fetched != nil:
		it.event = m.Fetched
	case m.Part != nil:
		it.event = m.Part
	case m.MQTTConnected != nil:
		it.event = m.MQTTConnected
	case m.MQTTMessage != nil:
		it.event = m.MQTTMessage
	case m.MQTTDone != nil:
		it.event = m.MQTTDone
	case m.MQTTLost != nil:
		it.event = m.MQTTLost
	case m.Boot:
		it.event = &agent.Boot{}
	case m.Handled != nil:
		it.event = m.Handled
	default:
		it.event = &agent.Alarm{}
	}
	return it
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

// Import is the other half of a move.
type Import struct {
	host  *Host
	pairs []*pair
	moved []*Moved
	why   tandem.Reason
	err   error
}

// Err says why some of the agents cannot be had at the moment. They had better stay
// where they are: here they would start anew.
func (im *Import) Err() error { return im.err }

// Import makes machines of what another host has exported, but lets nothing
// happen yet. why is for the agents' logs; "" is for agents that come back to
// the host that they did not leave after all.
func (h *Host) Import(ctx context.Context, moved []*Moved, why tandem.Reason) *Import {
	h.init()
	im := &Import{host: h, moved: moved, why: why}
	for _, m := range moved {
		p, err := h.arrive(ctx, m)
		if err != nil {
			im.err = err
		}
		im.pairs = append(im.pairs, p)
	}
	return im
}

// Origins returns where answers that the agents owe are to go.
func (im *Import) Origins() (list []tandem.Origin) {
	for _, m := range im.moved {
		for _, w := range m.Waiting {
			list = append(list, w.Origin)
		}
	}
	return list
}

// Activate lets the agents go on. Their shards are open from then on.
func (im *Import) Activate(shards []int) {
	h := im.host
	for i, p := range im.pairs { // nobody knows them yet
		if ref := im.moved[i].Link; ref != nil {
			p.link = h.others.Link(*ref, p.device, p.agent)
		}
		p.commands = append(p.commands, func() { p.goOnHere(im.why) })
	}
	h.mu.Lock()
	for _, s := range shards {
		h.open[s] = true
	}
	for _, p := range im.pairs {
		h.devices.Store(p.device, p)
		h.agents.Store(p.agent, p)
	}
	h.mu.Unlock()
	for _, p := range im.pairs {
		p.mu.Lock()
		p.unlockAndRun()
	}
}

// arrive makes a pair of what has arrived.
func (h *Host) arrive(ctx context.Context, m *Moved) (p *pair, failed error) {
	p = &pair{
		host: h, device: m.Device, agent: m.Agent, group: m.Group, grouped: true, state: state(m.State), incarnation: m.Incarnation,
		reason: m.Reason, began: m.Began, started: fromNanos(m.Started), startAt: fromNanos(m.StartAt), stopBy: fromNanos(m.StopBy),
		crashes: m.Crashes, connected: m.Connected, graceUntil: fromNanos(m.GraceUntil), address: m.Address,
		peer:  peer{m.Peer.Known, m.Peer.Boot, m.Peer.Incarnation, m.Peer.Code},
		heard: m.Heard, accepted: m.Accepted, active: time.Now(), posts: posts{upTo: m.PostsUpTo},
	}
	for i := range m.Inbox {
		p.inbox = append(p.inbox, m.Inbox[i].item())
	}
	for _, w := range m.Waiting {
		if p.waiting == nil {
			p.waiting = map[uint64]*waiter{}
		}
		p.waiting[w.Number] = &waiter{origin: w.Origin, begun: w.Begun, away: true}
	}
	if len(m.Packed) == 0 {
		return p, nil
	}
	pr, err := p.program(ctx)
	if err == nil {
		err = pr.agentErr
	}
	if err != nil {
		return p.unfit(err), passing(err)
	}
	p.code = pr.agent
	p.frozen, p.frozenAlarm = m.Packed, fromNanos(m.Alarm)
	if p.state == live {
		p.frozen = nil
		if p.machine, err = p.restore(m.Packed); err != nil {
			return p.unfit(err), nil
		}
		if m.Current != nil {
			p.current, p.handling = m.Current.item(), true
		}
		if m.Result != nil {
			p.result = m.Result.event()
		}
	}
	for _, f := range m.Fetches {
		p.fetchesAt(f)
	}
	return p, nil
}

// passing returns err when it is of the moment, and not of the agent's code.
func passing(err error) error {
	if tandem.KindOf(err) == tandem.Unavailable || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// unfit is a pair whose machine cannot go on with this build, or with the code
// its group has now: it starts anew.
func (p *pair) unfit(err error) *pair {
	p.host.Logger.Warn("agent cannot go on here and starts anew", "agent", p.agent, "err", err)
	p.state, p.machine, p.frozen, p.reason = absent, nil, nil, tandem.ReasonBytecode
	return p
}

func (p *pair) fetchesAt(f tandem.FetchRef) {
	if p.fetches == nil {
		p.fetches = map[uint64]context.CancelFunc{}
	}
	if p.fetchedAt == nil {
		p.fetchedAt = map[uint64]string{}
	}
	p.fetches[f.ID] = func() { p.host.others.CancelFetch(f) }
	p.fetchedAt[f.ID] = f.Node
}

// goOnHere is the first thing a pair does on a host that it has come to.
func (p *pair) goOnHere(why tandem.Reason) {
	if !p.leased() {
		return
	}
	defer p.sendPosts()
	switch p.state {
	case live:
		p.host.counts.live.Add(1)
		for _, id := range p.machine.Uploading() {
			p.enqueue(item{event: &agent.Fetched{ID: id, Response: &tandem.Response{Status: tandem.FetchSendFailed}}})
		}
	case frozen:
		p.host.counts.frozen.Add(1)
	case absent:
		if p.reason != tandem.ReasonNone {
			p.refuseDelivered(p.reason)
			p.start(p.reason)
		}
		return
	default:
		return
	}
	if why != "" {
		p.host.counts.moves.Add(string(why), 1)
		p.log(tandem.LogStatus, fmt.Sprintf("Agent moved: %s.", why))
		p.sendSystem("sys/agent", agentMessage{Event: "moved", Reason: why, Incarnation: p.incarnation})
	}
	if ev := p.result; ev != nil && p.state == live {
		p.result = nil
		p.step(ev)
	}
	p.settle()
}

// FetchResult brings what came of an outgoing request that another node has
// made.
func (h *Host) FetchResult(f tandem.FetchRef, r *tandem.Response, part []byte) {
	x, ok := h.agents.Load(f.Agent)
	if !ok {
		return
	}
	p := x.(*pair)
	p.command(func() {
		it := item{event: &agent.FetchedPart{ID: f.ID, Data: part}}
		if r != nil {
			it.event = &agent.Fetched{ID: f.ID, Response: r}
		}
		p.fetched(f.Incarnation, f.ID, it)
	})
}

// CancelFetch ends a request that this host makes for an agent that has moved.
func (h *Host) CancelFetch(f tandem.FetchRef) {
	if cancel, ok := h.away.LoadAndDelete(f); ok {
		cancel.(context.CancelFunc)()
	}
}

// Away returns how many requests the host makes for agents that have moved.
func (h *Host) Away() (n int) {
	for range h.away.Range {
		n++
	}
	return n
}

// NodeLost tells the host that a node is gone: what it was doing for agents
// that are here now has failed, and the links of its gateway are broken.
func (h *Host) NodeLost(node string) {
	for _, p := range h.pairs() {
		p.command(func() {
			for id, at := range p.fetchedAt {
				if at == node {
					p.fetched(p.incarnation, id, item{event: &agent.Fetched{ID: id, Response: &tandem.Response{Status: tandem.FetchReceiveFailed}}})
				}
			}
		})
		p.mu.Lock()
		l := p.link
		p.mu.Unlock()
		if l != nil && l.Ref().Node == node {
			_ = h.Disconnect(context.Background(), p.device, l.Ref(), tandem.LinkEnd{Lost: true}) // the device was deleted meanwhile
		}
	}
}
