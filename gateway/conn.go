package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// conn is one connection. Its goroutine reads, and handles what it has read;
// mu is around the session and whatever else others touch. mu is not held
// while the host is called, nor while something is written.
type conn struct {
	g    *Gateway
	nc   net.Conn
	raw  raw    // nil: reading and writing go by nc
	in   *chunk // what was read and not consumed; nil when there is nothing
	one  [1]byte
	want format          // what the device wants to receive; set before the host knows of c
	v5   bool            // likewise
	id   tandem.DeviceID // likewise; "" until then

	ref tandem.LinkRef
	seq uint64 // of the last message given to the host; the connection's goroutine has it

	certified tandem.DeviceID // whose certificate the client has; "" none

	mu      sync.Mutex
	changed sync.Cond // inflight has become less, the writer has ended, or leaving was set
	session *mqtt.Server

	filters    []filter
	subscribed bool     // once at least
	clean      bool     // the device has said good-bye
	leaving    bool     // nothing more is taken from the device, and nothing given to it but last words
	broken     bool     // nothing can be written
	writing    bool     // somebody is writing
	held       bool     // the host is handling a message: what it sends waits for the acknowledgement
	more       bool     // behind that message there is another
	overflowed bool     // and it has been logged
	complained bool     // something the device does wrong has been logged
	lines      []string // for the device's log
	kicked     bool     // reading has been interrupted for good

	inflight      int // messages the host has not handled
	inflightBytes int
	early         []parcel // from before the first SUBSCRIBE
	earlyBytes    int
	unwanted      []parcel // posts that the device has not subscribed to
	unacked       []unacked
	backlogBytes  int       // of unacked
	unsentBytes   int       // of QoS 0 messages since the last time that all had been sent
	connected     time.Time // when the host was told
	flushed       time.Time // when something was last written
}

type filter struct {
	text string
	qos  byte
}

// unacked is a message that the device has not acknowledged.
type unacked struct {
	id   uint16
	size int
	post uint64 // its number, if it is one
}

func newConn(g *Gateway, nc net.Conn) *conn {
	c := &conn{g: g, nc: nc, ref: tandem.LinkRef{Node: g.Node, ID: g.links.Add(1)}, session: mqtt.NewServer(time.Now(), &g.config)}
	c.changed.L = &c.mu
	c.raw = newRaw(c)
	return c
}

// run is the connection's goroutine, from the first byte to the last.
func (c *conn) run() {
	defer c.g.leave(c)
	if err := c.handshake(); err != nil {
		c.g.Logger.Debug("no TLS with a client", "address", c.nc.RemoteAddr(), "err", err)
		c.nc.Close()
		return
	}
	for c.receive() && c.take() {
	}
	c.finish()
}

// handshake does TLS's, which else the first read would do without a limit on
// its writes.
func (c *conn) handshake() error {
	t, ok := c.nc.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeLimit)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	state := t.ConnectionState()
	c.certified = certified(&state)
	return nil
}

// receive waits for bytes from the device and reads some. It returns false when
// there will be none.
func (c *conn) receive() bool {
	for {
		if !c.patient() {
			return false
		}
		err := c.read()
		if err == nil {
			return true
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
			c.mu.Lock()
			c.leaving, c.broken = true, true
			c.mu.Unlock()
			return false
		}
		c.mu.Lock()
		if !c.leaving && c.session.Tick(time.Now()) != nil {
			c.g.Logger.Info("device has been silent for too long", "device", c.id, "address", c.nc.RemoteAddr())
			c.leaving = true
			c.flush()
		}
		c.mu.Unlock()
	}
}

// patient sets until when the next read may wait. It returns false when there
// is to be none.
func (c *conn) patient() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return false
	}
	// A failure means that the connection is closed, which read will find.
	_ = c.nc.SetReadDeadline(c.session.Deadline())
	return true
}

// take handles what has been read. It returns false when the connection is to
// end.
func (c *conn) take() bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for !c.leaving && c.overloaded() {
			if c.flush(); !c.leaving && c.overloaded() { // flush lets go of the lock
				c.changed.Wait()
			}
			now = time.Now()
		}
		if c.leaving {
			return false
		}
		if !c.connectFits() {
			return false
		}
		n, ev, err := c.session.Feed(now, c.in.bytes())
		c.in.consume(n)
		if err != nil {
			c.g.Logger.Info("device is disconnected for a violation of MQTT", "device", c.id, "address", c.nc.RemoteAddr(), "err", err)
			c.leaving = true
			c.flush()
			if c.id != "" && mqtt.ReasonOf(err) == mqtt.PacketTooLarge {
				c.tellTooLarge()
				c.tellAll()
			}
			return false
		}
		if ev != nil {
			c.handle(ev)
			continue
		}
		if c.in.len() > 0 && c.session.Blocked() {
			continue
		}
		c.more = false
		c.flush()
		c.in = c.in.trim()
		return !c.leaving
	}
}

// overloaded reports that the host must handle something before more is taken
// from the device.
func (c *conn) overloaded() bool {
	return c.inflight >= inflightCount || c.inflightBytes >= inflightBytes || c.session.Blocked() ||
		c.writing && c.session.Answers() >= unreadAnswers
}

// connectFits spares strangers' packets the room a device's may take.
func (c *conn) connectFits() bool {
	if c.id != "" || mqtt.Size(c.in.bytes()) <= connectLimit {
		return true
	}
	c.g.Logger.Info("connection is closed: the first packet is too large", "address", c.nc.RemoteAddr())
	c.leaving = true
	return false
}

// finish ends the connection: the device hears the last words, the host is
// told, the socket is closed.
func (c *conn) finish() {
	c.mu.Lock()
	c.early, c.filters, c.unwanted = nil, nil, nil
	c.flush()
	c.limitWriting()
	for c.writing {
		c.changed.Wait()
	}
	told, clean := !c.connected.IsZero(), c.clean
	if told {
		c.tellAll()
	}
	deaf := clean || c.broken || c.flushed.IsZero() // or nothing was said to it
	c.in.release()
	c.in = nil
	c.mu.Unlock()
	if told {
		ctx, cancel := context.WithTimeout(context.Background(), hostTimeout)
		if err := c.g.Host.Disconnect(ctx, c.id, c.ref, tandem.LinkEnd{Clean: clean}); err != nil {
			c.g.Logger.Warn("the host does not know that a connection has ended", "device", c.id, "err", err)
		}
		cancel()
	}
	if !deaf {
		c.linger()
	}
	c.nc.Close()
}

// linger leaves the device time to read the last words. A socket closed with
// unread bytes in it is reset, and they would be lost.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || c.nc.SetDeadline(time.Now().Add(lingerTimeout)) != nil || half.CloseWrite() != nil {
		return
	}
	b := takeChunk()
	defer b.release()
	for total := 0; total < inflightBytes; {
		n, err := c.nc.Read(b.room(cap(b.buf)))
		if err != nil {
			return
		}
		total += n
	}
}

// end ends the connection from outside, or from within: the device is told why
// if it can be.
func (c *conn) end(code mqtt.Reason, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(code, why)
}

func (c *conn) endLocked(code mqtt.Reason, why string) {
	c.endWith(code, &mqtt.Properties{ReasonString: why})
}

func (c *conn) endWith(code mqtt.Reason, props *mqtt.Properties) {
	if c.leaving {
		return
	}
	// Before CONNECT has been answered there is nobody to tell.
	_ = c.session.Disconnect(code, props)
	c.leaving = true
	c.changed.Broadcast()
	c.flush()
	c.limitWriting()
}

// limitWriting sets how long the device has for what is being written. A failure
// means that the connection is closed, which the writer will find. The lock is
// held.
func (c *conn) limitWriting() {
	limit := writeTimeout
	if c.leaving {
		limit = lingerTimeout
	}
	if c.writing {
		_ = c.nc.SetWriteDeadline(time.Now().Add(limit))
	}
}

// kick interrupts the goroutine that reads. The lock is held.
func (c *conn) kick() {
	if !c.kicked {
		c.kicked = true
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection, which is as good
	}
}
