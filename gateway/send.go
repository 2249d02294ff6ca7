package gateway

import (
	"strconv"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// Send gives the device a message. It does not wait; a message that the device
// has not subscribed to, or that there is no room for, is dropped. It returns
// false when the connection is ending. The data is the gateway's from here on.
func (c *conn) Send(topic string, m tandem.Message) bool {
	e, err := c.want.encode(topic, m)
	if err != nil {
		c.g.Logger.Error("a message cannot be put into the device's format", "device", c.id, "topic", topic, "err", err)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.leaving:
		return false
	case e.post != 0:
		c.post(e)
	case !c.subscribed:
		c.keep(e)
		return true
	default:
		c.put(e)
	}
	if !c.held {
		c.flush()
	}
	return true
}

// Ref names the connection.
func (c *conn) Ref() tandem.LinkRef { return c.ref }

// Close ends the connection and tells the device why.
func (c *conn) Close(why string) { c.end(mqtt.AdministrativeAction, why) }

// keep keeps a message for the first SUBSCRIBE. A device that has not
// subscribed after a while is one that does not listen.
func (c *conn) keep(e parcel) {
	if time.Since(c.connected) > earlyTime {
		c.early, c.earlyBytes = nil, 0
		return
	}
	if len(c.early) >= earlyCount || c.earlyBytes+len(e.data) > earlyBytes {
		c.overflow(e.topic)
		return
	}
	c.early = append(c.early, e)
	c.earlyBytes += len(e.data)
}

// post gives the session a message that may not be lost. One that the device
// has not subscribed to with QoS 1 waits for a subscription; the host sends no
// more than a few before it has heard of the first.
func (c *conn) post(e parcel) {
	switch qos, ok := c.subscription(e.topic); {
	case ok && qos == 0:
		c.complain("a tandem.post waits until the device subscribes with QoS 1: with QoS 0 it does not say when it has a message", "topic", e.topic)
		fallthrough
	case !ok:
		c.unwanted = append(c.unwanted, e)
	case !c.put(e):
		c.endLocked(mqtt.QuotaExceeded, "too many messages wait for the device; it gets them again")
	}
}

// tellHandled tells the host that the device has handled a post. The lock is
// held, and let go of meanwhile.
func (c *conn) tellHandled(post uint64) {
	c.mu.Unlock()
	defer c.mu.Lock()
	m := tandem.Message{Data: strconv.AppendUint(nil, post, 10)}
	c.say("sys/handled", m, func() {})
}

// put gives a message to the session. It returns false when the message is
// dropped for want of room.
func (c *conn) put(e parcel) bool {
	qos, ok := c.subscription(e.topic)
	if !ok {
		return true
	}
	size := len(e.topic) + len(e.data)
	if c.backlogBytes+c.unsentBytes+size > backlogBytes && c.backlogBytes+c.unsentBytes > 0 {
		c.overflow(e.topic)
		return false
	}
	p := mqtt.Publish{Topic: e.topic, Payload: e.data, QoS: qos}
	if c.v5 {
		p.Props = &mqtt.Properties{
			ContentType: e.contentType,
			User:        []mqtt.UserProperty{{Key: "clock", Value: c.g.Clock.Now().String()}},
		}
		if e.incarnation != 0 {
			p.Props.User = append(p.Props.User, mqtt.UserProperty{Key: "incarnation", Value: strconv.FormatUint(e.incarnation, 10)})
		}
		if e.post != 0 {
			p.Props.User = append(p.Props.User, mqtt.UserProperty{Key: "post", Value: strconv.FormatUint(e.post, 10)})
			if e.after != 0 {
				p.Props.User = append(p.Props.User, mqtt.UserProperty{Key: "after", Value: strconv.FormatUint(e.after, 10)})
			}
		}
	}
	id, err := c.session.Publish(&p)
	switch {
	case err == mqtt.ErrQueueFull:
		c.overflow(e.topic)
		return false
	case err != nil:
		c.g.Logger.Warn("a message cannot be sent to the device", "device", c.id, "topic", e.topic, "err", err)
	case id != 0:
		c.unacked = append(c.unacked, unacked{id, size, e.post})
		c.backlogBytes += size
	default:
		c.unsentBytes += size
	}
	return true
}

// overflow notes, once until the device has caught up, that messages are lost.
func (c *conn) overflow(topic string) {
	c.g.over.Add(tandem.OverDeviceBacklog, 1)
	if !c.overflowed {
		c.overflowed = true
		const text = "messages to the device are dropped: it is too slow to take them"
		c.g.Logger.Warn(text, "device", c.id, "topic", topic)
		c.tell(text)
	}
}

// subscription returns the QoS of messages on topic, and whether the device
// wants them.
func (c *conn) subscription(topic string) (qos byte, ok bool) {
	for i := range c.filters {
		if f := &c.filters[i]; (!ok || f.qos > qos) && mqtt.Match(f.text, topic) {
			qos, ok = f.qos, true
		}
	}
	return qos, ok
}

// flush writes what there is to say. The lock is held, and let go of while
// writing. What the socket does not take at once is left to a goroutine that
// ends with it, so that flush never waits for the device; whatever comes up
// meanwhile is written by whoever writes already.
func (c *conn) flush() {
	for !c.writing {
		b := takeChunk()
		if !c.broken {
			b.buf = c.session.Output(b.buf)
		}
		if b.len() == 0 {
			b.release()
			c.quiet()
			return
		}
		c.flushed = time.Now()
		c.writing = true
		if c.raw == nil {
			c.leave(b)
			return
		}
		c.mu.Unlock()
		n, err := c.raw.write(b.bytes())
		c.mu.Lock()
		b.consume(n)
		if err == nil && b.len() > 0 {
			c.leave(b)
			return
		}
		b.release()
		c.written(err)
	}
}

// leave leaves b and what comes up meanwhile to a goroutine, which waits for the
// device as long as that may take.
func (c *conn) leave(b *chunk) {
	c.limitWriting()
	go c.drain(b) // finish waits for it
}

func (c *conn) drain(b *chunk) {
	for {
		_, err := c.nc.Write(b.bytes())
		c.mu.Lock()
		b.buf, b.from = b.buf[:0], 0
		if err == nil {
			b.buf = c.session.Output(b.buf)
		}
		if b.len() == 0 {
			b.release()
			_ = c.nc.SetWriteDeadline(time.Time{})
			c.written(err)
			if err == nil {
				c.quiet()
			}
			c.mu.Unlock()
			return
		}
		c.flushed = time.Now()
		c.limitWriting()
		c.mu.Unlock()
	}
}

// written notes that nobody writes any more, and why if there is a reason.
func (c *conn) written(err error) {
	c.writing = false
	if err != nil && !c.broken {
		c.g.Logger.Debug("connection is broken", "device", c.id, "address", c.nc.RemoteAddr(), "err", err)
		c.broken, c.leaving = true, true
		c.kick()
	}
	c.changed.Broadcast()
}

// quiet is called when all that there was to say has been written.
func (c *conn) quiet() {
	c.unsentBytes = 0
	if c.leaving {
		c.kick()
	}
}
