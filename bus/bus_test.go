package bus

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-iot/tandem"
)

func open(t *testing.T, dir string) *Bus {
	t.Helper()
	b, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func closeBus(t *testing.T, b *Bus) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestKept checks that what JetStream has acknowledged is there after a clean
// stop.
func TestKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for us")
	cfg := jetstream.StreamConfig{Name: "T", Subjects: []string{"t.*"}}
	b := open(t, dir)
	if _, err := b.JetStream().CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := b.JetStream().Publish(t.Context(), "t.a", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	closeBus(t, b)

	b = open(t, dir)
	defer closeBus(t, b)
	stream, err := b.JetStream().Stream(t.Context(), cfg.Name)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), "t.a")
	if err != nil || string(msg.Data) != "9" || msg.Sequence != 10 {
		t.Errorf("got %+v, %v", msg, err)
	}
}

// TestCloseDrains checks that handlers have ended when Close returns, and that
// they have seen all that was sent before.
func TestCloseDrains(t *testing.T) {
	b := open(t, t.TempDir())
	const sent = 1000
	var handled atomic.Int64
	first, release := make(chan struct{}), make(chan struct{})
	_, err := b.Conn().Subscribe("x", func(*nats.Msg) {
		if handled.Add(1) == 1 {
			close(first)
			<-release
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for range sent {
		if err := b.Conn().Publish("x", nil); err != nil {
			t.Fatal(err)
		}
	}
	<-first
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	close(release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := handled.Load(); got != sent {
		t.Errorf("%d messages handled when Close returned, want %d", got, sent)
	}
	if !b.Conn().IsClosed() || b.server.Running() {
		t.Error("not all is closed")
	}
}

func TestNobodyListens(t *testing.T) {
	b := open(t, t.TempDir())
	defer closeBus(t, b)
	if addr := b.server.Addr(); addr != nil {
		t.Errorf("the server listens on %v", addr)
	}
}

func TestOpenErrors(t *testing.T) {
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
		b, err := Open(tt.ctx, Options{Dir: tt.dir})
		if err == nil {
			closeBus(t, b)
			// The server may have been ready before anybody looked.
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
	l := serverLog{slog.New(slog.NewTextHandler(&out, nil))}
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

func TestNames(t *testing.T) {
	id := tandem.NewDeviceID()
	if got := LogDevice(LogSubject(id)); got != id {
		t.Errorf("%s came back as %s", id, got)
	}
}
