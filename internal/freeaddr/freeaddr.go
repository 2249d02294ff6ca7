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

// given are the sockets that keep the ports that this process has got, by port.
var given sync.Map

// Loopback returns an address at 127.0.0.1 at which no process listens, and which neither this
// process nor another that runs has got from this package. For that it keeps the UDP port of
// the same number until it ends: a node may not listen yet, or start again, when another
// process looks for an address.
func Loopback() (string, error) {
	for {
		port := lowest + rand.IntN(highest-lowest+1)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		kept, err := net.ListenPacket("udp", addr)
		if taken(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			kept.Close()
			if taken(err) {
				continue
			}
			return "", err
		}
		given.Store(port, kept)
		return addr, l.Close()
	}
}

// taken reports whether another has the port, or the system keeps it.
func taken(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES)
}
