package admit

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Gate bounds the connections of listeners, of all addresses and of each one. A
// connection that has logged in, see [Conn.Know], does not count for its address, because
// thousands of devices may share one. When there is no room, the connection closes that
// has waited longest for its client; when none waits, the new one does.
type Gate struct {
	what    string
	logger  *slog.Logger
	proxies []netip.Prefix
	pool    *Pool[Source]
	refused Tally
	shut    atomic.Bool
}

// NewGate returns a gate for total connections, and for each of an address. what names
// them in the log. Connections from proxies do not count for their address, because the
// proxy's clients share it. logger may be nil.
func NewGate(what string, total, each int, proxies []netip.Prefix, logger *slog.Logger) *Gate {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Gate{
		what: what, logger: logger, proxies: proxies, pool: NewPool[Source](int64(total), int64(each)),
	}
}

// Listen returns a listener whose connections are bounded by the gate. They are [*Conn].
// TLS belongs outside of it, so that a handshake counts. Accept does not fail when the
// process is out of file descriptors: it closes waiting connections and tries again.
func (g *Gate) Listen(l net.Listener) net.Listener {
	return &listener{Listener: l, gate: g, closed: make(chan struct{})}
}

// Connections returns how many there are.
func (g *Gate) Connections() int64 { return g.pool.Held() }

// Over returns how many connections were closed because there were too many.
func (g *Gate) Over() int64 { return g.pool.Over() }

// Shed closes up to n connections that wait for their client, and returns how many.
func (g *Gate) Shed(n int) int { return g.pool.Shed(n) }

// Shut makes the gate close all new connections, or let them in again.
func (g *Gate) Shut(shut bool) { g.shut.Store(shut) }

// Report writes to the log how many connections were refused since the last report, at most
// once a minute. It is meant to be called more often, so that the first is soon in the log.
func (g *Gate) Report(now time.Time) {
	if c := g.refused.Take(now); c.N > 0 {
		g.logger.Warn("connections were closed because there are too many",
			"listener", g.what, "closed", c.N, "addresses", c.Sources, "most_from", c.Most, "of_it", c.MostN)
	}
}

func (g *Gate) behindProxy(a netip.Addr) bool {
	for _, p := range g.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// enter returns the connection to serve, or closes it and returns nil.
func (g *Gate) enter(nc net.Conn) *Conn {
	source := SourceOfConn(nc.RemoteAddr())
	c := &Conn{Conn: nc}
	if g.shut.Load() {
		g.refused.Add(source)
		nc.Close()
		return nil
	}
	c.holder = g.pool.Enter(source, 1, func() {
		g.refused.Add(source)
		nc.Close()
	})
	if c.holder == nil {
		g.refused.Add(source)
		nc.Close()
		return nil
	}
	if g.behindProxy(source.addr) {
		c.Trust()
	}
	return c
}

// Conn is a connection that a Gate has let in.
type Conn struct {
	net.Conn
	holder *Holder[Source]
	extra  atomic.Int32 // units for what it does at once beyond the first
	known  atomic.Bool
}

// NetConn returns the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Know says that the client has logged in for as long as the connection lasts, as a device
// does. From now on the connection does not count for its address, and does not give way.
func (c *Conn) Know() {
	if c != nil {
		c.Trust()
		c.holder.Works()
	}
}

// Trust says that a request of the client was authorized. From now on the connection does
// not count for its address. It still gives way while it waits for the next request.
func (c *Conn) Trust() {
	if c != nil && !c.known.Swap(true) {
		c.holder.Know()
	}
}

// Close closes the connection.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.holder.Leave()
	return err
}

// CloseWrite closes the half of the connection that goes to the client.
func (c *Conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Begin says that the connection has something to do for the client, such as a request.
// A connection that does several things at once counts as often. Begin returns false when
// there is no room for that. Otherwise End must be called.
func (c *Conn) Begin() bool {
	if c == nil {
		return true
	}
	if c.holder.working.Add(1) == 1 {
		return true
	}
	if !c.holder.Grow(1) {
		c.End()
		return false
	}
	c.extra.Add(1)
	return true
}

// End says that one thing is done.
func (c *Conn) End() {
	if c == nil {
		return
	}
	c.holder.used.Store(true)
	left := c.holder.working.Add(-1)
	for extra := c.extra.Load(); extra > max(0, left-1); extra = c.extra.Load() {
		if c.extra.CompareAndSwap(extra, extra-1) {
			c.holder.Shrink(1)
		}
	}
}

// Of returns the Conn below a connection, such as one of TLS, or nil. The methods Know,
// Trust, Begin and End of nil do nothing.
func Of(nc net.Conn) *Conn {
	for {
		switch c := nc.(type) {
		case *Conn:
			return c
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		default:
			return nil
		}
	}
}

type connKey struct{}

// Context returns a context with the Conn below nc, for http.Server.ConnContext.
func Context(ctx context.Context, nc net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, Of(nc))
}

// From returns the Conn of a context, or nil.
func From(ctx context.Context) *Conn {
	c, _ := ctx.Value(connKey{}).(*Conn)
	return c
}

// listener is a listener behind a gate. One goroutine at a time calls Accept.
type listener struct {
	net.Listener
	gate   *Gate
	once   sync.Once
	closed chan struct{}
	failed time.Time // when Accept failed last; zero: the log does not say that it fails
}

// Waiting times after a failed Accept, and connections that are closed then.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
	shedAtOnce = 16

	// calm is how long Accept must not have failed before the log says that it works again:
	// while descriptors are few, it fails and succeeds many times a second.
	calm = 10 * time.Second
)

// Accept returns the next connection that is let in. It fails when the listener is closed,
// or with an error that is not temporary.
func (l *listener) Accept() (net.Conn, error) {
	for pause := firstPause; ; {
		nc, err := l.Listener.Accept()
		if err == nil {
			pause = firstPause
			if !l.failed.IsZero() && time.Since(l.failed) >= calm {
				l.gate.logger.Info("connections are accepted again", "listener", l.gate.what)
				l.failed = time.Time{}
			}
			if c := l.gate.enter(nc); c != nil {
				return c, nil
			}
			continue
		}
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return nil, err
		}
		if l.failed.IsZero() {
			l.gate.logger.Error("connections cannot be accepted", "listener", l.gate.what, "err", err)
		}
		l.failed = time.Now()
		l.gate.Shed(shedAtOnce) // most likely the process is out of file descriptors
		select {
		case <-l.closed:
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// Close closes the listener. Connections stay.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
