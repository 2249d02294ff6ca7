// Package bus carries what must travel: between the parts of a node that are
// far apart, and, in time, between nodes. It is NATS, with the server inside
// our process.
//
//	b, err := bus.Open(ctx, bus.Options{Dir: "/var/lib/tandem/bus"})
//	defer b.Close()
//	b.JetStream() ...
//
// Nothing that must not be lost or doubled goes over the bus; that is the
// store's. What JetStream keeps here is forced to the disk once a second, so a
// power cut can take the last second with it.
//
// The server does not listen: nobody outside the process can reach it. Every
// stream and subject we use is named in names.go. DESIGN.md says why it is so.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-iot/tandem"
)

const (
	startWait    = 30 * time.Second // recovery of a large store after a crash takes seconds
	drainWait    = 5 * time.Second
	syncInterval = time.Second
)

// Options say how to open a bus.
type Options struct {
	// Dir holds JetStream's files; it is made when it does not exist. It
	// must belong to this process alone, which the lock of package store sees
	// to when both are in one data directory.
	Dir    string
	Logger *slog.Logger // nil: discard
}

// Bus is an open bus.
type Bus struct {
	server    *server.Server
	conn      *nats.Conn
	jetStream jetstream.JetStream
	closed    chan struct{} // when the connection is
}

// Open starts the server and connects to it. It returns when both are ready.
func Open(ctx context.Context, o Options) (*Bus, error) {
	if o.Dir == "" {
		return nil, tandem.Errorf(tandem.Invalid, "the bus needs a directory")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &tandem.Error{Kind: tandem.Forbidden, Msg: "cannot make the directory of the bus; check its permissions", Err: err}
	}
	b := &Bus{closed: make(chan struct{})}
	if b.server, err = start(ctx, dir, o.Logger); err != nil {
		return nil, err
	}
	if err := b.connect(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func start(ctx context.Context, dir string, logger *slog.Logger) (*server.Server, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	s, err := server.NewServer(&server.Options{
		ServerName:             "tandem",
		DontListen:             true,
		NoSigs:                 true,
		JetStream:              true,
		StoreDir:               dir,
		SyncInterval:           syncInterval,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the bus in %s: %w", dir, err)
	}
	s.SetLoggerV2(serverLog{logger.With("component", "bus")}, false, false, false)
	s.Start()
	deadline, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for !s.ReadyForConnections(10 * time.Millisecond) {
		if !s.Running() || deadline.Err() != nil {
			s.Shutdown()
			s.WaitForShutdown()
			return nil, tandem.Errorf(tandem.Unavailable, "the bus did not start in %s; the log says why", dir)
		}
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, tandem.Errorf(tandem.Unavailable, "the bus cannot keep streams in %s; check the directory's permissions and free space", dir)
	}
	return s, nil
}

func (b *Bus) connect() (err error) {
	b.conn, err = nats.Connect("",
		nats.InProcessServer(b.server),
		nats.Name("node"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond),
		nats.DrainTimeout(drainWait),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	)
	if err != nil {
		return fmt.Errorf("connecting to the bus: %w", err)
	}
	b.jetStream, err = jetstream.New(b.conn)
	return err
}

// Conn is the connection, for messages that are not kept.
func (b *Bus) Conn() *nats.Conn { return b.conn }

// JetStream is the door to the streams.
func (b *Bus) JetStream() jetstream.JetStream { return b.jetStream }

// Close delivers what has been sent, lets handlers end, and stops the server.
func (b *Bus) Close() error {
	var err error
	if b.conn != nil {
		if err = b.conn.Drain(); err != nil {
			b.conn.Close()
		}
		<-b.closed
	}
	b.server.Shutdown()
	b.server.WaitForShutdown()
	return err
}

// serverLog passes on what the server says when something is wrong. What it
// tells besides is of no interest to those who do not know it is there.
type serverLog struct{ to *slog.Logger }

func (l serverLog) Noticef(string, ...any)            {}
func (l serverLog) Debugf(string, ...any)             {}
func (l serverLog) Tracef(string, ...any)             {}
func (l serverLog) Warnf(format string, args ...any)  { l.to.Warn(fmt.Sprintf(format, args...)) }
func (l serverLog) Errorf(format string, args ...any) { l.to.Error(fmt.Sprintf(format, args...)) }
func (l serverLog) Fatalf(format string, args ...any) { l.to.Error(fmt.Sprintf(format, args...)) }
