package cluster

import (
	"context"
	"sync"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/life"
)

// guests is the shell of the core of other nodes' links. While a link has messages, a
// goroutine of its own passes them to the host.
type guests struct {
	mu   sync.Mutex
	core *protocol.Guests
}

func (g *guests) step(c *Cluster, event func(g *protocol.Guests) []protocol.Effect) {
	g.carryOut(c, g.add(event))
}

// add gives the core an event, and returns its effects.
func (g *guests) add(event func(g *protocol.Guests) []protocol.Effect) []protocol.Effect {
	g.mu.Lock()
	defer g.mu.Unlock() // also when the event panics
	return event(g.core)
}

func (g *guests) carryOut(c *Cluster, effects []protocol.Effect) {
	for _, e := range effects {
		switch e.(type) {
		case protocol.Enter, protocol.Pass, protocol.Leave:
			c.apart(c.Info.ID, func() { c.serveGuest(e) })
		default:
			c.general(e)
		}
	}
}

// serveGuest passes a link's messages to the host, until there are no more.
func (c *Cluster) serveGuest(e protocol.Effect) {
	for e != nil {
		ref := guestOf(e)
		err := c.guard(ref.Node, func() error { return c.perform(e) })
		effects := c.guests.add(func(g *protocol.Guests) []protocol.Effect { return g.Done(ref, failureOf(err)) })
		e = nil
		for _, next := range effects {
			switch next.(type) {
			case protocol.Enter, protocol.Pass, protocol.Leave:
				e = next
			default:
				c.general(next)
			}
		}
	}
}

// guestOf returns the link that an effect is for.
func guestOf(e protocol.Effect) (ref tandem.LinkRef) {
	switch e := e.(type) {
	case protocol.Enter:
		ref = e.Ref
	case protocol.Pass:
		ref = e.Ref
	case protocol.Leave:
		ref = e.Ref
	}
	return ref
}

func (c *Cluster) perform(e protocol.Effect) error {
	ctx := context.Background() // the host limits the time of each of these
	switch e := e.(type) {
	case protocol.Enter:
		return c.enterGuest(e)
	case protocol.Pass:
		handled := func() { c.say(e.Run, &protocol.Ack{ID: e.Ref.ID, Seq: e.Seq}) }
		return c.Host.FromDevice(ctx, e.Device, e.Ref, e.Seq, e.Topic, e.Message, handled)
	case protocol.Leave:
		return c.Host.Disconnect(ctx, e.Device, e.Ref, e.End)
	}
	panic("cluster: an effect of Guests is not carried out")
}

// enterGuest introduces a link. Its epoch is the one since which the pair is here: the link
// refuses messages with the epoch of its Open as those of an earlier owner if the shard was
// opened here later. If it is opened later still, the link introduces itself once more.
func (c *Cluster) enterGuest(e protocol.Enter) error {
	l := &remoteLink{c: c, ref: e.Ref, run: e.Run, device: e.Device}
	here := func() tandem.Link {
		l.epoch = max(e.Epoch, c.held(e.Shard))
		return l
	}
	in := life.Introduction{Next: e.Next, Born: e.Born, Again: e.Again}
	err := c.enter(e.Device, here, in, e.Address, e.Hello)
	if err == nil && c.held(e.Shard) > l.epoch {
		err = life.ErrElsewhere
	}
	return err
}

// held returns the epoch since which a shard is open here.
func (c *Cluster) held(shard int) (epoch int64) {
	c.moves.look(func(m *protocol.Moves) { epoch = m.Held(shard) })
	return epoch
}

// fromGateway handles a message of another node's gateway about a link, or about all it had.
func (c *Cluster) fromGateway(from protocol.Peer, m protocol.Message) {
	if m, ok := m.(*protocol.Open); ok {
		c.exists(from, m.Version)
	}
	c.guests.step(c, func(g *protocol.Guests) []protocol.Effect {
		switch m := m.(type) {
		case *protocol.Open:
			return g.Opened(from, m)
		case *protocol.Publish:
			return g.Published(from, m)
		case *protocol.Close:
			return g.Closed(from, m)
		case *protocol.Gone:
			return g.Gone(from, m)
		case *protocol.Settled:
			g.Settled(from)
		}
		return nil
	})
}

// remoteLink is a link of another node's gateway, for this node's host.
type remoteLink struct {
	c      *Cluster
	ref    tandem.LinkRef
	run    protocol.Peer // run whose gateway has the link
	device tandem.DeviceID
	epoch  int64 // of the shard when this node became its owner
}

func (l *remoteLink) Send(topic string, m tandem.Message) bool {
	return l.c.tell(l.run, &protocol.Send{ID: l.ref.ID, Device: l.device, Epoch: l.epoch, Topic: topic, Message: m}) == nil
}

func (l *remoteLink) Close(why string) {
	l.c.say(l.run, &protocol.End{ID: l.ref.ID, Epoch: l.epoch, Why: why})
}

func (l *remoteLink) Ref() tandem.LinkRef { return l.ref }

// Link returns the link of a pair that has moved here. The host calls it.
func (c *Cluster) Link(ref tandem.LinkRef, device tandem.DeviceID, agent tandem.AgentID) tandem.Link {
	shard := c.shardOf(agent)
	epoch := max(c.table().Route(shard).Epoch, c.held(shard))
	if ref.Node == c.Info.ID {
		if s := c.links.get(ref.ID); s != nil {
			return &localLink{s, epoch}
		}
		return goneLink{ref}
	}
	c.guests.mu.Lock()
	run, ok := c.guests.core.Run(ref)
	c.guests.mu.Unlock()
	if !ok {
		return goneLink{ref}
	}
	return &remoteLink{c: c, ref: ref, run: run, device: device, epoch: epoch}
}

// goneLink is a link that ended while its pair moved. Its gateway will tell the host.
type goneLink struct{ ref tandem.LinkRef }

func (goneLink) Send(string, tandem.Message) bool { return false }
func (goneLink) Close(string)                     {}
func (l goneLink) Ref() tandem.LinkRef            { return l.ref }
