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
	switch u.Scheme {
	case "tcp":
		return func(ctx context.Context, another string) (net.Conn, error) {
			return dialTCP(ctx, "tcp", cmp.Or(another, host))
		}, nil
	case "tls":
		return func(ctx context.Context, _ string) (net.Conn, error) { return r.dialTLS(ctx, host, u.Hostname()) }, nil
	}
	return r.webSocketDialer(u.String()), nil
}

// sendBuffer is how much the system may keep of what is written, in bytes. A server that slows the
// device down reads a ping after all that was written before; within a keep-alive interval.
const sendBuffer = 256 << 10

func dialTCP(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		if err := tcp.SetWriteBuffer(sendBuffer); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

func (r *Runner) dialTLS(ctx context.Context, addr, name string) (net.Conn, error) {
	c, err := dialTCP(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	config := r.tlsConfig()
	config.ServerName = cmp.Or(config.ServerName, name)
	t := tls.Client(c, config)
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return t, nil
}

// webSocketDialer returns the dialer for a URL with ws or wss.
func (r *Runner) webSocketDialer(url string) dialer {
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: r.tlsConfig(), DialContext: dialTCP,
	}}
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
