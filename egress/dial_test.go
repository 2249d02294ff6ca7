package egress

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestDialBroker(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	s := httptest.NewUnstartedServer(nil) // for its certificate, of 127.0.0.1 and example.com
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	secure := s.Listener.Addr().String()
	for _, tc := range []struct {
		url   string
		allow []netip.Prefix
		roots *x509.CertPool
		err   string // "": there is none
	}{
		{"tcp://" + plain.Addr().String(), loopback, nil, ""},
		{"mqtt://" + plain.Addr().String() + "/", loopback, nil, ""},
		{"ssl://" + secure, loopback, roots, ""},
		{"mqtts://" + secure, loopback, roots, ""},
		{"ssl://" + secure, loopback, x509.NewCertPool(), "cannot be trusted"},
		{"ssl://" + strings.Replace(secure, "127.0.0.1", "localhost", 1), append(loopback, netip.MustParsePrefix("::1/128")), roots, "is not for localhost"},
		{"tcp://" + plain.Addr().String(), nil, nil, "no public address"},
		{"tcp://127.0.0.1", nil, nil, "no public address"},
		{"tcp://[::1]:1", nil, nil, "no public address"},
		{"tcp://10.0.0.1", loopback, nil, "no public address"},
		{"ssl://169.254.169.254", loopback, nil, "no public address"},
		{"tcp://127.0.0.1:1", loopback, nil, "cannot connect"},
		{"tcp://nowhere.invalid", nil, nil, "there is no host nowhere.invalid"},
		{"http://" + plain.Addr().String(), loopback, nil, "must begin with tcp://"},
		{"ws://h", loopback, nil, "must begin with tcp://"},
		{"127.0.0.1:1883", loopback, nil, "not valid"},
		{"tcp://", loopback, nil, "not valid"},
		{"", loopback, nil, "not valid"},
	} {
		x := &Fetcher{Allow: tc.allow, Roots: tc.roots}
		conn, err := x.DialBroker(t.Context(), tc.url)
		switch {
		case err == nil:
			if _, ok := conn.(*tls.Conn); ok != strings.HasSuffix(tc.url, secure) {
				t.Errorf("%s: TLS: %v", tc.url, ok)
			}
			conn.Close()
			if tc.err != "" {
				t.Errorf("%s: no error, want %q", tc.url, tc.err)
			}
		case tc.err == "" || !strings.Contains(err.Error(), tc.err):
			t.Errorf("%s: %v, want %q", tc.url, err, tc.err)
		}
	}
}

// TestManyBrokers: agents' connections to brokers leave file descriptors for others.
func TestManyBrokers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	x := &Fetcher{Allow: loopback, most: 18}
	dial := func() (net.Conn, error) { return x.DialBroker(t.Context(), "tcp://"+l.Addr().String()) }
	if _, err := x.DialBroker(t.Context(), "tcp://10.0.0.1"); err == nil {
		t.Error("a private address is reached")
	}
	var all []net.Conn
	for range 3 {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if _, err := dial(); err == nil || !strings.Contains(err.Error(), "as many connections to brokers as it may") {
		t.Errorf("one more: %v", err)
	}
	for range 2 {
		all[0].Close()
	}
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dial(); err == nil || x.BrokersRefused() != 2 {
		t.Errorf("a connection that was closed twice counts twice: %v", err)
	}
	for _, c := range append(all[1:], c) {
		c.Close()
	}
}
