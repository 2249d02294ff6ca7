package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
)

// quietCode counts durably, says which incarnation it is, and answers its device.
const quietCode = `
local saved = server.load();
n <- "n" in saved ? saved.n : 0;
http.onrequest(function(request, response) {
    n++;
    if (server.save({ n = n }) != 0) return response.send(500, "not saved");
    response.send(200, tandem.incarnation() + " " + n);
});
device.on("ping", function(data) { device.send("pong", data); });
`

// pace is the time between two beginnings of a quiet user.
const pace = 10 * time.Millisecond

// quiet is one of the quiet users.
type quiet struct {
	name string
	// dial connects, and once does what it does and waits for the answer.
	dial func(context.Context) error
	once func() error
	hang func()

	sync.Mutex
	took   []time.Duration
	errors []string
	failed int
}

// run works at its pace until ctx ends. What should have begun while the one before took long
// counts as if it had waited for that, and is not made up for: a user who asks for hundreds at
// once is not quiet, and meets the API's limit.
func (q *quiet) run(ctx context.Context) {
	connected := false
	defer func() {
		if connected {
			q.hang()
		}
	}()
	for next := time.Now(); ctx.Err() == nil; next = next.Add(pace) {
		if wait := time.Until(next); wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
				next = time.Now()
			}
		}
		if !connected {
			if err := q.dial(ctx); err != nil {
				q.fail(ctx, err)
				continue
			}
		}
		err := q.once()
		if connected = err == nil; !connected {
			q.fail(ctx, err)
			q.hang()
			continue
		}
		next = q.served(next, time.Now())
	}
}

// served counts what began at a time and was done at another, and what should have begun in
// between. It returns when the last of these should have.
func (q *quiet) served(began, done time.Time) (last time.Time) {
	q.Lock()
	defer q.Unlock()
	for ; ; began = began.Add(pace) {
		q.took = append(q.took, done.Sub(began))
		if done.Sub(began) < 2*pace {
			return began
		}
	}
}

// fail counts a failure, unless it comes from the end of the measurement.
func (q *quiet) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	q.Lock()
	defer q.Unlock()
	q.failed++
	if len(q.errors) < 3 {
		q.errors = append(q.errors, err.Error())
	}
}

// take returns what has been measured since the last take.
func (q *quiet) take() (s client.Sample, failed int, errors []string) {
	q.Lock()
	defer q.Unlock()
	s = client.NewSample(0, q.took)
	failed, errors = q.failed, q.errors
	q.took = nil
	q.failed = 0
	q.errors = nil
	return s, failed, errors
}

// busy reports whether take would return something.
func (q *quiet) busy() bool {
	q.Lock()
	defer q.Unlock()
	return len(q.took) > 0 || q.failed > 0
}

// dialTo returns a connection, with TLS if the site has it.
func dialTo(ctx context.Context, addr string, secure bool) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil || !secure {
		return nc, err
	}
	c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // a certificate of our own
	if err := c.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// quietAgent is a client of the quiet agent. Its answers have the incarnation, which must
// not change, and a number, which must grow by one.
func (s *site) quietAgent() *quiet {
	var h *client.HTTP
	incarnation, count := "", 0
	q := &quiet{name: "agent"}
	host, path := s.quiet.address()
	q.dial = func(ctx context.Context) error {
		nc, err := dialTo(ctx, host, s.kind == secure)
		if err == nil {
			h = client.NewHTTP(nc)
		}
		return err
	}
	q.once = func() error {
		answer, err := h.Post(path, nil)
		if err != nil {
			return err
		}
		var inc string
		var n int
		if _, err := fmt.Sscan(string(answer), &inc, &n); err != nil {
			return fmt.Errorf("the quiet agent answered %q", answer)
		}
		was, before := incarnation, count
		incarnation, count = inc, n
		switch {
		case was != "" && was != inc:
			return fmt.Errorf("the quiet agent was restarted: incarnation %s after %s", inc, was)
		case before != 0 && n <= before:
			return fmt.Errorf("the quiet agent lost saves: %d after %d", n, before)
		}
		return nil
	}
	q.hang = func() { h.Close() }
	return q
}

// quietDevice is the quiet agent's device.
func (s *site) quietDevice() *quiet {
	var m *client.MQTT
	q := &quiet{name: "device"}
	q.dial = func(ctx context.Context) error {
		addr := s.at().addr.MQTT
		if s.kind == secure {
			addr = s.at().addr.MQTTS
		}
		nc, err := dialTo(ctx, addr, s.kind == secure)
		if err != nil {
			return err
		}
		if m, err = client.NewMQTT(nc, s.quiet.login()); err != nil {
			return err
		}
		return m.Subscribe("device/#")
	}
	payload := []byte(`"` + strings.Repeat("x", 62) + `"`)
	q.once = func() error {
		if err := m.Publish("agent/ping", payload); err != nil {
			return err
		}
		answer, err := m.Receive()
		if err == nil && string(answer) != string(payload) {
			err = fmt.Errorf("the quiet device got %q", answer)
		}
		return err
	}
	q.hang = func() { m.Close() }
	return q
}

// quietUser is a user of the API, who looks at a device.
func (s *site) quietUser() *quiet {
	var h *client.HTTP
	q := &quiet{name: "API"}
	q.dial = func(ctx context.Context) error {
		nc, err := dialTo(ctx, s.at().addr.HTTP, s.kind == secure)
		if err == nil {
			h = client.NewHTTP(nc)
		}
		return err
	}
	q.once = func() error {
		status, answer, err := h.Ask("GET", "/v5/devices/"+s.quiet.ID, s.api.Bearer(), nil)
		if err == nil && status != 200 {
			err = fmt.Errorf("the API answered %d %.200s", status, answer)
		}
		return err
	}
	q.hang = func() { h.Close() }
	return q
}
