package runner

import (
	"cmp"
	"context"
	"net"
	"time"

	"github.com/tandem-iot/tandem/device/core"
)

// readSize is how much is read at a time, in bytes.
const readSize = 4096

// conn is a connection, or the attempt to make one. Its goroutines end with it:
// one dials, later one reads and one writes.
type conn struct {
	number uint64
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	net    net.Conn    // nil while it dials
	write  chan []byte // to the writer; one at a time
}

// dialed is a connection that was made.
type dialed struct {
	*core.Dialed
	net net.Conn
}

// dial begins an attempt to connect.
func (s *shell) dial(e *core.Dial) {
	n := &conn{number: e.Number, write: make(chan []byte, 1)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	s.conn = n
	s.r.verify.use(e.Time, e.AtLeast)
	s.wg.Go(func() {
		reached := func(trip time.Duration) { n.tell(s.events, &core.Reached{Number: e.Number, RoundTrip: trip}) }
		c, err := s.r.dial(n.ctx, e.Another, reached)
		d := &core.Dialed{Number: e.Number, Err: err}
		if err != nil {
			d.Reason, d.Err = whyNot(err), inWords(cmp.Or(e.Another, s.r.Addr), err)
		} else {
			d.Address = ownAddress(c)
		}
		select {
		case s.dialed <- dialed{d, c}:
		case <-n.ctx.Done():
			if err == nil {
				c.Close() // nothing was said on it
			}
		}
	})
}

// opened begins to read and write.
func (s *shell) opened(d dialed) {
	if s.conn == nil || s.conn.number != d.Number {
		if d.Err == nil {
			d.net.Close() // nothing was said on it
		}
		return
	}
	if d.Err != nil {
		s.closeConn(d.Number)
	} else {
		n := s.conn
		n.net = d.net
		addr := s.r.Addr
		s.wg.Go(func() { n.readLoop(addr, s.events) })
		s.wg.Go(func() { n.writeLoop(addr, s.events) })
	}
	s.step(d.Dialed)
}

// closeConn ends a connection, or the attempt to make it.
func (s *shell) closeConn(number uint64) {
	n := s.conn
	if n == nil || n.number != number {
		return
	}
	s.conn = nil
	n.cancel()
	if n.net != nil {
		// Whatever it says, the connection is over. TLS may wait until it can say so.
		s.wg.Go(func() { n.net.Close() })
	}
}

// readLoop has the core hear what comes. While the core works on one buffer the
// other is read into.
func (n *conn) readLoop(addr string, out chan<- core.Event) {
	bufs := [2][]byte{make([]byte, readSize), make([]byte, readSize)}
	events := [2]core.Received{{Number: n.number}, {Number: n.number}}
	for i := 0; ; {
		k, err := n.net.Read(bufs[i])
		if k > 0 {
			events[i].Data = bufs[i][:k]
			if !n.tell(out, &events[i]) {
				return
			}
			i = 1 - i
		}
		if err != nil {
			n.tell(out, &core.Closed{Number: n.number, Err: inWords(addr, err)})
			return
		}
	}
}

func (n *conn) writeLoop(addr string, out chan<- core.Event) {
	for {
		select {
		case b := <-n.write:
			var ev core.Event = &core.Written{Number: n.number}
			_, err := n.net.Write(b)
			if err != nil {
				ev = &core.Closed{Number: n.number, Err: inWords(addr, err)}
			}
			if !n.tell(out, ev) || err != nil {
				return
			}
		case <-n.ctx.Done():
			return
		}
	}
}

// tell gives the core an event, and reports false when the connection has ended.
func (n *conn) tell(out chan<- core.Event, ev core.Event) bool {
	select {
	case out <- ev:
		return true
	case <-n.ctx.Done():
		return false
	}
}

// ownAddress returns our own IP address on a connection, "" where it cannot be
// known.
func ownAddress(c net.Conn) string {
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		return a.IP.String()
	}
	return ""
}
