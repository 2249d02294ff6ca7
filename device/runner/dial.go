package runner

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
)

// dialer makes a connection to the server or, when it is not "", to another
// one at host:port that the server has named. It calls reached when the address
// has answered, with the time that took.
type dialer func(ctx context.Context, another string, reached func(time.Duration)) (net.Conn, error)

// ports are the schemes of an Addr, with the port of one that names none.
var ports = map[string]string{"tcp": "1883", "tls": "8883", "ws": "80", "wss": "443"}

// How many times the handshakes go to the server and back.
const (
	tlsTrips       = 1 // of TLS 1.3; an older one takes another
	webSocketTrips = 1
)

// CheckAddr returns what is wrong with an Addr.
func CheckAddr(addr string) error {
	_, err := parseAddr(addr)
	return err
}

func parseAddr(addr string) (*url.URL, error) {
	u, err := url.Parse(addr)
	if err != nil || u.Host == "" {
		const like = "tcp://host:1883, tls://host:8883, ws://host/mqtt or wss://host/mqtt"
		return nil, tandem.Errorf(tandem.Invalid, "%q is no server address: use one like %s", addr, like)
	}
	if ports[u.Scheme] == "" {
		return nil, tandem.Errorf(tandem.Invalid, "%q is no way to reach a server: use tcp, tls, ws or wss", u.Scheme)
	}
	if _, err := strconv.ParseUint(cmp.Or(u.Port(), "0"), 10, 16); err != nil {
		return nil, tandem.Errorf(tandem.Invalid, "%s: ports are numbers up to 65535", addr)
	}
	return u, nil
}

// networkDialer returns the dialer for Addr.
func (r *Runner) networkDialer() (dialer, error) {
	u, err := parseAddr(r.Addr)
	if err != nil {
		return nil, err
	}
	host := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), ports[u.Scheme]))
	switch u.Scheme {
	case "tcp":
		return func(ctx context.Context, another string, reached func(time.Duration)) (net.Conn, error) {
			return dialTCP(ctx, cmp.Or(another, host), reached)
		}, nil
	case "tls":
		return func(ctx context.Context, _ string, reached func(time.Duration)) (net.Conn, error) {
			return beside(ctx, tlsTrips, reached, func(ctx context.Context, reached func(time.Duration)) (net.Conn, error) {
				return r.dialTLS(ctx, host, u.Hostname(), reached)
			})
		}, nil
	}
	return r.webSocketDialer(u), nil
}

func (r *Runner) dialTLS(ctx context.Context, addr, name string, reached func(time.Duration)) (net.Conn, error) {
	c, err := dialTCP(ctx, addr, reached)
	if err != nil {
		return nil, err
	}
	config := r.tlsConfig(name)
	config.ServerName = cmp.Or(config.ServerName, name)
	t := tls.Client(c, config)
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return t, nil
}

// webSocketDialer returns the dialer for a URL with ws or wss.
func (r *Runner) webSocketDialer(u *url.URL) dialer {
	trips := webSocketTrips
	if u.Scheme == "wss" {
		trips += tlsTrips
	}
	open := func(ctx context.Context, reached func(time.Duration)) (net.Conn, error) {
		dial := func(ctx context.Context, _, addr string) (net.Conn, error) { return dialTCP(ctx, addr, reached) }
		client := &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: r.tlsConfig(u.Hostname()), DialContext: dial,
		}}
		options := &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"mqtt"}}
		c, answer, err := websocket.Dial(ctx, u.String(), options)
		if err != nil {
			return nil, webSocketErr(answer, err)
		}
		// The connection lives until it is closed, not until the dial's ctx ends.
		return socket{websocket.NetConn(context.Background(), c, websocket.MessageBinary), c}, nil
	}
	return func(ctx context.Context, _ string, reached func(time.Duration)) (net.Conn, error) {
		return beside(ctx, trips, reached, open)
	}
}

// socket is a WebSocket that is closed without a farewell: MQTT has its own, and the server's answer may
// take minutes.
type socket struct {
	net.Conn
	ws *websocket.Conn
}

func (s socket) Close() error { return s.ws.CloseNow() }

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
