package freeaddr

import (
	"net"
	"testing"
)

// TestLoopback: each address is a new one, and something can listen there.
func TestLoopback(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		addr, err := Loopback()
		if err != nil || seen[addr] {
			t.Fatalf("%s, %v", addr, err)
		}
		seen[addr] = true
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if c, err := net.ListenPacket("udp", addr); err == nil {
			c.Close()
			t.Fatalf("another process could get %s, too", addr)
		}
	}
}
