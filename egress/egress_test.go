package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func newFetcher(t *testing.T) *Fetcher {
	f := &Fetcher{Allow: loopback}
	t.Cleanup(f.Close)
	return f
}

// fetch has a request made, for as long as it may take, and waits.
func fetch(ctx context.Context, x *Fetcher, f *tandem.Fetch, part func([]byte)) *tandem.Response {
	if f.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.Timeout)
		defer cancel()
	}
	done := make(chan *tandem.Response, 1)
	x.Fetch(ctx, f, part, func(r *tandem.Response) { done <- r })
	return <-done
}

func get(t *testing.T, url string) *tandem.Response {
	t.Helper()
	return fetch(t.Context(), newFetcher(t), &tandem.Fetch{Method: "GET", URL: url}, nil)
}

func want(t *testing.T, r *tandem.Response, status int, body string) {
	t.Helper()
	if r.Status != status || !strings.Contains(string(r.Body), body) {
		t.Errorf("got %d %.200q, want %d and %q", r.Status, r.Body, status, body)
	}
}

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Add("X-Twice", "one")
	w.Header().Add("x-twice", "two")
	w.Header().Set("Date", "")
	fmt.Fprintf(w, "%s %s host=%s length=%d\n", r.Method, r.URL, r.Host, r.ContentLength)
	r.Header.Write(w)
	w.Write(body)
}

func TestRequest(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(echo))
	defer s.Close()
	r := fetch(t.Context(), newFetcher(t), &tandem.Fetch{
		Method: "POST",
		URL:    strings.Replace(s.URL, "//", "//me:secret@", 1) + "/a%20b?c=d#e",
		Headers: []tandem.Header{
			{Name: "host", Value: "elsewhere.example"},
			{Name: "content-length", Value: "99"},
			{Name: "transfer-encoding", Value: "chunked"},
			{Name: "x-a", Value: "1"}, {Name: "X-A", Value: "2"},
		},
		Body: []byte("the body"),
	}, nil)
	want(t, r, 200, "POST /a%20b?c=d host=elsewhere.example length=8\n")
	got := strings.ReplaceAll(string(r.Body), "\r", "")
	wantText := "POST /a%20b?c=d host=elsewhere.example length=8\nAccept-Encoding: gzip\nAuthorization: " +
		"Basic bWU6c2VjcmV0\nContent-Length: 8\nUser-Agent: tandem\nX-A: 1\nX-A: 2\nthe body"
	if got != wantText {
		t.Errorf("the server saw\n%s\nwant\n%s", got, wantText)
	}
	var twice []string
	for _, h := range r.Headers {
		if h.Name != strings.ToLower(h.Name) {
			t.Errorf("name %q is not lower-case", h.Name)
		}
		if h.Name == "x-twice" {
			twice = append(twice, h.Value)
		}
	}
	if len(twice) != 2 || twice[0] != "one" || twice[1] != "two" {
		t.Errorf("x-twice: %q", twice)
	}
}

func TestUserAgentIsTheAgents(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(echo))
	defer s.Close()
	r := fetch(t.Context(), newFetcher(t), &tandem.Fetch{
		Method: "GET", URL: s.URL, Headers: []tandem.Header{{Name: "user-agent", Value: "mine"}},
	}, nil)
	want(t, r, 200, "User-Agent: mine\r\n")
}

func TestBadRequests(t *testing.T) {
	for _, tc := range []struct {
		method, url string
		header      tandem.Header
		status      int
	}{
		{"GET", "ftp://example.com/", tandem.Header{}, tandem.FetchUnsupportedProtocol},
		{"GET", "example.com", tandem.Header{}, tandem.FetchUnsupportedProtocol},
		{"GET", "file:///etc/passwd", tandem.Header{}, tandem.FetchUnsupportedProtocol},
		{"GET", "http://", tandem.Header{}, tandem.FetchBadURL},
		{"GET", "http:///path", tandem.Header{}, tandem.FetchBadURL},
		{"GET", "http://:80/path", tandem.Header{}, tandem.FetchBadURL},
		{"GET", "http://a b/", tandem.Header{}, tandem.FetchBadURL},
		{"GET", "http://a\r\nHost: b/", tandem.Header{}, tandem.FetchBadURL},
		{"G T", "http://127.0.0.1:1/", tandem.Header{}, tandem.FetchSendFailed},
		{"GET", "http://127.0.0.1:1/", tandem.Header{Name: "a\r\nb", Value: "x"}, tandem.FetchSendFailed},
		{"GET", "http://127.0.0.1:1/", tandem.Header{Name: "a", Value: "x\r\nHost: y"}, tandem.FetchSendFailed},
		{"GET", "http://127.0.0.1:1/", tandem.Header{Name: "", Value: "x"}, tandem.FetchSendFailed},
		{"GET", "http://127.0.0.1:1/", tandem.Header{Name: "a", Value: "x"}, tandem.FetchNoConnection},
		{"GET", "http://nowhere.invalid/", tandem.Header{Name: "a", Value: "x"}, tandem.FetchHostNotFound},
	} {
		f := &tandem.Fetch{Method: tc.method, URL: tc.url}
		if tc.header != (tandem.Header{}) {
			f.Headers = []tandem.Header{tc.header}
		}
		if r := fetch(t.Context(), newFetcher(t), f, nil); r.Status != tc.status {
			t.Errorf("%s %q %q: got %d %s, want %d", tc.method, tc.url, tc.header, r.Status, r.Body, tc.status)
		}
	}
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	reached := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f := &Fetcher{}
	t.Cleanup(f.Close)
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "10.1.2.3",
		"169.254.169.254", "[fe80::1%25lo]",
	} {
		r := fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: "http://" + host + ":" + port + "/"}, nil)
		want(t, r, tandem.FetchRefused, "has no public address")
	}
	if reached {
		t.Error("the server on loopback was reached")
	}
}

func TestPublic(t *testing.T) {
	for _, tc := range []struct {
		public bool
		addrs  string
	}{
		{true, "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 198.17.0.1 223.255.255.255 168.63.129.15"},
		{true, "2606:4700:4700::1111 2a00::1 ::ffff:1.1.1.1 64:ff9b::101:101"},
		{false, "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.255 168.63.129.16 169.254.0.1 169.254.169.254"},
		{false, "172.16.0.1 172.31.255.255 192.0.0.192 192.88.99.1 192.168.0.1 198.18.0.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255"},
		{false, ":: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1"},
		{false, "fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1 2001::1 2001:db8::1 2002:7f00:1:: 100::1 5f00::1"},
	} {
		for addr := range strings.FieldsSeq(tc.addrs) {
			if got := public(embedded(netip.MustParseAddr(addr))); got != tc.public {
				t.Errorf("public(%s) = %v", addr, got)
			}
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("http://elsewhere.invalid/", http.StatusFound))
	defer s.Close()
	r := get(t, s.URL)
	want(t, r, 302, "")
	if i := len(r.Headers); i == 0 || !strings.Contains(fmt.Sprint(r.Headers), "{location http://elsewhere.invalid/}") {
		t.Errorf("headers %v", r.Headers)
	}
}

func TestSizes(t *testing.T) {
	for _, tc := range []struct {
		size, status int
		announce     bool
		stream       bool
	}{
		{0, 200, true, false},
		{tandem.FetchBodySize, 200, true, false},
		{tandem.FetchBodySize, 200, false, false},
		{tandem.FetchBodySize + 1, tandem.FetchTooLarge, true, false},
		{tandem.FetchBodySize + 1, tandem.FetchTooLarge, false, false},
		{tandem.FetchBodySize * 2, 200, false, true},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tc.announce {
				w.Header().Set("Content-Length", fmt.Sprint(tc.size))
			}
			w.Write(make([]byte, tc.size))
		}))
		var streamed []byte
		f := &tandem.Fetch{Method: "GET", URL: s.URL, Stream: tc.stream}
		r := fetch(t.Context(), newFetcher(t), f, func(b []byte) { streamed = append(streamed, b...) })
		if r.Status != tc.status || r.Status == 200 && len(r.Body)+len(streamed) != tc.size || tc.stream && len(r.Body) > 0 {
			t.Errorf("%+v: got %d, %d bytes and %d streamed", tc, r.Status, len(r.Body), len(streamed))
		}
		s.Close()
	}
}

func TestStreamDeliversAtOnce(t *testing.T) {
	next := make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprint(w, i)
			w.(http.Flusher).Flush()
			<-next // the client has it
		}
	}))
	defer s.Close()
	var parts []string
	r := fetch(t.Context(), newFetcher(t), &tandem.Fetch{Method: "GET", URL: s.URL, Stream: true}, func(b []byte) {
		parts = append(parts, string(b))
		next <- true
	})
	want(t, r, 200, "")
	if fmt.Sprint(parts) != "[0 1 2]" {
		t.Errorf("parts %q", parts)
	}
}

func TestChunks(t *testing.T) {
	got := make(chan string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 3)
		for range 2 {
			if _, err := io.ReadFull(r.Body, buf); err != nil {
				t.Error(err)
			}
			got <- string(buf)
		}
		_, err := r.Body.Read(buf)
		fmt.Fprintf(w, "%s %v %v", r.Method, r.TransferEncoding, err)
	}))
	defer s.Close()
	for _, method := range []string{"POST", "GET"} {
		body, chunks := io.Pipe()
		go func() {
			for _, chunk := range []string{"one", "two"} {
				chunks.Write([]byte(chunk))
				if c := <-got; c != chunk { // before there is any more
					t.Errorf("%q arrived", c)
				}
			}
			chunks.Close()
		}()
		r := fetch(t.Context(), newFetcher(t), &tandem.Fetch{Method: method, URL: s.URL, Chunks: body}, nil)
		want(t, r, 200, method+" [chunked] EOF")
	}
}

func TestHead(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(echo))
	defer s.Close()
	r := fetch(t.Context(), newFetcher(t), &tandem.Fetch{Method: "HEAD", URL: s.URL}, nil)
	if r.Status != 200 || len(r.Body) != 0 {
		t.Errorf("%d %q", r.Status, r.Body)
	}
}

func TestCompression(t *testing.T) {
	zip := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, text)
		z.Close()
		return b.String()
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "identity" {
			w.Header().Set("Content-Encoding", "gzip")
		}
		switch r.URL.Path {
		case "/bomb":
			io.WriteString(w, zip(strings.Repeat("0", tandem.FetchBodySize+1)))
		case "/broken":
			io.WriteString(w, "this is not gzip")
		default:
			io.WriteString(w, zip("the text"))
		}
	}))
	defer s.Close()
	ask := func(path, name, value string) *tandem.Response {
		return fetch(t.Context(), newFetcher(t), &tandem.Fetch{
			Method: "GET", URL: s.URL + path, Headers: []tandem.Header{{Name: name, Value: value}},
		}, nil)
	}
	encoded := func(r *tandem.Response) bool {
		return slices.Contains(r.Headers, tandem.Header{Name: "content-encoding", Value: "gzip"})
	}
	r := ask("/", "x", "y")
	want(t, r, 200, "the text")
	if encoded(r) {
		t.Error("a body that is decompressed is said to be compressed")
	}
	r = ask("/", "accept-encoding", "gzip")
	want(t, r, 200, zip("the text"))
	if !encoded(r) {
		t.Error("a body that is compressed is not said to be")
	}
	want(t, ask("/", "Accept-Encoding", "identity"), 200, zip("the text"))
	want(t, ask("/", "Range", "bytes=0-99"), 200, zip("the text"))
	want(t, ask("/bomb", "x", "y"), tandem.FetchTooLarge, "larger than")
	want(t, ask("/broken", "x", "y"), tandem.FetchReceiveFailed, "cannot be read")
}

func TestTimeout(t *testing.T) {
	for _, when := range []string{"before the header", "in the body"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if when == "in the body" {
				fmt.Fprint(w, "begins")
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		}))
		r := fetch(t.Context(), newFetcher(t), &tandem.Fetch{Method: "GET", URL: s.URL, Timeout: 50 * time.Millisecond}, nil)
		want(t, r, tandem.FetchTimeout, "in time")
		s.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := fetch(ctx, newFetcher(t), &tandem.Fetch{Method: "GET", URL: "http://127.0.0.1:1/"}, nil)
	want(t, got, tandem.FetchTimeout, "")
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	wrongHost := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for _, tc := range []struct {
		url      string
		validate bool
		roots    *x509.CertPool
		status   int
	}{
		{s.URL, false, nil, 200},
		{s.URL, true, roots, 200},
		{s.URL, true, x509.NewCertPool(), tandem.FetchUntrusted},
		{wrongHost, false, nil, 200},
		{wrongHost, true, roots, tandem.FetchWrongHost},
	} {
		f := &Fetcher{Allow: append(loopback, netip.MustParsePrefix("::1/128")), Roots: tc.roots}
		r := fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: tc.url, Validate: tc.validate}, nil)
		if r.Status != tc.status {
			t.Errorf("%+v: got %d %s", tc, r.Status, r.Body)
		}
		f.Close()
	}
}

func TestTLSFailures(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(echo))
	defer plain.Close()
	want(t, get(t, strings.Replace(plain.URL, "http:", "https:", 1)), tlsFailed, "does not speak TLS")

	strict := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	strict.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	strict.TLS = &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAnyClientCert}
	strict.StartTLS()
	defer strict.Close()
	if r := get(t, strict.URL); r.Status != tlsFailed && r.Status != tandem.FetchSendFailed {
		t.Errorf("client certificate required: %d %s", r.Status, r.Body)
	}
}

// serve answers every connection with raw bytes and closes it.
func serve(t *testing.T, raw string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := io.ReadAtLeast(c, make([]byte, 4096), 10); err == nil {
				io.WriteString(c, raw)
			}
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestBrokenServers(t *testing.T) {
	want(t, get(t, serve(t, "")), tandem.FetchEmptyReply, "without a response")
	half := get(t, serve(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
	want(t, half, tandem.FetchReceiveFailed, "cannot be read")
	want(t, get(t, serve(t, "SSH-2.0-OpenSSH\r\n\r\n")), tandem.FetchReceiveFailed, "cannot be read")
	large := get(t, serve(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", headerSize+8192)+"\r\n\r\n"))
	want(t, large, tandem.FetchReceiveFailed, "cannot be read")
}

func TestConnectionsAreKept(t *testing.T) {
	conns := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns++
		}
	}
	s.Start()
	f := newFetcher(t)
	for range 3 {
		r := fetch(t.Context(), f, &tandem.Fetch{Method: "POST", URL: s.URL, Body: bytes.Repeat([]byte("x"), 1000)}, nil)
		want(t, r, 200, "xxx")
	}
	f.Close()
	s.Close()
	if conns != 1 {
		t.Errorf("%d connections for three requests in a row", conns)
	}
}
