//go:build linux && !386 && !s390x

package gateway

import (
	"net"
	"syscall"
	"time"
	"unsafe"
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
		var info syscall.TCPInfo
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			trip = time.Duration(info.Rtt) * time.Microsecond
		}
	})
	return trip
}
