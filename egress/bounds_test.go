package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
)

// TestHeaderBytes: which bytes the headers of a request may have.
func TestHeaderBytes(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i := range 256 {
		b := string([]byte{byte(i)})
		for _, name := range []string{b, "x" + b, b + "x"} {
			if got, want := validHeader(tandem.Header{Name: name}), strings.Contains(token, b); got != want {
				t.Errorf("the name %q: %v", name, got)
			}
		}
		if got, want := validHeader(tandem.Header{Name: "x", Value: "a" + b}), i != 0 && i != '\r' && i != '\n'; got != want {
			t.Errorf("byte %#x in a value: %v", i, got)
		}
	}
	if validHeader(tandem.Header{}) {
		t.Error("a name of no bytes is taken")
	}
}

// TestConnectionHeader: a program can ask for a connection that ends with its
// request, and for nothing else about it.
func TestConnectionHeader(t *testing.T) {
	for _, tc := range []struct {
		values []string
		closes bool
	}{
		{nil, false}, {[]string{"close"}, true}, {[]string{"Close"}, true}, {[]string{"keep-alive"}, false},
		{[]string{"close", "keep-alive"}, true}, {[]string{"keep-alive", "close"}, true},
	} {
		f := &tandem.Fetch{Method: "GET", URL: "http://x"}
		for _, v := range tc.values {
			f.Headers = append(f.Headers, tandem.Header{Name: "connection", Value: v})
		}
		req, failure := newRequest(t.Context(), f)
		if failure != nil || req.Close != tc.closes || req.Header.Get("Connection") != "" {
			t.Errorf("%q: %+v, closes: %v", tc.values, failure, req != nil && req.Close)
		}
	}
}

// TestCloseEndsConnections: what was kept for later requests, of both kinds, ends
// with the Fetcher.
func TestCloseEndsConnections(t *testing.T) {
	ended := make(chan bool, 2)
	s := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			ended <- true
		}
	}
	s.StartTLS()
	defer s.Close()
	f := &Fetcher{Allow: loopback, Roots: x509.NewCertPool()}
	f.Roots.AddCert(s.Certificate())
	for _, validate := range []bool{false, true} {
		want(t, fetch(t.Context(), f, &tandem.Fetch{Method: "GET", URL: s.URL, Validate: validate}, nil), 200, "")
	}
	f.Close()
	for range 2 {
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal("a connection is kept")
		}
	}
}

// TestGrowsSoon: requests that wait for servers, and not for this machine, have
// workers of their own within milliseconds.
func TestGrowsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l line
		l.most = 500
		begun, release := make(chan bool, 1000), make(chan bool)
		l.do = func(*request) { begun <- true; <-release }
		began := time.Now()
		for range 300 {
			l.enter(&request{ctx: t.Context(), since: time.Now()})
		}
		for range 300 {
			<-begun
		}
		if took := time.Since(began); took > growEvery {
			t.Errorf("the last of 300 has begun after %v", took)
		}
		close(release)
		synctest.Wait()
		l.close()
		synctest.Wait()
		if l.workers != 0 {
			t.Errorf("%d workers are left", l.workers)
		}
	})
}

// TestManyGivenUp: requests that are given up before their turn are not kept.
func TestManyGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l line
		l.most = 1
		release := make(chan bool)
		var over atomic.Int64
		l.do = func(q *request) {
			if q.ctx.Err() != nil {
				over.Add(1)
				return
			}
			<-release
		}
		l.enter(&request{ctx: t.Context(), since: time.Now()})
		ctx, cancel := context.WithCancel(t.Context())
		l.enter(&request{ctx: t.Context(), since: time.Now()})
		for range 100 {
			l.enter(&request{ctx: ctx, since: time.Now()})
		}
		cancel()
		synctest.Wait()
		if n := over.Load(); n != 100 || len(l.waiting) > 3 {
			t.Errorf("%d of 100 were given up, %d are kept", n, len(l.waiting))
		}
		close(release)
		<-time.After(2 * growEvery) // nothing waits any more, which is noticed then
		l.close()
		synctest.Wait()
	})
}

// TestNoAgreement: a connection to a broker on which there is no TLS ends.
func TestNoAgreement(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer conn.Close()
		conn.Write([]byte("no TLS at all\r\n"))
		conn.SetReadDeadline(time.Now().Add(patience))
		for buf := make([]byte, 1024); ; {
			if _, err := conn.Read(buf); err != nil {
				ended <- err
				return
			}
		}
	}()
	f := &Fetcher{Allow: loopback}
	if conn, err := f.DialBroker(t.Context(), "ssl://"+l.Addr().String()); err == nil {
		t.Errorf("there is a connection: %v", conn.(*tls.Conn).ConnectionState())
	}
	if err, ok := (<-ended).(net.Error); ok && err.Timeout() {
		t.Error("the connection is kept")
	}
}
