package core

import (
	"bytes"
	"cmp"
	"errors"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
	batches "github.com/tandem-iot/tandem/mqtt/batch"
)

// The session's clock is Mono, on a scale that begins at sessionOrigin: setting
// the wall clock must not end a connection.
var sessionOrigin = time.Unix(0, 0)

func sessionTime(mono time.Duration) time.Time { return sessionOrigin.Add(mono) }
func elapsed(t time.Time) time.Duration        { return t.Sub(sessionOrigin) }

// maxPacket is the largest packet taken, in bytes: code comes in one, with its
// libraries.
const maxPacket = 8 << 20

// maxOut is the size of a buffer for output that is kept, in bytes.
const maxOut = 4096

func (c *Core) newClient() (*mqtt.Client, error) {
	id, trip := string(c.cfg.ID), &c.net.trip
	props := []mqtt.UserProperty{
		{Key: "format", Value: "compact"}, {Key: batches.Property, Value: "1"}, stamp(c.clock.Now()),
	}
	client, err := mqtt.NewClient(sessionTime(c.now.Mono), &mqtt.Config{MaxPacketSize: maxPacket}, &mqtt.Connect{
		Version: mqtt.V5, CleanStart: true, KeepAlive: keepAlive, ClientID: id,
		HasUsername: true, Username: id, HasPassword: c.key() != "", Password: []byte(c.key()),
		Props: &mqtt.Properties{User: append(props, trip.silence()...)},
	}, nil)
	if err == nil {
		client.Patient(trip.patience(0))
	}
	return client, err
}

// received takes bytes of the server. After our goodbye they come too late.
func (c *Core) received(ev *Received) {
	n := c.net.conn
	if n == nil || n.number != ev.Number || n.state >= parting {
		return
	}
	n.in = append(n.in, ev.Data...)
	in := n.in
	for n == c.net.conn && n.state < parting {
		k, e, err := n.client.Feed(sessionTime(c.now.Mono), in)
		c.measured(n)
		if e != nil {
			c.event(n, e)
		}
		in = in[k:]
		if err != nil {
			if n == c.net.conn {
				c.breakOff(n, err)
			}
			return
		}
		if e == nil {
			n.keep(in)
			return
		}
	}
}

// maxIdle is the largest buffer, in bytes, that an idle connection keeps.
const maxIdle = 64 << 10

// keep keeps the end of n.in, which was not consumed.
func (n *conn) keep(rest []byte) {
	switch {
	case len(rest) == len(n.in):
	case len(rest) == 0 && cap(n.in) > maxIdle:
		n.in = nil
	default:
		n.in = n.in[:copy(n.in, rest)]
	}
}

// event takes one event of the session.
func (c *Core) event(n *conn, ev mqtt.Event) {
	switch ev := ev.(type) {
	case *mqtt.Connack:
		if ev.Code.Failed() {
			why := reasonOf(ev.Props)
			c.keyRefused(ev.Code, why)
			c.drop(device.NoServer, errors.New(because(ev.Code, why)))
			return
		}
		c.accepted(n, ev)
	case *mqtt.Publish:
		c.receive(n, ev)
	case *mqtt.Suback:
		for _, code := range ev.Codes {
			if code.Failed() {
				c.log(Error, "the server refuses a subscription", "reason", code.String())
			}
		}
	case *mqtt.Delivered:
		c.delivered(n, ev)
	case *mqtt.Disconnect:
		if ev.Code == mqtt.SessionTakenOver {
			c.log(Warn, "another device with the same id has connected; only one can be")
			c.refused()
		}
		if ev.Code == mqtt.UseAnotherServer && ev.Props != nil {
			c.net.another = ev.Props.ServerReference
		}
		c.drop(device.NoServer, errors.New("the server ends the connection: "+because(ev.Code, reasonOf(ev.Props))))
	}
}

// accepted begins the conversation.
func (c *Core) accepted(n *conn, ev *mqtt.Connack) {
	n.state = up
	c.keyAccepted()
	n.most = maxParcels
	if ev.Props != nil {
		n.most = min(n.most, int(ev.Props.ReceiveMaximum.Or(maxParcels)))
		n.batch = batchSize(ev.Props)
	}
	_, err := n.client.Subscribe(
		mqtt.Subscription{Filter: "device/#", QoS: 1}, mqtt.Subscription{Filter: "sys/#", QoS: 1})
	if err != nil {
		c.drop(device.NoServer, err)
		return
	}
	c.log(Info, "connected", "server", cmp.Or(c.net.another, c.cfg.Server))
	if c.life.phase == waitingForLink {
		c.start()
	}
	if c.life.phase == starting {
		return // the code will know of the link, and hello is said when it starts
	}
	c.greet()
	c.feed(&device.Linked{Address: n.address}, receipt{})
}

// greet says hello on a connection on which it was not said.
func (c *Core) greet() {
	n := c.net.conn
	if !c.linked() || n.greeted {
		return
	}
	n.greeted = true
	var err error
	if n.hello, err = n.client.Publish(c.hello()); err != nil {
		c.drop(device.NoServer, err)
	}
}

// hello is sys/hello: who runs here. While the code is between two runs, it is
// about the last; before the first since the device was switched on, there is no
// code to speak of.
type hello struct {
	Boot        uint64        `json:"boot"`
	Incarnation uint64        `json:"incarnation"`
	Wake        string        `json:"wake"`
	Reason      tandem.Reason `json:"reason"`
	Runtime     string        `json:"runtime"`
	Code        string        `json:"code"` // SHA-256 of the code in hexadecimal, "" for none
	Running     bool          `json:"running"`

	// By these the server knows whether Boot is the next after the last that it has heard of.
	ID           string     `json:"id"` // of Boot
	Installation string     `json:"installation"`
	Heard        bootName   `json:"heard"`
	Unheard      []bootName `json:"unheard,omitempty"`
}

// hello returns the message that says who runs here.
func (c *Core) hello() *mqtt.Publish {
	h := hello{
		Boot: c.disk.boot(), Incarnation: c.run.incarnation, Wake: device.WakeName(c.life.wake), Reason: c.life.reason,
		Runtime: Version, Running: c.life.phase == running,
		ID: c.disk.ID, Installation: c.disk.Installation, Heard: c.disk.Heard, Unheard: c.disk.Unheard,
	}
	if c.run.begun {
		h.Wake, h.Reason, h.Code = device.WakeName(c.run.wake), c.run.reason, c.run.code.SHA
	}
	return &mqtt.Publish{Topic: "sys/hello", QoS: 1, Payload: encode(h), Props: &mqtt.Properties{
		ContentType: tandem.ContentJSON, User: []mqtt.UserProperty{stamp(c.clock.Now())},
	}}
}

// flush has written what there is to say.
func (c *Core) flush() {
	n := c.net.conn
	if n == nil || n.writing {
		return
	}
	switch {
	case n.state == up && !c.held():
		c.publish(n)
	case n.state == parting:
		c.part(n)
	}
	if n == c.net.conn {
		c.write(n)
	}
}

// write has written what the session has to say, unless something is being
// written.
func (c *Core) write(n *conn) {
	if n.writing {
		return
	}
	out := n.out[:0]
	for {
		k := len(out)
		if out = n.client.Output(out); len(out) == k {
			break
		}
	}
	if len(out) > 0 {
		n.writing = true
		c.emit(&Write{Number: n.number, Data: bytes.Clone(out)})
	}
	if n.out = out; cap(out) > maxOut {
		n.out = nil
	}
}

// written goes on after a Write.
func (c *Core) written(ev *Written) {
	n := c.net.conn
	if n == nil || n.number != ev.Number {
		return
	}
	n.writing = false
	items := n.batched
	n.batched = nil
	for _, it := range items {
		if it.packet == 0 {
			c.out.remove(it)
		}
		if it.gen == c.run.gen && it.post == nil {
			c.feed(&device.Written{ID: it.id}, receipt{})
		}
	}
}

// receive takes a message from the server. It is acknowledged when it has been
// handled.
func (c *Core) receive(n *conn, p *mqtt.Publish) {
	c.observe(p)
	r := receipt{}
	if p.QoS > 0 {
		r = receipt{n.number, p.PacketID}
	}
	m, ok := agentMessage(p)
	if !ok {
		c.order(p)
		c.acknowledge(r)
		return
	}
	c.heardOf(m.Incarnation)
	if m.Post != 0 {
		c.arrive(m, r)
		return
	}
	c.feed(&device.AgentMessage{Message: m}, r)
}
