package runner

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/freeaddr"
)

// libraryWords are words that only a library says.
var libraryWords = []string{
	"dial tcp", "read tcp", "lookup ", "x509:", "tls: ", "EOF", "syscall", "failed to WebSocket", "i/o timeout", "context deadline",
	"status code 101", "remote error", "connect:",
}

// TestInWords: why a server cannot be reached is in words, with what to do next, for each way that
// a library has to fail.
func TestInWords(t *testing.T) {
	closed, err := freeaddr.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	trust := x509.NewCertPool()
	trust.AddCert(secure.Certificate())
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	mute := listen(t, "")
	other := listen(t, "SSH-2.0-OpenSSH_9.2\r\n")
	demanding := httptest.NewUnstartedServer(http.NotFoundHandler())
	demanding.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	demanding.StartTLS()
	defer demanding.Close()
	plain, private := web.Listener.Addr().String(), secure.Listener.Addr().String()
	for _, tc := range []struct {
		addr  string
		trust *x509.CertPool
		want  string
	}{
		{"tcp://" + closed, nil, "nothing answers at"},
		{"ws://" + closed + "/mqtt", nil, "nothing answers at"},
		{"tls://" + plain, nil, "does not speak TLS"},
		{"wss://" + plain, nil, "does not speak TLS"},
		{"tls://" + private, nil, "name the authority with --ca"},
		{"wss://" + private, nil, "name the authority with --ca"},
		{"tls://localhost:" + port, trust, "not for localhost"},
		{"ws://" + plain + "/", nil, "answers 404 Not Found"},
		{"wss://" + private + "/", trust, "answers 404 Not Found"},
		{"tls://" + mute, nil, "connection"},
		{"ws://" + mute, nil, "connection"},
		{"ws://" + other, nil, "does not speak HTTP"},
		{"tls://" + demanding.Listener.Addr().String(), trust, "has refused TLS"},
	} {
		r := &Runner{Addr: tc.addr, TLS: &tls.Config{RootCAs: tc.trust}}
		if strings.HasSuffix(tc.want, "TLS") && tc.trust != nil {
			r.TLS.InsecureSkipVerify = true // what its certificate is for is another case
		}
		dial, err := r.networkDialer()
		if err != nil {
			t.Fatal(err)
		}
		_, err = dial(t.Context(), "", func(time.Duration) {})
		if err == nil {
			t.Errorf("%s: connected", tc.addr)
			continue
		}
		checkWords(t, tc.addr, err, tc.want)
	}
}

// listen returns the address of a server that says a text to each client, which may be empty, and hangs up.
func listen(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, text) // the client may have gone
			c.Close()
		}
	}()
	return l.Addr().String()
}

// TestNetworkWords: errors that no server on this machine can cause.
func TestNetworkWords(t *testing.T) {
	op := func(err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}, "there is no host h"},
		{&net.DNSError{Err: "i/o timeout", Name: "h", IsTimeout: true}, "the address of h cannot be looked up"},
		{op(syscall.ENETUNREACH), "no way from this machine"},
		{op(syscall.EHOSTUNREACH), "no way from this machine"},
		{op(syscall.ECONNRESET), "was cut"},
		{op(syscall.EPIPE), "was cut"},
		{io.EOF, "has closed the connection"},
		{webSocketErr(nil, errors.New("http: server closed idle connection")), "has closed the connection"},
		{os.ErrDeadlineExceeded, "does not answer"},
		{context.DeadlineExceeded, "does not answer"},
		{errors.Join(context.DeadlineExceeded, op(syscall.ECONNREFUSED)), "nothing answers at"},
		{&url.Error{Op: "Get", URL: "http://node", Err: op(syscall.ETIMEDOUT)}, "does not answer"},
	} {
		checkWords(t, "tcp://node:1883", tc.err, tc.want)
		checkWords(t, "", fmt.Errorf("dial: %w", tc.err), tc.want)
	}
	own := tandem.Errorf(tandem.Invalid, "the server has shown no certificate")
	if got := inWords("tcp://node:1883", own); got != own {
		t.Errorf("our own words became %q", got)
	}
}

func checkWords(t *testing.T, addr string, err error, want string) {
	t.Helper()
	got := inWords(addr, err)
	var dns *net.DNSError
	place := strings.Contains(got.Error(), addr) || errors.As(err, &dns)
	if !strings.Contains(got.Error(), want) || !place || !errors.Is(got, err) {
		t.Errorf("%s: %v became %q, want %q and the address in it", addr, err, got, want)
	}
	for _, word := range libraryWords {
		if strings.Contains(got.Error(), word) {
			t.Errorf("%s: %q has the words %q of a library", addr, got, word)
		}
	}
	if whyNot(got) != whyNot(err) {
		t.Errorf("%s: the code is told %d, not %d", addr, whyNot(got), whyNot(err))
	}
}
