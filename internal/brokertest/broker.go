// Package brokertest is a small MQTT broker for tests. It keeps no sessions and no
// retained messages, and reports what happens to it.
//
//	b := brokertest.Start(t)
//	// … connect to b.Addr …
//	b.Expect(`connect me`)
//	b.Publish("a/b", "text", 1)
//
// The reports are lines: "connect ID USER", "subscribe ID FILTER QOS",
// "unsubscribe ID FILTER", "publish ID TOPIC PAYLOAD QOS RETAIN", "delivered ID"
// when a client has acknowledged a message, "disconnect ID" for a client that sends
// DISCONNECT and "gone ID" for one that does not. User "mallory" is refused.
package brokertest

import (
	"fmt"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/mqtt"
)

const patience = 30 * time.Second

// Broker is a broker that runs until the test ends.
type Broker struct {
	Addr string // host:port
	t    testing.TB

	seen chan string

	mu    sync.Mutex
	deaf  bool
	conns map[*client]bool
}

type client struct {
	net    net.Conn
	server *mqtt.Server
	id     string
	bye    bool
	grants map[string]byte // by filter

	news *sync.Cond // on the broker's mu: out or gone have changed
	out  []byte     // to be written
	gone bool
}

// Start runs a broker on a port of this machine.
func Start(t testing.TB) *Broker {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return On(t, l)
}

// On is Start on a listener, which the broker closes.
func On(t testing.TB, l net.Listener) *Broker {
	b := &Broker{Addr: l.Addr().String(), t: t, seen: make(chan string, 100_000), conns: map[*client]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		b.Kick()
		wg.Wait()
	})
	return b
}

// Expect waits for the next line that matches.
func (b *Broker) Expect(pattern string) {
	b.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	for {
		select {
		case line := <-b.seen:
			if re.MatchString(line) {
				return
			}
		case <-timeout:
			b.t.Fatalf("the broker has not seen %q", pattern)
		}
	}
}

// Publish sends a message to those that have subscribed.
func (b *Broker) Publish(topic, payload string, qos byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publish(topic, []byte(payload), qos)
}

// Deaf stops or resumes the broker's acknowledgements.
func (b *Broker) Deaf(deaf bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deaf = deaf
}

// Kick breaks all connections.
func (b *Broker) Kick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		c.net.Close()
	}
}

func (b *Broker) publish(topic string, payload []byte, qos byte) {
	for c := range b.conns {
		for filter, granted := range c.grants {
			if mqtt.Match(filter, topic) {
				if _, err := c.server.Publish(&mqtt.Publish{Topic: topic, Payload: payload, QoS: min(qos, granted)}); err != nil {
					b.t.Errorf("broker: %v", err)
				}
				c.flush()
				break
			}
		}
	}
}

// flush makes the writer write the client's output.
func (c *client) flush() {
	for {
		n := len(c.out)
		if c.out = c.server.Output(c.out); len(c.out) == n {
			break
		}
	}
	c.news.Broadcast()
}

// write writes until the connection has ended. A client that does not read blocks only
// its own writer.
func (b *Broker) write(c *client) {
	for {
		b.mu.Lock()
		for len(c.out) == 0 && !c.gone {
			c.news.Wait()
		}
		out := c.out
		c.out = nil
		b.mu.Unlock()
		if len(out) == 0 {
			return
		}
		if _, err := c.net.Write(out); err != nil {
			return // the reader gets an error too
		}
	}
}

func (b *Broker) say(format string, args ...any) { b.seen <- fmt.Sprintf(format, args...) }

// serve serves one connection.
func (b *Broker) serve(conn net.Conn) {
	c := &client{net: conn, server: mqtt.NewServer(time.Now(), nil), grants: map[string]byte{}}
	c.news = sync.NewCond(&b.mu)
	b.mu.Lock()
	b.conns[c] = true
	b.mu.Unlock()
	var writer sync.WaitGroup
	writer.Go(func() { b.write(c) })
	var in []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			break
		}
		in = append(in, buf[:n]...)
		if in, err = b.feed(c, in); err != nil {
			break
		}
	}
	b.mu.Lock()
	delete(b.conns, c)
	c.gone = true
	c.news.Broadcast()
	b.mu.Unlock()
	writer.Wait() // until the last packets are written
	conn.Close()
	if !c.bye {
		b.say("gone %s", c.id)
	}
}

func (b *Broker) feed(c *client, in []byte) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		n, ev, err := c.server.Feed(time.Now(), in)
		if err == nil && ev != nil {
			err = b.event(c, ev)
		}
		in = in[n:]
		c.flush()
		if err != nil || ev == nil {
			return in, err
		}
	}
}

func (b *Broker) event(c *client, ev mqtt.Event) error {
	switch ev := ev.(type) {
	case *mqtt.Connect:
		c.id = ev.ClientID
		b.say("connect %s %s", c.id, ev.Username)
		if ev.Username == "mallory" {
			return c.server.Refuse(mqtt.BadCredentials, nil)
		}
		return c.server.Accept(time.Now(), nil, nil)
	case *mqtt.Subscribe:
		var codes []mqtt.Reason
		for _, s := range ev.Filters {
			b.say("subscribe %s %s %d", c.id, s.Filter, s.QoS)
			code := mqtt.Reason(s.QoS)
			if s.Filter == "forbidden" {
				code = mqtt.NotAuthorized
			} else {
				c.grants[s.Filter] = s.QoS
			}
			codes = append(codes, code)
		}
		return c.server.Suback(ev.PacketID, codes...)
	case *mqtt.Unsubscribe:
		for _, filter := range ev.Filters {
			b.say("unsubscribe %s %s", c.id, filter)
			delete(c.grants, filter)
		}
		return c.server.Unsuback(ev.PacketID, make([]mqtt.Reason, len(ev.Filters))...)
	case *mqtt.Publish:
		b.say("publish %s %s %s %d %v", c.id, ev.Topic, ev.Payload, ev.QoS, ev.Retain)
		b.publish(ev.Topic, append([]byte(nil), ev.Payload...), ev.QoS)
		if ev.QoS > 0 && !b.deaf {
			return c.server.Ack(ev.PacketID, mqtt.Success)
		}
	case *mqtt.Delivered:
		b.say("delivered %s", c.id)
	case *mqtt.Disconnect:
		c.bye = true
		b.say("disconnect %s", c.id)
		return mqtt.ErrClosed
	}
	return nil
}
