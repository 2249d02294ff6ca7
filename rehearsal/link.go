package rehearsal

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	hw "github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/core"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/mqtt"
)

// wire is the network between the device and the node, as TCP shows it: what is lost is sent
// again, so that it comes late and everything behind it too.
type wire struct {
	latency time.Duration // of one direction
	loss    float64       // the share of segments that do not arrive
	cut     bool          // nothing arrives
	cuts    int           // how often it was cut
	since   time.Duration // when it was cut
	held    []held        // what was sent since, in order
}

// flow names one direction of a connection. Bytes arrive in their order, and what its end says
// behind them. The zero value names none: what goes alone, such as the first segment of one.
type flow struct {
	conn uint64
	up   bool // from the device to the node
}

// held is what was sent during a cut.
type held struct {
	flow flow
	what happening
}

// last returns when the newest of a flow arrives, nil for one whose connection is over.
func (w *World) last(f flow) *time.Duration {
	c := w.connOf(f.conn)
	switch {
	case c == nil:
		return nil
	case f.up:
		return &c.lastUp
	}
	return &c.lastDown
}

// deliver has something arrive at a time, but not before what was sent before by the same flow.
func (w *World) deliver(f flow, at time.Duration, what happening) {
	if last := w.last(f); last != nil {
		at = max(at, *last)
		*last = at
	}
	w.after(at-w.now, what)
}

// TCP's waits before it sends a segment again: the first, doubled up to the longest.
const (
	firstResend = 200 * time.Millisecond
	lastResend  = 2 * time.Minute
)

// send has something happen at the other end, after what was sent before by the same flow.
func (w *World) send(f flow, what happening) {
	x := &w.wire
	if x.cut {
		x.held = append(x.held, held{f, what})
		return
	}
	at, wait := w.now, firstResend
	for x.loss > 0 && w.chance.Share() < x.loss {
		at += wait
		wait = min(2*wait, lastResend)
	}
	w.deliver(f, at+x.latency+w.chance.Between(0, x.latency/10+1), what)
}

// cutWire has nothing arrive, for a while or until it is mended.
func (w *World) cutWire(d time.Duration) {
	x := &w.wire
	if !x.cut {
		x.cut, x.since = true, w.now
	}
	x.cuts++
	if d != 0 {
		w.after(d, mended{x.cuts})
	}
}

// mended is the end of a cut.
type mended struct{ cut int }

func (e mended) happen(w *World) {
	if w.wire.cut && w.wire.cuts == e.cut {
		w.mendWire()
	}
}

// mendWire has what was held arrive when it is sent again. TCP waits the longer for that the
// longer nothing has arrived.
func (w *World) mendWire() {
	x := &w.wire
	if !x.cut {
		return
	}
	x.cut = false
	wait := min(w.now-x.since, lastResend)
	at := w.now + x.latency + w.chance.Between(0, max(wait, firstResend))
	for _, h := range x.held {
		w.deliver(h.flow, at, h.what)
	}
	x.held = nil
}

// overtake ends the device's connection for the device alone. What it has sent, and the end of the
// connection, arrive later: perhaps behind what comes by the next one.
func (w *World) overtake(d time.Duration) {
	c := w.connOf(w.device.conn)
	if c == nil || !w.device.on {
		return
	}
	var later queue
	for _, e := range w.queue {
		if sent, ok := e.what.(atHost); ok && sent.conn == c.id {
			e.at = max(e.at, w.now+d)
		}
		later.push(e)
	}
	w.queue = later
	c.lastUp = max(c.lastUp, w.now+d)
	closedAtDevice{c.id}.happen(w)
	w.deliver(flow{c.id, true}, w.now+d, brokenAtHost{c.id})
}

// conn is a connection of the device at the node.
type conn struct {
	id  uint64
	run uint64 // of the node

	session session.Session
	in      []byte
	busy    bool
	ended   bool // the session is over, and the life has been told
	tickAt  time.Duration
	pending []pending // that the life has taken and not handled
	acked   []pending // messages whose acknowledgements go with what is written next
	sent    []string  // names of messages that do

	lastUp, lastDown time.Duration // when the newest of both flows arrives
}

// pending is a message of the device that the life has taken.
type pending struct {
	seq     uint64
	toAgent bool
	name    string
	mark    tandem.Mark
}

func (c *conn) ref() tandem.LinkRef { return tandem.LinkRef{Node: "gateway", ID: c.run<<32 + c.id} }

// connOf returns a connection of the node's running process, nil if it is over.
func (w *World) connOf(id uint64) *conn { return w.host.conns[id] }

// connOfRef returns the connection that a reference names, nil if it is over.
func (w *World) connOfRef(ref tandem.LinkRef) *conn {
	for _, c := range w.host.conns {
		if c.ref() == ref {
			return c
		}
	}
	return nil
}

// connect takes a connection of the device.
func (w *World) connect() *conn {
	h := &w.host
	h.lastConn++
	c := &conn{id: h.lastConn, run: h.run, session: session.New(&h.sessions, w.hostNow())}
	h.conns[c.id] = c
	w.setConnTimer(c)
	return c
}

// atHost is bytes of the device that arrive at the node.
type atHost struct {
	conn uint64
	data []byte
}

func (e atHost) happen(w *World) {
	c := w.connOf(e.conn)
	if c == nil || c.ended {
		w.send(flow{}, closedAtDevice{e.conn}) // as the network says it of a connection that is over
		return
	}
	c.in = append(c.in, e.data...)
	w.take(c)
}

// take has the session take what has come, ask what it asks, and say what it says.
func (w *World) take(c *conn) {
	if c.busy || c.ended {
		return
	}
	c.busy = true
	for again := true; again && !c.session.Leaving() && !c.session.Full(); {
		var n int
		n, again = c.session.Feed(w.hostNow(), c.in)
		c.in = c.in[n:]
		w.questions(c)
	}
	c.busy = false
	w.settle(c)
}

// settle writes what there is to say, and ends a session that is over.
func (w *World) settle(c *conn) {
	if c.busy || c.ended {
		return
	}
	for {
		w.out = c.session.Output(w.out[:0])
		if len(w.out) == 0 {
			break
		}
		c.session.Written(w.hostNow().Mono, nil)
		w.send(flow{conn: c.id}, atDevice{c.id, bytes.Clone(w.out), c.acked, c.sent})
		c.acked, c.sent = nil, nil
	}
	if !c.session.Leaving() {
		w.setConnTimer(c)
		return
	}
	c.ended = true
	c.session.Closed(w.hostNow())
	w.questions(c)
	if w.host.of == c {
		w.host.of = nil
	}
	w.send(flow{conn: c.id}, closedAtDevice{c.id})
	if h := &w.host; h.link != c && h.coming != c {
		delete(h.conns, c.id)
	}
}

// questions answers what the session asks.
func (w *World) questions(c *conn) {
	h := &w.host
	var q session.Question
	for c.session.Next(&q) {
		if q.Stamp != 0 {
			h.clock.Observe(q.Stamp)
		}
		switch q.Kind {
		case session.Authenticate:
			c.session.Authenticated(nil)
		case session.Connect:
			w.introduce(c, q.Seq)
		case session.Deliver:
			err := w.fromDevice(c, &q)
			if err == nil {
				name, toAgent := cutTopic(q.Topic)
				c.pending = append(c.pending, pending{q.Seq, toAgent, name, q.Message.Mark})
			}
			c.session.Taken(q.Seq, err)
		case session.Disconnect:
			if err := h.door.End(c.ref()); err == nil {
				w.arrive(arrival{event: &life.Unlinked{Ref: c.ref(), End: q.End}})
			}
		}
	}
	c.session.Notices()
}

// introduce makes the connection the device's. An older one is ended.
func (w *World) introduce(c *conn, next uint64) {
	h := &w.host
	if old := h.of; old != nil && old != c {
		old.session.End(mqtt.SessionTakenOver, "a newer connection of the device has taken over", "")
		w.soon(settleConn{old.id})
	}
	h.of = c
	err := h.door.Introduce(c.ref(), life.Introduction{Next: next, Born: h.clock.Now()})
	c.session.Connected(w.hostNow(), err)
	if err == nil {
		w.arrive(arrival{event: &life.Linked{Ref: c.ref(), Address: "192.0.2.1"}, link: c})
	}
}

// unheard returns what the device's connection says again of messages that the life has taken
// and not handled, but for those that are on their way to it.
func (w *World) unheard(late []arrival) (list []arrival) {
	c := w.host.of
	if c == nil {
		return nil
	}
	onWay := map[uint64]bool{}
	for _, a := range late {
		onWay[a.waiter.seq] = true
	}
	for _, p := range slices.Clone(c.pending) {
		who := waiter{conn: c.id, seq: p.seq}
		switch {
		case onWay[p.seq]:
		case p.toAgent:
			list = append(list, arrival{event: &life.Again{Seq: p.seq}, waiter: who})
		default:
			w.soon(handledAt(who))
		}
	}
	return list
}

// handledAt tells a session that the life has handled a message.
type handledAt waiter

func (e handledAt) happen(w *World) {
	c := w.connOf(e.conn)
	if c == nil || c.ended {
		return
	}
	if i := slices.IndexFunc(c.pending, func(p pending) bool { return p.seq == e.seq }); i >= 0 {
		if p := c.pending[i]; p.toAgent && w.cfg.Script != nil {
			c.acked = append(c.acked, p)
		}
		c.pending = slices.Delete(c.pending, i, i+1)
	}
	c.session.Handled(w.hostNow().Mono, e.seq)
	w.take(c)
}

// settleConn writes what a session has to say.
type settleConn struct{ conn uint64 }

func (e settleConn) happen(w *World) {
	if c := w.connOf(e.conn); c != nil {
		w.settle(c)
	}
}

// sendTo gives the device's connection a message of the agent.
func (w *World) sendTo(c *conn, topic string, m tandem.Message) bool {
	if c.ended {
		return false
	}
	m.Data = slices.Clone(m.Data)
	if name, is := strings.CutPrefix(topic, "device/"); is {
		seen := m
		seen.Name = name
		w.message(ToDevice, &seen)
		c.sent = append(c.sent, tandem.UnescapeName(name))
	}
	ok, _ := c.session.Send(topic, m)
	w.soon(settleConn{c.id})
	return ok
}

// endConn ends a connection from the node's side.
func (w *World) endConn(c *conn, why string) {
	if !c.ended {
		c.session.End(mqtt.AdministrativeAction, why, "")
		w.soon(settleConn{c.id})
	}
}

// connTick looks whether a session's deadline has come.
type connTick struct {
	conn uint64
	at   time.Duration
}

func (e connTick) happen(w *World) {
	c := w.connOf(e.conn)
	if c == nil || c.ended || c.tickAt != e.at {
		return
	}
	c.tickAt = 0
	c.session.Tick(w.hostNow())
	w.settle(c)
}

func (w *World) setConnTimer(c *conn) {
	at, ok := c.session.Deadline()
	if !ok || c.tickAt != 0 && c.tickAt <= at {
		return
	}
	c.tickAt = max(at, 1)
	w.after(max(at-w.hostNow().Mono, 0), connTick{c.id, c.tickAt})
}

// atDevice is bytes of the node that arrive at the device, the messages that they acknowledge, and
// the names of those that they are.
type atDevice struct {
	conn  uint64
	data  []byte
	acked []pending
	sent  []string
}

func (e atDevice) happen(w *World) {
	d := &w.device
	if !d.on || d.conn != e.conn {
		if d.on {
			w.send(flow{}, brokenAtHost{e.conn})
		}
		return
	}
	for _, p := range e.acked {
		w.seen.acks(tandem.UnescapeName(p.name), p.mark)
	}
	if len(e.sent) > 0 {
		w.seen.name = e.sent[0]
	}
	w.stepDevice(&core.Received{Number: d.dialed, Data: e.data})
}

// closedAtDevice is the end of a connection as the device's network hears it.
type closedAtDevice struct{ conn uint64 }

func (e closedAtDevice) happen(w *World) {
	d := &w.device
	if d.on && d.conn == e.conn && e.conn != 0 {
		d.conn = 0
		w.stepDevice(&core.Closed{Number: d.dialed, Err: io.EOF})
	}
}

// brokenAtHost is the end of a connection as the node's network hears it.
type brokenAtHost struct{ conn uint64 }

func (e brokenAtHost) happen(w *World) {
	if c := w.connOf(e.conn); c != nil && !c.ended {
		c.session.Break(io.EOF)
		w.settle(c)
	}
}

// resetAtDevice tells the device that the node's process is gone.
func (w *World) resetAtDevice(c *conn) {
	if !c.ended {
		w.send(flow{conn: c.id}, closedAtDevice{c.id})
	}
}

var errNoNetwork = errors.New("there is no way to the server")

// dialing is the device's attempt to connect as it arrives at the node.
type dialing struct{ power, number uint64 }

func (e dialing) happen(w *World) { w.send(flow{}, dialed(e)) }

// dialed is the outcome of the device's attempt to connect.
type dialed struct{ power, number uint64 }

func (e dialed) happen(w *World) {
	d := &w.device
	switch {
	case !d.on || d.power != e.power || d.dialing != e.number:
	case !w.host.up:
		d.dialing = 0
		w.stepDevice(&core.Dialed{Number: e.number, Reason: hw.NoServer, Err: errNoNetwork})
	default:
		d.dialing, d.dialed = 0, e.number
		d.conn = w.connect().id
		w.stepDevice(&core.Dialed{Number: e.number, Address: "192.0.2.1"})
	}
}
