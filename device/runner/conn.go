package runner

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
)

// conn is one connection. Two goroutines, which end with it, read and write the
// socket; everything else is the loop's.
type conn struct {
	net    net.Conn
	client *mqtt.Client
	in     []byte // read and not consumed
	window int
	up     bool // the server has accepted us
	since  time.Time
	bye    bool // we are leaving: what was said before is still written

	write   chan []byte // to the writer; one at a time
	writing bool
	batch   []*item // in what is being written
	quit    chan struct{}
}

// dialed is the outcome of an attempt to connect.
type dialed struct {
	net net.Conn
	err error
}

// heard is what a reader has, err being its last word; wrote is a writer's.
type (
	heard struct {
		from *conn
		data []byte
		err  error
	}
	wrote struct {
		from *conn
		err  error
	}
)

// errOffline is the end of a connection by Offline or PowerCycle.
var errOffline = errors.New("the network was taken away")

// dial begins an attempt to connect.
func (l *loop) dial(ctx context.Context) {
	ctx, l.cancelDial = context.WithTimeout(ctx, dialTimeout)
	cancel, another := l.cancelDial, l.another
	outcome := make(chan dialed, 1)
	l.dialing = outcome
	l.wg.Go(func() {
		defer cancel()
		c, err := l.r.dial(ctx, another)
		outcome <- dialed{c, err}
	})
}

// stopDial gives up an attempt to connect. It must not succeed unseen.
func (l *loop) stopDial() {
	if l.dialing == nil {
		return
	}
	outcome := l.dialing
	l.cancelDial()
	l.dialing = nil
	l.wg.Go(func() {
		if d := <-outcome; d.net != nil {
			d.net.Close() // nothing was said on it
		}
	})
}

// maxPacket is the largest packet taken, in bytes: code comes in one, with its
// libraries.
const maxPacket = 8 << 20

// opened takes the outcome of an attempt to connect.
func (l *loop) opened(d dialed) {
	l.dialing = nil
	if d.err != nil {
		l.another = ""
		l.failed(whyNot(d.err), d.err)
		return
	}
	now := time.Now()
	client, err := mqtt.NewClient(now, &mqtt.Config{MaxPacketSize: maxPacket}, &mqtt.Connect{
		Version: mqtt.V5, CleanStart: true, KeepAlive: keepAlive, ClientID: string(l.r.ID),
		HasUsername: true, Username: string(l.r.ID), HasPassword: true, Password: []byte(l.r.Key),
		Props: &mqtt.Properties{User: []mqtt.UserProperty{{Key: "format", Value: "compact"}}},
	}, nil)
	if err != nil {
		d.net.Close() // nothing was said on it
		l.failed(device.NoServer, err)
		return
	}
	c := &conn{net: d.net, client: client, since: now, write: make(chan []byte, 1), quit: make(chan struct{})}
	l.conn = c
	l.wg.Go(func() { c.readLoop(l.heard) })
	l.wg.Go(func() { c.writeLoop(l.wrote) })
	l.flush()
}

func (c *conn) readLoop(out chan<- heard) {
	for {
		buf := make([]byte, 4096)
		n, err := c.net.Read(buf)
		if n == 0 && err == nil {
			continue
		}
		select {
		case out <- heard{c, buf[:n], err}:
		case <-c.quit:
			return
		}
		if err != nil {
			return
		}
	}
}

func (c *conn) writeLoop(out chan<- wrote) {
	for {
		select {
		case b := <-c.write:
			_, err := c.net.Write(b)
			select {
			case out <- wrote{c, err}:
			case <-c.quit:
				return
			}
		case <-c.quit:
			return
		}
	}
}

// hear takes what a reader has read.
func (l *loop) hear(h heard) {
	c := h.from
	switch {
	case c != l.conn:
		return
	case c.bye && h.err == nil:
		return // too late
	case c.bye:
		l.closed()
		return
	}
	c.in = append(c.in, h.data...)
	l.consume(c)
	if c == l.conn && h.err != nil {
		l.drop(device.NoServer, h.err)
	}
}

// consume feeds the session until it needs more.
func (l *loop) consume(c *conn) {
	for c == l.conn && !c.bye {
		n, ev, err := c.client.Feed(time.Now(), c.in)
		if ev != nil {
			l.event(c, ev)
		}
		c.in = c.in[n:]
		if err != nil {
			l.flush() // the last words; they may well not arrive
			if c == l.conn {
				l.drop(device.NoServer, err)
			}
			return
		}
		if ev == nil {
			c.in = slices.Clone(c.in)
			l.flush()
			return
		}
	}
}

// event takes one event of the session.
func (l *loop) event(c *conn, ev mqtt.Event) {
	switch ev := ev.(type) {
	case *mqtt.Connack:
		if ev.Code.Failed() {
			l.log.Error("the server refuses the device; check its id and key", "reason", ev.Code.String())
			l.failures = max(l.failures, refusedFailures)
			l.drop(device.NoServer, errors.New(ev.Code.String()))
			return
		}
		l.accepted(c, ev)
	case *mqtt.Publish:
		l.receive(c, ev)
	case *mqtt.Suback:
		for _, code := range ev.Codes {
			if code.Failed() {
				l.log.Error("the server refuses a subscription", "reason", code.String())
			}
		}
	case *mqtt.Delivered:
		l.delivered(ev)
	case *mqtt.Disconnect:
		if ev.Code == mqtt.SessionTakenOver {
			l.log.Warn("another device with the same id has connected; only one can be")
			l.failures = max(l.failures, refusedFailures)
		}
		if ev.Code == mqtt.UseAnotherServer && ev.Props != nil {
			l.another = ev.Props.ServerReference
		}
		l.drop(device.NoServer, errors.New("the server ends the connection: "+ev.Code.String()))
	}
}

// accepted begins the conversation.
func (l *loop) accepted(c *conn, ev *mqtt.Connack) {
	c.up = true
	c.window = window
	if ev.Props != nil {
		c.window = min(window, int(ev.Props.ReceiveMaximum.Or(window)))
	}
	_, err := c.client.Subscribe(mqtt.Subscription{Filter: "device/#", QoS: 1}, mqtt.Subscription{Filter: "sys/#", QoS: 1})
	if err != nil {
		l.drop(device.NoServer, err)
		return
	}
	l.log.Info("connected", "server", cmp.Or(l.another, l.r.Addr))
	if l.phase == waitingForLink && l.start() {
		return // it has said hello, and the code knows of the link
	}
	if _, err := c.client.Publish(l.hello()); err != nil {
		l.drop(device.NoServer, err)
		return
	}
	l.feed(&device.Linked{Address: c.address()}, nil)
}

// address returns the device's own IP address, "" where it cannot be known.
func (c *conn) address() string {
	if a, ok := c.net.LocalAddr().(*net.TCPAddr); ok {
		return a.IP.String()
	}
	return ""
}

// linked reports whether the device has a link.
func (l *loop) linked() bool { return l.conn != nil && l.conn.up && !l.conn.bye }

// flush hands the writer what there is to say.
func (l *loop) flush() {
	c := l.conn
	if c == nil || c.writing {
		return
	}
	if l.linked() {
		l.publish(c)
	}
	if c != l.conn {
		return
	}
	var out []byte
	for {
		n := len(out)
		if out = c.client.Output(out); len(out) == n {
			break
		}
	}
	if len(out) > 0 {
		c.writing = true
		c.write <- out
	}
}

// publish gives the session what the window allows.
func (l *loop) publish(c *conn) {
	free := c.window - l.out.waiting()
	for l.out.sent < len(l.out.items) {
		it := l.out.items[l.out.sent]
		if it.publish.QoS > 0 && free == 0 {
			return
		}
		id, err := c.client.Publish(&it.publish)
		if unsendable := (*mqtt.Error)(nil); errors.As(err, &unsendable) {
			l.log.Error("a message cannot be sent", "topic", it.publish.Topic, "error", err)
			l.out.remove(it)
			l.settled(it, true)
			continue
		}
		if err != nil {
			return // the session is full for now, or has just ended
		}
		it.packet = id
		if id != 0 {
			free--
		}
		l.out.sent++
		c.batch = append(c.batch, it)
	}
}

// written takes a writer's word.
func (l *loop) written(w wrote) {
	c := w.from
	if c != l.conn {
		return
	}
	c.writing = false
	if w.err != nil {
		l.drop(device.NoServer, w.err)
		return
	}
	batch := c.batch
	c.batch = nil
	for _, it := range batch {
		if it.packet == 0 {
			l.out.remove(it)
		}
		if it.gen == l.gen && it.post == nil {
			l.feed(&device.Written{ID: it.id}, nil)
		}
	}
	l.flush()
}

// delivered takes an acknowledgement.
func (l *loop) delivered(ev *mqtt.Delivered) {
	it := l.out.acknowledged(ev.PacketID)
	if it == nil {
		return
	}
	if ev.Code.Failed() {
		l.log.Error("the server refuses a message", "topic", it.publish.Topic, "reason", ev.Code.String())
	}
	l.settled(it, ev.Code.Failed())
}

// settled tells the code that something needs no more sending.
func (l *loop) settled(it *item, refused bool) {
	if it.post != nil {
		l.postSettled(it)
		return
	}
	if it.gen == 0 || it.gen != l.gen {
		return
	}
	ev := &device.Sent{ID: it.id}
	if refused {
		ev.Code = device.Refused
	}
	l.feed(ev, nil)
}

// hangUp ends the connection in good order: when the server has our last words
// it closes. Were we to close first, what it has still to say would meet a
// closed socket, and TCP would take our words back.
func (l *loop) hangUp() {
	l.stopDial()
	c := l.conn
	switch {
	case c == nil || c.bye:
		return
	case !c.up:
		l.closed()
		return
	}
	l.publish(c)
	if c != l.conn {
		return
	}
	if err := c.client.Disconnect(mqtt.Success, nil); err != nil {
		l.drop(device.NotConnected, err)
		return
	}
	c.bye = true
	l.byeAt = time.Now().Add(leaveWait)
	l.flush()
}

// closed ends the connection's goroutines, and forgets it.
func (l *loop) closed() {
	c := l.conn
	l.conn = nil
	close(c.quit)
	c.net.Close() // whatever it says, the connection is over
	l.out.unsend()
}

// drop ends the connection after an error, and tells the code.
func (l *loop) drop(reason int, err error) {
	c := l.conn
	l.closed()
	if c.bye {
		return
	}
	if c.up && time.Since(c.since) >= lastPause {
		l.failures = 0
	}
	l.failed(reason, err)
}

// refusedFailures make the pause before the next attempt the longest.
const refusedFailures = 8

// failed sets the time of the next attempt, and tells the code.
func (l *loop) failed(reason int, err error) {
	pause := min(firstPause<<min(l.failures, refusedFailures), lastPause)
	// Half of it is chance, so that many devices do not come back at once.
	pause = pause/2 + l.chance(pause/2)
	l.failures++
	l.retryAt = time.Now().Add(pause)
	l.log.Info("not connected", "error", err, "retry", pause.Round(time.Millisecond))
	l.tried = true
	l.feed(&device.Unlinked{Reason: reason}, nil)
}
