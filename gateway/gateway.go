// Package gateway is the node's end of the device link: it accepts MQTT
// connections, authenticates devices, and carries messages between devices and
// the host of their agents. It is a gateway, not a broker: a device reaches its
// own agent and nothing else.
//
// Devices speak MQTT 5 or 3.1.1 over TCP, TLS or WebSocket. Client id and user
// name are the device id, the password is the device key. A client certificate
// that the listener has verified and whose common name is the device id is enough
// too. A device publishes to
//
//	agent/<name>            a message to its agent
//	log, log/error          a line for its log
//	sys/hello, sys/status   reports of our device runtime about itself
//
// and subscribes to filters below device/ and sys/. Anything else is refused: a v5
// client is told the reason, a 3.1.1 client is disconnected where that version
// has no other way to refuse. Retained flags and wills are accepted and have no
// effect, since no other client could see them.
//
// A QoS 1 or 2 message is acknowledged when the host says that it has been
// handled. Messages of the host are sent with the subscription's QoS, 1 at most;
// messages before the first SUBSCRIBE wait for it, within bounds.
// A session ends with its connection.
//
// See DESIGN.md for how a connection is read, written and bounded.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/meter"
	"github.com/tandem-iot/tandem/mqtt"
)

// Host runs the agents of devices. The messages of a connection are numbered from
// next, over all topics, and are passed on in that order.
type Host interface {
	// Connect says that a device has a connection.
	Connect(ctx context.Context, id tandem.DeviceID, l tandem.Link, next uint64, address string) error
	// FromDevice takes a message that the device has published. handled is called
	// once, on any goroutine, when the message may be acknowledged. After an error the
	// host has done nothing and handled is not called; the connection is ended without
	// an acknowledgement, so that the device sends the message again.
	FromDevice(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, seq uint64, topic string,
		m tandem.Message, handled func()) error
	// Disconnect says that a connection has ended, and how. It is called once after
	// each Connect, whether that failed or not. The Connect of a newer connection may
	// come before it.
	Disconnect(ctx context.Context, id tandem.DeviceID, ref tandem.LinkRef, end tandem.LinkEnd) error
}

// Gateway serves the connections of devices. Set the fields, then call Serve. They
// must not be changed afterwards.
type Gateway struct {
	Host Host
	// Node is the node's name, for the references of its connections.
	Node string
	// Authenticate judges a login. An error of a kind other than NotFound, Unauthorized
	// and Forbidden means that it cannot be judged at the moment. The text of a Forbidden
	// one is for the device's operator.
	Authenticate func(ctx context.Context, l Login) (Standing, error)
	// NewKey returns a new key for a device whose key is rotated; "": it is not any more.
	// nil: no key is.
	NewKey func(ctx context.Context, id tandem.DeviceID) (string, error)
	Clock  *hlc.Clock   // of the node; nil: the gateway has its own
	Logger *slog.Logger // nil: nothing is logged

	// Address returns the address of the client of a WebSocket request, which may be behind a
	// proxy; nil: that of the connection.
	Address func(r *http.Request) netip.Addr
	// Logins slows down those who guess keys; nil: the gateway has its own.
	Logins *admit.Logins

	// KeepAlive is the longest keep-alive interval of a v5 device, which is told. The
	// connection of a silent device is ended after one and a half intervals. With 0
	// that is tandem.PresenceTimeout. A 3.1.1 device cannot be told and keeps its own
	// interval, even none.
	KeepAlive time.Duration
	// Connections limits the concurrent connections, including those without an
	// authenticated device. 0: 100,000.
	Connections int
	// Another returns the address of another server that accepts devices, to which they
	// are sent when this one stops; "" or nil: there is none.
	Another func() string

	measure func(net.Conn) time.Duration // the round trip of a bare connection; nil: as the system knows it

	once    sync.Once
	config  session.Config
	origin  time.Time      // of elapsed time
	numbers atomic.Uint64  // number of the newest connection; unique in this run of the node
	over    meter.Labelled // how often each limit was reached
	faults  atomic.Int64
	roll
}

// roll has the gateway's connections, under its lock.
type roll struct {
	mu       sync.Mutex
	devices  map[tandem.DeviceID]*conn
	unknown  map[*conn]struct{}                 // connections without an authenticated device
	arriving map[tandem.DeviceID]*conn          // the newest with an authenticated device, before they are in devices
	budgets  map[tandem.DeviceID]session.Budget // what devices have used on connections that have ended
	reviews  uint64                             // calls of Review and ReviewAll
	sweepAt  int                                // size from which budgets that are whole again are removed
	count    int                                // connections, including those that are ending
	stopping bool
	full     bool      // it was logged that there are too many connections, and there have been since
	ended    sync.Cond // count has become less
}

// Limits of a connection, besides those of its session.
const (
	writeTimeout   = admit.Grace      // for the socket to take the bytes of one write
	lingerTimeout  = 2 * time.Second  // for the device to read the last packets
	lingerBytes    = 1 << 20          // bytes of the device that are read and dropped meanwhile
	handshakeLimit = admit.Opening    // of TLS
	hostTimeout    = 10 * time.Second // for the host and the store, at either end of a connection
)

func (g *Gateway) setUp() {
	g.once.Do(func() {
		if g.Clock == nil {
			g.Clock = new(hlc.Clock)
		}
		if g.Logger == nil {
			g.Logger = slog.New(slog.DiscardHandler)
		}
		if g.Logins == nil {
			g.Logins = new(admit.Logins)
		}
		if g.measure == nil {
			g.measure = linkTrip
		}
		if g.KeepAlive == 0 {
			g.KeepAlive = tandem.PresenceTimeout * 2 / 3
		}
		if g.Connections == 0 {
			g.Connections = 100_000
		}
		g.config = session.Config{KeepAlive: g.KeepAlive, Stamp: g.Clock.Now, Rates: session.DeviceRates}
		g.origin = time.Now()
		g.numbers.Store(rand.Uint64() >> 1)
		g.devices = map[tandem.DeviceID]*conn{}
		g.unknown = map[*conn]struct{}{}
		g.arriving = map[tandem.DeviceID]*conn{}
		g.budgets = map[tandem.DeviceID]session.Budget{}
		g.ended.L = &g.mu
	})
}

// now returns the time for a session.
func (g *Gateway) now() tandem.Now {
	wall := time.Now()
	return tandem.Now{Wall: wall, Mono: wall.Sub(g.origin)}
}

func (g *Gateway) elapsed() time.Duration { return time.Since(g.origin) }

// Devices returns how many devices have a connection here. It may be called before
// Serve.
func (g *Gateway) Devices() int {
	g.setUp()
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.devices)
}

// Faults returns how many connections have ended by a fault of the server, a panic.
func (g *Gateway) Faults() int64 { return g.faults.Load() }

// Over counts how often each of this package's limits was reached, by the names of
// tandem.Over.
func (g *Gateway) Over() map[string]int64 { return g.over.All() }

// Serve takes connections from the listeners, TCP or TLS, until ctx ends or a
// listener fails. There may be none, when all devices come by WebSocket. It
// closes the listeners and all connections of the gateway, WebSocket included,
// and returns when they have ended. The error is that of a listener, or nil.
func (g *Gateway) Serve(ctx context.Context, listeners ...net.Listener) error {
	g.setUp()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var accepting sync.WaitGroup
	for _, l := range listeners {
		accepting.Go(func() { cancel(g.accept(ctx, l)) })
	}
	<-ctx.Done()
	for _, l := range listeners {
		l.Close() // an error of closing needs no handling
	}
	accepting.Wait()
	g.stop()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// accept returns when the listener is closed. Whatever else fails, most likely for lack of file
// descriptors or memory, passes.
func (g *Gateway) accept(ctx context.Context, l net.Listener) error {
	for pause := firstPause; ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = max(pause/2, firstPause)
			if c := g.enter(nc, admit.Of(nc), netip.Addr{}); c != nil {
				go c.run() // stop waits for it
			}
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case pause == firstPause:
			g.Logger.Error("connections of devices cannot be accepted; it is tried again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// Pauses after a failed Accept.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// enter registers a new connection, or closes it and returns nil. peer is the client's address,
// zero if it is that of the connection.
func (g *Gateway) enter(nc net.Conn, gate *admit.Conn, peer netip.Addr) *conn {
	g.mu.Lock()
	full := g.count >= g.Connections
	var c *conn
	if !g.stopping && !full {
		c = newConn(g, nc, gate, peer)
		g.count++
		g.unknown[c] = struct{}{}
	}
	tell := full && !g.stopping && !g.full
	g.full = g.full || full
	g.mu.Unlock()
	if full {
		g.over.Add(tandem.OverConnections, 1)
	}
	if tell { // before the client sees that it is closed
		g.Logger.Warn("connections are closed because there are too many", "limit", g.Connections)
	}
	if c == nil {
		nc.Close()
	}
	return c
}

// sendAway ends a connection because this server stops.
func (g *Gateway) sendAway(c *conn) {
	another := ""
	if g.Another != nil {
		another = g.Another()
	}
	code := mqtt.UseAnotherServer
	if another == "" {
		code = mqtt.ShuttingDown
	}
	c.end(code, stopText, another)
}

// Devices that are sent to another server are sent over this time, so that it is not
// overloaded, but no slower than one in the pace.
const (
	awayTime = 5 * time.Second
	awayPace = 5 * time.Millisecond
)

const stopText = "this server is being stopped: connect again in a moment"

// stop ends all connections and waits for them.
func (g *Gateway) stop() {
	g.mu.Lock()
	g.stopping = true
	all := make([]*conn, 0, g.count)
	for _, c := range g.devices {
		all = append(all, c)
	}
	for _, c := range g.arriving {
		all = append(all, c)
	}
	for c := range g.unknown {
		all = append(all, c)
	}
	g.mu.Unlock()
	pause := time.Duration(0)
	if g.Another != nil && len(all) > 0 {
		pause = min(awayTime/time.Duration(len(all)), awayPace)
	}
	for _, c := range all {
		g.sendAway(c)
		if pause > 0 {
			<-time.After(pause)
		}
	}
	g.mu.Lock()
	for g.count > 0 {
		g.ended.Wait()
	}
	g.mu.Unlock()
}
