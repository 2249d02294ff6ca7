package mesh

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
)

const (
	startWait     = 10 * time.Second
	dialWait      = 5 * time.Second
	drainWait     = 5 * time.Second
	routePing     = 2 * time.Second // a silently cut route is dialled again after routePingsOut of these
	routePingsOut = 3
	clusterName   = "tandem"
	routeUser     = "node"
)

// EmbedOptions are the options of a node's own NATS server.
type EmbedOptions struct {
	Name      string       // of this node, unique in the cluster
	Listen    string       // host:port for the other nodes' servers; port 0: any free one
	Advertise string       // host:port under which others reach us, when that is not Listen
	Join      []string     // host:port of other nodes; one that is up is enough, as it tells the others
	Secret    string       // shared by all nodes; a node that has it may join
	Logger    *slog.Logger // nil: discard
}

// Network is a connection to NATS, with the embedded server if there is one.
type Network struct {
	server *server.Server // nil: not embedded
	conn   *nats.Conn
	closed chan struct{} // closed when conn is
}

// Embed starts a NATS server in this process and connects to it. It does not
// wait for other nodes: until it is closed, the server tries to reach the nodes
// of Join and all nodes that it has been connected to.
func Embed(ctx context.Context, o EmbedOptions) (*Network, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	logger := o.Logger.With("component", "mesh")
	token := tandem.NewKey()
	options, err := serverOptions(ctx, o, token)
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, &tandem.Error{
			Kind: tandem.Invalid,
			Msg:  "the options of the connection between nodes are invalid",
			Err:  err,
		}
	}
	s.SetLoggerV2(&serverLog{to: logger}, false, false, false)
	s.Start()
	n := &Network{server: s, closed: make(chan struct{})}
	deadline, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for !s.ReadyForConnections(10 * time.Millisecond) {
		if !s.Running() || deadline.Err() != nil {
			return nil, errors.Join(
				tandem.Errorf(tandem.Unavailable,
					"the NATS server for other nodes did not start on %s; the log says why", o.Listen),
				n.Close())
		}
	}
	n.conn, err = nats.Connect("", append(connOptions(logger, n.closed),
		nats.InProcessServer(s), nats.Token(token),
		nats.IgnoreDiscoveredServers(), nats.ReconnectWait(100*time.Millisecond))...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to our own NATS server: %w", err), n.Close())
	}
	return n, nil
}

// Dial connects to existing NATS servers. The URLs are separated by commas; one
// server that answers is enough.
func Dial(ctx context.Context, urls string, logger *slog.Logger) (*Network, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	wait := dialWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := &Network{closed: make(chan struct{})}
	conn, err := nats.Connect(urls, append(connOptions(logger.With("component", "mesh"), n.closed),
		nats.Timeout(wait), nats.ReconnectWait(500*time.Millisecond), nats.PingInterval(5*time.Second))...)
	if err != nil {
		return nil, dialError(urls, err)
	}
	n.conn = conn
	return n, nil
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
func connOptions(logger *slog.Logger, closed chan struct{}) []nats.Option {
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
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { logger.Warn("NATS", "error", err) }),
	}
}

// Conn returns the connection. Close closes it.
func (n *Network) Conn() *nats.Conn { return n.conn }

// Addr returns the address at which the embedded server listens for other nodes,
// host:port, or "" if there is none.
func (n *Network) Addr() string {
	if n.server == nil {
		return ""
	}
	return n.server.ClusterAddr().String()
}

// Close flushes published messages, and closes the connection and the embedded
// server.
func (n *Network) Close() error {
	var err error
	if n.conn != nil {
		if n.conn.IsConnected() {
			err = n.conn.Drain()
		}
		if err != nil || !n.conn.IsDraining() {
			n.conn.Close()
		}
		<-n.closed
	}
	if n.server != nil {
		n.server.Shutdown()
		n.server.WaitForShutdown()
	}
	return err
}

// serverOptions returns the options of an embedded server. The server opens its
// port for routes only after one for clients, so that is a random port on
// loopback, and only our own connection has its token.
func serverOptions(ctx context.Context, o EmbedOptions, key string) (*server.Options, error) {
	if o.Name == "" || o.Secret == "" {
		return nil, tandem.Errorf(tandem.Invalid,
			"a node of a cluster needs a name of its own and the secret that all nodes share; give both")
	}
	host, port, err := splitAddress("listen on", o.Listen)
	if err != nil {
		return nil, err
	}
	if o.Advertise != "" {
		if _, _, err := splitAddress("advertise", o.Advertise); err != nil {
			return nil, err
		}
	}
	if err := probe(ctx, o.Listen); err != nil {
		return nil, err
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	options := &server.Options{
		ServerName:                 token(o.Name), // which has no spaces
		Host:                       "127.0.0.1",
		Port:                       server.RANDOM_PORT,
		NoSigs:                     true,
		MaxPayload:                 server.MAX_PAYLOAD_SIZE,
		CustomClientAuthentication: ownToken(key),
		Cluster: server.ClusterOpts{
			Name:           clusterName,
			Host:           host,
			Port:           port,
			Username:       routeUser,
			Password:       o.Secret,
			Advertise:      o.Advertise,
			NoAdvertise:    true, // of the port for clients
			ConnectRetries: math.MaxInt,
			PingInterval:   routePing,
			MaxPingsOut:    routePingsOut,
		},
	}
	for _, address := range o.Join {
		host, port, err := splitAddress("join", address)
		if err != nil {
			return nil, err
		}
		options.Routes = append(options.Routes, &url.URL{
			Scheme: "nats-route",
			User:   url.UserPassword(routeUser, o.Secret),
			Host:   net.JoinHostPort(host, strconv.Itoa(port)),
		})
	}
	return options, nil
}

func splitAddress(what, address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = net.LookupPort("tcp", text)
	}
	if err != nil || (host == "" && what != "listen on") {
		return "", 0, &tandem.Error{
			Kind: tandem.Invalid,
			Msg:  fmt.Sprintf("cannot %s %q; write it as host:port", what, address),
			Err:  err,
		}
	}
	return host, port, nil
}

// probe checks whether we can listen on an address, because the server only logs
// the failure.
func probe(ctx context.Context, address string) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if err == nil {
		return l.Close()
	}
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &tandem.Error{
			Kind: tandem.Conflict,
			Msg:  "another process listens on " + address + "; stop it, or give the cluster another port",
			Err:  err,
		}
	case errors.Is(err, syscall.EACCES):
		return &tandem.Error{
			Kind: tandem.Forbidden,
			Msg:  "no permission to listen on " + address + "; choose a port above 1023",
			Err:  err,
		}
	case errors.As(err, &dns):
		return &tandem.Error{
			Kind: tandem.Invalid,
			Msg:  "the host of " + address + " cannot be resolved; listen on an address of this machine",
			Err:  err,
		}
	}
	return &tandem.Error{
		Kind: tandem.Invalid,
		Msg:  "cannot listen on " + address + "; use an address of this machine",
		Err:  err,
	}
}

// ownToken authenticates the one client that has the token.
type ownToken string

func (t ownToken) Check(c server.ClientAuthentication) bool {
	return subtle.ConstantTimeCompare([]byte(c.GetOpts().Token), []byte(t)) == 1
}

// serverLog passes on the server's warnings and errors.
type serverLog struct{ to *slog.Logger }

func (l *serverLog) Noticef(string, ...any)           {}
func (l *serverLog) Debugf(string, ...any)            {}
func (l *serverLog) Tracef(string, ...any)            {}
func (l *serverLog) Warnf(format string, args ...any) { l.to.Warn(fmt.Sprintf(format, args...)) }
func (l *serverLog) Errorf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if strings.Contains(text, "Authorization Violation") {
		l.to.Error("two nodes refuse each other: their secrets differ, or they belong to different clusters", "nats", text)
		return
	}
	l.to.Error(text)
}
func (l *serverLog) Fatalf(format string, args ...any) { l.to.Error(fmt.Sprintf(format, args...)) }
