package runner

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/coder/websocket"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
)

// dialer makes a connection to the server or, when it is not "", to another
// one at host:port that the server has named.
type dialer func(ctx context.Context, another string) (net.Conn, error)

// networkDialer returns the dialer for Addr.
func (r *Runner) networkDialer() (dialer, error) {
	u, err := url.Parse(r.Addr)
	if err != nil || u.Host == "" {
		const like = "tcp://host:1883, tls://host:8883, ws://host/mqtt or wss://host/mqtt"
		return nil, tandem.Errorf(tandem.Invalid, "%q is no server address: use one like %s", r.Addr, like)
	}
	ports := map[string]string{"tcp": "1883", "tls": "8883", "ws": "80", "wss": "443"}
	port, ok := ports[u.Scheme]
	if !ok {
		return nil, tandem.Errorf(tandem.Invalid, "%q is no way to reach a server: use tcp, tls, ws or wss", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	host := net.JoinHostPort(u.Hostname(), port)
	var d net.Dialer
	switch u.Scheme {
	case "tcp":
		return func(ctx context.Context, another string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", cmp.Or(another, host))
		}, nil
	case "tls":
		t := tls.Dialer{NetDialer: &d, Config: r.TLS}
		return func(ctx context.Context, _ string) (net.Conn, error) { return t.DialContext(ctx, "tcp", host) }, nil
	}
	return r.webSocketDialer(u.String()), nil
}

// webSocketDialer returns the dialer for a URL with ws or wss.
func (r *Runner) webSocketDialer(url string) dialer {
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: r.TLS}}
	return func(ctx context.Context, _ string) (net.Conn, error) {
		c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"mqtt"}})
		if err != nil {
			return nil, err
		}
		// The connection lives until it is closed, not until the dial's ctx ends.
		return websocket.NetConn(context.Background(), c, websocket.MessageBinary), nil
	}
}

// whyNot returns the reason that code is given for a failed connection.
func whyNot(err error) int {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return device.NotResolved
	case errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.ENETDOWN):
		return device.NoLink
	}
	return device.NoServer
}
