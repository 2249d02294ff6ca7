package gateway

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// linkTrip returns how long a packet takes to the client and back, as TCP has measured it; 0: it is not
// known.
func linkTrip(nc net.Conn) (trip time.Duration) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return 0
	}
	rc, err := tcp.SyscallConn()
	if err != nil {
		return 0 // closed
	}
	// A failure means that the connection is closed.
	_ = rc.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			trip = time.Duration(info.Rtt) * time.Microsecond
		}
	})
	return trip
}
