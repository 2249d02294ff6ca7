package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-iot/tandem/mqtt"
)

// plain is a device that knows nothing of Tandem but docs/link.md: it does what the code of our own
// runtime does, without its properties and topics. It is as patient as its link is slow.
type plain struct {
	net     net.Conn
	version mqtt.Version
	client  *mqtt.Client
	of      int // messages of the bulk
	bulk    int // that were published
	window  int // that may still be published without an acknowledgement
	flown   map[uint16]bool
	reads   chan []byte
	failed  chan error
}

// plainWindow is how many messages of the bulk wait for their acknowledgement.
const plainWindow = 60

// runPlain keeps a plain client connected until ctx ends.
func runPlain(ctx context.Context, of *cell, p pair, conf *tls.Config, version mqtt.Version, tell *teller) error {
	for ctx.Err() == nil {
		c, err := dialPlain(ctx, of.url(), conf)
		if err == nil {
			tell.say("open")
			err = newPlain(c, version, of.bulk).run(ctx, p, tell)
			c.Close()
		}
		tell.say("%v", err)
		if ctx.Err() == nil {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

func dialPlain(ctx context.Context, text string, conf *tls.Config) (net.Conn, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	switch u.Scheme {
	case "tcp":
		return d.DialContext(ctx, "tcp", u.Host)
	case "tls":
		return (&tls.Dialer{NetDialer: &d, Config: conf}).DialContext(ctx, "tcp", u.Host)
	}
	ws, _, err := websocket.Dial(ctx, text, &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: &http.Transport{TLSClientConfig: conf}},
		Subprotocols: []string{"mqtt"},
	})
	if err != nil {
		return nil, err
	}
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary), nil
}

func newPlain(c net.Conn, version mqtt.Version, of int) *plain {
	return &plain{
		net: c, version: version, of: of, window: plainWindow, flown: map[uint16]bool{},
		reads: make(chan []byte), failed: make(chan error, 1),
	}
}

func (c *plain) run(ctx context.Context, p pair, tell *teller) (err error) {
	c.client, err = mqtt.NewClient(time.Now(), nil, &mqtt.Connect{
		Version: c.version, CleanStart: true, KeepAlive: 60, ClientID: p.ID,
		HasUsername: true, Username: p.ID, HasPassword: true, Password: []byte(p.Key),
	}, nil)
	if err != nil {
		return err
	}
	c.client.Patient(15 * time.Minute) // as long as a node bears its silence
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.read(ctx)
	var in []byte
	for {
		if err := c.write(); err != nil {
			return err
		}
		var tick <-chan time.Time
		if at := c.client.Deadline(); !at.IsZero() {
			tick = time.After(time.Until(at))
		}
		select {
		case b := <-c.reads:
			if in == nil {
				tell.say("answered")
			}
			in = append(in, b...)
			if in, err = c.feed(in); err != nil {
				return err
			}
		case err := <-c.failed:
			return err
		case <-tick:
			if err := c.client.Tick(time.Now()); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *plain) read(ctx context.Context) {
	for {
		buf := make([]byte, 4096)
		n, err := c.net.Read(buf)
		if err != nil {
			c.failed <- err
			return
		}
		select {
		case c.reads <- buf[:n]:
		case <-ctx.Done():
			return
		}
	}
}

func (c *plain) write() error {
	for {
		b := c.client.Output(nil)
		if len(b) == 0 {
			return nil
		}
		if _, err := c.net.Write(b); err != nil {
			return err
		}
	}
}

func (c *plain) feed(in []byte) ([]byte, error) {
	for {
		n, ev, err := c.client.Feed(time.Now(), in)
		in = in[n:]
		if err != nil || ev == nil {
			return bytes.Clone(in), err
		}
		if err := c.event(ev); err != nil {
			return nil, err
		}
	}
}

func (c *plain) event(ev mqtt.Event) error {
	switch ev := ev.(type) {
	case *mqtt.Connack:
		if ev.Code.Failed() {
			return fmt.Errorf("CONNACK: %v", ev.Code)
		}
		_, err := c.client.Subscribe(mqtt.Subscription{Filter: "device/#", QoS: 1})
		return err
	case *mqtt.Suback:
		return c.publish("agent/ping", 1)
	case *mqtt.Publish:
		if ev.QoS > 0 {
			if err := c.client.Ack(ev.PacketID, mqtt.Success); err != nil {
				return err
			}
		}
		return c.heard(ev.Topic, ev.Payload)
	case *mqtt.Delivered:
		if c.flown[ev.PacketID] {
			delete(c.flown, ev.PacketID)
			c.window++
			return c.more()
		}
	}
	return nil
}

// heard takes a message of the agent.
func (c *plain) heard(topic string, payload []byte) error {
	var n int
	if topic != "device/pong" || json.Unmarshal(payload, &n) != nil {
		return nil
	}
	if err := c.publish("agent/got", n); err != nil || n != 1 || c.bulk > 0 {
		return err
	}
	return c.more()
}

var filling = strings.Repeat("0123456789", 8)

// more publishes what the window allows of the bulk.
func (c *plain) more() error {
	for ; c.window > 0 && c.bulk < c.of; c.window-- {
		if err := c.publish("agent/n", map[string]any{"i": c.bulk, "of": c.of, "data": filling}); err != nil {
			return err
		}
		c.bulk++
	}
	return nil
}

func (c *plain) publish(topic string, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	id, err := c.client.Publish(&mqtt.Publish{Topic: topic, QoS: 1, Payload: payload})
	if err == nil && topic == "agent/n" {
		c.flown[id] = true
	}
	return err
}
