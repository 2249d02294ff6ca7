package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/mesh"
)

// link is a device's connection at this node's gateway, and its way to the
// pair, wherever that is. What the device has published is kept until it has
// been handled; when the pair moves, or its node is lost, the link turns to the
// new owner and sends again what has not been: the new owner knows what it has
// had already.
type link struct {
	c       *Cluster
	id      uint64
	device  tandem.DeviceID
	agent   tandem.AgentID
	address string
	out     tandem.Link // the gateway's

	epoch atomic.Int64 // of the owner that the link is bound to; what an earlier one still says is not believed

	sending  sync.Mutex // held while something is sent to the owner: it keeps the order
	mu       sync.Mutex
	bound    bool
	owner    mesh.Peer
	patience time.Duration // before the next attempt to bind
	seq      uint64
	unacked  []published
	closed   bool
	end      tandem.LinkEnd
}

// published is a message of the device that has not been handled.
type published struct {
	seq     uint64
	topic   string
	message tandem.Message
	handled func()
}

// links are those of the node's gateway.
type links struct {
	mu   sync.Mutex
	byID map[uint64]*link
}

func (l *links) add(s *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = map[uint64]*link{}
	}
	l.byID[s.id] = s
}

func (l *links) get(id uint64) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[id]
}

func (l *links) remove(s *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, s.id)
}

func (l *links) all() []*link {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*link, 0, len(l.byID))
	for _, s := range l.byID {
		all = append(all, s)
	}
	return all
}

// Connect says that a device has a link at this node's gateway.
func (c *Cluster) Connect(ctx context.Context, id tandem.DeviceID, out tandem.Link, next uint64, address string) error {
	d, err := c.Store.Device(ctx, id)
	if err != nil {
		return err
	}
	s := &link{c: c, id: out.Ref().ID, seq: next - 1, device: id, agent: d.Agent, address: address, out: out}
	c.links.add(s)
	s.rebind()
	return nil
}

// FromDevice takes a message that a device of this node's gateway has
// published. handled is called when it may be acknowledged.
//
// An error says that the link is not known any more: the device must connect again.
func (c *Cluster) FromDevice(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, seq uint64, topic string, m tandem.Message, handled func()) error {
	s := c.links.get(ref.ID)
	if s == nil {
		return errNoLink
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	s.seq = seq
	p := published{seq, topic, m, handled}
	s.unacked = append(s.unacked, p)
	bound, owner := s.bound, s.owner
	s.mu.Unlock()
	if bound && !s.pass(owner, p) {
		s.unbind(owner)
	}
	return nil
}

var errNoLink = tandem.Errorf(tandem.Unavailable, "the connection to the agent was broken; connect again")

// Disconnect says that a link is no more.
func (c *Cluster) Disconnect(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, end tandem.LinkEnd) error {
	s := c.links.get(ref.ID)
	if s == nil {
		return nil
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	s.closed, s.end = true, end
	bound, owner := s.bound, s.owner
	s.mu.Unlock()
	if bound && !s.sayClosed(owner) {
		s.unbind(owner)
	}
	return nil
}

func (s *link) Ref() tandem.LinkRef { return tandem.LinkRef{Node: s.c.Info.ID, ID: s.id} }

func (s *link) isBound() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}

// unbind notes that the owner is none any more, or not yet. The next table that
// knows better binds the link again, or the next attempt.
func (s *link) unbind(owner mesh.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner != owner || !s.bound {
		return
	}
	s.bound = false
	s.patience = min(max(2*s.patience, minRebind), maxRebind)
	time.AfterFunc(s.patience, s.rebind)
	s.c.look()
}

// Between two attempts to bind a link.
const (
	minRebind = 10 * time.Millisecond
	maxRebind = time.Second
)

// rebind turns the link to whoever has the pair now.
func (s *link) rebind() {
	s.sending.Lock()
	defer s.sending.Unlock()
	t := s.c.table.Load()
	r := t.route(s.agent)
	peer, known := t.peer(r.owner)
	s.mu.Lock()
	if s.bound && s.owner == peer && s.epoch.Load() == r.epoch {
		s.mu.Unlock()
		return
	}
	s.bound = known
	s.owner = peer
	s.epoch.Store(r.epoch)
	unacked, closed, next := slices.Clone(s.unacked), s.closed, s.seq+1
	if len(unacked) > 0 {
		next = unacked[0].seq
	}
	s.mu.Unlock()
	if !known {
		return
	}
	if !closed && !s.sayOpen(peer, r.epoch, next) {
		s.unbind(peer)
		return
	}
	for _, p := range unacked {
		if !s.pass(peer, p) {
			s.unbind(peer)
			return
		}
	}
	if closed && !s.sayClosed(peer) {
		s.unbind(peer)
	}
}

func (s *link) sayOpen(owner mesh.Peer, epoch int64, next uint64) bool {
	if owner.Node != s.c.Info.ID {
		return s.c.send(owner, kindOpen, &openMessage{Ref: s.Ref(), Device: s.device, Agent: s.agent, Address: s.address, Next: next}) == nil
	}
	err := s.c.Host.Connect(context.Background(), s.device, &localLink{s, epoch}, next, s.address)
	if tandem.KindOf(err) == tandem.NotFound && !errors.Is(err, host.ErrElsewhere) {
		s.out.Close("the device has been deleted")
		return true
	}
	return err == nil
}

// pass gives the owner one message; false says that the owner is none.
func (s *link) pass(owner mesh.Peer, p published) bool {
	if owner.Node != s.c.Info.ID {
		return s.c.send(owner, kindMessage, &messageMessage{Ref: s.Ref(), Device: s.device, Seq: p.seq, Topic: p.topic, Message: p.message}) == nil
	}
	err := s.c.Host.FromDevice(context.Background(), s.device, s.Ref(), p.seq, p.topic, p.message, func() { s.acknowledged(p.seq) })
	return err == nil
}

func (s *link) sayClosed(owner mesh.Peer) bool {
	if owner.Node != s.c.Info.ID {
		s.mu.Lock()
		end := s.end
		s.mu.Unlock()
		return s.c.send(owner, kindClose, &closeMessage{Ref: s.Ref(), Device: s.device, Agent: s.agent, Clean: end.Clean, Lost: end.Lost}) == nil
	}
	if errors.Is(s.c.Host.Disconnect(context.Background(), s.device, s.Ref(), s.end), host.ErrElsewhere) {
		return false
	}
	s.c.links.remove(s)
	return true
}

// acknowledged notes that a message has been handled.
func (s *link) acknowledged(seq uint64) {
	s.mu.Lock()
	i := slices.IndexFunc(s.unacked, func(p published) bool { return p.seq == seq })
	if i < 0 {
		s.mu.Unlock()
		return
	}
	handled := s.unacked[i].handled
	s.patience = 0
	s.unacked = slices.Delete(s.unacked, i, i+1)
	s.mu.Unlock()
	handled()
}

// deliver gives the device a message of an owner with an epoch. What an owner
// says that is not the pair's any more is not believed: if it is not known
// that it would have been said all the same, the device has to begin anew.
func (s *link) deliver(epoch int64, topic string, m tandem.Message) bool {
	if epoch < s.epoch.Load() {
		s.out.Close("the connection to the agent was broken")
		return false
	}
	return s.out.Send(topic, m)
}

// localLink is a link as this node's host sees it.
type localLink struct {
	s     *link
	epoch int64
}

func (l *localLink) Send(topic string, m tandem.Message) bool { return l.s.deliver(l.epoch, topic, m) }
func (l *localLink) Close(why string)                         { l.s.out.Close(why) }
func (l *localLink) Ref() tandem.LinkRef                      { return l.s.Ref() }

// remoteLink is a link at another node's gateway.
type remoteLink struct {
	c      *Cluster
	ref    tandem.LinkRef
	device tandem.DeviceID
	epoch  int64 // of the shard when this node got it
}

func (l *remoteLink) Send(topic string, m tandem.Message) bool {
	return l.c.toNode(l.ref.Node, kindSend, &sendMessage{ID: l.ref.ID, Device: l.device, Epoch: l.epoch, Topic: topic, Message: m})
}

func (l *remoteLink) Close(why string) {
	l.c.toNode(l.ref.Node, kindEnd, &endMessage{ID: l.ref.ID, Epoch: l.epoch, Why: why})
}

func (l *remoteLink) Ref() tandem.LinkRef { return l.ref }

// Link is for the host: the link of a pair that has come to it.
func (c *Cluster) Link(ref tandem.LinkRef, device tandem.DeviceID, agent tandem.AgentID) tandem.Link {
	epoch := c.table.Load().route(agent).epoch
	if ref.Node != c.Info.ID {
		return &remoteLink{c, ref, device, epoch}
	}
	if s := c.links.get(ref.ID); s != nil {
		return &localLink{s, epoch}
	}
	return goneLink{ref}
}

// goneLink is a link that ended while its pair moved. Whoever ended it tells
// the host.
type goneLink struct{ ref tandem.LinkRef }

func (goneLink) Send(string, tandem.Message) bool { return false }
func (goneLink) Close(string)                     {}
func (l goneLink) Ref() tandem.LinkRef            { return l.ref }

// guests are the links of other nodes' gateways whose pairs are here, each
// with what it has sent and has not been looked at: one goroutine a link keeps
// the order, and none waits for another link's agent.
type guests struct {
	mu    sync.Mutex
	queue map[tandem.LinkRef][]func()
}

func (g *guests) run(ref tandem.LinkRef, f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queue == nil {
		g.queue = map[tandem.LinkRef][]func(){}
	}
	q, busy := g.queue[ref]
	g.queue[ref] = append(q, f)
	if !busy {
		go g.work(ref)
	}
}

func (g *guests) work(ref tandem.LinkRef) {
	for {
		g.mu.Lock()
		q := g.queue[ref]
		if len(q) == 0 {
			delete(g.queue, ref)
			g.mu.Unlock()
			return
		}
		g.queue[ref] = q[1:]
		g.mu.Unlock()
		q[0]()
	}
}

func (c *Cluster) guestOpen(from mesh.Peer, m *openMessage) {
	if peer, known := c.table.Load().peer(m.Ref.Node); !known || peer != from {
		// It has only just joined, and nothing could be said to it yet: what the
		// pair has to say, and that it has handled something, would be lost.
		c.reply(from, kindAstray, &linkMessage{Ref: m.Ref, Device: m.Device})
		c.look()
		return
	}
	l := &remoteLink{c, m.Ref, m.Device, c.table.Load().route(m.Agent).epoch}
	err := c.Host.Connect(context.Background(), m.Device, l, m.Next, m.Address)
	switch {
	case errors.Is(err, host.ErrElsewhere):
		c.toNode(m.Ref.Node, kindAstray, &linkMessage{Ref: m.Ref, Device: m.Device})
	case tandem.KindOf(err) == tandem.NotFound:
		l.Close("the device has been deleted")
	case err != nil:
		c.logger.Warn("a device's link is not taken", "device", m.Device, "err", err)
		c.toNode(m.Ref.Node, kindAstray, &linkMessage{Ref: m.Ref, Device: m.Device})
	}
}

func (c *Cluster) guestMessage(m *messageMessage) {
	err := c.Host.FromDevice(context.Background(), m.Device, m.Ref, m.Seq, m.Topic, m.Message, func() {
		c.toNode(m.Ref.Node, kindAck, &ackMessage{ID: m.Ref.ID, Seq: m.Seq})
	})
	if err != nil {
		c.toNode(m.Ref.Node, kindAstray, &linkMessage{Ref: m.Ref, Device: m.Device})
	}
}

func (c *Cluster) guestClose(m *closeMessage) {
	end := tandem.LinkEnd{Clean: m.Clean, Lost: m.Lost}
	if errors.Is(c.Host.Disconnect(context.Background(), m.Device, m.Ref, end), host.ErrElsewhere) {
		c.toNode(m.Ref.Node, kindAstray, &linkMessage{Ref: m.Ref, Device: m.Device})
		return
	}
	c.toNode(m.Ref.Node, kindClosed, &linkMessage{Ref: m.Ref, Device: m.Device})
}
