package logbook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
)

const (
	startWait = 30 * time.Second // recovery of a large store after a crash takes seconds
	drainWait = 5 * time.Second
	// syncInterval bounds the time before a power cut whose lines are lost. The default
	// of two minutes would lose the lines that explain the cut.
	syncInterval = time.Second
)

// engine is a NATS server with JetStream inside the process, only for this node's
// lines. It has no listener: only this process can reach it.
type engine struct {
	server *server.Server
	conn   *nats.Conn
	closed chan struct{} // closed when the connection is
}

// startEngine starts the server and connects to it. It returns when both are ready.
// Only one engine may use a directory at a time. The lock of package store ensures that
// when both are in one data directory.
func startEngine(ctx context.Context, dir string, logger *slog.Logger) (*engine, error) {
	if dir == "" {
		return nil, tandem.Errorf(tandem.Invalid, "the logbook needs a directory")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &tandem.Error{Kind: tandem.Forbidden,
			Msg: "cannot make the directory of the logbook; check its permissions", Err: err}
	}
	e := &engine{closed: make(chan struct{})}
	if e.server, err = startServer(ctx, dir, logger); err != nil {
		return nil, err
	}
	if err := e.connect(); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func startServer(ctx context.Context, dir string, logger *slog.Logger) (*server.Server, error) {
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
		return nil, fmt.Errorf("starting the logbook's engine in %s: %w", dir, err)
	}
	log := serverLog{logger.With("component", "logbook"), make(chan struct{}), new(sync.Once)}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	deadline, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for !s.ReadyForConnections(10 * time.Millisecond) {
		if !s.Running() || deadline.Err() != nil || log.hasFailed() {
			s.Shutdown()
			s.WaitForShutdown()
			return nil, tandem.Errorf(tandem.Unavailable, "the logbook did not start in %s; see the node's log", dir)
		}
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, tandem.Errorf(tandem.Unavailable,
			"the logbook cannot keep lines in %s; check the directory's permissions and free space", dir)
	}
	return s, nil
}

func (e *engine) connect() (err error) {
	e.conn, err = nats.Connect("",
		nats.InProcessServer(e.server),
		nats.Name("logbook"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond),
		nats.DrainTimeout(drainWait),
		nats.ClosedHandler(func(*nats.Conn) { close(e.closed) }),
	)
	if err != nil {
		return fmt.Errorf("connecting to the logbook's engine: %w", err)
	}
	return nil
}

// close waits until handlers have taken everything that was sent, and stops the server.
func (e *engine) close() error {
	var err error
	if e.conn != nil {
		if err = e.conn.Drain(); err != nil {
			e.conn.Close()
		}
		<-e.closed
	}
	e.server.Shutdown()
	e.server.WaitForShutdown()
	return err
}

// serverLog passes on the server's warnings and errors. Its notices are of no use to
// people who do not know that there is a server.
type serverLog struct {
	to     *slog.Logger
	failed chan struct{} // closed when the server says that it cannot run
	once   *sync.Once
}

func (l serverLog) hasFailed() bool {
	select {
	case <-l.failed:
		return true
	default:
		return false
	}
}

func (l serverLog) Noticef(string, ...any)            {}
func (l serverLog) Debugf(string, ...any)             {}
func (l serverLog) Tracef(string, ...any)             {}
func (l serverLog) Warnf(format string, args ...any)  { l.to.Warn(fmt.Sprintf(format, args...)) }
func (l serverLog) Errorf(format string, args ...any) { l.to.Error(fmt.Sprintf(format, args...)) }
func (l serverLog) Fatalf(format string, args ...any) {
	l.to.Error(fmt.Sprintf(format, args...))
	l.once.Do(func() { close(l.failed) })
}
