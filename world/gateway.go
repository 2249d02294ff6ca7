package world

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/mqtt"
)

// conn is a device's connection at a node: its session, and its link to the pair.
type conn struct {
	n      *node
	d      *device
	dialed uint64 // the device's number for it
	id     uint64 // the node's number for its link

	session session.Session
	in      []byte
	busy    bool
	ended   bool // the session is over and its owner told
	endedAt time.Duration
	deaf    bool // it does not hear that the device has hung up
	out     flow // to the device
	tickAt  time.Duration

	link    *protocol.Link // nil before the device is known
	handled map[uint64]func()
	tells   []protocol.Tell
	telling bool
	linkAt  time.Duration
	opened  rate // introductions
}

// flow is one direction of a connection: bytes arrive in their order.
type flow struct {
	last   time.Duration
	silent time.Duration // nothing arrives before
}

// at returns when what is sent now arrives.
func (f *flow) at(w *World, delay time.Duration) time.Duration {
	f.last = max(w.now+delay, f.last, f.silent)
	return f.last
}

// connect takes a connection of a device.
func (n *node) connect(d *device, dialed uint64) *conn {
	c := &conn{n: n, d: d, dialed: dialed, id: n.number(), handled: map[uint64]func(){}}
	c.session = session.New(&n.sessions, n.now())
	n.conns[c.id] = c
	c.setTimer()
	return c
}

func (c *conn) ref() tandem.LinkRef { return tandem.LinkRef{Node: c.n.name, ID: c.id} }

// receive takes bytes of the device.
func (c *conn) receive(data []byte) {
	c.in = append(c.in, data...)
	c.take()
}

// take has the session take what has come, ask what it asks, and say what it says.
func (c *conn) take() {
	if c.busy || c.ended {
		return
	}
	c.busy = true
	for again := true; again && !c.session.Leaving() && !c.session.Full(); {
		var n int
		n, again = c.session.Feed(c.n.now(), c.in)
		c.in = c.in[n:]
		c.ask()
	}
	c.busy = false
	c.settle()
}

// settle writes what there is to say, and ends a session that is over.
func (c *conn) settle() {
	if c.busy || c.ended {
		return
	}
	c.flush()
	if c.session.Leaving() {
		c.finish()
		return
	}
	c.setTimer()
}

func (c *conn) flush() {
	for {
		out := c.session.Output(nil)
		if len(out) == 0 {
			return
		}
		c.session.Written(c.n.now().Mono, nil)
		c.d.hear(c, out)
	}
}

func (c *conn) finish() {
	c.ended, c.endedAt = true, c.n.w.now
	c.session.Closed(c.n.now())
	c.ask()
	c.session.Notices()
	if c.n.of[c.d.home.ID] == c {
		delete(c.n.of, c.d.home.ID)
	}
	if c.link == nil {
		delete(c.n.conns, c.id)
	}
	c.d.closed(c)
}

// reset ends the connection because the node's process has ended.
func (c *conn) reset() {
	c.ended = true
	c.d.closed(c)
}

// ask asks what the session asks.
func (c *conn) ask() {
	var q session.Question
	for c.session.Next(&q) {
		switch q.Kind {
		case session.Authenticate:
			c.session.Authenticated(nil)
		case session.Connect:
			if q.Stamp != 0 {
				c.n.clock.Observe(q.Stamp)
			}
			c.introduce(&q)
		case session.Deliver:
			if q.Stamp != 0 {
				c.n.clock.Observe(q.Stamp)
			}
			c.publish(q.Seq, q.Topic, q.Message)
		case session.Disconnect:
			if c.link != nil {
				c.finishLink(c.link.Close(q.End))
			}
		}
	}
	c.session.Notices()
}

// introduce makes the link of a device that is known now. An older connection of it
// at this node is ended.
func (c *conn) introduce(q *session.Question) {
	n := c.n
	if old := n.of[q.Device]; old != nil && old != c {
		old.session.End(mqtt.SessionTakenOver, "a newer connection of the device has taken over", "")
		n.after(0, old.settle)
	}
	n.of[q.Device] = c
	if n.table == nil || !n.reachable() {
		c.session.Connected(n.now(), errAway)
		return
	}
	agent := c.d.home.Agent
	c.link = protocol.NewLink(protocol.LinkConfig{
		Ref: c.ref(), Device: q.Device, Agent: agent, Shard: n.shardOf(agent), Address: "192.0.2.1", Next: q.Seq,
		Born: n.clock.Now(),
	})
	n.mistake(c.link)
	n.w.moment("link", n)
	c.session.Connected(n.now(), nil)
	c.bind()
}

func (c *conn) publish(seq uint64, topic string, m tandem.Message) {
	effects, err := c.link.Publish(seq, topic, m)
	if err == nil {
		c.handled[seq] = func() {
			c.session.Handled(c.n.now().Mono, seq)
			c.n.after(0, c.take)
		}
	}
	c.session.Taken(seq, err)
	c.finishLink(effects)
}

func (c *conn) bind()  { c.finishLink(c.link.Bind(c.n.now(), c.n.table)) }
func (c *conn) again() { c.finishLink(c.link.Again(c.n.now(), c.n.table)) }

// returned introduces the link once more to its pair, which the node owns again.
func (c *conn) returned() {
	c.carryOut(c.link.Astray(c.n.now(), c.n.self))
	c.again()
}

// toLink brings an event to a link of the node.
func (n *node) toLink(id uint64, event func(c *conn) []protocol.Effect) {
	if c := n.conns[id]; c != nil && c.link != nil {
		c.carryOut(event(c))
	}
}

// finishLink carries effects of the link out, and tells its owner what there is to tell.
func (c *conn) finishLink(effects []protocol.Effect) {
	c.carryOut(effects)
	if c.telling {
		return
	}
	c.telling = true
	for len(c.tells) > 0 {
		e := c.tells[0]
		c.tells = c.tells[1:]
		if !c.tell(e) {
			c.carryOut(c.link.Astray(c.n.now(), e.To))
		}
	}
	c.telling = false
}

// carryOut does what does not wait, and notes the rest for finishLink.
func (c *conn) carryOut(effects []protocol.Effect) {
	if c.link.Unbound() {
		c.tells = nil
	}
	for _, e := range effects {
		switch e := e.(type) {
		case protocol.Tell:
			c.tells = append(c.tells, e)
		case protocol.Handled:
			if handled := c.handled[e.Seq]; handled != nil {
				delete(c.handled, e.Seq)
				handled()
			}
		case protocol.Cut:
			c.close(e.Why)
		case protocol.Over:
			delete(c.n.conns, c.id)
		default:
			c.n.general(e)
		}
	}
	if at, ok := c.link.Deadline(); ok && (c.linkAt == 0 || at < c.linkAt) {
		c.linkAt = max(at, 1)
		c.n.after(max(0, at-c.n.now().Mono), func() {
			c.linkAt = 0
			c.finishLink(c.link.Tick(c.n.now(), c.n.table))
		})
	}
}

// tell tells the owner something; false says that it has not been taken.
func (c *conn) tell(e protocol.Tell) bool {
	n, device := c.n, c.d.home.ID
	c.watchOpened(e.Message)
	if e.To.Node != n.name {
		return n.tell(e.To, e.Message)
	}
	switch m := e.Message.(type) {
	case *protocol.Open:
		in := life.Introduction{Next: m.Next, Born: m.Born, Again: m.Again}
		err := n.enter(device, &local{c, c.link.BoundBy()}, in, m.Address, m.Hello)
		if why, ends := protocol.EndsLink(failureOf(err)); ends {
			c.close(why)
			return true
		}
		return err == nil
	case *protocol.Publish:
		seq := m.Seq
		return n.fromDevice(device, c.ref(), seq, m.Topic, m.Message, func() { c.carryOut(c.link.Acknowledged(seq)) }) == nil
	case *protocol.Close:
		err := n.disconnect(device, c.ref(), tandem.LinkEnd{Clean: m.Clean, Lost: m.Lost})
		if f := failureOf(err); f != nil && f.Fate == protocol.Elsewhere {
			return false
		}
		c.carryOut(c.link.Heard(e.To, m.Lost))
	}
	return true
}

// deliver gives the device a message of an owner with an epoch.
func (c *conn) deliver(from protocol.Peer, epoch int64, topic string, m tandem.Message) bool {
	effects := c.link.Deliver(epoch, topic, m)
	if len(effects) == 1 {
		if h, ok := effects[0].(protocol.Hand); ok {
			sent := c.Send(h.Topic, h.Message)
			if !sent {
				c.link.Unsent(h.Message)
			}
			return sent
		}
	}
	c.watchRefused(from, effects)
	c.carryOut(effects)
	return false
}

// Send gives the device a message.
func (c *conn) Send(topic string, m tandem.Message) bool {
	if c.ended {
		return false
	}
	m.Data = slices.Clone(m.Data)
	ok, _ := c.session.Send(topic, m)
	c.n.after(0, c.settle)
	return ok
}

// close ends the connection.
func (c *conn) close(why string) {
	if !c.ended {
		c.session.End(mqtt.AdministrativeAction, why, "")
		c.n.after(0, c.settle)
	}
}

func (c *conn) setTimer() {
	at, ok := c.session.Deadline()
	if !ok || c.tickAt != 0 && c.tickAt <= at {
		return
	}
	c.tickAt = max(at, 1)
	c.n.after(max(0, at-c.n.now().Mono), func() {
		c.tickAt = 0
		if !c.ended {
			c.session.Tick(c.n.now())
			c.settle()
		}
	})
}

// local is a link of this node's gateway as its own host sees it.
type local struct {
	c     *conn
	epoch int64
}

func (l *local) Ref() tandem.LinkRef { return l.c.ref() }
func (l *local) Send(topic string, m tandem.Message) bool {
	return l.c.deliver(l.c.n.self, l.epoch, topic, m)
}
func (l *local) Close(why string) { l.c.close(why) }
