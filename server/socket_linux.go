package server

import (
	"net"
	"syscall"
)

// Options of TCP that package syscall has no name for.
const (
	tcpThinLinearTimeouts = 0x10
	tcpRTOMaxMS           = 0x2c // since Linux 6.15
)

const (
	// synAckRetries is how often a connection is confirmed to a client that has begun it: for four minutes in
	// all, where the system's usual five times are one. A client 30 s away needs more if a packet is lost. Under a
	// flood of connections the system lowers it by itself.
	synAckRetries = 7
	// longestRepeat is the longest time until a lost packet is repeated, in ms. The system's usual two minutes are
	// twice the round trip of a link of 30 s.
	longestRepeat = 75_000
)

// patient prepares a listener for clients on slow links, and its connections inherit that. With few packets under
// way a lost one is repeated in even times and not more and more rarely. Where the system refuses any of that, it
// has its usual patience. Multipath TCP knows none of it.
func patient(config *net.ListenConfig) {
	config.SetMultipathTCP(false)
	config.Control = func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_SYNCNT, synAckRetries)
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpThinLinearTimeouts, 1)
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpRTOMaxMS, longestRepeat)
		})
	}
}
