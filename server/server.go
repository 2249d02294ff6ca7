// Package server is a whole Tandem node as one value.
//
//	s := &server.Server{Dir: "/var/lib/tandem"}
//	err := s.Run(ctx)
//
// A node has an HTTP listener (the API under /v5/, the manual under /docs/, metrics for
// Prometheus at /metrics, MQTT over WebSocket at /mqtt, a page that leads to these at / and
// wherever there is nothing, and agents if they have a domain),
// another one for agents if they have no domain, and an MQTT listener for devices. Its
// durable data is in Dir: records and configuration in tandem.db (SQLite), log lines in
// nats/. A node of a cluster has
// its records in the cluster's database instead, and moves its agents to other nodes
// before it stops. By the file access.json in Dir, which only its owner can read, the
// tandem command on the same machine finds the node and authenticates itself.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/cluster"
	"github.com/tandem-iot/tandem/egress"
	"github.com/tandem-iot/tandem/gateway"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/ingress"
	"github.com/tandem-iot/tandem/internal/dirlock"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/store"
)

// Default addresses, on loopback: opening a node to the network is a decision.
const (
	DefaultHTTP = "127.0.0.1:7880"
	DefaultMQTT = "127.0.0.1:7883"
)

// AccessFile is the name of the access file in a node's directory.
const AccessFile = "access.json"

// Server is a node. The zero value with a Dir is a node on loopback. The fields must not
// be changed after Run is called.
type Server struct {
	Dir  string // directory of the data; made if it does not exist
	HTTP string // address to listen at; "" is DefaultHTTP
	MQTT string // address to listen at; "" is DefaultMQTT
	// MQTTS is the address to listen at for MQTT over TLS; "" is none. It needs
	// Certificate.
	MQTTS string
	// Certificate, when set, also makes the HTTP listener speak TLS.
	Certificate *tls.Certificate
	// ClientCAs are files with the operator's authorities, in PEM, for certificates of devices.
	// The installation's own authority is one, too.
	ClientCAs []string
	// DeviceAuth is what devices must show; "" is a key or a certificate.
	DeviceAuth central.DeviceAuth
	// URL is the public address of the HTTP listener, without a final slash, for a node
	// behind a proxy; "" derives it from HTTP.
	URL    string
	Agents Agents
	// TrustedProxies are the networks of proxies whose X-Forwarded-* headers are believed.
	TrustedProxies ingress.Proxies
	// Egress lists networks that agents may reach though they are private or this machine's.
	Egress []netip.Prefix
	// Memory limits the arena of an agent, in bytes; 0 is tandem.AgentMemory.
	Memory int
	// MemoryTarget limits the memory of the node, in bytes. 0: GOMEMLIMIT, or what the
	// container has, or no limit.
	MemoryTarget int64
	// HibernateAfter is the time without events after which an agent is kept as a
	// snapshot; 0 is tandem.HibernateAfterIdle.
	HibernateAfter time.Duration
	// CrashPause is the longest pause before an agent that keeps crashing starts again; 0 is
	// tandem.CrashPause.
	CrashPause time.Duration
	// LoopbackIsSecure makes requests from this machine count as https; see
	// ingress.Handler.
	LoopbackIsSecure bool
	// ClockOffset is the offset of the node's clock, for rehearsals of wrong clocks.
	ClockOffset time.Duration
	Cluster     *Cluster // nil: the node is alone
	Version     string
	Logger      *slog.Logger // nil: nothing is logged
	// Opened is called with the log before anything is running: who follows it from then on
	// misses no line of this run. An error ends the run.
	Opened func(context.Context, *logbook.Logbook) error
	// Ready is called once the node accepts connections.
	Ready func(*Node)
	// Witness sees what goes in and out of the agents of a node that is alone; nil: nothing does.
	Witness Witness
	// Beside is what a test adds to the agents' machines; nil in production.
	Beside *imp.Beside
}

// Node is the view of a running server for the program around it.
type Node struct {
	URL     string // public address of the HTTP listener
	Agents  ingress.Site
	MQTT    string // address of the MQTT listener
	MQTTS   string
	Central *central.Service // the control plane, without HTTP
	Log     *logbook.Logbook
	Host    *host.Host
	Cluster *cluster.Cluster // nil: the node is alone
}

// Run runs the node until ctx is done. Then it lets requests finish, saves its agents so
// that the next start continues them, and returns.
func (s *Server) Run(ctx context.Context) error {
	n := &node{Server: s, logger: s.Logger, clock: hlc.New(func() time.Time { return time.Now().Add(s.ClockOffset) })}
	if n.logger == nil {
		n.logger = slog.New(slog.DiscardHandler)
	}
	defer n.close()
	if err := n.openDir(); err != nil {
		return err
	}
	if err := n.listen(); err != nil {
		return err
	}
	if err := n.open(ctx); err != nil {
		return err
	}
	return n.run(ctx)
}

// node is the state of one Run.
type node struct {
	*Server
	logger *slog.Logger
	clock  *hlc.Clock
	http   net.Listener
	// agentsDoor is the listener for agents in path form, nil in domain form.
	agentsDoor net.Listener
	mqtt       net.Listener
	mqtts      net.Listener
	store      *store.Store
	log        *logbook.Logbook
	host       *host.Host
	fetcher    *egress.Fetcher
	gateway    *gateway.Gateway
	central    *central.Service
	agents     requester // the host or the cluster
	name       string    // of this node; only in a cluster, as the next two fields
	net        *mesh.Network
	cluster    *cluster.Cluster
	lock       *dirlock.Lock
	admission  admission
	closers    []func() error
}

// close undoes listen and open, in reverse order.
func (n *node) close() {
	for i := len(n.closers) - 1; i >= 0; i-- {
		if err := n.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			n.logger.Error("closing", "err", err)
		}
	}
}

// listen opens the listeners first, so that an address in use fails the start before
// anything else is done.
func (n *node) listen() (err error) {
	if err := n.checkURLs(); err != nil {
		return err
	}
	if err := n.checkAuth(); err != nil {
		return err
	}
	n.prepareAdmission()
	if n.http, err = n.listenAt(n.HTTP, DefaultHTTP, "HTTP"); err != nil {
		return err
	}
	if n.Agents.Domain == "" {
		if n.agentsDoor, err = n.listenAt(n.Agents.Listen, DefaultAgents, "agents"); err != nil {
			return err
		}
	}
	if n.mqtt, err = n.listenAt(n.MQTT, DefaultMQTT, "MQTT"); err != nil {
		return err
	}
	if n.Certificate == nil {
		if n.MQTTS != "" {
			return tandem.Errorf(tandem.Invalid, "MQTT over TLS at %s needs a certificate", n.MQTTS)
		}
		return nil
	}
	config := &tls.Config{Certificates: []tls.Certificate{*n.Certificate}, MinVersion: tls.VersionTLS12}
	web := config.Clone()
	web.NextProtos = []string{"h2", "http/1.1"}
	n.http = tls.NewListener(n.http, n.withCertificates(web))
	if n.agentsDoor != nil {
		n.agentsDoor = tls.NewListener(n.agentsDoor, web)
	}
	if n.MQTTS != "" {
		l, err := n.listenAt(n.MQTTS, "", "MQTT over TLS")
		if err != nil {
			return err
		}
		n.mqtts = tls.NewListener(l, n.withCertificates(config))
	}
	return nil
}

func (n *node) listenAt(addr, fallback, what string) (net.Listener, error) {
	if addr == "" {
		addr = fallback
	}
	var config net.ListenConfig
	patient(&config)
	l, err := config.Listen(context.Background(), "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &AddressInUse{Addr: addr, For: what}
	}
	if err != nil {
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: fmt.Sprintf("cannot listen at %s for %s", addr, what), Err: err}
	}
	n.closers = append(n.closers, l.Close)
	return n.admit(l, what), nil
}

// openDir makes the data directory, and locks it: two nodes with one directory would be one
// node of a cluster twice.
func (n *node) openDir() (err error) {
	if n.Dir == "" {
		return tandem.Errorf(tandem.Invalid, "a node needs a directory for its data")
	}
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTDIR) {
			return &tandem.Error{Kind: tandem.Invalid, Msg: n.Dir + " is not a directory", Err: err}
		}
		return &tandem.Error{Kind: tandem.Invalid, Msg: "cannot make the data directory", Err: err}
	}
	n.lock, err = dirlock.Take(n.Dir)
	if in := new(dirlock.InUse); errors.As(err, &in) {
		return &InUse{*in}
	}
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.lock.Release)
	return nil
}

// AddressInUse is the error of a node one of whose addresses another process uses.
type AddressInUse struct{ Addr, For string }

func (e *AddressInUse) Error() string { return e.Unwrap().Error() }

// Unwrap returns the error with its kind.
func (e *AddressInUse) Unwrap() error {
	return tandem.Errorf(tandem.Conflict, "the address %s for %s is in use: stop what uses it, or choose others with "+
		"--http, --agents and --mqtt, such as 127.0.0.1:0 for any free port", e.Addr, e.For)
}

// InUse is the error of a node whose data directory another process uses.
type InUse struct{ dirlock.InUse }

func (e *InUse) Error() string {
	return fmt.Sprintf("the data directory %s is in use by %s: stop that node, or give this one a directory of its own "+
		"with --data", e.Dir, e.By)
}

// open opens the stores.
func (n *node) open(ctx context.Context) (err error) {
	if n.Cluster != nil {
		err = n.openCluster(ctx)
	} else if n.store, err = store.Open(ctx, filepath.Join(n.Dir, "tandem.db")); err == nil {
		n.closers = append(n.closers, n.store.Close)
	}
	if err != nil {
		return err
	}
	if err := n.watchStore(ctx); err != nil {
		return err
	}
	logs := logbook.Options{Clock: n.clock, Logger: n.logger}
	if n.log, err = logbook.Open(ctx, filepath.Join(n.Dir, "nats"), logs); err != nil {
		return err
	}
	n.closers = append(n.closers, n.log.Close)
	if n.Opened != nil {
		return n.Opened(ctx, n.log)
	}
	return nil
}

// url returns the public address of the HTTP listener.
func (n *node) url() string {
	if n.URL != "" {
		return strings.TrimRight(n.URL, "/")
	}
	return n.scheme() + "://" + n.http.Addr().String()
}

// scheme returns the scheme of the node's own listeners.
func (n *node) scheme() string {
	if n.Certificate != nil {
		return "https"
	}
	return "http"
}

// assemble makes the parts that run.
func (n *node) assemble(url string) {
	site := n.site()
	n.warn(site)
	n.fetcher = &egress.Fetcher{Room: n.room(64<<20, 16), Allow: n.Egress, Node: n.own(site), Logger: n.logger}
	n.host = &host.Host{
		Store: n.store, Log: n.log, Fetcher: n.fetcher, URL: site.URL,
		Version: n.Version, Logger: n.logger, Memory: n.Memory, HibernateAfter: n.HibernateAfter,
		CrashPause: n.CrashPause, Beside: n.Beside,
	}
	n.central = &central.Service{
		Store: n.store, Log: n.log, URL: url, Agents: site, Proxies: n.TrustedProxies, Logins: n.admission.logins,
		Room: n.room(128<<20, 16), Fetcher: n.fetcher, DeviceAuth: n.DeviceAuth,
	}
	n.gateway = &gateway.Gateway{
		Node: n.name, Authenticate: n.central.Authenticate, NewKey: n.central.NewKey, Clock: n.clock, Logger: n.logger,
		Address: n.TrustedProxies.ClientAddress, Logins: n.admission.logins,
	}
	n.central.Local = n.localURL()
	if n.Cluster == nil {
		only := alone{n.host}
		n.agents = only
		n.central.Host = only
		n.gateway.Host = only
		n.witness()
		return
	}
	n.assembleCluster(url)
	n.agents = n.cluster
	n.central.Host = n.cluster
	n.central.Cluster = n.cluster
	n.gateway.Host = n.cluster
	n.gateway.Another = n.cluster.Another
}

// run runs the parts until ctx is done, and ends them in the order of their
// dependencies: in a cluster, the agents are moved to other nodes first; then nothing
// more is accepted, then the remaining agents are saved, then their records are made
// durable.
func (n *node) run(ctx context.Context) error {
	url := n.url()
	n.assemble(url)
	storeCtx, stopStore := context.WithCancel(context.WithoutCancel(ctx))
	defer stopStore()
	logCtx, stopLog := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLog()
	hostCtx, stopHost := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHost()
	clusterCtx, stopCluster := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCluster()
	doorsCtx, closeDoors := context.WithCancel(context.WithoutCancel(ctx))
	defer closeDoors()
	var parts errgroup.Group
	failed, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	part := func(name string, f func() error) {
		parts.Go(func() error {
			if err := f(); err != nil && !errors.Is(err, context.Canceled) {
				err = fmt.Errorf("%s: %w", name, err)
				cancel(err)
				return err
			}
			return nil
		})
	}
	part("store", func() error { return n.store.Run(storeCtx) })
	part("log", func() error { return n.log.Run(logCtx) })
	hostDone := make(chan struct{})
	part("host", func() error { defer close(hostDone); return n.host.Run(hostCtx) })
	if n.cluster != nil {
		part("cluster", func() error { return n.cluster.Run(clusterCtx) })
		n.awaitCluster(failed)
	}
	var doors sync.WaitGroup
	door := func(f func() error) {
		doors.Go(func() {
			if err := f(); err != nil {
				cancel(err) // ends the other ones too
			}
		})
	}
	// Clients that connect meanwhile wait in the listeners' queues.
	if err := n.central.WriteAccess(ctx, filepath.Join(n.Dir, AccessFile), n.mqtt.Addr().String()); err != nil {
		cancel(err)
	}
	for _, serve := range n.doors(doorsCtx) {
		door(serve)
	}
	if failed.Err() == nil && n.Ready != nil {
		n.Ready(n.describe(url))
	}
	<-failed.Done()
	gone := context.WithoutCancel(ctx)
	n.beginStop(gone, ctx.Err() != nil)
	closeDoors()
	doors.Wait()
	n.settle(gone)
	stopHost()
	<-hostDone
	stopCluster()
	n.leave(gone)
	stopLog()
	stopStore()
	if err := parts.Wait(); ctx.Err() != nil {
		return err
	}
	return context.Cause(failed) // the first failure
}

// beginStop tells the host that the node stops. If asked is set, it also moves the agents
// to other nodes.
func (n *node) beginStop(ctx context.Context, asked bool) {
	n.admission.health.stopping.Store(true)
	n.host.Stopping()
	if asked {
		n.drain(ctx)
	}
}

// doors returns what serves the listeners, and watches over those who came in.
func (n *node) doors(ctx context.Context) []func() error {
	return append(n.httpDoors(ctx),
		func() error { return n.serveMQTT(ctx) },
		func() error { return n.central.WatchKeys(ctx, n.gateway, n.logger) })
}

func (n *node) describe(url string) *Node {
	d := &Node{
		URL: url, Agents: n.central.Agents, MQTT: n.mqtt.Addr().String(),
		Central: n.central, Log: n.log, Host: n.host, Cluster: n.cluster,
	}
	if n.mqtts != nil {
		d.MQTTS = n.mqtts.Addr().String()
	}
	return d
}

func (n *node) serveMQTT(ctx context.Context) error {
	listeners := []net.Listener{n.mqtt}
	if n.mqtts != nil {
		listeners = append(listeners, n.mqtts)
	}
	if err := n.gateway.Serve(ctx, listeners...); err != nil {
		return fmt.Errorf("mqtt: %w", err)
	}
	return nil
}

// drainWait bounds the time of running requests once the node stops.
const drainWait = 5 * time.Second

// serveHTTP serves a listener until ctx is done, and then waits for its requests.
func (n *node) serveHTTP(ctx context.Context, l net.Listener, h *ingress.Guard, agents *ingress.Handler) error {
	srv := ingress.NewServer(h)
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		agents.Stop()
		n.central.Stop()
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWait)
		defer cancel()
		if srv.Shutdown(wait) == nil {
			return
		}
		n.host.Refuse() // answers the requests that still wait for an agent with an error
		wait, cancel = context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(wait) != nil {
			srv.Close()
		}
	})
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		if !stop() {
			<-drained
		}
		return fmt.Errorf("http: %w", err)
	}
	<-drained
	return nil
}
