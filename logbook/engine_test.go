package logbook

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
)

func openEngine(t *testing.T, dir string) *engine {
	t.Helper()
	e, err := startEngine(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestKept checks that lines which have been acknowledged are there after a
// clean stop, in a directory that is made.
func TestKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for us")
	for i := range 2 {
		l, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, l)
		say(l, 1, fmt.Sprint(i))
		stop()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	l, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := messages(history(t, l, 1, 10)); got != "0,1" {
		t.Errorf("kept: %s", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseDrains checks that handlers have ended when Close returns, and that
// they have seen all that was sent before.
func TestCloseDrains(t *testing.T) {
	e := openEngine(t, t.TempDir())
	const sent = 1000
	var handled atomic.Int64
	first, release := make(chan struct{}), make(chan struct{})
	_, err := e.conn.Subscribe("x", func(*nats.Msg) {
		if handled.Add(1) == 1 {
			close(first)
			<-release
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for range sent {
		if err := e.conn.Publish("x", nil); err != nil {
			t.Fatal(err)
		}
	}
	<-first
	closed := make(chan error, 1)
	go func() { closed <- e.close() }()
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := handled.Load(); got != sent {
		t.Errorf("%d messages handled when Close returned, want %d", got, sent)
	}
	if !e.conn.IsClosed() || e.server.Running() {
		t.Error("not all is closed")
	}
}

func TestEngineDoesNotListen(t *testing.T) {
	e := openEngine(t, t.TempDir())
	defer func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}()
	if addr := e.server.Addr(); addr != nil {
		t.Errorf("the server listens on %v", addr)
	}
}

func TestEngineErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		dir  string
		kind tandem.Kind
	}{
		{"no directory", t.Context(), "", tandem.Invalid},
		{"a file", t.Context(), file, tandem.Forbidden},
		{"ended context", ended, t.TempDir(), tandem.Unavailable},
	} {
		e, err := startEngine(tt.ctx, tt.dir, slog.New(slog.DiscardHandler))
		if err == nil {
			if err := e.close(); err != nil {
				t.Error(err)
			}
			// The server may have been ready before its context was looked at.
			if tt.kind != tandem.Unavailable {
				t.Errorf("%s: no error", tt.name)
			}
			continue
		}
		if tandem.KindOf(err) != tt.kind {
			t.Errorf("%s: kind %v, want %v: %v", tt.name, tandem.KindOf(err), tt.kind, err)
		}
	}
}

func TestServerLog(t *testing.T) {
	var out bytes.Buffer
	l := serverLog{slog.New(slog.NewTextHandler(&out, nil)), make(chan struct{}), new(sync.Once)}
	l.Noticef("quiet %d", 1)
	l.Debugf("quiet %d", 2)
	l.Tracef("quiet %d", 3)
	l.Warnf("loud %d", 4)
	l.Errorf("loud %d", 5)
	l.Fatalf("loud %d", 6)
	if got := out.String(); strings.Contains(got, "quiet") || strings.Count(got, "loud") != 3 {
		t.Errorf("logged: %s", got)
	}
}

func TestSubjects(t *testing.T) {
	id := tandem.NewDeviceID()
	if got := deviceOf(subject(id)); got != id {
		t.Errorf("%s came back as %s", id, got)
	}
}
