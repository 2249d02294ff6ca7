package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/mqtt"
)

const testID = tandem.DeviceID("0123456789abcdef")

// node is a server as small as can be: one real MQTT session a connection, and
// what arrives is a list.
type node struct {
	t    *testing.T
	mu   sync.Mutex
	deaf bool        // nothing is read any more, and nothing closed
	hold bool        // messages for the agent are not acknowledged
	luck func() bool // whether a message for the agent is acknowledged; if not, the connection breaks
	line func() bool // the same for lines of the log
	cur  *nodeConn
	wg   sync.WaitGroup

	got chan got
}

type got struct {
	topic, payload string
	user           map[string]string
}

func (g got) String() string { return strings.TrimSpace(g.topic + " " + g.payload) }

type nodeConn struct {
	n      *node
	net    net.Conn
	mu     sync.Mutex
	s      *mqtt.Server
	closed chan struct{}
	bye    bool // the device has said DISCONNECT
	held   []uint16
}

func newNode(t *testing.T) *node { return &node{t: t, got: make(chan got, 1000)} }

// connect is the dialer of a Runner.
func (n *node) connect(context.Context, string, func(time.Duration)) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, b := net.Pipe()
	n.accept(b)
	return a, nil
}

// accept serves a connection; n.mu is held.
func (n *node) accept(conn net.Conn) {
	c := &nodeConn{n: n, net: conn, s: mqtt.NewServer(time.Now(), nil), closed: make(chan struct{})}
	n.cur = c
	n.wg.Go(c.serve)
}

func (c *nodeConn) serve() {
	defer close(c.closed)
	defer c.net.Close()
	var in []byte
	buf := make([]byte, 4096)
	for {
		k, err := c.net.Read(buf)
		if c.n.isDeaf() && err == nil {
			continue
		}
		in = append(in, buf[:k]...)
		var out []byte
		in, out = c.feed(in)
		if len(out) > 0 {
			if _, err := c.net.Write(out); err != nil {
				return
			}
		}
		if c.left() {
			return
		}
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, net.ErrClosed) {
				c.n.t.Error(err)
			}
			return
		}
	}
}

func (n *node) isDeaf() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.deaf
}

func (c *nodeConn) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bye
}

func (c *nodeConn) feed(in []byte) (rest, out []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		k, ev, err := c.s.Feed(time.Now(), in)
		if ev != nil {
			c.event(ev)
		}
		in = in[k:]
		if err != nil {
			if err != mqtt.ErrClosed {
				c.n.t.Error(err)
			}
			return nil, c.s.Output(nil)
		}
		if ev == nil {
			return slices.Clone(in), c.s.Output(nil)
		}
	}
}

func (c *nodeConn) event(ev mqtt.Event) {
	var err error
	switch ev := ev.(type) {
	case *mqtt.Connect:
		user := map[string]string{"client": ev.ClientID, "username": ev.Username, "password": string(ev.Password)}
		format, _ := ev.Props.Get("format")
		user["format"] = format
		c.n.got <- got{"CONNECT", fmt.Sprintf("v%d clean=%v", ev.Version, ev.CleanStart), user}
		err = c.s.Accept(time.Now(), nil, nil)
	case *mqtt.Subscribe:
		codes := make([]mqtt.Reason, len(ev.Filters))
		for i := range codes {
			codes[i] = 1
		}
		err = c.s.Suback(ev.PacketID, codes...)
	case *mqtt.Publish:
		err = c.publish(ev)
	case *mqtt.Disconnect:
		c.bye = ev.Clean()
	}
	if err != nil {
		c.n.t.Error(err)
	}
}

func (c *nodeConn) publish(p *mqtt.Publish) error {
	g := got{topic: p.Topic, payload: string(p.Payload), user: map[string]string{}}
	if p.Props != nil {
		for _, u := range p.Props.User {
			g.user[u.Key] = u.Value
		}
		if p.Props.ContentType == tandem.ContentCompact {
			text, err := codec.TranscodeJSON(p.Payload)
			if err != nil {
				return err
			}
			g.payload = string(text)
		}
	}
	c.n.got <- g
	if p.QoS == 0 {
		return nil
	}
	c.n.mu.Lock()
	hold := c.n.hold
	cut := c.n.luck != nil && strings.HasPrefix(p.Topic, "agent/") && !c.n.luck() ||
		c.n.line != nil && strings.HasPrefix(p.Topic, "log") && !c.n.line()
	c.n.mu.Unlock()
	if cut {
		return c.net.Close()
	}
	if hold && strings.HasPrefix(p.Topic, "agent/") {
		c.held = append(c.held, p.PacketID)
		return nil
	}
	return c.s.Ack(p.PacketID, mqtt.Success)
}

// current returns the newest connection.
func (n *node) current() *nodeConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cur
}

func (n *node) set(f func(n *node)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(n)
}

// say sends a message to the device.
func (n *node) say(topic string, payload any) {
	n.t.Helper()
	data, err := json.Marshal(payload)
	if err != nil {
		n.t.Fatal(err)
	}
	c := n.current()
	c.mu.Lock()
	_, err = c.s.Publish(&mqtt.Publish{
		Topic: topic, QoS: 1, Payload: data, Props: &mqtt.Properties{ContentType: tandem.ContentJSON},
	})
	out := c.s.Output(nil)
	c.mu.Unlock()
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := c.net.Write(out); err != nil {
		n.t.Fatal(err)
	}
}

// sayCode sends device code.
func (n *node) sayCode(text string) {
	n.t.Helper()
	n.say("sys/code", json.RawMessage(codeOf(text)))
}

// cut breaks the connection.
func (n *node) cut() {
	c := n.current()
	c.net.Close()
	<-c.closed
}

// next returns what has come next.
func (n *node) next() got {
	n.t.Helper()
	select {
	case g := <-n.got:
		return g
	case <-time.After(20 * time.Minute):
		n.t.Fatal("nothing comes")
		return got{}
	}
}

// expect wants the next things to be these, in this order; a line that ends
// with … may go on.
func (n *node) expect(want ...string) (last got) {
	n.t.Helper()
	for _, w := range want {
		last = n.next()
		prefix, more := strings.CutSuffix(w, "…")
		if have := last.String(); have != w && !(more && strings.HasPrefix(have, prefix)) {
			n.t.Fatalf("got %s\nwant %s", have, w)
		}
	}
	return last
}

// skipTo throws away everything before one thing.
func (n *node) skipTo(want string) got {
	n.t.Helper()
	prefix, more := strings.CutSuffix(want, "…")
	for {
		g := n.next()
		if have := g.String(); have == want || more && strings.HasPrefix(have, prefix) {
			return g
		}
	}
}

// quiet wants nothing to come for a while.
func (n *node) quiet(d time.Duration) {
	n.t.Helper()
	select {
	case g := <-n.got:
		n.t.Fatalf("unexpected: %s", g)
	case <-time.After(d):
	}
}
