package runner

import "syscall"

// Options of TCP that package syscall has no name for.
const (
	tcpThinLinearTimeouts = 0x10
	tcpRTOMaxMS           = 0x2c // since Linux 6.15
)

// longestRepeat is the longest time until TCP repeats a lost packet, in ms. The system's usual two minutes are
// twice the round trip of a link of 30 s.
const longestRepeat = 75_000

// steady has the system repeat a lost packet in even times, and not more and more rarely, while few are under way.
// Where the system refuses that, it does as usual.
func steady(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpThinLinearTimeouts, 1)
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpRTOMaxMS, longestRepeat)
	})
}
