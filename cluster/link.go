package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/life"
)

// link is a device's connection at this node's gateway. Its core decides. One goroutine
// at a time sends messages to the pair's owner, which keeps their order. It does not
// hold the lock, because the owner may be this node's host, which runs the agent.
type link struct {
	c   *Cluster
	out tandem.Link // the gateway's
	linkState
}

// linkState is what events change of a link, under its lock.
type linkState struct {
	mu      sync.Mutex
	core    *protocol.Link
	waiting []acknowledgement // ordered by number
	tells   []protocol.Tell
	telling bool
	timer   *time.Timer
}

// acknowledgement is the function to call when a message has been handled.
type acknowledgement struct {
	seq     uint64
	handled func()
}

// links are the links of this node's gateway, by number.
type links struct {
	mu   sync.Mutex
	byID map[uint64]*link
}

func (l *links) add(s *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byID[s.core.Ref.ID] = s
}

func (l *links) get(id uint64) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[id]
}

func (l *links) remove(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, id)
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

// follow binds the links to the owners in a new table.
func (l *links) follow(t *protocol.Table) {
	for _, s := range l.all() {
		s.mu.Lock()
		stale := s.core.Stale(t)
		s.mu.Unlock()
		if stale {
			s.c.apart(s.c.Info.ID, s.bind)
		}
	}
}

// Connect adds a device's link at this node's gateway. next is the number of the first
// message on it.
func (c *Cluster) Connect(ctx context.Context, id tandem.DeviceID, out tandem.Link, next uint64, address string) error {
	d, err := c.Store.Device(ctx, id)
	if err != nil {
		return err
	}
	s := &link{c: c, out: out, linkState: linkState{core: protocol.NewLink(protocol.LinkConfig{
		Ref: out.Ref(), Device: id, Agent: d.Agent, Shard: c.shardOf(d.Agent), Address: address, Next: next,
		Born: c.Clock.Now(),
	})}}
	c.links.add(s)
	s.bind()
	return nil
}

// FromDevice takes a message that a device of this node's gateway has published.
// handled is called when it may be acknowledged. After an error the message was not
// taken: the link no longer exists, and the device must connect again.
func (c *Cluster) FromDevice(
	ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef,
	seq uint64, topic string, m tandem.Message, handled func(),
) error {
	s := c.links.get(ref.ID)
	if s == nil {
		return errNoLink
	}
	var effects []protocol.Effect
	var err error
	s.event(func(l *protocol.Link) []protocol.Effect {
		effects, err = l.Publish(seq, topic, m)
		return nil
	})
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.waiting = append(s.waiting, acknowledgement{seq, handled})
	s.finish(effects)
	return nil
}

var errNoLink = tandem.Errorf(tandem.NotFound, "the link has ended; connect again")

// Disconnect ends a link of this node's gateway.
func (c *Cluster) Disconnect(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, end tandem.LinkEnd) error {
	if s := c.links.get(ref.ID); s != nil {
		s.finish(s.event(func(l *protocol.Link) []protocol.Effect { return l.Close(end) }))
	}
	return nil
}

// bind binds the link to the owner in the table.
func (s *link) bind() {
	t := s.c.table()
	s.finish(s.event(func(l *protocol.Link) []protocol.Effect { return l.Bind(s.c.now(), t) }))
}

// tick makes the next attempt to bind.
func (s *link) tick() {
	t := s.c.table()
	s.finish(s.event(func(l *protocol.Link) []protocol.Effect { return l.Tick(s.c.now(), t) }))
}

// abandoned has the link repeat to its owner what this node's last run may not have sent.
func (s *link) abandoned() {
	s.carryOut(s.event(func(l *protocol.Link) []protocol.Effect { return l.Abandoned(s.c.now()) }))
}

// again repeats a failed attempt to bind at once, because the pair has moved here.
func (s *link) again() {
	t := s.c.table()
	s.finish(s.event(func(l *protocol.Link) []protocol.Effect { return l.Again(s.c.now(), t) }))
}

// event takes the lock, gives the core an event, and returns its effects. Only a panic
// releases the lock; otherwise the caller does, with carryOut or finish.
func (s *link) event(f func(l *protocol.Link) []protocol.Effect) []protocol.Effect {
	s.mu.Lock()
	ok := false
	defer func() {
		if !ok {
			s.mu.Unlock()
		}
	}()
	effects := f(s.core)
	ok = true
	return effects
}

// returned introduces the link once more to its pair, which this node owns again.
func (s *link) returned(self protocol.Peer) {
	s.mu.Lock()
	s.carryOut(s.core.Astray(s.c.now(), self))
	s.again()
}

// finish carries out effects and releases the lock. It may run the agent.
func (s *link) finish(effects []protocol.Effect) {
	s.carryOut(effects)
	s.mu.Lock()
	if s.telling {
		s.mu.Unlock()
		return
	}
	s.telling = true
	for len(s.tells) > 0 {
		e := s.tells[0]
		s.tells = s.tells[1:]
		s.mu.Unlock()
		ok := s.tell(e)
		s.mu.Lock()
		if !ok {
			s.carryOut(s.core.Astray(s.c.now(), e.To))
			s.mu.Lock()
		}
	}
	s.tells, s.telling = nil, false
	s.mu.Unlock()
}

// carryOut carries out the effects that do not wait, queues the others for finish, and
// releases the lock.
func (s *link) carryOut(effects []protocol.Effect) {
	var after []func()
	if s.core.Unbound() {
		s.tells = nil // they all belong to the failed attempt
	}
	for _, e := range effects {
		switch e := e.(type) {
		case protocol.Tell:
			s.tells = append(s.tells, e)
		case protocol.Handled:
			if handled := s.handled(e.Seq); handled != nil {
				after = append(after, handled)
			}
		case protocol.Cut:
			after = append(after, func() { s.out.Close(e.Why) })
		case protocol.Over:
			after = append(after, func() { s.c.links.remove(s.core.Ref.ID) })
		default:
			after = append(after, func() { s.c.general(e) })
		}
	}
	s.setTimer()
	s.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// setTimer sets the timer to the core's deadline. The lock is held.
func (s *link) setTimer() {
	at, ok := s.core.Deadline()
	switch wait := at - s.c.now().Mono; {
	case !ok && s.timer != nil:
		s.timer.Stop()
	case !ok:
	case s.timer == nil:
		s.timer = time.AfterFunc(max(wait, 0), func() { s.c.guarded(s.c.Info.ID, s.tick) })
	default:
		s.timer.Reset(max(wait, 0))
	}
}

// handled removes the function to call for a message from the list, and returns it.
func (s *link) handled(seq uint64) func() {
	i := slices.IndexFunc(s.waiting, func(a acknowledgement) bool { return a.seq == seq })
	if i < 0 {
		return nil
	}
	f := s.waiting[i].handled
	s.waiting = slices.Delete(s.waiting, i, i+1)
	return f
}

// tell sends the owner a message. It returns false when the owner did not take it.
func (s *link) tell(e protocol.Tell) bool {
	if e.To.Node != s.c.Info.ID {
		return s.c.tell(e.To, e.Message) == nil
	}
	ctx := context.Background()
	device, ref := s.core.Device, s.core.Ref
	switch m := e.Message.(type) {
	case *protocol.Open:
		in := life.Introduction{Next: m.Next, Born: m.Born, Again: m.Again}
		err := s.c.enter(device, s.local, in, m.Address, m.Hello)
		if why, ends := protocol.EndsLink(failureOf(err)); ends {
			s.out.Close(why)
			return true
		}
		return err == nil
	case *protocol.Publish:
		return s.c.Host.FromDevice(ctx, device, ref, m.Seq, m.Topic, m.Message, func() { s.acknowledged(m.Seq) }) == nil
	case *protocol.Close:
		err := s.c.Host.Disconnect(ctx, device, ref, tandem.LinkEnd{Clean: m.Clean, Lost: m.Lost})
		if err != nil && failureOf(err).Fate == protocol.Elsewhere {
			return false
		}
		s.carryOut(s.event(func(l *protocol.Link) []protocol.Effect { return l.Heard(e.To, m.Lost) }))
	}
	return true
}

// local returns the link for this node's host, which has the pair.
func (s *link) local() tandem.Link {
	s.mu.Lock()
	epoch := s.core.BoundBy()
	s.mu.Unlock()
	return &localLink{s, max(epoch, s.c.held(s.core.Shard))}
}

// enter gives the host a link, with the device's last hello on it, which a host that has
// taken the pair over from a lost node has not received.
func (c *Cluster) enter(
	device tandem.DeviceID, link func() tandem.Link, in life.Introduction, address string, hello []byte,
) error {
	err := c.Host.Introduce(context.Background(), device, link, in, address)
	if err == nil && hello != nil {
		c.Host.Remind(device, hello)
	}
	return err
}

func (s *link) acknowledged(seq uint64) {
	s.carryOut(s.event(func(l *protocol.Link) []protocol.Effect { return l.Acknowledged(seq) }))
}

// deliver sends the device a message of an owner, which has the epoch. It reports
// whether the gateway accepted it.
func (s *link) deliver(epoch int64, topic string, m tandem.Message) bool {
	effects := s.event(func(l *protocol.Link) []protocol.Effect { return l.Deliver(epoch, topic, m) })
	if len(effects) == 1 {
		if h, ok := effects[0].(protocol.Hand); ok { // the usual case
			defer s.mu.Unlock() // only then, so that owners do not overtake each other
			sent := s.out.Send(h.Topic, h.Message)
			if !sent {
				s.core.Unsent(h.Message)
			}
			return sent
		}
	}
	s.carryOut(effects)
	return false
}

// fromOwner handles a message of an owner on another node about a link.
func (c *Cluster) fromOwner(from protocol.Peer, m protocol.Message) {
	var id uint64
	var event func(l *protocol.Link) []protocol.Effect
	switch m := m.(type) {
	case *protocol.Send:
		c.toDevice(from, m)
		return
	case *protocol.End:
		id, event = m.ID, func(l *protocol.Link) []protocol.Effect { return l.End(from, m.Epoch, m.Why) }
	case *protocol.Ack:
		id, event = m.ID, func(l *protocol.Link) []protocol.Effect { return l.Acknowledged(m.Seq) }
	case *protocol.Closed:
		id, event = m.ID, func(l *protocol.Link) []protocol.Effect { return l.Heard(from, m.Lost) }
	case *protocol.Astray:
		id, event = m.ID, func(l *protocol.Link) []protocol.Effect { return l.Astray(c.now(), from) }
	}
	if s := c.links.get(id); s != nil {
		s.carryOut(s.event(event))
	}
}

func (c *Cluster) toDevice(from protocol.Peer, m *protocol.Send) {
	if s := c.links.get(m.ID); s != nil {
		s.deliver(m.Epoch, m.Topic, m.Message)
		return
	}
	c.say(from, &protocol.Gone{ID: m.ID, Device: m.Device})
}

// localLink is a link of this node's gateway, for its own host.
type localLink struct {
	s     *link
	epoch int64
}

func (l *localLink) Send(topic string, m tandem.Message) bool { return l.s.deliver(l.epoch, topic, m) }
func (l *localLink) Close(why string)                         { l.s.out.Close(why) }
func (l *localLink) Ref() tandem.LinkRef                      { return l.s.out.Ref() }
