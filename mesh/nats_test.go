package mesh

import (
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/freeaddr"
)

// external starts a NATS server as others run it; port -1 means any.
func external(t testing.TB, port int) *server.Server {
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
	unused, err := freeaddr.Loopback()
	if err != nil {
		t.Fatal(err)
	}
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
