package gateway

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// TestLinkTrip: the system knows how long a packet takes, as soon as some were exchanged.
func TestLinkTrip(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, pair := range [][]net.Conn{{client, server}, {server, client}} {
		if _, err := pair[0].Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(pair[1], make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	trip := linkTrip(server)
	if trip < 0 || trip > time.Minute || trip == 0 && runtime.GOOS == "linux" {
		t.Errorf("a round trip on loopback takes %v", trip)
	}
	if d := linkTrip(struct{ net.Conn }{server}); d != 0 {
		t.Errorf("of what is no TCP it is %v", d)
	}
}
