package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/mqtt"
)

// heard is what one read returned.
type heard struct {
	data []byte
	err  error
}

// converse keeps the connection going and returns why it has ended. It alone uses
// the session; two goroutines read and write for it, and end with it.
func (c *Conn) converse(ctx context.Context, conn net.Conn) error {
	in := make(chan heard)
	out := make(chan []byte)
	wrote := make(chan error, 1)
	quit := make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait()
	defer conn.Close()
	defer close(quit)
	others.Go(func() { read(conn, in, quit) })
	others.Go(func() { write(conn, out, wrote, quit) })

	timer := time.NewTimer(0)
	defer timer.Stop()
	writing := false
	for {
		if !writing {
			if b := c.output(); len(b) > 0 {
				out <- b
				writing = true
			}
		}
		if c.closed && c.ended == nil && !c.behind() {
			c.ended = errors.New("the broker has closed the connection")
		}
		if c.ended != nil && !writing {
			return c.ended
		}
		timer.Reset(time.Until(c.due()))
		from := in
		if c.behind() && !c.leaving || c.closed || c.ended != nil {
			from = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.news:
			c.run()
		case <-timer.C:
			c.tick(time.Now())
		case h := <-from:
			c.hear(h)
		case err := <-wrote:
			if writing = false; err != nil {
				return errors.New("writing to the broker failed")
			}
			c.written()
		}
		c.feed()
	}
}

// hear takes the result of a read. While the connection is being left the data is
// dropped, but still read: closing a TCP connection with unread data resets it, and
// the broker could lose the last packets.
func (c *Conn) hear(h heard) {
	switch {
	case !c.leaving:
		c.in = append(c.in, h.data...)
		c.closed = h.err != nil
	case h.err != nil:
		c.ended = errLeft
	}
}

// behind reports whether the agent is behind, so that nothing more may be read.
func (c *Conn) behind() bool { return c.unhandled >= maxUnhandled }

// output returns all output of the session.
func (c *Conn) output() (b []byte) {
	for {
		n := len(b)
		if b = c.client.Output(b); len(b) == n {
			break
		}
	}
	for i := range c.asked {
		c.asked[i].taken = true
	}
	return b
}

// written ends the requests that only had to be written.
func (c *Conn) written() {
	c.asked = slices.DeleteFunc(c.asked, func(r request) bool {
		done := r.packet == 0 && r.taken
		if done {
			c.events.Done(r.number, 0, 0)
		}
		return done
	})
}

// due returns when tick must be called.
func (c *Conn) due() time.Time {
	at := time.Now().Add(time.Hour)
	if d := c.client.Deadline(); !d.IsZero() && d.Before(at) {
		at = d
	}
	if len(c.asked) > 0 && c.asked[0].until.Before(at) {
		at = c.asked[0].until
	}
	if c.leaving && c.leaveBy.Before(at) {
		at = c.leaveBy
	}
	return at
}

func (c *Conn) tick(now time.Time) {
	for len(c.asked) > 0 && !now.Before(c.asked[0].until) {
		number := c.asked[0].number
		c.asked = slices.Delete(c.asked, 0, 1)
		c.events.Done(number, NoAnswer, 0)
	}
	if c.leaving && !now.Before(c.leaveBy) {
		c.ended = errLeft
		return
	}
	if c.behind() {
		c.client.Behind()
	}
	if err := c.client.Tick(now); err != nil && c.ended == nil {
		c.ended = errors.New("the broker does not answer")
	}
}

// feed gives the session the bytes that were read, unless the agent is behind.
func (c *Conn) feed() {
	for !c.behind() && !c.leaving && c.ended == nil {
		n, ev, err := c.client.Feed(time.Now(), c.in)
		if ev != nil {
			c.event(ev)
		}
		c.in = c.in[n:]
		switch {
		case err != nil:
			c.ended = fmt.Errorf("the broker violates the MQTT protocol: %w", err)
		case ev == nil:
			if len(c.in) == 0 {
				c.in = nil
			}
			return
		}
	}
}

func (c *Conn) event(ev mqtt.Event) {
	switch ev := ev.(type) {
	case *mqtt.Connack:
		if ev.Code.Failed() {
			c.ended = refused{ev.Code}
			return
		}
		c.open = true
		c.events.Connected(0, "")
	case *mqtt.Publish:
		c.message(ev)
	case *mqtt.Suback:
		c.answered(ev.PacketID, ev.Codes[0])
	case *mqtt.Unsuback:
		c.answered(ev.PacketID, mqtt.Success)
	case *mqtt.Delivered:
		c.answered(ev.PacketID, ev.Code)
	}
}

// message passes on a message of the broker.
func (c *Conn) message(p *mqtt.Publish) {
	size := perMessage + len(p.Topic) + len(p.Payload)
	c.unhandled += size
	packet, qos := p.PacketID, p.QoS
	c.events.Message(p.Topic, slices.Clone(p.Payload), func() {
		c.do(func() {
			c.unhandled -= size
			if qos > 0 && !c.leaving {
				// It fails only when the session has ended.
				_ = c.client.Ack(packet, mqtt.Success)
			}
		})
	})
}

func read(conn net.Conn, in chan<- heard, quit <-chan struct{}) {
	for {
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		select {
		case in <- heard{buf[:n], err}:
		case <-quit:
			return
		}
		if err != nil {
			return
		}
	}
}

func write(conn net.Conn, out <-chan []byte, wrote chan<- error, quit <-chan struct{}) {
	for {
		select {
		case b := <-out:
			err := conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if err == nil {
				_, err = conn.Write(b)
			}
			wrote <- err
			if err != nil {
				return
			}
		case <-quit:
			return
		}
	}
}
