package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/gateway/session"
)

// conn is one connection. Its goroutine reads, feeds the session the bytes it has
// read, and asks the host the session's questions.
type conn struct {
	g      *Gateway
	gate   *admit.Conn // below nc; nil: there is none
	nc     net.Conn
	paced  *paced     // below nc; nil: it is no WebSocket
	raw    raw        // nil: nc is used to read and write
	in     *chunk     // bytes read and not consumed; nil when there are none
	peer   netip.Addr // the client's address; zero when it has none
	number uint64     // of its LinkRef
	one    [1]byte

	// Used by the connection's goroutine alone.
	device     tandem.DeviceID // authenticated; "": not yet
	introduced bool            // Host.Connect was called
	dismissed  bool            // Host.Disconnect was called

	talk
}

// talk is the conversation of a connection, under its lock. The lock is not held while
// the host is called, nor during a write.
type talk struct {
	mu      sync.Mutex
	changed sync.Cond // the session is less full, the writer has ended, or the session is leaving
	session session.Session
	ended   bool        // settle has handled that the session is leaving
	kicked  bool        // reading has been interrupted and stays so
	reading bool        // WebSocket: the connection's goroutine waits for bytes
	alarm   *time.Timer // WebSocket: for Tick; nil: none was needed yet
	standing
}

func newConn(g *Gateway, nc net.Conn, gate *admit.Conn, peer netip.Addr) *conn {
	if !peer.IsValid() {
		peer = admit.Addr(nc.RemoteAddr().String())
	}
	c := &conn{g: g, gate: gate, nc: nc, peer: peer, number: g.numbers.Add(1)}
	c.session = session.New(&g.config, g.now())
	c.changed.L = &c.mu
	c.raw = newRaw(c)
	return c
}

// run is the connection's goroutine, from the first byte to the last.
func (c *conn) run() {
	defer c.g.leave(c)
	defer c.rescue()
	if err := c.handshake(); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			c.g.over.Add(tandem.OverLoginTime, 1)
		}
		c.g.Logger.Debug("TLS handshake failed", "address", c.nc.RemoteAddr(), "err", err)
		c.nc.Close()
		return
	}
	for c.receive() && c.take() {
	}
	c.finish()
}

// handshake does the TLS handshake. Otherwise the first read would do it, without a
// limit on its writes.
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
	c.certify(&state)
	return nil
}

func (c *conn) certify(state *tls.ConnectionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.standing.login.Certificate = certified(state)
	c.session.Certified(c.g.now(), c.standing.login.Certificate != nil)
}

// receive waits for bytes from the device and reads some. It returns false when
// there will be no more.
func (c *conn) receive() bool {
	for {
		if !c.patient() {
			return false
		}
		err := c.read()
		if err == nil {
			return true
		}
		c.failed(err)
	}
}

// failed handles that nothing was read.
func (c *conn) failed(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		c.tick()
	} else {
		c.session.Break(err)
	}
	c.settle()
}

// patient sets the deadline of the next read. It returns false when there must be
// no further read.
func (c *conn) patient() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.Leaving() {
		return false
	}
	if c.paced != nil {
		c.setAlarm()
		return true
	}
	var until time.Time
	if at, ok := c.session.Deadline(); ok {
		until = c.g.origin.Add(at)
	}
	// A failure means that the connection is closed, which read finds out itself.
	_ = c.nc.SetReadDeadline(until)
	return true
}

// setAlarm has the session tick when it is due while the connection's goroutine reads. It is for
// WebSocket, which is closed when a read times out. The lock is held.
func (c *conn) setAlarm() {
	c.reading = true
	at, ok := c.session.Deadline()
	switch wait := at - c.g.elapsed(); {
	case !ok && c.alarm != nil:
		c.alarm.Stop()
	case ok && c.alarm != nil:
		c.alarm.Reset(wait)
	case ok:
		c.alarm = time.AfterFunc(wait, c.ring)
	}
}

func (c *conn) ring() {
	defer c.guard()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reading {
		return // what was read is fed first
	}
	c.tick()
	c.settle()
	if !c.session.Leaving() {
		c.setAlarm()
	}
}

// tick has the session do what is due. Before it gives up a silent device it learns how slow the link
// is, so nothing is measured while a device is heard. The lock is held.
func (c *conn) tick() {
	c.session.Measured(c.g.measure(c.bare()))
	c.session.Tick(c.g.now())
}

// bare returns the connection below TLS and WebSocket.
func (c *conn) bare() net.Conn {
	nc := c.nc
	if c.paced != nil {
		nc = c.paced.Conn
	}
	for {
		above, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nc
		}
		nc = above.NetConn()
	}
}

// take feeds the session the bytes that were read. It returns false when the
// connection must end.
func (c *conn) take() bool {
	now := c.g.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	for {
		if c.session.Full() {
			c.await()
			now = c.g.now()
		}
		n, again := c.session.Feed(now, c.in.bytes())
		c.in.consume(n)
		c.settle()
		c.ask()
		if c.session.Leaving() {
			return false
		}
		if !again {
			c.flush()
			c.in = c.in.trim()
			return !c.session.Leaving()
		}
	}
}

// await waits until the session takes more from the device. The lock is held, and released
// meanwhile.
func (c *conn) await() {
	for c.session.Full() {
		c.flush()
		if !c.rest() && c.session.Full() {
			c.changed.Wait()
		}
	}
}

// rest waits for an event or for the end of the session's rest, if it rests. The lock is held,
// and released meanwhile.
func (c *conn) rest() bool {
	left := c.session.Rest(c.g.elapsed())
	if left == 0 {
		return false
	}
	defer time.AfterFunc(left, c.wake).Stop()
	c.changed.Wait()
	return true
}

func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed.Broadcast()
}

// settle handles the effects of an event other than questions and output. The lock
// is held, and released during a write.
func (c *conn) settle() {
	for _, n := range c.session.Notices() {
		c.say(&n)
	}
	if c.session.Leaving() && !c.ended {
		c.ended = true
		c.changed.Broadcast()
		c.flush()
		c.limitWriting()
	}
}

// finish ends the connection: the device gets the last packets, the host is told,
// and the socket is closed. Writing of the last packets has begun already; see
// settle.
func (c *conn) finish() {
	if c.close() {
		c.linger()
	}
	c.nc.Close()
}

// close is finish without the socket. It returns whether the device may still be reading.
func (c *conn) close() (linger bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	for c.session.Writing() {
		c.changed.Wait()
	}
	c.session.Closed(c.g.now())
	c.settle()
	linger = c.session.Linger()
	c.in.release()
	c.in = nil
	c.ask()
	return linger
}

// unlocked calls f without the lock, which is held before and after, even if f panics.
func (c *conn) unlocked(f func()) {
	c.mu.Unlock()
	defer c.mu.Lock()
	f()
}

// linger gives the device time to read the last packets. Closing a socket with
// unread bytes would reset the connection, and the packets would be lost.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || c.nc.SetDeadline(time.Now().Add(lingerTimeout)) != nil || half.CloseWrite() != nil {
		return
	}
	b := takeChunk()
	defer b.release()
	for total := 0; total < lingerBytes; {
		n, err := c.nc.Read(b.room(cap(b.buf)))
		if err != nil {
			return
		}
		total += n
	}
}

// kick interrupts the goroutine that reads. The lock is held.
func (c *conn) kick() {
	if !c.kicked {
		c.kicked = true
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // it fails only on a closed connection, whose reads fail anyway
	}
}
