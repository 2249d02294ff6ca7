package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/device/runner"
)

// bulk is how many messages of 100 bytes a device sends to measure their rate.
func (n network) bulk() int {
	if n.Latency >= 10*time.Second { // the client that is slowest has minutes for them
		return 60
	}
	return 300
}

// agentCode is the agent of a cell. It says what it has seen, and when, to who asks.
const agentCode = `
status <- { first = 0.0, got = 0, n = 0, all = 0, lost = 0, next = 0, wrong = 0 };
function now() { local d = date(); return [d.time, d.usec]; }
device.on("ping", function(n) {
    if (status.first == 0.0) status.first = now();
    device.send("pong", n);
});
device.on("got", function(n) { status.got = n; });
device.on("n", function(m) {
    status.n++;
    if (m.i != status.next) status.wrong++;
    status.next = m.i + 1;
    if (status.n % 1000 == 0) server.save({ next = status.next });
    if (status.n == m.of) { status.all = now(); device.send("all", 1); }
});
device.ondisconnect(function() { status.lost++; });
http.onrequest(function(request, response) {
    if (request.path == "/poke") device.send("pong", 2);
    response.send(200, http.jsonencode(status));
});
`

// deviceCode is the device of a cell, when our own runtime runs it.
const deviceCode = `
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
payload <- "";
for (local i = 0; i < 8; i++) payload += "0123456789";
agent.on("pong", function(n) {
    agent.send("got", n);
    if (n != 1) return;
    for (local i = 0; i < BULK; i++) tandem.post("n", { i = i, of = BULK, data = payload });
});
function begin() {
    if (server.isconnected()) agent.send("ping", 1);
    else imp.wakeup(0.05, begin);
}
begin();
`

// status is what an agent says.
type status struct {
	First any // [seconds, microseconds], 0 before
	All   any
	Got   int // the newest message that has come back to the device
	N     int // messages of the bulk
	Lost  int // disconnections
	Wrong int // messages out of order, or twice
}

// moment returns the time of which an agent's [seconds, microseconds] tells, zero for none.
func moment(v any) time.Time {
	if list, ok := v.([]any); ok && len(list) == 2 {
		s, _ := list[0].(float64)
		us, _ := list[1].(float64)
		return time.Unix(int64(s), int64(us)*1000)
	}
	return time.Time{}
}

// cell is one case of the matrix.
type cell struct {
	Latency   string  `json:"latency"` // each way
	Loss      float64 `json:"loss"`    // each way
	Transport string  `json:"transport"`
	Client    string  `json:"client"`

	net  int // number of the network
	bulk int
	pair int
}

// result is what has come of a cell.
type result struct {
	cell
	Connects bool    `json:"connects"`
	Both     bool    `json:"both"` // messages come through both ways
	All      bool    `json:"all"`  // the bulk has come, in order and once
	First    float64 `json:"first_s"`
	Rate     float64 `json:"per_second"`
	Stays    bool    `json:"stays"` // idle, without a disconnection
	After    bool    `json:"after"` // messages come through both ways afterwards
	Lost     int     `json:"lost"`  // disconnections in all
	Problem  string  `json:"problem,omitempty"`
	Story    story   `json:"story,omitempty"` // what became of its connections; only of cases that went wrong
}

func (r *result) good() bool { return r.Connects && r.Both && r.All && r.Stays && r.After }

// clientOf runs a device until ctx ends, and tells what becomes of its connections.
type clientOf func(ctx context.Context, c *cell, p pair, conf *tls.Config, dir string, tell *teller) error

var clients = map[string]clientOf{
	"runner": runRunner,
	"v5": func(ctx context.Context, c *cell, p pair, conf *tls.Config, _ string, tell *teller) error {
		return runPlain(ctx, c, p, conf, 5, tell)
	},
	"v3.1.1": func(ctx context.Context, c *cell, p pair, conf *tls.Config, _ string, tell *teller) error {
		return runPlain(ctx, c, p, conf, 4, tell)
	},
}

func tlsFor(roots *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: roots, ServerName: "node"} }

// url is where a cell's device connects to.
func (c *cell) url() string {
	at := shapedAddress(c.net)
	return map[string]string{
		"tcp": "tcp://" + at + ":" + mqttPort, "tls": "tls://" + at + ":" + tlsMQTT,
		"ws": "ws://" + at + ":" + httpPort + "/mqtt", "wss": "wss://" + at + ":" + tlsHTTP + "/mqtt",
	}[c.Transport]
}

func (c *cell) secure() bool { return c.Transport == "tls" || c.Transport == "wss" }

// runRunner runs our own runtime.
func runRunner(ctx context.Context, c *cell, p pair, conf *tls.Config, dir string, tell *teller) error {
	code := strings.ReplaceAll(deviceCode, "BULK", fmt.Sprint(c.bulk))
	if err := os.WriteFile(dir+".nut", []byte(code), 0o600); err != nil {
		return err
	}
	r := &runner.Runner{
		ID: tandem.DeviceID(p.ID), Key: p.Key, Addr: c.url(), Dir: dir, Code: dir + ".nut", TLS: conf,
		Logger: slog.New(tell),
	}
	return r.Run(ctx)
}

// asker asks the agents, over the network without delay.
type asker struct{ http *http.Client }

func (a asker) ask(ctx context.Context, url string) (s status, err error) {
	return s, client.GetJSON(ctx, a.http, url, &s)
}

// until asks until the agent says what is wanted, and returns the last answer.
func (a asker) until(
	ctx context.Context, url string, within time.Duration, want func(*status) bool,
) (s status, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last status
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		if s, err = a.ask(ctx, url); err == nil {
			last = s
			if want(&s) {
				return s, nil
			}
		}
		select {
		case <-ctx.Done():
			return last, errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// run runs the cell.
func (c *cell) run(ctx context.Context, o options, a asker, p pair, roots *x509.CertPool) (r result) {
	r.cell = *c
	ctx, cancel := context.WithCancel(ctx)
	dir := filepath.Join(o.dir, fmt.Sprint("device", c.pair))
	ended := make(chan error, 1)
	began := time.Now()
	tell := &teller{began: began}
	go func() { ended <- clients[c.Client](ctx, c, p, tlsFor(roots), dir, tell) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil && r.Problem == "" {
			r.Problem = err.Error()
		}
		if !r.good() {
			r.Story = tell.story
		}
		_ = os.RemoveAll(dir) // the whole directory goes at the end
	}()
	check := func(err error) bool {
		if err != nil && r.Problem == "" {
			r.Problem = err.Error()
		}
		return err == nil
	}
	s, err := a.until(ctx, p.URL, o.patience, func(s *status) bool { return s.Got >= 1 && !moment(s.All).IsZero() })
	r.Lost = s.Lost
	first, all := moment(s.First), moment(s.All)
	r.Connects, r.Both = !first.IsZero(), s.Got >= 1
	r.All = s.N == c.bulk && s.Wrong == 0
	if r.Connects {
		r.First = first.Sub(began).Seconds()
	}
	if !check(err) {
		return r
	}
	r.Rate = float64(c.bulk) / all.Sub(first).Seconds()
	select {
	case <-time.After(o.idle):
	case <-ctx.Done():
		return r
	}
	before := s.Lost
	s, err = a.ask(ctx, p.URL+"/poke")
	if !check(err) {
		return r
	}
	r.Stays, r.Lost = s.Lost == before, s.Lost
	_, err = a.until(ctx, p.URL, o.patience, func(s *status) bool { return s.Got == 2 })
	r.After = check(err)
	return r
}
