// Package badlink passes TCP connections on as a bad network would: late, with losses, or not at all.
//
// What TCP carries arrives whole and in order whatever happens below it. So a loss is a delay here, that
// of a segment which is sent again; what was sent while the link was cut arrives when it is whole again.
package badlink

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Link is a listener on loopback and a server to which its connections are passed on.
type Link struct {
	server   string
	listener *net.TCPListener
	work     sync.WaitGroup
	state
}

// state is what the network does now, under its lock.
type state struct {
	mu      sync.Mutex
	latency time.Duration // in each direction
	loss    float64       // share of all segments
	cut     bool
	changed chan struct{} // closed at the next change
	open    map[*passage]bool
	ended   bool

	refusing bool
}

// resend is the time after which a segment that was lost is sent again for the first time; each further
// time takes twice as long, as RFC 6298 has it.
const resend = time.Second

// maxResends bounds how often one segment is lost.
const maxResends = 6

// segment is how much is lost, or delayed, at a time.
const segment = 1400

// Listen returns a link to a server, at a free port of this machine.
func Listen(server string) (*Link, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	return &Link{server: server, listener: l, state: state{changed: make(chan struct{}), open: map[*passage]bool{}}}, nil
}

// Addr returns where the link listens.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Run passes connections on until ctx ends.
func (l *Link) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	for {
		c, err := l.listener.AcceptTCP()
		if err != nil {
			l.close()
			l.work.Wait()
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		l.work.Go(func() { l.pass(c) })
	}
}

func (l *Link) close() {
	l.listener.Close() // ignore the error: nothing more comes by it
	l.change(func() { l.ended = true })
	l.End(false)
}

// Slow has everything take a time in each direction from now on.
func (l *Link) Slow(latency time.Duration) { l.change(func() { l.latency = latency }) }

// Lose has a share of all segments be lost from now on, 0 to 0.99.
func (l *Link) Lose(share float64) { l.change(func() { l.loss = min(max(share, 0), 0.99) }) }

// Cut has nothing arrive, until it is called with false.
func (l *Link) Cut(cut bool) { l.change(func() { l.cut = cut }) }

// Refuse ends all connections and makes no others, until it is called with false.
func (l *Link) Refuse(refuse bool) {
	l.change(func() { l.refusing = refuse })
	if refuse {
		l.End(false)
	}
}

// End ends all connections, in good order or with a reset; both ends hear of it.
func (l *Link) End(reset bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.open {
		if reset {
			// A connection that has ended already needs none.
			_ = p.from.SetLinger(0)
			_ = p.to.SetLinger(0)
		}
		p.end()
	}
}

// Open reports whether there is a connection.
func (l *Link) Open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) > 0 && !l.cut
}

func (l *Link) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// passage is a connection that is passed on.
type passage struct {
	from, to *net.TCPConn
	over     chan struct{}
	once     sync.Once
}

func (p *passage) end() {
	p.once.Do(func() {
		close(p.over)
		p.from.Close() // ignore the errors: the connections are over
		p.to.Close()
	})
}

// pass passes a connection on. One that comes while the link is cut waits, as its first packet would.
func (l *Link) pass(from *net.TCPConn) {
	if !l.await(nil) {
		from.Close()
		return
	}
	to, err := net.Dial("tcp", l.server)
	if err != nil {
		from.Close()
		return
	}
	p := &passage{from: from, to: to.(*net.TCPConn), over: make(chan struct{})}
	if !l.enter(p) {
		p.end()
		return
	}
	defer l.leave(p)
	l.work.Go(func() { l.carry(p, to, from) })
	l.carry(p, from, to)
}

func (l *Link) enter(p *passage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[p] = true
	return !l.ended && !l.refusing
}

func (l *Link) leave(p *passage) {
	p.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, p)
}

// piece is what was read at once, and when it is due.
type piece struct {
	data []byte
	due  time.Time
}

// inFlight is how many pieces are on their way at most, in one direction.
const inFlight = 1000

// carry carries what one end sends to the other.
func (l *Link) carry(p *passage, from, to net.Conn) {
	way := make(chan piece, inFlight)
	l.work.Go(func() {
		defer p.end()
		for x := range way {
			if !l.until(p, x.due) {
				return
			}
			if _, err := to.Write(x.data); err != nil {
				return
			}
		}
	})
	defer close(way)
	buf := make([]byte, segment)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case way <- piece{append([]byte(nil), buf[:n]...), time.Now().Add(l.delay())}:
			case <-p.over:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// delay is how long a segment takes.
func (l *Link) delay() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.latency
	for again, wait := 0, resend; again < maxResends && rand.Float64() < l.loss; again++ {
		d += wait
		wait *= 2
	}
	return d
}

// until waits for a time, and then until the link is whole. It reports false when the passage is over.
func (l *Link) until(p *passage, due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.over:
			return false
		}
	}
	return l.await(p.over)
}

// await waits while the link is cut. It reports false when there is nothing to wait for any more.
func (l *Link) await(over <-chan struct{}) bool {
	for {
		l.mu.Lock()
		cut := l.cut
		gone := l.ended || l.refusing
		changed := l.changed
		l.mu.Unlock()
		if gone || !cut {
			return !gone
		}
		select {
		case <-changed:
		case <-over:
			return false
		}
	}
}
