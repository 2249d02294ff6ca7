package ingress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
)

const agentID = "AbCdEf123_-Z"

// agents answers for agentID with what the function says.
type agents func(ctx context.Context, r *tandem.Request) (*tandem.Response, error)

func (f agents) Request(ctx context.Context, id tandem.AgentID, r *tandem.Request) (*tandem.Response, error) {
	if err := f.Exists(ctx, id); err != nil {
		return nil, err
	}
	return f(ctx, r)
}

func (f agents) Exists(_ context.Context, id tandem.AgentID) error {
	if id != agentID {
		return tandem.Errorf(tandem.NotFound, "there is no agent %s", id)
	}
	return nil
}

// describe answers with what the agent was asked.
func describe(_ context.Context, r *tandem.Request) (*tandem.Response, error) {
	text := fmt.Sprintf("%s path=%q query=%q proto=%s from=%s body=%q", r.Method, r.Path, r.Query, r.Proto, r.From, r.Body)
	var names []string
	for name := range r.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		text += fmt.Sprintf(" %s=%q", name, r.Headers[name])
	}
	return &tandem.Response{Status: 200, Body: []byte(text)}, nil
}

func answer(status int, body string, headers ...tandem.Header) agents {
	return func(context.Context, *tandem.Request) (*tandem.Response, error) {
		return &tandem.Response{Status: status, Headers: headers, Body: []byte(body)}, nil
	}
}

func failure(kind tandem.Kind) agents {
	return func(context.Context, *tandem.Request) (*tandem.Response, error) {
		return nil, tandem.Errorf(kind, "it went wrong")
	}
}

// ask sends raw bytes to a real server and returns the response.
func ask(t *testing.T, h http.Handler, raw string) (*http.Response, string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config = NewServer(&Guard{Handler: h})
	s.Start()
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, raw) // ends with the connection at the latest
	method, _, _ := strings.Cut(raw, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestRequests(t *testing.T) {
	for _, tc := range []struct{ name, raw, want string }{
		{"no path", "GET /" + agentID + " HTTP/1.1\r\nHost: h\r\n\r\n",
			`GET path="" query="" proto=http from=127.0.0.1 body="" Host=["h"] X-Forwarded-Proto=["http"]`},
		{"all of it", "POST /" + agentID + "/a/b%20c?x=1&y=%41 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\nhi",
			`POST path="/a/b c" query="x=1&y=%41" proto=http from=127.0.0.1 body="hi" Content-Length=["2"] Host=["h"] X-A=["1" "2"] X-Forwarded-Proto=["http"]`},
		{"chunked", "PUT /" + agentID + "/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n",
			`PUT path="/" query="" proto=http from=127.0.0.1 body="hi!" Host=["h"] X-Forwarded-Proto=["http"]`},
		{"paths are not cleaned", "GET /" + agentID + "//a/../b HTTP/1.1\r\nHost: h\r\n\r\n",
			`GET path="//a/../b" query="" proto=http from=127.0.0.1 body="" Host=["h"] X-Forwarded-Proto=["http"]`},
		{"said by the client", "PATCH /" + agentID + " HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\n" +
			"X-Forwarded-For: 192.0.2.9\r\nForwarded: for=192.0.2.9\r\n\r\n",
			`PATCH path="" query="" proto=http from=127.0.0.1 body="" Host=["h"] X-Forwarded-Proto=["http"]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, got := ask(t, &Handler{Agents: agents(describe)}, tc.raw)
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestBehindProxy: a trusted proxy says who the client is and how it has come.
func TestBehindProxy(t *testing.T) {
	raw := "GET /" + agentID + " HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\n" +
		"X-Forwarded-For: 203.0.113.1, 192.0.2.9\r\n\r\n"
	for proxy, want := range map[string]string{
		"127.0.0.0/8": `GET path="" query="" proto=https from=192.0.2.9 body="" Host=["h"] ` +
			`X-Forwarded-For=["203.0.113.1, 192.0.2.9"] X-Forwarded-Proto=["https"]`,
		"10.0.0.0/8": `GET path="" query="" proto=http from=127.0.0.1 body="" Host=["h"] X-Forwarded-Proto=["http"]`,
	} {
		h := &Handler{Agents: agents(describe), Proxies: Proxies{netip.MustParsePrefix(proxy)}}
		if _, got := ask(t, h, raw); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", proxy, got, want)
		}
	}
}

// TestDomainForm: which requests reach the agent, and which path it gets.
func TestDomainForm(t *testing.T) {
	l := Label(agentID)
	trusted := Proxies{netip.MustParsePrefix("127.0.0.0/8")}
	h := &Handler{Agents: agents(describe), Domain: "agents.example", Proxies: trusted}
	for _, tc := range []struct{ host, path, want string }{ // want: the path, "": no agent
		{l + ".agents.example", "/", "/"},
		{l + ".agents.example", "/path", "/path"},
		{l + ".agents.example:8080", "/a/../b%20c", "/a/../b c"},
		{strings.ToUpper(l) + ".Agents.Example.", "/path", "/path"},
		{l + ".agents.example.:443", "/path", "/path"},
		{l + ".agents.example", "/" + agentID, ""},
		{l + ".agents.example", "/" + agentID + "/", "/"},
		{l + ".agents.example", "/" + agentID + "/path", "/path"},
		{l + ".agents.example", "/" + strings.ToLower(agentID) + "/path", "/" + strings.ToLower(agentID) + "/path"},
		{l + ".agents.example", "/ZZZZZZZZZZZZ/path", "/ZZZZZZZZZZZZ/path"},
		{agentID + ".agents.example", "/path", "no"},
		{"x" + l + ".agents.example", "/path", "no"},
		{"x." + l + ".agents.example", "/path", "no"},
		{l + ".agents.example.elsewhere", "/path", "no"},
		{l + "agents.example", "/path", "no"},
		{l, "/path", "no"},
		{"agents.example", "/" + agentID + "/path", "no"},
		{".agents.example", "/" + agentID + "/path", "no"},
		{"127.0.0.1", "/" + agentID + "/path", "no"},
		{"[::1]:80", "/" + agentID + "/path", "no"},
	} {
		raw := "GET " + tc.path + " HTTP/1.1\r\nHost: " + tc.host + "\r\nX-Forwarded-Host: " + l + ".agents.example\r\n\r\n"
		_, got := ask(t, h, raw)
		want := fmt.Sprintf("GET path=%q ", tc.want)
		if tc.want == "no" {
			want = "there is no agent at this address\n"
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s%s: %s", tc.host, tc.path, got)
		}
	}
}

func TestLoopbackIsSecure(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := httptest.NewServer(&Handler{Agents: agents(describe), LoopbackIsSecure: secure})
		resp, err := s.Client().Get(s.URL + "/" + agentID)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		s.Close()
		if err != nil || strings.Contains(string(body), "https") != secure {
			t.Errorf("LoopbackIsSecure %t: %s, %v", secure, body, err)
		}
	}
}

func TestProtoOverTLS(t *testing.T) {
	s := httptest.NewTLSServer(&Handler{Agents: agents(describe)})
	defer s.Close()
	resp, err := s.Client().Get(s.URL + "/" + agentID)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "proto=https") {
		t.Errorf("%s %v", body, err)
	}
}

func TestResponses(t *testing.T) {
	h := func(name, value string) tandem.Header { return tandem.Header{Name: name, Value: value} }
	get := "GET /" + agentID + " HTTP/1.1\r\nHost: h\r\n\r\n"
	head := strings.Replace(get, "GET", "HEAD", 1)
	for _, tc := range []struct {
		name, raw    string
		agent        agents
		status       int
		body, header string
	}{
		{"plain", get, answer(200, "hello", h("content-type", "a/b")), 200, "hello", "Content-Length: 5|Content-Type: a/b"},
		{"headers repeat", get, answer(418, "", h("set-cookie", "a=1"), h("Set-Cookie", "b=2")), 418, "", "Content-Length: 0|Set-Cookie: a=1; Path=/" + agentID + "|Set-Cookie: b=2; Path=/" + agentID},
		{"hop by hop", get, answer(200, "hello", h("connection", "upgrade"), h("content-length", "99"), h("Transfer-Encoding", "gzip"), h("X", "y"), h("content-type", "t")), 200, "hello", "Content-Length: 5|Content-Type: t|X: y"},
		{"CORS is the agent's", get, answer(200, "", h("Access-Control-Allow-Origin", "*")), 200, "", "Access-Control-Allow-Origin: *|Content-Length: 0"},
		{"HEAD", head, answer(200, "hello", h("Content-Type", "t")), 200, "", "Content-Length: 5|Content-Type: t"},
		{"no content", get, answer(204, "dropped"), 204, "", ""},
		{"not modified", get, answer(304, "dropped", h("ETag", "e")), 304, "", "Etag: e"},
		{"injection by value", get, answer(200, "", h("a", "b\r\nc: d")), 502, "the agent's answer has an invalid header \"a\"\n", ""},
		{"injection by name", get, answer(200, "", h("good", "1"), h("a: b\r\nc", "d")), 502, "the agent's answer has an invalid header \"a: b\\r\\nc\"\n", ""},
		{"empty name", get, answer(200, "", h("", "d")), 502, "the agent's answer has an invalid header \"\"\n", ""},
		{"no status", get, answer(0, ""), 502, "the agent answered with status 0, which is not an HTTP status\n", ""},
		{"informational", get, answer(100, ""), 502, "the agent answered with status 100, which is not an HTTP status\n", ""},
		{"much", get, answer(200, strings.Repeat("x", tandem.ResponseBodySize), h("Content-Type", "t")), 200, strings.Repeat("x", tandem.ResponseBodySize), "Content-Length: 1048576|Content-Type: t"},
		{"too much", get, answer(200, strings.Repeat("x", tandem.ResponseBodySize+1)), 502, "the agent's answer is larger than 1048576 bytes\n", ""},
		{"no handler", get, answer(404, "no handler", h("Content-Type", "t")), 404, "no handler", "Content-Length: 10|Content-Type: t"},
		{"not found", get, failure(tandem.NotFound), 404, "it went wrong\n", ""},
		{"limit", get, failure(tandem.Limit), 503, "it went wrong\n", "Content-Length: 14|Content-Type: text/plain; charset=utf-8|Retry-After: 2|X-Content-Type-Options: nosniff"},
		{"timeout", get, failure(tandem.Unavailable), 504, "it went wrong\n", ""},
		{"defect", get, failure(tandem.Internal), 500, "the server could not pass the request to the agent; see the server's log\n", ""},
		{"another agent", "GET /ZZZZZZZZZZZZ/a HTTP/1.1\r\nHost: h\r\n\r\n", answer(200, ""), 404, "there is no agent ZZZZZZZZZZZZ\n", ""},
		{"not an id", "GET /v5/devices HTTP/1.1\r\nHost: h\r\n\r\n", answer(200, ""), 404, "there is no agent at this address\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, body := ask(t, &Handler{Agents: tc.agent}, tc.raw)
			if resp.StatusCode != tc.status || body != tc.body {
				t.Errorf("got %d %.200q, want %d %.200q", resp.StatusCode, body, tc.status, tc.body)
			}
			resp.Header.Del("Date")
			var text strings.Builder
			resp.Header.Write(&text)
			got := strings.ReplaceAll(strings.TrimSuffix(text.String(), "\r\n"), "\r\n", "|")
			if tc.header != "" && got != tc.header {
				t.Errorf("header %q, want %q", got, tc.header)
			}
		})
	}
}

func TestBodySizes(t *testing.T) {
	size := agents(func(_ context.Context, r *tandem.Request) (*tandem.Response, error) {
		return &tandem.Response{Status: 200, Body: fmt.Append(nil, len(r.Body))}, nil
	})
	for _, n := range []int{1, admit.FirstRead, admit.FirstRead + 1, tandem.RequestBodySize, tandem.RequestBodySize + 1} {
		body := strings.Repeat("x", n)
		for form, raw := range map[string]string{
			"length":  fmt.Sprintf("POST /%s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", agentID, n, body),
			"chunked": fmt.Sprintf("POST /%s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", agentID, n, body),
		} {
			resp, got := ask(t, &Handler{Agents: size}, raw)
			if n > tandem.RequestBodySize {
				if resp.StatusCode != 413 || !strings.Contains(got, "larger than 524288 bytes") {
					t.Errorf("%s %d: %d %s", form, n, resp.StatusCode, got)
				}
			} else if resp.StatusCode != 200 || got != fmt.Sprint(n) {
				t.Errorf("%s %d: %d %s", form, n, resp.StatusCode, got)
			}
		}
	}
}

func TestMalformedBodies(t *testing.T) {
	for _, body := range []string{"zz\r\n", "2\r\nhi!", "2" + strings.Repeat("0", 20) + "\r\n"} {
		raw := "POST /" + agentID + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body + "\r\n\r\n"
		resp, got := ask(t, &Handler{Agents: agents(describe)}, raw)
		if resp.StatusCode != 400 || !resp.Close || !strings.Contains(got, "not well-formed") {
			t.Errorf("%q: %d %s", body, resp.StatusCode, got)
		}
	}
}

func TestStopping(t *testing.T) {
	h := &Handler{Agents: answer(200, "")}
	h.Stop()
	resp, body := ask(t, h, "GET /"+agentID+" HTTP/1.1\r\nHost: h\r\n\r\n")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "try again") {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
}

func TestClientGone(t *testing.T) {
	begun, ended := make(chan bool), make(chan error, 1)
	h := &Handler{Agents: agents(func(ctx context.Context, r *tandem.Request) (*tandem.Response, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})}
	s := httptest.NewServer(h)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/"+agentID, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Client().Do(req); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A request with a body may wait for its answer longer than the body may take.
func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{Agents: agents(func(ctx context.Context, r *tandem.Request) (*tandem.Response, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(9 * time.Minute):
				return &tandem.Response{Status: 200, Body: []byte("at last")}, nil
			}
		})}
		status, body := overPipe(t, h, "POST /"+agentID+" HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
		if status != 200 || body != "at last" {
			t.Errorf("%d %q", status, body)
		}
	})
}

// A client that begins a header or a body and goes silent is hung up on.
func TestSlowClients(t *testing.T) {
	for raw, wait := range map[string]time.Duration{
		"POST /" + agentID + " HTTP/1.1\r\nHost: h\r\n":                           admit.Opening,
		"POST /" + agentID + " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nh": admit.Grace + time.Second/admit.Rate,
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			status, _ := overPipe(t, &Handler{Agents: answer(200, "")}, raw)
			if took := time.Since(start); status == 200 || took != wait {
				t.Errorf("%q: status %d after %v", raw, status, took)
			}
		})
	}
}

// overPipe serves one connection without a network, for synctest, and returns
// status 0 when it is closed without a response.
func overPipe(t *testing.T, h http.Handler, raw string) (int, string) {
	t.Helper()
	client := servePipe(t, h)
	if _, err := io.WriteString(client, raw); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		return 0, ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

type oneConn struct {
	conns  chan net.Conn
	closed chan bool
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// A client that does not take its answer is hung up on.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := servePipe(t, &Handler{Agents: answer(200, strings.Repeat("x", 64<<10))})
		if _, err := io.WriteString(client, "GET /"+agentID+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-time.After(admit.Grace + time.Second)
		if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
			t.Errorf("%d bytes after the time for them, %v", len(got), err)
		}
	})
}

// servePipe serves the other end of the connection until the test ends.
func servePipe(t *testing.T, h http.Handler) net.Conn {
	client, server := net.Pipe()
	s := NewServer(&Guard{Handler: h})
	l := &oneConn{conns: make(chan net.Conn, 1), closed: make(chan bool)}
	l.conns <- server
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		client.Close()
		s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return client
}

// TestNoPath: what has no path is for no agent in either form.
func TestNoPath(t *testing.T) {
	for _, domain := range []string{"", "agents.example"} {
		r := httptest.NewRequest("OPTIONS", "/", nil)
		r.Host = Label(agentID) + ".agents.example"
		r.URL.Path = "*"
		if id, path, ok := (&Handler{Domain: domain}).address(r); ok {
			t.Errorf("with domain %q: %s %q", domain, id, path)
		}
	}
}

func TestOwns(t *testing.T) {
	for host, want := range map[string]bool{
		"agents.example": false, "www.agents.example": true, "a.b.AGENTS.example:1": true, "agents.example:1": false,
		".agents.example": true, "xagents.example": false, "agents.example.x": false, "a.agents.example.": true, "": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		if got := (&Handler{Domain: "agents.example"}).Owns(r); got != want {
			t.Errorf("%q: %v", host, got)
		}
		if (&Handler{}).Owns(r) {
			t.Errorf("%q without a domain", host)
		}
	}
}

func TestSite(t *testing.T) {
	for _, tc := range []struct {
		site         Site
		agent, whole string
	}{
		{Site{Scheme: "http", Host: "127.0.0.1:7881"}, "http://127.0.0.1:7881/" + agentID, "http://127.0.0.1:7881"},
		{
			Site{Scheme: "https", Host: "agents.example", Domain: true},
			"https://" + Label(agentID) + ".agents.example/" + agentID, "https://*.agents.example",
		},
	} {
		if a, whole := tc.site.URL(agentID), tc.site.String(); a != tc.agent || whole != tc.whole {
			t.Errorf("%+v: %s, %s", tc.site, a, whole)
		}
	}
}

func TestLabel(t *testing.T) {
	for range 1000 {
		id := tandem.NewAgentID()
		l := Label(id)
		// The last letter has three bits that are none of the id's.
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
			if other := l[:14] + string(c); other != l {
				if got, ok := named(other); ok && got == id {
					t.Fatalf("%s: %q is another label", id, other)
				}
			}
		}
		if strings.ToLower(l) != l || len(l) != 15 || strings.ContainsAny(l, "-_") {
			t.Fatalf("%s: %q", id, l)
		}
		for _, text := range []string{l, strings.ToUpper(l)} {
			if got, ok := named(text); got != id || !ok {
				t.Fatalf("%q is %q, not %q", text, got, id)
			}
		}
	}
	for _, text := range []string{
		"", "www", "a", "1", agentID, strings.Repeat("a", 14), strings.Repeat("a", 16),
		strings.Repeat("ä", 15),
	} {
		if got, ok := named(text); ok {
			t.Errorf("%q is %q", text, got)
		}
	}
	if Label("short") != "" {
		t.Error("a label for no agent")
	}
}

func BenchmarkEcho(b *testing.B) {
	h := &Handler{Agents: agents(func(_ context.Context, r *tandem.Request) (*tandem.Response, error) {
		return &tandem.Response{
			Status: 200, Headers: []tandem.Header{{Name: "Content-Type", Value: "text/plain"}},
			Body: r.Body,
		}, nil
	})}
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Write(body)
	})
	for name, handler := range map[string]http.Handler{"ingress": h, "plain": plain} {
		b.Run(name, func(b *testing.B) {
			s := httptest.NewUnstartedServer(handler)
			s.Config = NewServer(&Guard{Handler: handler})
			s.Start()
			defer s.Close()
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			raw := []byte("POST /" + agentID + "/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n0123456789")
			buf := make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(raw); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
