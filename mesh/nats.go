package mesh

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
)

const (
	natsWait  = 5 * time.Second
	drainWait = 5 * time.Second
	incoming  = 8192 // NATS messages that wait for the receiving goroutine
)

// natsCarrier takes frames over NATS. Who may do that is the business of its servers.
type natsCarrier struct {
	n      *Network
	conn   *nats.Conn
	closed chan struct{} // closed when conn is
}

// Dial connects to existing NATS servers. The URLs are separated by commas; one
// server that answers is enough. With tls:// URLs, the servers are verified with the
// certificate authorities of the system.
func Dial(ctx context.Context, urls string, logger *slog.Logger) (*Network, error) {
	wait := natsWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := newNetwork(logger)
	closed := make(chan struct{})
	conn, err := nats.Connect(urls, append(connOptions(n, closed),
		nats.Timeout(wait), nats.ReconnectWait(500*time.Millisecond), nats.PingInterval(5*time.Second))...)
	if err != nil {
		return nil, dialError(urls, err)
	}
	n.carrier = &natsCarrier{n: n, conn: conn, closed: closed}
	if _, err := conn.TLSConnectionState(); err != nil && !loopback(conn.ConnectedAddr()) {
		n.logger.Warn("messages between nodes, and agents' memory, cross the network to NATS unencrypted; "+
			"give it a tls:// URL", "url", conn.ConnectedUrlRedacted())
	}
	return n, nil
}

func loopback(address string) bool {
	a, err := netip.ParseAddrPort(address)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

func dialError(urls string, err error) error {
	shown := redacted(urls)
	var dns *net.DNSError
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return &tandem.Error{
			Kind: tandem.Unauthorized,
			Msg: "NATS at " + shown + " refuses this node; put the right user and password into the URL, " +
				"nats://user:password@host:port",
			Err: err,
		}
	case errors.As(err, &dns):
		return &tandem.Error{
			Kind: tandem.Unavailable,
			Msg:  "the host of NATS at " + shown + " cannot be resolved; check its name",
			Err:  err,
		}
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, nats.ErrTimeout), errors.Is(err, syscall.ECONNREFUSED):
		return &tandem.Error{
			Kind: tandem.Unavailable,
			Msg:  "no NATS server answers at " + shown + "; check the URL, and that the server is running",
			Err:  err,
		}
	}
	return &tandem.Error{Kind: tandem.Invalid, Msg: "cannot connect to NATS at " + shown + "; check the URL", Err: err}
}

// redacted returns the URLs without passwords.
func redacted(urls string) string {
	list := strings.Split(urls, ",")
	for i, s := range list {
		if u, err := url.Parse(strings.TrimSpace(s)); err == nil && u.Host != "" {
			list[i] = u.Redacted()
		} else if at := strings.LastIndex(s, "@"); at >= 0 {
			list[i] = s[at+1:]
		}
	}
	return strings.Join(list, ",")
}

// connOptions returns the options of every connection. The connection does not
// buffer while it is cut off: the mesh keeps its frames itself, and asks before it
// sends them again.
func connOptions(n *Network, closed chan struct{}) []nats.Option {
	logger := n.logger
	return []nats.Option{
		nats.Name("tandem"),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1),
		nats.DrainTimeout(drainWait),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				logger.Warn("the connection to NATS broke; messages to other nodes wait until it is back", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) { logger.Info("connected to NATS again", "url", c.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if since, ok := n.quiet.may("NATS", time.Now()); ok {
				logger.Warn("NATS", "error", err, "others since the last line", since)
			}
		}),
	}
}

// subject returns the subject of the frames for a node.
func subject(prefix, node string) string { return "mesh." + token(prefix) + ".to." + token(node) }

// subjectOfAll returns the subject of the frames for all nodes.
func subjectOfAll(prefix string) string { return "mesh." + token(prefix) + ".news" }

// token makes any name a token of a NATS subject.
func token(name string) string { return strings.ReplaceAll(url.QueryEscape(name), ".", "%2E") }

func (c *natsCarrier) most() int { return int(c.conn.MaxPayload()) }

func (c *natsCarrier) send(prefix, node string, frame []byte) error {
	return c.conn.Publish(subject(prefix, node), frame)
}

func (c *natsCarrier) tell(prefix string, frame []byte) error {
	return c.conn.Publish(subjectOfAll(prefix), frame)
}

func (c *natsCarrier) run(ctx context.Context, prefix, self string, to taker) error {
	if n := c.most(); n != 0 && n < minPayload {
		return tandem.Errorf(tandem.Invalid,
			"NATS accepts messages of %d bytes only; set its max_payload to %d or more, preferably 1 MB", n, minPayload)
	}
	in := make(chan *nats.Msg, incoming)
	for _, subject := range []string{subject(prefix, self), subjectOfAll(prefix)} {
		sub, err := c.conn.ChanSubscribe(subject, in)
		if err != nil {
			return &tandem.Error{Kind: tandem.Unavailable, Msg: "cannot receive from other nodes over NATS", Err: err}
		}
		defer c.unsubscribe(sub)
	}
	closed := c.conn.StatusChanged(nats.CLOSED)
	defer c.conn.RemoveStatusListener(closed)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-closed:
			return tandem.Errorf(tandem.Unavailable, "the connection to NATS was closed")
		case msg := <-in:
			// The taker has counted and logged a breach; NATS has no link to close.
			_ = to.arrive("", msg.Data)
		}
	}
}

func (c *natsCarrier) unsubscribe(sub *nats.Subscription) {
	if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) &&
		!errors.Is(err, nats.ErrBadSubscription) {
		c.n.logger.Warn("cannot unsubscribe from NATS", "subject", sub.Subject, "error", err)
	}
}

func (c *natsCarrier) know([]Node) {}

func (c *natsCarrier) shun(string) {}

// close flushes published messages, and closes the connection.
func (c *natsCarrier) close() (err error) {
	if c.conn.IsConnected() {
		err = c.conn.Drain()
	}
	if err != nil || !c.conn.IsDraining() {
		c.conn.Close()
	}
	<-c.closed
	return err
}
