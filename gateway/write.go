package gateway

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// Ref names the connection.
func (c *conn) Ref() tandem.LinkRef { return tandem.LinkRef{Node: c.g.Node, ID: c.number} }

// Send gives the device a message; see session.Session.Send. It does not wait for
// the device.
func (c *conn) Send(topic string, m tandem.Message) bool {
	m, err := encode(c.session.Format(), m) // it does not change
	if err != nil {
		c.g.Logger.Error("a message cannot be put into the device's format",
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

// Close ends the connection and tells the device why.
func (c *conn) Close(why string) { c.end(mqtt.AdministrativeAction, why, "") }

// end ends the connection, from outside. The device is told why, and which
// server to turn to if there is another.
func (c *conn) end(code mqtt.Reason, why, server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.End(code, why, server)
	c.settle()
}

// flush writes what the session has to say. The lock is held, and let go of
// while writing. What the socket does not take at once is left to a goroutine
// that ends with it, so that flush never waits for the device; what comes up
// while another goroutine writes is written by that one.
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
		c.mu.Unlock()
		n, err := c.raw.write(b.bytes())
		c.mu.Lock()
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
		c.session.Written(c.g.elapsed(), err)
		b.buf = c.session.Output(b.buf)
		if b.len() == 0 {
			b.release()
			_ = c.nc.SetWriteDeadline(time.Time{})
			c.written()
			c.quiet()
			c.mu.Unlock()
			return
		}
		c.limitWriting()
		c.mu.Unlock()
	}
}

// written tells whom it concerns that the writer has ended, and acts upon a
// broken connection.
func (c *conn) written() {
	c.changed.Broadcast()
	c.settle()
	if c.session.Broken() {
		c.kick()
	}
}

// quiet is called when all that there was to say has been written.
func (c *conn) quiet() {
	if c.session.Leaving() {
		c.kick()
	}
}

// limitWriting sets how long the device has for what is being written. A failure
// means that the connection is closed, which the writer will find. The lock is
// held.
func (c *conn) limitWriting() {
	limit := writeTimeout
	if c.session.Leaving() {
		limit = lingerTimeout
	}
	if c.session.Writing() {
		_ = c.nc.SetWriteDeadline(time.Now().Add(limit))
	}
}
