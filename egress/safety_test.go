package egress

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// names is a resolver that asks the function for the IPv4 addresses of a name.
// Without any there is no such name.
func names(t *testing.T, find func(name string) []string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		done := make(chan struct{})
		t.Cleanup(func() { server.Close(); <-done })
		go func() {
			defer close(done)
			answerDNS(server, find)
		}()
		return client, nil
	}}
}

// answerDNS answers queries on a stream, where each has its length before it.
func answerDNS(c net.Conn, find func(string) []string) {
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		const header = 12
		name, at := "", header
		for q[at] != 0 {
			name += string(q[at+1:at+1+int(q[at])]) + "."
			at += 1 + int(q[at])
		}
		question := q[header : at+5]
		isA := binary.BigEndian.Uint16(q[at+1:]) == 1
		found := find(name)
		code := byte(0)
		if found == nil {
			code = 3 // no such name
		}
		if !isA {
			found = nil
		}
		reply := append([]byte{q[0], q[1], 0x81, 0x80 | code, 0, 1, 0, byte(len(found)), 0, 0, 0, 0}, question...)
		for _, addr := range found {
			ip := netip.MustParseAddr(addr).As4()
			reply = append(append(reply, 0xC0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), ip[:]...)
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// port returns the port of a server on loopback that counts who reaches it.
func port(t *testing.T, reached *atomic.Int64) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		w.Header().Set("Connection", "close")
	}))
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A name that is harmless when it is looked at, and something else when it is
// connected to, gains nothing: what counts is the address of the connection.
func TestRebinding(t *testing.T) {
	var reached, asked atomic.Int64
	at := port(t, &reached)
	// 127.0.0.1 is the address that may be reached, 127.0.0.2 the one that must not.
	f := &Fetcher{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	f.resolver = names(t, func(string) []string {
		if asked.Add(1) <= 2 { // A and AAAA
			return []string{"127.0.0.1"}
		}
		return []string{"127.0.0.2"}
	})
	defer f.Close()
	for i, status := range []int{200, tandem.FetchRefused, tandem.FetchRefused} {
		r := fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: "http://rebinding.test:" + at}, nil)
		if r.Status != status {
			t.Errorf("request %d: %d %s", i, r.Status, r.Body)
		}
	}
	if reached.Load() != 1 {
		t.Errorf("the server was reached %d times", reached.Load())
	}
	if got, want := f.Outcomes(), (map[string]int64{"2xx": 1, "refused": 2}); !maps.Equal(got, want) {
		t.Errorf("counted: %v", got)
	}
}

// Of several addresses only those that may be are connected to.
func TestMixedAddresses(t *testing.T) {
	var reached atomic.Int64
	at := port(t, &reached)
	f := &Fetcher{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	f.resolver = names(t, func(string) []string { return []string{"127.0.0.2", "169.254.169.254", "127.0.0.1"} })
	defer f.Close()
	if r := fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: "http://mixed.test:" + at}, nil); r.Status != 200 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// Some resolvers take every way to write a number for an address; here all
// names lead to loopback.
func TestOtherWaysToWriteLoopback(t *testing.T) {
	var reached atomic.Int64
	at := port(t, &reached)
	f := &Fetcher{resolver: names(t, func(string) []string { return []string{"127.0.0.1"} })}
	defer f.Close()
	for _, host := range []string{
		"0x7f.1", "2130706433", "017700000001", "127.1", "0177.0.0.1", "127.0.0.1.", "localhost.", "LOCALHOST",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[::]", "0", "0.0.0.0",
		"example.com@127.0.0.1", "example.com:80@127.0.0.1", "127.0.0.1%2f@127.0.0.1", "metadata.test", "localhost.localdomain",
	} {
		r := fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: "http://" + host + ":" + at + "/"}, nil)
		if r.Status >= 100 {
			t.Errorf("%s: %d %s", host, r.Status, r.Body)
		}
		if strings.Contains(string(r.Body), "127.0.0.1") && !strings.Contains(host, "127.0.0.1") {
			t.Errorf("%s: the text tells what the name resolves to: %s", host, r.Body)
		}
	}
	if reached.Load() > 0 {
		t.Errorf("the server on loopback was reached %d times", reached.Load())
	}
}

// A program that follows a redirect makes another request, which is looked at
// like the first.
func TestRedirectIntoTheNetwork(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest/meta-data", http.StatusFound))
	defer s.Close()
	f := newFetcher(t)
	r := fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: s.URL}, nil)
	want(t, r, 302, "")
	for _, h := range r.Headers {
		if h.Name == "location" {
			got := fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: h.Value}, nil)
			want(t, got, tandem.FetchRefused, "no public address")
			return
		}
	}
	t.Error("no location")
}

// Behind a proxy the check of addresses would be void.
func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	var proxied, reached atomic.Int64
	proxy, at := port(t, &proxied), port(t, &reached)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:"+proxy)
	}
	f := newFetcher(t)
	f.resolver = names(t, func(string) []string { return []string{"127.0.0.1"} })
	// net/http itself makes an exception for loopback, so it goes by a name.
	want(t, fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: "http://server.test:" + at}, nil), 200, "")
	if proxied.Load() != 0 || reached.Load() != 1 {
		t.Errorf("the proxy was reached %d times, the server %d", proxied.Load(), reached.Load())
	}
}

// The numbers are libcurl's: programs compare with them.
func TestCodes(t *testing.T) {
	for _, tc := range []struct {
		what       string
		code, want int
	}{
		{"unsupported protocol", tandem.FetchUnsupportedProtocol, 1},
		{"bad URL", tandem.FetchBadURL, 3},
		{"host not found", tandem.FetchHostNotFound, 6},
		{"no connection", tandem.FetchNoConnection, 7},
		{"access denied", tandem.FetchRefused, 9},
		{"timeout", tandem.FetchTimeout, 28},
		{"TLS handshake", tlsFailed, 35},
		{"certificate of another host", tandem.FetchWrongHost, 51},
		{"empty reply", tandem.FetchEmptyReply, 52},
		{"sending failed", tandem.FetchSendFailed, 55},
		{"receiving failed", tandem.FetchReceiveFailed, 56},
		{"unknown authority", tandem.FetchUntrusted, 60},
		{"too large", tandem.FetchTooLarge, 63},
	} {
		if tc.code != tc.want {
			t.Errorf("%s is %d, and libcurl's number is %d", tc.what, tc.code, tc.want)
		}
	}
	f := newFetcher(t)
	f.resolver = names(t, func(string) []string { return nil })
	got := fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: "http://nowhere.test/"}, nil)
	want(t, got, tandem.FetchHostNotFound, "there is no host nowhere.test")
	f = newFetcher(t)
	f.resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, fmt.Errorf("silent: %w", ctx.Err())
	}}
	want(t, fetch(t.Context(), f, &tandem.Fetch{
		Method: "GET", URL: "http://silent.test/", Timeout: 50 * time.Millisecond,
	}, nil), tandem.FetchTimeout, "in time")
	given, giveUp := context.WithCancel(t.Context())
	giveUp()
	want(t, fetch(given, f, &tandem.Fetch{Method: "GET", URL: "http://silent.test/"}, nil), tandem.FetchTimeout, "")
	if got, want := f.Outcomes(), (map[string]int64{"timeout": 1, "cancelled": 1}); !maps.Equal(got, want) {
		t.Errorf("counted: %v", got)
	}
}
