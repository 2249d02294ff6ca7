package core

import (
	"fmt"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
)

// run is the running code, or the last that ran.
type run struct {
	machine *device.Machine // nil while no code runs
	gen     uint64          // counts machines; 0 is none
	code    *code           // nil: none has run, ever
	begun   bool            // code has run since the device was switched on
	began   time.Duration
	seq     uint64 // of the last message since the device was switched on
	line    uint64 // number of the last line of the log since then

	room  device.Room // as the code knows it
	posts []postID    // of the code, in order

	messages uint64 // the newest entry of the journal of messages when it began
	lines    uint64 // the same of lines

	incarnation uint64
	wake        int           // why it started
	reason      tandem.Reason // why it started

	stepping bool // the effects of a step are being done
	active   bool // something has happened since the last Idle
}

// mail is what waits for the machine.
type mail struct {
	queue    []waiting
	handling waiting        // is to be acknowledged when the machine is not busy
	urgent   []device.Event // that a busy machine takes, and that wait for other effects
	acks     []receipt      // that wait for the disk
}

// waiting is an event that waits for the machine, and what to do when it has
// been handled.
type waiting struct {
	ev      device.Event
	receipt receipt
	post    *arrived // which is acknowledged only if it has been handled
}

// receipt names a message of the server that is to be acknowledged. The zero
// receipt names none.
type receipt struct {
	conn   uint64 // that it came over
	packet uint16
}

// maxQueue bounds the events that wait for a busy machine. Messages beyond it
// are lost, as they are for a device that is not connected.
const maxQueue = 1024

func (c *Core) alarm() {
	if c.run.machine.Busy() {
		c.step(&device.Woken{})
	} else {
		c.step(&device.Alarm{})
	}
	c.pump()
}

// hears reports whether what the agent says now is for the first run of the code since the
// device was switched on, which is about to begin: the agent may have said it because the
// device has connected.
func (c *Core) hears() bool { return c.life.phase == starting && !c.run.begun }

// deafen drops what the agent has said to code that does not start.
func (c *Core) deafen() {
	rest := c.mail.queue
	c.mail.queue = nil
	for _, w := range rest {
		c.acknowledge(w.receipt)
	}
}

// feed gives the machine an event, now or in its turn. r is acknowledged when it
// has been handled, or will never be.
func (c *Core) feed(ev device.Event, r receipt) {
	_, said := ev.(*device.AgentMessage)
	_, outside := ev.(*device.Changed) // there can be any number of these
	urgent := device.TakenBusy(ev)
	switch {
	case c.run.machine == nil && (!said || !c.hears()):
		c.acknowledge(r)
		return
	case urgent && c.ready() && len(c.mail.urgent) == 0:
		c.step(ev)
	case urgent && (!outside || len(c.mail.urgent) < maxQueue):
		c.mail.urgent = append(c.mail.urgent, ev)
	case urgent || len(c.mail.queue) >= maxQueue:
		c.log(Warn, "the code is busy and too much waits for it; an event is lost", "event", fmt.Sprintf("%T", ev))
		c.acknowledge(r)
	default:
		c.mail.queue = append(c.mail.queue, waiting{ev: ev, receipt: r})
	}
	c.pump()
}

// ready reports whether the machine may be given an event that it takes even
// while it is busy.
func (c *Core) ready() bool { return c.run.machine != nil && !c.run.stepping && !c.held() }

// pump gives the machine what waits, until it is busy or nothing waits.
func (c *Core) pump() {
	for c.ready() {
		c.tellRoom()
		switch {
		case len(c.mail.urgent) > 0:
			next := c.mail.urgent[0]
			c.mail.urgent = c.mail.urgent[1:]
			c.step(next)
		case c.run.machine.Busy():
			return
		case len(c.mail.queue) > 0:
			c.mail.handling = c.mail.queue[0]
			if c.mail.queue = c.mail.queue[1:]; len(c.mail.queue) == 0 {
				c.mail.queue = nil
			}
			c.step(c.mail.handling.ev)
		case c.run.active:
			c.step(&device.Idle{})
			c.run.active = false
		default:
			return
		}
	}
}

// step gives the machine an event that it takes now.
func (c *Core) step(ev device.Event) {
	m := c.run.machine
	c.disk.since = moment{c.disk.state, c.disk.journal.last, c.out.made}
	c.run.active, c.run.stepping = true, true
	c.perform(c.drive(m, ev))
	c.run.stepping = false
	if c.run.machine == nil || !m.Busy() {
		c.handled()
	}
}

// drive gives a machine an event at the time that has passed, and the time that it may read.
func (c *Core) drive(m *device.Machine, ev device.Event) []device.Effect {
	m.SetAhead(c.clocks.read().Sub(c.clocks.passed()))
	return m.Step(c.clocks.passed(), ev)
}

// handled acknowledges what the code has handled.
func (c *Core) handled() {
	w := c.mail.handling
	c.mail.handling = waiting{}
	if w.post != nil {
		c.applied(w.post)
	} else {
		c.acknowledge(w.receipt)
	}
}

// acknowledge answers a message of the server, when the disk allows.
func (c *Core) acknowledge(r receipt) {
	n := c.net.conn
	switch {
	case r.packet == 0:
	case c.held():
		c.mail.acks = append(c.mail.acks, r)
	case n == nil || n.number != r.conn || n.state != up:
		// The server sends it again, or gives it up.
	default:
		if err := n.client.Ack(r.packet, mqtt.Success); err != nil {
			c.drop(device.NoServer, err)
		}
	}
}

// perform does what the code wants.
func (c *Core) perform(effects []device.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case *device.Send:
			c.send(e)
		case *device.Post:
			c.post(e)
		case *device.Log:
			c.line(e)
		case *device.Forget:
			c.out.forget(c.run.gen, e.ID)
		case *device.Connect:
			c.connect()
		case *device.Disconnect:
			c.net.wanted = false
			c.hangUp()
		case *device.Permanent:
			c.disk.state.Permanent = e.Data
			c.keepWith(e.Cause)
		case *device.Configured:
			c.configured(e)
		case *device.DeepSleep:
			c.sleep(e)
		case *device.Restart:
			c.ended(e)
		}
	}
	c.writeBatch(c.disk.journal.take())
	c.writeLines(c.disk.lines.take())
}

// configured keeps the user configuration; nil erases it.
func (c *Core) configured(e *device.Configured) {
	c.disk.state.User = e.Data
	c.keepWith(e.Cause)
}

// keepWith writes what the code keeps. Of an agent's post that is being handled nothing
// more is to be done should the power go now.
func (c *Core) keepWith(cause uint64) {
	s := &c.disk.state
	s.Applied = max(s.Applied, c.causeOf(cause))
	c.keepState(forState)
}
