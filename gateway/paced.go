package gateway

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/gateway/session"
)

// The session counts what a device sends in MQTT. Frames of WebSocket that have nothing in them,
// and its own pings, it does not see; they are bounded below the protocol.
const (
	strangerBytes = 64 << 10               // of the connection before the device has logged in
	pacePause     = 100 * time.Millisecond // a connection over its rate rests at least this long
	pongPause     = time.Second            // between answers to pings of WebSocket
)

var errStrangerBytes = errors.New("too many bytes before login")

// paced is a connection under WebSocket, which is read from at a device's rate of bytes. Only
// one goroutine reads.
type paced struct {
	net.Conn
	elapsed  func() time.Duration
	rate     session.Rate
	restored time.Duration // when all that was read has been paid for
	stranger int           // bytes that may still be read before login; -1: logged in
	once     sync.Once
	closed   chan struct{}
}

func newPaced(nc net.Conn, elapsed func() time.Duration) *paced {
	return &paced{
		Conn: nc, elapsed: elapsed, rate: session.ByteRate(), stranger: strangerBytes, closed: make(chan struct{}),
	}
}

// know says that the device has logged in. It is called on the goroutine that reads.
func (p *paced) know() {
	if p != nil {
		p.stranger = -1
	}
}

// Read reads when the connection's bytes are paid for.
func (p *paced) Read(b []byte) (int, error) {
	if p.stranger == 0 {
		return 0, errStrangerBytes
	}
	if p.stranger > 0 {
		b = b[:min(len(b), p.stranger)]
	}
	now := p.elapsed()
	if over := p.restored - now - time.Duration(p.rate.Burst)*p.rate.Each; over > 0 {
		select {
		case <-p.closed:
		case <-time.After(over + pacePause):
		}
		now = p.elapsed()
	}
	n, err := p.Conn.Read(b)
	p.restored = max(p.restored, now) + time.Duration(n)*p.rate.Each
	if p.stranger > 0 {
		p.stranger -= n
	}
	return n, err
}

// Close closes the connection, and ends a Read that waits.
func (p *paced) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Conn.Close()
}

// hijacker is a response whose connection is paced once it is taken over.
type hijacker struct {
	http.ResponseWriter
	elapsed func() time.Duration
	paced   *paced
}

// Hijack takes over the connection.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.paced = newPaced(nc, h.elapsed)
	return h.paced, rw, nil
}

// seldom returns a function that returns true once in pongPause, for pings of WebSocket.
func seldom(elapsed func() time.Duration) func() bool {
	next := time.Duration(0)
	return func() bool {
		now := elapsed()
		if now < next {
			return false
		}
		next = now + pongPause
		return true
	}
}
