package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/ingress"
)

// dialFrom connects from a local address.
func dialFrom(t *testing.T, ip, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// head sends the beginning of a request and reads the answer.
func head(t *testing.T, c net.Conn, raw string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// get makes a request on a connection of its own. A server that has too much to do says
// when to come again.
func get(t *testing.T, at, path string) (status int, body string) {
	t.Helper()
	raw := "GET " + path + " HTTP/1.1\r\nConnection: close\r\nHost: h\r\n\r\n"
	resp, body := head(t, dialFrom(t, "127.0.0.1", at), raw)
	if resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s: 503 without Retry-After", path)
	}
	return resp.StatusCode, body
}

// TestStrangersEverywhere announces a large body to everything that the HTTP listeners
// serve. The answer does not wait for it.
func TestStrangersEverywhere(t *testing.T) {
	n := start(t, &Server{})
	main := strings.TrimPrefix(n.URL, "http://")
	for _, tc := range []struct {
		at, path string
		status   int
	}{
		{main, "/x", 404},
		{main, "/health", 200},
		{main, "/metrics", 401},
		{main, "/docs/", 200},
		{main, "/v5/auth/token", 413},
		{main, "/v5/products", 401},
		{main, "/v5", 404},
		{main, "/mqtt", 426},
		{n.Agents.Host, "/AAAAAAAAAAAA", 413},
		{n.Agents.Host, "/", 404},
	} {
		for _, method := range []string{"GET", "POST"} {
			if tc.path == "/v5/auth/token" && method == "GET" {
				continue // there is no such route
			}
			raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n", method, tc.path)
			resp, body := head(t, dialFrom(t, "127.0.0.1", tc.at), raw)
			// The manual has its own answer to POST.
			if resp.StatusCode != tc.status && resp.StatusCode != 405 {
				t.Errorf("%s %s: %d, want %d; %.200s", method, tc.path, resp.StatusCode, tc.status, body)
			}
		}
	}
}

// TestOneAddress opens more connections from one address than it may have, to each
// listener. Another address does not notice.
func TestOneAddress(t *testing.T) {
	n := start(t, &Server{})
	main := strings.TrimPrefix(n.URL, "http://")
	for kind, tc := range map[string]struct {
		addr  string
		share int
	}{
		doorAPI:     {main, apiShare},
		doorAgents:  {n.Agents.Host, agentsShare},
		doorDevices: {n.MQTT, devicesShare},
	} {
		most := min(admit.Descriptors()*tc.share/allShares/2, mostOfAddress)
		before := n.figures(t)[overFigure(tandem.OverListener)]
		var all []net.Conn
		for range most + 200 {
			c := dialFrom(t, "127.0.0.66", tc.addr)
			all = append(all, c)
		}
		// The first one has given way.
		if err := all[0].SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := all[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the oldest connection is open: %v", kind, err)
		}
		figure := `tandem_connections{listener="` + kind + `"}`
		f := n.figures(t)
		for deadline := time.Now().Add(patience); f[overFigure(tandem.OverListener)]-before < 200; f = n.figures(t) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: only %v were closed", kind, f[overFigure(tandem.OverListener)]-before)
			}
		}
		if got := int(f[figure]); got < most || got > most+10 { // some are ours
			t.Errorf("%s: %d connections, want %d", kind, got, most)
		}
		if status, health := get(t, main, "/health"); status != 200 {
			t.Errorf("%s: health: %d %s", kind, status, health)
		}
		n.talk("tcp://"+n.MQTT, nil)
		for _, c := range all {
			c.Close()
		}
	}
}

// inside is a node whose parts a test can reach.
type inside struct {
	*running
	node *node
	log  *lockedBuffer
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startInside runs a node like start, prepared by change.
func startInside(t *testing.T, s *Server, change func(*node)) inside {
	t.Helper()
	s.Dir = t.TempDir()
	for _, addr := range []*string{&s.HTTP, &s.MQTT, &s.Agents.Listen} {
		*addr = "127.0.0.1:0"
	}
	ready := make(chan *Node, 1)
	s.Ready = func(n *Node) { ready <- n }
	log := new(lockedBuffer)
	n := &node{Server: s, logger: slog.New(slog.NewTextHandler(log, nil)), clock: new(hlc.Clock)}
	t.Cleanup(n.close)
	if err := n.listen(); err != nil {
		t.Fatal(err)
	}
	change(n)
	if err := n.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- n.run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return inside{&running{Node: <-ready, t: t, dir: s.Dir}, n, log}
}

// agent makes an agent that runs a program.
func (n inside) agent(code string) tandem.AgentID {
	n.t.Helper()
	g, err := n.Central.EnsureGroup(n.t.Context(), "x", "x")
	if err != nil {
		n.t.Fatal(err)
	}
	if err := n.Central.Deploy(n.t.Context(), g.ID, central.Code{Agent: code}); err != nil {
		n.t.Fatal(err)
	}
	d, _, err := n.Central.AddDevice(n.t.Context(), central.NewDevice{Group: g.ID})
	if err != nil {
		n.t.Fatal(err)
	}
	return d.Agent
}

// TestMemoryTarget fills the memory of a node level by level: what is shed first, and what
// last, and that all of it comes back.
func TestMemoryTarget(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	const target = 1 << 40 // the test's own memory does not matter
	var used atomic.Int64
	n := startInside(t, &Server{MemoryTarget: target}, func(n *node) { n.admission.inUse = used.Load })
	main := strings.TrimPrefix(n.URL, "http://")
	agent := "/" + string(n.agent(`http.onrequest(function(q, r) { if (q.path != "/wait") r.send(200, "ok"); });`))
	if status, _ := get(t, n.Agents.Host, agent); status != 200 {
		t.Fatalf("the agent answers %d", status)
	}
	held := dialFrom(t, "127.0.0.1", n.Agents.Host)
	io.WriteString(held, "GET "+agent+"/wait HTTP/1.1\r\nHost: h\r\n\r\n")
	idle := dialFrom(t, "127.0.0.1", main)
	for _, step := range []struct {
		percent    int64
		health     string
		agent, api int
	}{
		{50, "ok\n", 200, 401},
		{76, "ok\nmemory: tight\n", 200, 401},
		{86, "ok\nmemory: short\n", 503, 401},
		{96, "ok\nmemory: critical\n", 503, 503},
		{10, "ok\n", 200, 401},
	} {
		used.Store(target / 100 * step.percent)
		health := ""
		for deadline := time.Now().Add(patience); health != step.health; {
			if time.Now().After(deadline) {
				t.Fatalf("%d %%: health is %q", step.percent, health)
			}
			_, health = get(t, main, "/health")
		}
		for path, want := range map[string]int{agent: step.agent, "/v5/products": step.api, "/metrics": 401} {
			at := main
			if path == agent {
				at = n.Agents.Host
			}
			if got, _ := get(t, at, path); got != want {
				t.Errorf("%d %%: %s answers %d, want %d", step.percent, path, got, want)
			}
		}
	}
	idle.SetReadDeadline(time.Now().Add(patience))
	if _, err := idle.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the idle connection is open: %v", err)
	}
	if resp, _ := head(t, held, ""); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the request that waited: %d", resp.StatusCode)
	}
	f := n.figures(t)
	shed := f[overFigure(tandem.OverNodeMemory)]
	if f["tandem_memory_target_bytes"] != target || f["tandem_memory_pressure"] != 0 || shed < 4 {
		t.Errorf("target %v, pressure %v, %v shed", f["tandem_memory_target_bytes"], f["tandem_memory_pressure"], shed)
	}
	if log := n.log.String(); !strings.Contains(log, "memory is short; work is shed") ||
		!strings.Contains(log, "level=critical") || !strings.Contains(log, "memory is less short") {
		t.Errorf("logged: %s", log)
	}
}

// TestFailedLogins: failures are a line for all of them.
func TestFailedLogins(t *testing.T) {
	n := startInside(t, &Server{}, func(*node) {})
	for i := range 100 {
		status, _ := n.metrics(t, fmt.Sprint("Bearer guess ", i))
		if status != 401 && status != 429 {
			t.Fatalf("%d", status)
		}
	}
	if status, text := n.metrics(t, "Bearer guess"); status != 429 || !strings.Contains(text, "try again") {
		t.Errorf("%d %s", status, text)
	}
	n.node.reportRefused(time.Now())
	n.node.reportRefused(time.Now())
	log := n.log.String()
	if strings.Count(log, "logins failed") != 1 || !strings.Contains(log, "addresses=1 most_from=127.0.0.1") {
		t.Errorf("logged: %s", log)
	}
}

// TestPanics breaks what is behind each part of the HTTP listeners. The request ends, and
// nothing else.
func TestPanics(t *testing.T) {
	n := &node{Server: &Server{}, logger: slog.New(slog.DiscardHandler), central: new(central.Service)}
	n.prepareAdmission()
	agents := &ingress.Handler{}
	families := []struct {
		h    *ingress.Guard
		path string
	}{
		{n.guard(n.mainHandler(agents)), "/v5/accounts/me"},
		{n.guard(n.mainHandler(agents)), "/metrics"},
		{n.guard(n.mainHandler(agents)), "/mqtt"},
		{n.guard(agents), "/AAAAAAAAAAAA"},
	}
	for _, f := range families {
		s := httptest.NewUnstartedServer(nil)
		s.Config = ingress.NewServer(f.h)
		s.Start()
		raw := "GET " + f.path + " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n" +
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
		c := dialFrom(t, "127.0.0.1", s.Listener.Addr().String())
		io.WriteString(c, raw)
		if got, err := io.ReadAll(c); len(got) > 0 {
			t.Errorf("%s: %s, %v", f.path, got, err)
		}
		if f.h.Panics() != 1 {
			t.Errorf("%s: %d panics", f.path, f.h.Panics())
		}
		resp, _ := head(t, dialFrom(t, "127.0.0.1", s.Listener.Addr().String()), "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
		if resp.StatusCode != 404 {
			t.Errorf("%s: the next request: %d", f.path, resp.StatusCode)
		}
		s.Close()
	}
}

// TestHealthStopping: a node that stops says so.
func TestHealthStopping(t *testing.T) {
	fatal := false
	h := &health{checks: []check{
		{"log", func() (string, bool) { return "", false }}, {"store", func() (string, bool) { return "slow", fatal }},
	}}
	for _, want := range []struct {
		status int
		text   string
	}{{200, "ok\nstore: slow\n"}, {503, "failing\nstore: slow\n"}, {503, "stopping\nstore: slow\n"}} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
		if w.Code != want.status || w.Body.String() != want.text {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		h.stopping.Store(fatal)
		fatal = true
	}
}
