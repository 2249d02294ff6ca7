package ingress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
)

// site is a server in memory, whose clients have addresses.
type site struct {
	t     *testing.T
	conns chan net.Conn
	end   chan bool
}

func (s *site) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.end:
		return nil, net.ErrClosed
	}
}
func (s *site) Close() error   { close(s.end); return nil }
func (s *site) Addr() net.Addr { return &net.TCPAddr{} }

type from struct {
	net.Conn
	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// open serves g until the test ends, behind a gate if there is one.
func open(t *testing.T, g *Guard, gate *admit.Gate) *site {
	s := &site{t: t, conns: make(chan net.Conn, 2000), end: make(chan bool)}
	srv := NewServer(g)
	done := make(chan error, 1)
	l := net.Listener(s)
	if gate != nil {
		l = gate.Listen(s)
	}
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
		<-time.After(time.Second) // the server takes half of it to close some connections
	})
	return s
}

// dial connects from an address and sends something.
func (s *site) dial(ip, raw string) net.Conn {
	client, server := net.Pipe()
	s.conns <- from{server, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 1000))}
	s.t.Cleanup(func() { client.Close() })
	if raw != "" {
		go io.WriteString(client, raw) // it ends with the connection at the latest
	}
	return client
}

// status reads the status of a response, and its Retry-After; 0 when there is none.
func status(c net.Conn) (int, string) {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, ""
	}
	return resp.StatusCode, resp.Header.Get("Retry-After")
}

func post(announced, sent int) string {
	return fmt.Sprintf("POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s",
		agentID, announced, strings.Repeat("x", sent))
}

const (
	attacker = "192.0.2.66"
	visitor  = "192.0.2.1"
)

// TestSilentUploads: connections that announce bodies and go silent hold what has arrived,
// of one address up to its share. Uploads that go on succeed, from the same address too.
func TestSilentUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{Agents: answer(200, "done")}
		s := open(t, &Guard{Handler: h}, nil)
		for range 600 {
			s.dial(attacker, post(tandem.RequestBodySize, 1))
		}
		synctest.Wait()
		if h.budgets.sources != nil {
			t.Errorf("bodies that have not arrived take %d bytes", h.budgets.sources.Held())
		}
		var silent []net.Conn
		for range 200 {
			silent = append(silent, s.dial(attacker, post(tandem.RequestBodySize, tandem.RequestBodySize/2+1)))
		}
		synctest.Wait()
		if held := h.budgets.sources.Held(); held > bodiesOfSource || held < bodiesOfSource/2 {
			t.Errorf("%d bytes are held", held)
		}
		whole := post(tandem.RequestBodySize, tandem.RequestBodySize)
		for _, ip := range []string{visitor, attacker} {
			if got, _ := status(s.dial(ip, whole)); got != 200 {
				t.Errorf("an upload from %s: %d", ip, got)
			}
		}
		if got, _ := status(silent[0]); got != 503 {
			t.Errorf("the oldest silent upload: %d", got)
		}
		if n := h.Activity().Over[tandem.OverRequestMemory]; n < 60 {
			t.Errorf("%d uploads gave way", n)
		}
	})
}

// TestLeastRoom: a node with little memory takes bodies and answers of any size that is
// allowed, one at a time.
func TestLeastRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{Room: 1, Agents: answer(200, strings.Repeat("x", tandem.ResponseBodySize))}
		s := open(t, &Guard{Handler: h}, nil)
		for range 20 {
			if got, _ := status(s.dial(visitor, post(tandem.RequestBodySize, tandem.RequestBodySize))); got != 200 {
				t.Errorf("%d", got)
			}
			synctest.Wait()
		}
		for range 100 {
			s.dial(attacker, post(tandem.RequestBodySize, tandem.RequestBodySize/2+1))
		}
		synctest.Wait()
		if held := h.budgets.sources.Held(); held > leastRoom/4 {
			t.Errorf("%d bytes are held", held)
		}
	})
}

// TestUploadsOfAgent: an agent that keeps its callers waiting does not get all memory for
// their bodies, whatever their addresses. What has arrived does not give way.
func TestUploadsOfAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{Agents: agents(func(ctx context.Context, _ *tandem.Request) (*tandem.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})}
		s := open(t, &Guard{Handler: h}, nil)
		whole := post(tandem.RequestBodySize, tandem.RequestBodySize)
		const fit = bodiesOfAgent / (tandem.RequestBodySize - admit.FirstRead)
		for i := range fit {
			s.dial(fmt.Sprintf("198.51.100.%d", i), whole)
		}
		synctest.Wait()
		if got, retry := status(s.dial(visitor, whole)); got != 503 || retry == "" {
			t.Errorf("one more: %d, Retry-After %q", got, retry)
		}
		if h.Waiting() != fit {
			t.Errorf("%d wait, not %d", h.Waiting(), fit)
		}
		h.Shed(fit)
		synctest.Wait()
		if all := h.budgets.agents.Held() + h.budgets.sources.Held(); all != 0 {
			t.Errorf("%d bytes are left", all)
		}
	})
}

// TestUnknownAgent: what does not exist gets no memory.
func TestUnknownAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{Agents: answer(200, "done")}
		s := open(t, &Guard{Handler: h}, nil)
		raw := strings.Replace(post(tandem.RequestBodySize, 2*admit.FirstRead), agentID, "ZZZZZZZZZZZZ", 1)
		if got, _ := status(s.dial(visitor, raw)); got != 404 || h.budgets.sources != nil {
			t.Errorf("%d", got)
		}
	})
}

// TestDeafClients: answers that are not read take up to the share of an address, and those
// that are, from anywhere, arrive.
func TestDeafClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{Agents: answer(200, strings.Repeat("x", tandem.ResponseBodySize))}
		s := open(t, &Guard{Handler: h}, nil)
		const get = "GET /" + agentID + " HTTP/1.1\r\nHost: h\r\n\r\n"
		for range 300 {
			s.dial(attacker, get)
		}
		synctest.Wait()
		if held := h.budgets.answers.Held(); held != bodiesOfSource {
			t.Errorf("%d bytes are held", held)
		}
		for _, ip := range []string{visitor, attacker} {
			if got, _ := status(s.dial(ip, get)); got != 200 {
				t.Errorf("an answer to %s: %d", ip, got)
			}
		}
		<-time.After(admit.Grace + time.Second)
		synctest.Wait()
		if held := h.budgets.answers.Held(); held != 0 {
			t.Errorf("%d bytes are held in the end", held)
		}
		over := h.Activity().Over
		if over[tandem.OverAnswerMemory] < 300-64 || over[tandem.OverSlowClient] < 60 {
			t.Errorf("counted: %v", over)
		}
	})
}

// TestSilentConnections: connections that send nothing, or a part of a header, do not keep
// others out, of the same address either. Those with a request in progress stay.
func TestSilentConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan bool)
		h := &Handler{Agents: agents(func(_ context.Context, r *tandem.Request) (*tandem.Response, error) {
			if r.Path == "/wait" {
				<-wait
			}
			return &tandem.Response{Status: 200}, nil
		})}
		gate := admit.NewGate("HTTP", 200, 100, nil, nil)
		s := open(t, &Guard{Handler: h}, gate)
		const get = "GET /" + agentID + " HTTP/1.1\r\nHost: h\r\n\r\n"
		held := s.dial(attacker, strings.Replace(get, " HTTP", "/wait HTTP", 1))
		synctest.Wait()
		for i := range 1000 {
			s.dial(attacker, get[:i%len(get)])
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if n := gate.Connections(); n != 100 {
			t.Errorf("%d connections", n)
		}
		for _, ip := range []string{visitor, attacker} {
			if got, _ := status(s.dial(ip, get)); got != 200 {
				t.Errorf("a request from %s: %d", ip, got)
			}
		}
		close(wait)
		if got, _ := status(held); got != 200 {
			t.Errorf("the request in progress: %d", got)
		}
		// The server answers some with 400, which takes room in a socket and here a reader.
		<-time.After(admit.Opening + responseTimeout + time.Second)
		synctest.Wait()
		if n := gate.Connections(); n != 0 {
			t.Errorf("%d connections in the end", n)
		}
	})
}

// TestMemoryShort: new requests are turned away, and of those that wait the oldest.
func TestMemoryShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan bool)
		h := &Handler{Agents: agents(func(ctx context.Context, r *tandem.Request) (*tandem.Response, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-finish:
				return &tandem.Response{Status: 200}, nil
			}
		})}
		s := open(t, &Guard{Handler: h}, nil)
		const get = "GET /" + agentID + " HTTP/1.1\r\nHost: h\r\n\r\n"
		var all []net.Conn
		for range 10 {
			all = append(all, s.dial(visitor, get))
			synctest.Wait()
		}
		h.Under(admit.Short)
		if n := h.Shed(3); n != 3 {
			t.Errorf("%d were shed", n)
		}
		for i, c := range append(all[:3:3], s.dial(visitor, get)) {
			if got, retry := status(c); got != 503 || retry == "" {
				t.Errorf("request %d: %d, Retry-After %q", i, got, retry)
			}
		}
		h.Under(admit.Tight)
		last := s.dial(visitor, get)
		synctest.Wait()
		close(finish)
		for i, c := range append(all[3:], last) {
			if got, _ := status(c); got != 200 {
				t.Errorf("request %d of the rest: %d", i, got)
			}
		}
		synctest.Wait()
		if h.Shed(10) != 0 || h.running.Load() != 0 {
			t.Error("something is left")
		}
		if n := h.Activity().Over[tandem.OverNodeMemory]; n != 4 {
			t.Errorf("%d counted", n)
		}
	})
}

// TestMost: there is a limit of requests that agents have not answered.
func TestMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{Most: 5, Agents: agents(func(ctx context.Context, _ *tandem.Request) (*tandem.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})}
		s := open(t, &Guard{Handler: h}, nil)
		const get = "GET /" + agentID + " HTTP/1.1\r\nHost: h\r\n\r\n"
		for range 5 {
			s.dial(attacker, get)
		}
		synctest.Wait()
		if got, retry := status(s.dial(visitor, get)); got != 503 || retry == "" {
			t.Errorf("%d, Retry-After %q", got, retry)
		}
		if n := h.Activity().Over[tandem.OverNodeRequests]; n != 1 {
			t.Errorf("%d counted", n)
		}
	})
}

// TestClientsOfProxy: one client of a proxy gets half of the requests.
func TestClientsOfProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{
			Most: 10, Proxies: Proxies{netip.MustParsePrefix("10.0.0.0/8")},
			Agents: agents(func(ctx context.Context, r *tandem.Request) (*tandem.Response, error) {
				if r.Path == "/at-once" {
					return &tandem.Response{Status: 200}, nil
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}),
		}
		s := open(t, &Guard{Handler: h}, nil)
		get := func(client, path string) net.Conn {
			return s.dial("10.0.0.1", "GET /"+agentID+path+" HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: "+client+"\r\n\r\n")
		}
		var all []net.Conn
		for range 10 {
			all = append(all, get(attacker, ""))
			synctest.Wait()
		}
		if n := h.Waiting(); n != 5 {
			t.Errorf("%d requests of one client wait", n)
		}
		if got, _ := status(all[9]); got != 503 {
			t.Errorf("one more: %d", got)
		}
		for range 20 {
			if got, _ := status(get(visitor, "/at-once")); got != 200 {
				t.Errorf("another client: %d", got)
			}
		}
		h.Shed(5)
		synctest.Wait()
		if h.budgets.clients.Held() != 0 || h.running.Load() != 0 {
			t.Error("something is left")
		}
	})
}

// TestPanic: a panic ends its request, and is written to the log with its stack.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := &Handler{Agents: agents(func(_ context.Context, r *tandem.Request) (*tandem.Response, error) {
			if r.Path == "/panic" {
				panic("the defect")
			}
			return &tandem.Response{Status: 200}, nil
		})}
		gate := admit.NewGate("HTTP", 10, 10, nil, nil)
		g := &Guard{Handler: h, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		s := open(t, g, gate)
		if got, _ := status(s.dial(visitor, "GET /"+agentID+"/panic HTTP/1.1\r\nHost: h\r\n\r\n")); got != 0 {
			t.Errorf("the request is answered with %d", got)
		}
		last := s.dial(visitor, "GET /"+agentID+" HTTP/1.1\r\nConnection: close\r\nHost: h\r\n\r\n")
		if got, _ := status(last); got != 200 {
			t.Errorf("the next one: %d", got)
		}
		synctest.Wait()
		text := log.String()
		if g.Panics() != 1 || !strings.Contains(text, "the defect") || !strings.Contains(text, "hostile_test.go") {
			t.Errorf("%d panics; logged %s", g.Panics(), text)
		}
		if h.running.Load() != 0 || gate.Connections() != 0 {
			t.Error("something is left")
		}
	})
}

// TestHugeHeaders: a header, a trailer or a chunk's extension has a size at which reading
// ends.
func TestHugeHeaders(t *testing.T) {
	line := "X: " + strings.Repeat("x", 1000) + "\r\n"
	for _, tc := range []struct {
		name, start, again string
		status             int
	}{
		{"header", "GET /" + agentID + " HTTP/1.1\r\nHost: h\r\n", line, 431},
		{"header without an end", "GET /" + agentID + " HTTP/1.1\r\nHost: h\r\nX: ", "xxxxxxxx", 431},
		{"path", "GET /" + agentID, strings.Repeat("/", 1000), 431},
		{"trailers", "POST /" + agentID + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", line, 400},
		{
			"extension", "POST /" + agentID + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;",
			strings.Repeat("x", 1000), 400,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, &Guard{Handler: &Handler{Agents: answer(200, "")}}, nil)
			c := s.dial(attacker, "")
			sent := make(chan int, 1)
			go func() {
				io.WriteString(c, tc.start)
				n := 0
				for ; n < 10<<20; n += len(tc.again) {
					if _, err := io.WriteString(c, tc.again); err != nil {
						break
					}
				}
				sent <- n
			}()
			got, _ := status(c)
			c.Close()
			if n := <-sent; got != tc.status || n > 1<<20 {
				t.Errorf("%s: %d after %d bytes", tc.name, got, n)
			}
		})
	}
}

// h2 is a client that speaks HTTP/2 in frames of its choice.
type h2 struct {
	*tls.Conn
	t *testing.T
}

// frame sends a frame. It returns false when the server has closed the connection.
func (c h2) frame(kind, flags byte, stream uint32, payload []byte) bool {
	head := make([]byte, 9, 9+len(payload))
	binary.BigEndian.PutUint32(head, uint32(len(payload))<<8|uint32(kind))
	head[4] = flags
	binary.BigEndian.PutUint32(head[5:], stream)
	_, err := c.Write(append(head, payload...))
	return err == nil
}

const (
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameContinuation = 9
	endStream         = 1
	endHeaders        = 4
)

// h2Request is the header of GET with the host h, and a part of a path.
func h2Request(path string) []byte {
	b := []byte{0x82, 0x87, 0x04, byte(len(path))}
	b = append(b, path...)
	return append(b, 0x41, 1, 'h')
}

// serveTLS serves g with HTTP/2. Connections of dial come from another address than those of
// client, as an attacker's do: limits by address hold for each of them alone.
func serveTLS(t *testing.T, g *Guard, gate *admit.Gate) (addr string, client *http.Client, dial func() h2) {
	t.Helper()
	s := httptest.NewUnstartedServer(g)
	s.Config = NewServer(g)
	s.Listener = gate.Listen(s.Listener)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, s.Client(), func() h2 {
		trusting := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		c, err := tls.DialWithDialer(from, "tcp", s.Listener.Addr().String(), trusting)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		x := h2{c, t}
		x.frame(frameSettings, 0, 0, nil)
		go io.Copy(io.Discard, c) // ends with the connection
		return x
	}
}

// TestRapidReset: streams that are reset at once do not pile up handlers, and others are
// served.
func TestRapidReset(t *testing.T) {
	var now, most atomic.Int64
	h := &Handler{Agents: agents(func(ctx context.Context, r *tandem.Request) (*tandem.Response, error) {
		if r.Path != "/slow" {
			return &tandem.Response{Status: 200}, nil
		}
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})}
	gate := admit.NewGate("HTTP", 1000, 20, nil, nil)
	url, client, dial := serveTLS(t, &Guard{Handler: h}, gate)
	c := dial()
	for i := range uint32(20_000) {
		stream := 2*i + 1
		if !c.frame(frameHeaders, endStream|endHeaders, stream, h2Request("/"+agentID+"/slow")) ||
			!c.frame(frameReset, 0, stream, []byte{0, 0, 0, 8}) {
			break // the server has had enough
		}
	}
	if resp, err := client.Get(url + "/" + agentID); err != nil || resp.StatusCode != 200 || resp.ProtoMajor != 2 {
		t.Errorf("%v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	if most.Load() > streams {
		t.Errorf("%d requests were handled at once", most.Load())
	}
}

// TestStreamsCount: many requests of one connection count as many connections do.
func TestStreamsCount(t *testing.T) {
	begun := make(chan bool, 100)
	h := &Handler{Agents: agents(func(ctx context.Context, r *tandem.Request) (*tandem.Response, error) {
		begun <- true
		<-ctx.Done()
		return nil, ctx.Err()
	})}
	gate := admit.NewGate("HTTP", 1000, 20, nil, nil)
	g := &Guard{Handler: h}
	_, _, dial := serveTLS(t, g, gate)
	c := dial()
	for i := range uint32(60) {
		if !c.frame(frameHeaders, endStream|endHeaders, 2*i+1, h2Request("/"+agentID)) {
			t.Fatal("the connection is closed")
		}
	}
	for range 20 {
		<-begun
	}
	for g.Over() < 40 { // the server's goroutines refuse the others
		if !c.frame(framePing, 0, 0, make([]byte, 8)) {
			t.Fatalf("the connection is closed after %d were refused", g.Over())
		}
	}
	if gate.Connections() != 20 || len(begun) != 0 {
		t.Errorf("%d count, %d more have begun", gate.Connections(), len(begun))
	}
}

// TestContinuationFlood: a header that does not end has a size at which the connection
// does.
func TestContinuationFlood(t *testing.T) {
	gate := admit.NewGate("HTTP", 1000, 20, nil, nil)
	_, _, dial := serveTLS(t, &Guard{Handler: &Handler{Agents: answer(200, "")}}, gate)
	c := dial()
	c.frame(frameHeaders, endStream, 1, h2Request("/"))
	sent := 0
	literal := append([]byte{0, 1, 'x', 0x7f, 0x81, 0x76}, bytes.Repeat([]byte("x"), 15_000)...)
	for ; sent < 200<<20; sent += len(literal) {
		if !c.frame(frameContinuation, 0, 1, literal) {
			break
		}
	}
	if sent >= 200<<20 {
		t.Errorf("the server has read %d bytes", sent)
	}
}

// TestHeldContext: the context of a request behaves like one.
func TestHeldContext(t *testing.T) {
	type key struct{}
	parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	var line waiting
	x := &held{ctx: parent, line: &line}
	if x.Err() != nil || x.Value(key{}) != "value" || line.len() != 0 {
		t.Error("before a wait")
	}
	derived, stop := context.WithTimeout(x, time.Hour)
	defer stop()
	if line.len() != 1 || x.Done() == nil || x.Value(key{}) != "value" {
		t.Error("in a wait")
	}
	cancel()
	<-derived.Done()
	if !errors.Is(x.Err(), context.Canceled) || shed(x) {
		t.Error("cancelled")
	}
	x.leave()
	y := &held{ctx: t.Context(), line: &line}
	<-y.shedSoon()
	if !shed(y) || y.Err() == nil || line.len() != 0 {
		t.Error("shed")
	}
	y.leave()
}

// shedSoon waits for x, and sheds it.
func (x *held) shedSoon() <-chan struct{} {
	done := x.Done()
	x.line.shed(1)
	return done
}
