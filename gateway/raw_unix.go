//go:build unix

package gateway

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/tandem-iot/tandem/admit"
)

// socket is a raw over a TCP connection.
type socket struct {
	c       *conn
	rc      syscall.RawConn
	tryRead func(fd uintptr) bool // s.try as a value, made once
	err     error
}

// newRaw returns nil when c's connection is not plain TCP.
func newRaw(c *conn) raw {
	nc := c.nc
	if gated, ok := nc.(*admit.Conn); ok {
		nc = gated.NetConn()
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	rc, err := tcp.SyscallConn()
	if err != nil {
		return nil // closed: nc.Read reports it
	}
	s := &socket{c: c, rc: rc}
	s.tryRead = s.try
	return s
}

func (s *socket) fill() error {
	s.err = nil
	if err := s.rc.Read(s.tryRead); err != nil {
		return err
	}
	return s.err
}

// try reads into a buffer, and releases it when there is nothing to read. It then
// returns false, and is called again when there may be something.
func (s *socket) try(fd uintptr) bool {
	b := s.c.in
	if b == nil {
		b = takeChunk()
	}
	n, err := syscall.Read(int(fd), b.room(minRead))
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), b.room(minRead))
	}
	if n > 0 {
		b.grow(n)
		s.c.in = b
		return true
	}
	s.c.in = b.trim()
	switch err {
	case syscall.EAGAIN:
		return false
	case nil:
		s.err = io.EOF
	default:
		s.err = os.NewSyscallError("read", err)
	}
	return true
}

func (s *socket) write(b []byte) (n int, err error) {
	werr := s.rc.Write(func(fd uintptr) bool {
		n, err = syscall.Write(int(fd), b)
		for err == syscall.EINTR {
			n, err = syscall.Write(int(fd), b)
		}
		return true
	})
	if werr != nil {
		return 0, werr
	}
	n = max(n, 0)
	if err == syscall.EAGAIN {
		err = nil
	}
	return n, err
}
