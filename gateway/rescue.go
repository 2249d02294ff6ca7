package gateway

import (
	"errors"
	"runtime/debug"

	"github.com/tandem-iot/tandem"
)

var errPanic = errors.New("internal error")

// A panic ends its connection and nothing else. Whatever is called under the lock unlocks it
// when it panics, and gets it back when it is called without; see unlocked.

// guard is deferred where others enter a connection: it ends the connection after a panic,
// and the caller goes on.
func (c *conn) guard() {
	if v := recover(); v != nil {
		c.report(v)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.session.Written(c.g.elapsed(), errPanic) // it may be the writer that has ended
		c.changed.Broadcast()
		c.kick()
	}
}

// rescue is deferred by the connection's goroutine. The session may have panicked, so it is
// not asked any more what is due at the end.
func (c *conn) rescue() {
	v := recover()
	if v == nil {
		return
	}
	c.report(v)
	c.nc.Close()
	c.mu.Lock()
	c.session.Break(errPanic)
	c.mu.Unlock()
	if c.introduced && !c.dismissed {
		defer c.guard() // the host may be what panics
		c.dismiss(c.device, tandem.LinkEnd{Lost: true})
	}
}

// report logs and counts a panic.
func (c *conn) report(v any) {
	c.g.Logger.Error("internal error: a device's connection is ended",
		"device", c.device, "address", c.nc.RemoteAddr(), "panic", v, "stack", string(debug.Stack()))
	c.g.faults.Add(1)
}
