// Package freeaddr finds loopback addresses for the listeners of processes that tests start.
package freeaddr

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// Ports are below those that systems give to outgoing connections, which begin at 32768 or
// above: such a connection could take a port before the process listens there.
const (
	lowest  = 10000
	highest = 32767
)

// given are the ports that this process has got.
var given sync.Map

// Loopback returns an address at 127.0.0.1 at which no process listens, and which it has not
// returned before.
func Loopback() (string, error) {
	for {
		port := lowest + rand.IntN(highest-lowest+1)
		if _, known := given.LoadOrStore(port, true); known {
			continue
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
			continue
		}
		if err != nil {
			return "", err
		}
		return addr, l.Close()
	}
}
