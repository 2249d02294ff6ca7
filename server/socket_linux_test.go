package server

import (
	"net"
	"syscall"
	"testing"
)

// TestPatientSockets: what the system is asked for holds for a connection that a node has accepted.
func TestPatientSockets(t *testing.T) {
	var lc net.ListenConfig
	patient(&lc)
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
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
	for option, want := range map[int]int{syscall.TCP_SYNCNT: synAckRetries, tcpThinLinearTimeouts: 1} {
		rc, err := server.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		if err := rc.Control(func(fd uintptr) {
			got, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option)
		}); err != nil {
			t.Fatal(err)
		}
		if err != nil || got != want {
			t.Errorf("option %d is %d, not %d: %v", option, got, want, err)
		}
	}
}
