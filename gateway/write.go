package gateway

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// Ref returns the reference of the connection.
func (c *conn) Ref() tandem.LinkRef { return tandem.LinkRef{Node: c.g.Node, ID: c.number} }

// Send sends the device a message; see session.Session.Send. It does not wait for
// the device.
func (c *conn) Send(topic string, m tandem.Message) bool {
	defer c.guard()
	m, err := encode(c.session.Format(), m) // the format does not change
	if err != nil {
		c.g.Logger.Error("cannot encode a message in the device's format",
			"device", c.session.Device(), "topic", topic, "err", err)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ok, write := c.session.Send(topic, m)
	c.settle()
	if write {
		c.flush()
	}
	return ok
}

// Close ends the connection and tells the device the reason.
func (c *conn) Close(why string) { c.end(mqtt.AdministrativeAction, why, "") }

// end ends the connection from outside the session. The device is told the reason,
// and the address of another server if there is one.
func (c *conn) end(code mqtt.Reason, why, server string) {
	defer c.guard()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.End(code, why, server)
	c.settle()
}

// flush writes the session's output. The lock is held, and released while writing.
// Bytes that the socket does not take at once are left to a goroutine that ends
// when they are written, so that flush never waits for the device. Output that
// arises while another goroutine writes is written by that goroutine.
func (c *conn) flush() {
	for !c.session.Writing() {
		b := takeChunk()
		b.buf = c.session.Output(b.buf)
		if b.len() == 0 {
			b.release()
			c.quiet()
			return
		}
		if c.raw == nil {
			c.leave(b)
			return
		}
		var n int
		var err error
		c.unlocked(func() { n, err = c.raw.write(b.bytes()) })
		b.consume(n)
		if err == nil && b.len() > 0 {
			c.leave(b)
			return
		}
		b.release()
		c.session.Written(c.g.elapsed(), err)
		c.written()
	}
}

// leave starts a goroutine that writes b and all output that arises meanwhile, and
// waits for the device.
func (c *conn) leave(b *chunk) {
	c.limitWriting()
	go c.drain(b) // finish waits for it
}

func (c *conn) drain(b *chunk) {
	defer c.guard()
	for more := true; more; {
		_, err := c.nc.Write(b.bytes())
		b, more = c.drained(b, err)
	}
}

// drained returns what is to be written after b, and whether there is more.
func (c *conn) drained(b *chunk, err error) (*chunk, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.buf, b.from = b.buf[:0], 0
	c.session.Written(c.g.elapsed(), err)
	b.buf = c.session.Output(b.buf)
	if b.len() > 0 {
		c.limitWriting()
		return b, true
	}
	b.release()
	_ = c.nc.SetWriteDeadline(time.Time{})
	c.written()
	c.quiet()
	return nil, false
}

// written wakes those that wait for the end of a write, and handles a broken
// connection.
func (c *conn) written() {
	c.changed.Broadcast()
	c.settle()
	if c.session.Broken() {
		c.kick()
	}
}

// quiet is called when all output has been written.
func (c *conn) quiet() {
	if c.session.Leaving() {
		c.kick()
	}
}

// limitWriting sets the deadline for the current write. A failure means that the
// connection is closed, which the writer finds out itself. The lock is held.
func (c *conn) limitWriting() {
	limit := writeTimeout
	if c.session.Leaving() {
		limit = lingerTimeout
	}
	if c.session.Writing() {
		_ = c.nc.SetWriteDeadline(time.Now().Add(limit))
	}
}
