// Package broker is the connection of an agent to an MQTT broker: a shell around
// an mqtt.Client, which does the protocol.
//
// A [Conn] is made for one connection. Run makes it, keeps it until it ends, and
// calls the functions of [Events] one at a time. Publish, Subscribe, Unsubscribe
// and Close may be called from any goroutine and do not wait; what came of a
// request is told by Done, once for each request unless the connection ends first.
//
// # Bounds
//
// Messages that the broker sends are handed on as they come, and count until they
// have been handled; when they are maxUnhandled bytes the broker is not read from
// until there is room. So a broker that is faster than its agent fills its own
// buffers, and no message is dropped here. How much is under way to the broker is
// for the caller to bound. A message of QoS 1 or 2 is acknowledged when it has been
// handled.
//
// The session is a clean one of MQTT 3.1.1: nothing outlives the connection.
package broker

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/mqtt"
)

const (
	maxUnhandled  = 512 << 10 // bytes of messages, with perMessage for each
	perMessage    = 8 << 10   // so there are 64 at most
	answerTimeout = time.Minute
	dialTimeout   = 30 * time.Second
	writeTimeout  = 30 * time.Second
	leaveTimeout  = 5 * time.Second
)

// What Done reports, beside 0.
const (
	NotConnected = -1
	TooMuch      = -2 // to the session's mind
	NoAnswer     = -3 // for answerTimeout
	Refused      = 128
)

// Events is who hears of what happens. All must be set.
type Events struct {
	// Connected: the broker has answered. Code is 0, a return code of
	// MQTT 3.1.1, or NotConnected, and why is for people. What is not 0 is the
	// last event.
	Connected func(code int, why string)
	// Message is the broker's; handled is to be called when it has been dealt
	// with, from any goroutine.
	Message func(topic string, payload []byte, handled func())
	// Done ends a request. QoS is what a subscription was granted.
	Done func(request uint64, code int, qos byte)
	// Lost is the last event of a connection that ends other than by Close.
	Lost func(why string)
}

// Conn is one connection. Make it with New.
type Conn struct {
	dial    func(context.Context) (net.Conn, error)
	connect mqtt.Connect
	events  Events

	mu    sync.Mutex
	tasks []func()
	news  chan struct{} // has room for one: there are tasks

	// What follows is Run's.
	client    *mqtt.Client
	in        []byte // read and not fed
	closed    bool   // by the broker: nothing more is to be read
	open      bool
	leaving   bool
	ended     error // why the loop is to end
	unhandled int   // bytes
	asked     []request
	leaveBy   time.Time
}

// request is what waits for an answer of the broker.
type request struct {
	number uint64
	packet uint16 // 0: for being written
	taken  bool   // it is in what is being written
	until  time.Time
}

// errLeft is the end of a connection by Close.
var errLeft = errors.New("the connection was closed")

// New returns a connection that Run will make with dial.
func New(dial func(context.Context) (net.Conn, error), connect *mqtt.Connect, events Events) *Conn {
	return &Conn{dial: dial, connect: *connect, events: events, news: make(chan struct{}, 1)}
}

// do has Run call f.
func (c *Conn) do(f func()) {
	c.mu.Lock()
	c.tasks = append(c.tasks, f)
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// Publish sends a message, which is then the connection's.
func (c *Conn) Publish(number uint64, m *mqtt.Publish) {
	c.do(func() { c.ask(number, func() (uint16, error) { return c.client.Publish(m) }) })
}

// Subscribe asks for messages.
func (c *Conn) Subscribe(number uint64, filter string, qos byte) {
	c.do(func() {
		c.ask(number, func() (uint16, error) {
			return c.client.Subscribe(mqtt.Subscription{Filter: filter, QoS: qos})
		})
	})
}

// Unsubscribe ends a subscription.
func (c *Conn) Unsubscribe(number uint64, filter string) {
	c.do(func() { c.ask(number, func() (uint16, error) { return c.client.Unsubscribe(filter) }) })
}

// Close ends the connection in good order, and Run soon after. There may be
// events until then.
func (c *Conn) Close() { c.do(c.leave) }

// Run makes the connection and returns when it has ended, or ctx has.
func (c *Conn) Run(ctx context.Context) {
	conn, err := c.reach(ctx)
	if err == nil {
		c.client, err = mqtt.NewClient(time.Now(), &mqtt.Config{}, &c.connect, nil)
	}
	if err == nil {
		err = c.converse(ctx, conn)
	}
	if conn != nil {
		conn.Close() // its end is known already
	}
	switch {
	case errors.Is(err, errLeft), ctx.Err() != nil:
	case c.open:
		c.events.Lost(err.Error())
	default:
		c.events.Connected(c.refusal(err), err.Error())
	}
}

// reach dials, until Close.
func (c *Conn) reach(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	type outcome struct {
		conn net.Conn
		err  error
	}
	dialed := make(chan outcome, 1)
	go func() {
		conn, err := c.dial(ctx)
		dialed <- outcome{conn, err}
	}()
	for {
		select {
		case o := <-dialed:
			return o.conn, o.err
		case <-c.news:
			if c.run(); !c.leaving {
				continue
			}
			cancel()
			o := <-dialed
			return o.conn, errLeft
		}
	}
}

// refused is a CONNACK that says no.
type refused struct{ code mqtt.Reason }

func (r refused) Error() string { return "the broker refuses: " + r.code.String() }

// refusal returns the code of MQTT 3.1.1 for why there is no connection.
func (c *Conn) refusal(err error) int {
	var r refused
	if !errors.As(err, &r) {
		return NotConnected
	}
	codes := []mqtt.Reason{mqtt.Success, mqtt.UnsupportedVersion, mqtt.ClientIDInvalid, mqtt.ServerUnavailable, mqtt.BadCredentials, mqtt.NotAuthorized}
	if code := slices.Index(codes, r.code); code > 0 {
		return code
	}
	return NotConnected
}

// run does what others have asked for.
func (c *Conn) run() {
	c.mu.Lock()
	tasks := c.tasks
	c.tasks = nil
	c.mu.Unlock()
	for _, f := range tasks {
		f()
	}
}

func (c *Conn) leave() {
	if c.leaving {
		return
	}
	c.leaving, c.leaveBy = true, time.Now().Add(leaveTimeout)
	if !c.open || c.client.Disconnect(mqtt.Success, nil) != nil {
		c.ended = errLeft
	}
}

// ask makes a request of the session.
func (c *Conn) ask(number uint64, do func() (packet uint16, err error)) {
	if !c.open || c.leaving {
		c.events.Done(number, NotConnected, 0)
		return
	}
	packet, err := do()
	if err != nil {
		c.events.Done(number, TooMuch, 0)
		return
	}
	c.asked = append(c.asked, request{number: number, packet: packet, until: time.Now().Add(answerTimeout)})
}

// answered ends the request with a packet identifier.
func (c *Conn) answered(packet uint16, code mqtt.Reason) {
	i := slices.IndexFunc(c.asked, func(r request) bool { return r.packet == packet })
	if i < 0 {
		return // it took too long
	}
	number := c.asked[i].number
	c.asked = slices.Delete(c.asked, i, i+1)
	switch {
	case code.Failed():
		c.events.Done(number, Refused, 0)
	default:
		c.events.Done(number, 0, min(byte(code), 2)) // a granted QoS is the code
	}
}
