package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
)

// DialBroker makes a connection to an MQTT broker: tcp:// or mqtt:// and a host,
// with a port if it is not 1883, or, with TLS, ssl:// or mqtts:// and port 8883.
// The broker's certificate is verified, because a user name and a password are
// sent to it. Errors are texts for the agent's log.
func (x *Fetcher) DialBroker(ctx context.Context, address string) (net.Conn, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the URL is not valid")
	}
	port, secure := "1883", false
	switch u.Scheme {
	case "tcp", "mqtt":
	case "ssl", "mqtts":
		port, secure = "8883", true
	default:
		return nil, errors.New("the URL must begin with tcp:// or ssl://")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	x.once.Do(x.setUp)
	if x.brokers.now.Add(1) > x.brokers.most {
		x.brokers.now.Add(-1)
		x.brokers.refused.Add(1)
		return nil, errors.New("this server has as many connections to brokers as it may: try again later")
	}
	conn, err := x.dial(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		x.brokers.now.Add(-1)
		return nil, errors.New(string(outcome(ctx, u, err).Body))
	}
	conn = &brokerConn{Conn: conn, of: &x.brokers}
	if !secure {
		return conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	wrapped := tls.Client(conn, &tls.Config{RootCAs: x.Roots, ServerName: u.Hostname()})
	if err := wrapped.HandshakeContext(ctx); err != nil {
		conn.Close() // nothing was sent on it
		return nil, errors.New(string(outcome(ctx, u, err).Body))
	}
	return wrapped, nil
}

// brokers counts connections to brokers.
type brokers struct {
	most    int64
	now     atomic.Int64
	refused atomic.Int64
}

// brokerConn is a connection that counts until it is closed.
type brokerConn struct {
	net.Conn
	of     *brokers
	closed atomic.Bool
}

// Close closes the connection.
func (c *brokerConn) Close() error {
	if !c.closed.Swap(true) {
		c.of.now.Add(-1)
	}
	return c.Conn.Close()
}

// BrokersRefused returns how often there were too many connections to brokers.
func (x *Fetcher) BrokersRefused() int64 { return x.brokers.refused.Load() }
