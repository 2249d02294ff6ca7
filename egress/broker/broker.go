// Package broker is the connection of an agent to an MQTT broker: it runs an
// mqtt.Client, which implements the protocol, over a network connection.
//
// A [Conn] is for one connection. Run makes it, keeps it until it ends, and calls
// the functions of [Events] one at a time. Publish, Subscribe, Unsubscribe and
// Close may be called from any goroutine and do not wait. Done reports the result
// of a request, once for each request unless the connection ends first.
//
// # Bounds
//
// Messages of the broker are passed on as they arrive, and count until they have
// been handled. When they amount to maxUnhandled bytes, nothing more is read from
// the broker until some are handled. A broker that is faster than its agent thus
// fills its own buffers, and no message is dropped here. The caller must bound the
// requests to the broker. A message of QoS 1 or 2 is acknowledged when it has been
// handled.
//
// The session is a clean one of MQTT 3.1.1: it ends with the connection.
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
	maxUnhandled  = 512 << 10 // bytes of messages, plus perMessage for each
	perMessage    = 8 << 10   // so that there are at most 64
	answerTimeout = time.Minute
	dialTimeout   = 30 * time.Second
	writeTimeout  = 30 * time.Second
	leaveTimeout  = 5 * time.Second
)

// Codes of Done, beside 0.
const (
	NotConnected = -1
	TooMuch      = -2 // the session's queue is full
	NoAnswer     = -3 // the broker has not answered for answerTimeout
	Refused      = 128
)

// Events are the functions that Run calls. All must be set.
type Events struct {
	// Connected is the broker's answer. Code is 0, a return code of MQTT 3.1.1, or
	// NotConnected; why is a text for people. With any code but 0 it is the last
	// event.
	Connected func(code int, why string)
	// Message is a message of the broker. The receiver calls handled when it has
	// handled the message, from any goroutine.
	Message func(topic string, payload []byte, handled func())
	// Done ends a request. qos is what the broker granted a subscription.
	Done func(request uint64, code int, qos byte)
	// Lost is the last event of a connection that was open and did not end by Close.
	Lost func(why string)
}

// Conn is one connection. Make it with New.
type Conn struct {
	dial    func(context.Context) (net.Conn, error)
	connect mqtt.Connect
	events  Events

	mu    sync.Mutex
	tasks []func()
	news  chan struct{} // has room for one value, which says that there are tasks

	// The fields below are used by Run alone.
	client    *mqtt.Client
	in        []byte // bytes read and not yet given to client
	closed    bool   // the broker has closed the connection
	open      bool
	leaving   bool
	ended     error // why the loop must end; nil: it goes on
	unhandled int   // bytes of messages that are not handled
	asked     []request
	leaveBy   time.Time
}

// request is a request without an answer of the broker.
type request struct {
	number uint64
	packet uint16 // 0: it ends when it is written
	taken  bool   // it is being written
	until  time.Time
}

// errLeft is the reason of an end by Close.
var errLeft = errors.New("the connection was closed")

// New returns a connection that Run will make with dial.
func New(dial func(context.Context) (net.Conn, error), connect *mqtt.Connect, events Events) *Conn {
	return &Conn{dial: dial, connect: *connect, events: events, news: make(chan struct{}, 1)}
}

// do makes Run call f.
func (c *Conn) do(f func()) {
	c.mu.Lock()
	c.tasks = append(c.tasks, f)
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// Publish sends a message. The caller must not use it afterwards.
func (c *Conn) Publish(number uint64, m *mqtt.Publish) {
	c.do(func() { c.ask(number, func() (uint16, error) { return c.client.Publish(m) }) })
}

// Subscribe subscribes to messages.
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

// Close sends a DISCONNECT and ends the connection, and Run soon after. Events may
// follow until then.
func (c *Conn) Close() { c.do(c.leave) }

// Run makes the connection and returns when it has ended, or ctx has.
func (c *Conn) Run(ctx context.Context) {
	conn, err := c.reach(ctx)
	defer func() {
		// What a broker sends may meet a mistake in our code. The agent hears that the
		// connection is lost; the caller of Run deals with the panic.
		if fault := recover(); fault != nil {
			if conn != nil {
				conn.Close() // the reason of the end is known already
			}
			c.events.Lost("the server met a fault of its own")
			panic(fault)
		}
	}()
	if err == nil {
		c.client, err = mqtt.NewClient(time.Now(), &mqtt.Config{}, &c.connect, nil)
	}
	if err == nil {
		err = c.converse(ctx, conn)
	}
	if conn != nil {
		conn.Close() // the reason of the end is known already
	}
	switch {
	case errors.Is(err, errLeft), ctx.Err() != nil:
	case c.open:
		c.events.Lost(err.Error())
	default:
		c.events.Connected(c.refusal(err), err.Error())
	}
}

// reach dials, until Close is called.
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

// refused is a CONNACK with an error.
type refused struct{ code mqtt.Reason }

func (r refused) Error() string { return "the broker refuses: " + r.code.String() }

// refusal returns the code of Connected for a connection that was not established.
func (c *Conn) refusal(err error) int {
	var r refused
	if !errors.As(err, &r) {
		return NotConnected
	}
	codes := []mqtt.Reason{
		mqtt.Success, mqtt.UnsupportedVersion, mqtt.ClientIDInvalid, mqtt.ServerUnavailable,
		mqtt.BadCredentials, mqtt.NotAuthorized,
	}
	if code := slices.Index(codes, r.code); code > 0 {
		return code
	}
	return NotConnected
}

// run runs the tasks of do.
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

// answered ends the request that has a packet identifier.
func (c *Conn) answered(packet uint16, code mqtt.Reason) {
	i := slices.IndexFunc(c.asked, func(r request) bool { return r.packet == packet })
	if i < 0 {
		return // it has ended with NoAnswer
	}
	number := c.asked[i].number
	c.asked = slices.Delete(c.asked, i, i+1)
	switch {
	case code.Failed():
		c.events.Done(number, Refused, 0)
	default:
		c.events.Done(number, 0, min(byte(code), 2)) // the code of a subscription is the granted QoS
	}
}
