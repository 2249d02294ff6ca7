package mesh

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
)

// external starts a NATS server as others run it; port -1 means any.
func external(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host:     "127.0.0.1",
		Port:     port,
		NoSigs:   true,
		NoLog:    true,
		Username: "u",
		Password: "p",
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { halt(s) })
	return s
}

func halt(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// TestExternal uses a NATS of others, which goes away in between.
func TestExternal(t *testing.T) {
	const n = 3000
	s := external(t, server.RANDOM_PORT)
	port := s.Addr().(*net.TCPAddr).Port
	dial := func() *Network {
		network, err := Dial(t.Context(), "nats://u:p@"+s.Addr().String(), testLogger(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { network.Close() })
		return network
	}
	a := startNode(t, Peer{"a", 1}, dial())
	b := startNode(t, Peer{"b", 1}, dial())
	burst(t, a, b.self, 0, 10)
	expect(t, b, 0, 10, a.self)
	halt(s)
	burst(t, a, b.self, 10, n)
	external(t, port)
	expect(t, b, 10, n, a.self)
	flushed(t, a, b.self)
}

func TestDialErrors(t *testing.T) {
	s := external(t, server.RANDOM_PORT)
	address := s.Addr().String()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused := free.Addr().String()
	free.Close()
	for _, tc := range []struct {
		url  string
		kind tandem.Kind
		want string
	}{
		{"nats://u:secret@" + address, tandem.Unauthorized, "user and password"},
		{"nats://u:secret@" + unused, tandem.Unavailable, "no NATS server answers"},
		{"nats://u:secret@no.such.host.invalid", tandem.Unavailable, "cannot be resolved"},
		{"nats://u:secret@%zz", tandem.Invalid, "check the URL"},
	} {
		_, err := Dial(t.Context(), tc.url, nil)
		if tandem.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) ||
			strings.Contains(err.(*tandem.Error).Msg, "secret") {
			t.Errorf("%s: got %v, kind %v; want %q, kind %v", tc.url, err, tandem.KindOf(err), tc.want, tc.kind)
		}
	}
}

func TestEmbedErrors(t *testing.T) {
	taken := embed(t, EmbedOptions{Name: "a"})
	for _, tc := range []struct {
		name string
		o    EmbedOptions
		kind tandem.Kind
		want string
	}{
		{"no name", EmbedOptions{Listen: "127.0.0.1:0", Secret: "s"}, tandem.Invalid, "give both"},
		{"no secret", EmbedOptions{Name: "b", Listen: "127.0.0.1:0"}, tandem.Invalid, "give both"},
		{"in use", EmbedOptions{Name: "b", Listen: taken.Addr(), Secret: "s"}, tandem.Conflict, "another process listens"},
		{"not ours", EmbedOptions{Name: "b", Listen: "192.0.2.1:7422", Secret: "s"}, tandem.Invalid, "address of this machine"},
		{"unknown host", EmbedOptions{Name: "b", Listen: "no.such.host.invalid:7422", Secret: "s"}, tandem.Invalid, "cannot be resolved"},
		{"no port", EmbedOptions{Name: "b", Listen: "127.0.0.1", Secret: "s"}, tandem.Invalid, "host:port"},
		{"no host to join", EmbedOptions{Name: "b", Listen: "127.0.0.1:0", Join: []string{":7422"}, Secret: "s"}, tandem.Invalid, "host:port"},
		{"advertise", EmbedOptions{Name: "b", Listen: "127.0.0.1:0", Advertise: "b", Secret: "s"}, tandem.Invalid, "host:port"},
	} {
		_, err := Embed(t.Context(), tc.o)
		if err == nil || tandem.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, kind %v; want %q, kind %v", tc.name, err, tandem.KindOf(err), tc.want, tc.kind)
		}
	}
}

// TestStrangers checks that the port for clients accepts no client without the token.
func TestStrangers(t *testing.T) {
	n := embed(t, EmbedOptions{Name: "a"})
	if ip := n.server.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		t.Errorf("clients can reach %v", ip)
	}
	for _, option := range []nats.Option{nats.Token(""), nats.Token("x"), nats.UserInfo(routeUser, "let us in")} {
		if conn, err := nats.Connect(n.server.ClientURL(), option); err == nil {
			conn.Close()
			t.Error("a stranger could connect")
		}
	}
}

// lines is a log that can be waited for.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(b)
}

func (l *lines) waitFor(t *testing.T, want string) {
	t.Helper()
	limit := time.After(patience)
	for {
		l.mu.Lock()
		text := l.text.String()
		l.mu.Unlock()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-l.more:
		case <-limit:
			t.Fatalf("the log does not say %q but:\n%s", want, text)
		}
	}
}

func TestJoinErrors(t *testing.T) {
	first := embed(t, EmbedOptions{Name: "a"})
	for _, tc := range []struct{ name, join, want string }{
		{"other secret", first.Addr(), "secret"},
		{"unknown host", "no.such.host.invalid:7422", "no such host"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := &lines{more: make(chan struct{}, 1)}
			n, err := Embed(t.Context(), EmbedOptions{
				Name: "b", Listen: "127.0.0.1:0", Join: []string{tc.join}, Secret: "another",
				Logger: slog.New(slog.NewTextHandler(log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			log.waitFor(t, tc.want)
		})
	}
}
