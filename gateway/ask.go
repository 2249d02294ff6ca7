package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/gateway/session"
)

// ask asks the session's questions, and gives it the answers. The lock is held, and
// released while others are called.
func (c *conn) ask() {
	c.askAll()
	for c.session.Queued() {
		c.rest()
		c.askAll()
	}
}

func (c *conn) askAll() {
	var q session.Question
	for c.session.Next(&q) {
		switch q.Kind {
		case session.Authenticate:
			c.authenticate(&q)
		case session.Connect:
			c.connect(&q)
		case session.Deliver:
			c.deliver(&q)
		case session.Disconnect:
			c.disconnect(&q)
		}
		c.settle()
	}
}

func (c *conn) authenticate(q *session.Question) {
	var err error
	var used session.Budget
	c.unlocked(func() {
		before := c.g.reviewed()
		if err = c.check(q); err != nil {
			return
		}
		used = c.g.admit(c, q.Device)
		if c.g.reviewed() != before {
			err = c.check(q)
		}
	})
	if err == nil {
		c.session.Inherit(c.g.elapsed(), used)
	}
	c.session.Authenticated(err)
}

// check judges the client's login, unless there were too many failures before.
func (c *conn) check(q *session.Question) error {
	login := Login{Device: q.Device, Key: q.Key, Certificate: c.certificate()}
	a := admit.Attempt{
		Source: admit.SourceOf(c.peer), Identity: string(q.Device), Secret: q.Key + login.Fingerprint(),
	}
	if wait := c.g.Logins.Delay(time.Now(), a); wait > 0 {
		return tandem.Errorf(tandem.Limit,
			"too many logins have failed: try again in %d s", (wait+time.Second-1)/time.Second)
	}
	ctx, cancel := context.WithTimeout(context.Background(), hostTimeout)
	defer cancel()
	now, err := c.g.Authenticate(ctx, login)
	switch {
	case err == nil:
		c.g.Logins.Succeeded(time.Now(), a)
		c.stand(login, now)
	case session.WrongKey(err):
		c.g.Logins.Failed(time.Now(), a)
	}
	return err
}

func (c *conn) connect(q *session.Question) {
	var err error
	c.unlocked(func() {
		c.observe(q)
		c.g.identify(c, q.Device)
		ctx, cancel := context.WithTimeout(context.Background(), hostTimeout)
		defer cancel()
		c.introduced = true
		err = c.g.Host.Connect(ctx, q.Device, c, q.Seq, c.address())
	})
	c.session.Connected(c.g.now(), err)
	if err == nil && c.standing.Rotate {
		c.unlocked(func() {
			ctx, cancel := context.WithTimeout(context.Background(), hostTimeout)
			defer cancel()
			c.handOver(ctx)
		})
	}
}

func (c *conn) deliver(q *session.Question) {
	seq := q.Seq
	var err error
	c.unlocked(func() {
		c.observe(q)
		handled := func() { c.handled(seq) }
		err = c.g.Host.FromDevice(context.Background(), q.Device, c.Ref(), seq, q.Topic, q.Message, handled)
	})
	c.session.Taken(seq, err)
}

// observe has what this node does next come after what the device has done.
func (c *conn) observe(q *session.Question) {
	if q.Stamp != 0 && !c.g.Clock.Observe(q.Stamp) {
		c.g.Logger.Debug("device's clock is too far ahead and is ignored", "device", q.Device, "clock", q.Stamp)
	}
}

// handled is called by the host, on any goroutine.
func (c *conn) handled(seq uint64) {
	defer c.guard()
	mono := c.g.elapsed()
	c.mu.Lock()
	defer c.mu.Unlock()
	write := c.session.Handled(mono, seq)
	c.changed.Broadcast()
	c.settle()
	if write {
		c.flush()
	}
}

func (c *conn) disconnect(q *session.Question) {
	c.unlocked(func() { c.dismiss(q.Device, q.End) })
}

// dismiss tells the host that the connection has ended.
func (c *conn) dismiss(id tandem.DeviceID, end tandem.LinkEnd) {
	c.dismissed = true
	ctx, cancel := context.WithTimeout(context.Background(), hostTimeout)
	defer cancel()
	if err := c.g.Host.Disconnect(ctx, id, c.Ref(), end); err != nil {
		c.g.Logger.Warn("the agent's host was not told that a device has disconnected", "device", id, "err", err)
	}
}

// say logs and counts a notice.
func (c *conn) say(n *session.Notice) {
	if n.Over != "" {
		c.g.over.Add(n.Over, 1)
	}
	if n.Text == "" || !c.g.Logger.Enabled(context.Background(), slog.Level(n.Level)) {
		return
	}
	args := append([]any{"device", c.session.Device(), "address", c.nc.RemoteAddr()}, n.Args...)
	c.g.Logger.Log(context.Background(), slog.Level(n.Level), n.Text, args...)
}
