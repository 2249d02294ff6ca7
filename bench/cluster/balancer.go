package main

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// balancer is a load balancer: it forwards each connection to one of the targets that
// accept it.
type balancer struct {
	listener net.Listener
	targets  []string
	work     sync.WaitGroup
	delay    atomic.Int64 // nanoseconds by which data is late

	mu    sync.Mutex
	conns map[net.Conn]bool // nil once closed
}

func newBalancer(addr string, targets ...string) (*balancer, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	b := &balancer{listener: listener, targets: targets, conns: map[net.Conn]bool{}}
	b.work.Go(b.accept)
	return b, nil
}

func (b *balancer) addr() string { return b.listener.Addr().String() }

func (b *balancer) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.work.Go(func() { b.serve(c) })
	}
}

func (b *balancer) serve(c net.Conn) {
	defer c.Close()
	for _, i := range rand.Perm(len(b.targets)) {
		t, err := net.DialTimeout("tcp", b.targets[i], time.Second)
		if err != nil {
			continue
		}
		defer t.Close()
		if !b.holds(c, t) {
			return
		}
		var both sync.WaitGroup
		both.Go(func() { b.copyAndClose(t, c) })
		both.Go(func() { b.copyAndClose(c, t) })
		both.Wait()
		b.release(c, t)
		return
	}
}

// copyAndClose forwards data, and the end of the connection.
func (b *balancer) copyAndClose(to, from net.Conn) {
	_, err := io.Copy(to, lagging{from, &b.delay})
	if half, ok := to.(*net.TCPConn); err == nil && ok && half.CloseWrite() == nil {
		return
	}
	to.Close()
	from.Close()
}

func (b *balancer) holds(conns ...net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		if b.conns == nil {
			return false
		}
		b.conns[c] = true
	}
	return true
}

func (b *balancer) release(conns ...net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		delete(b.conns, c)
	}
}

func (b *balancer) close() error {
	err := b.listener.Close()
	b.mu.Lock()
	for c := range b.conns {
		c.Close()
	}
	b.conns = nil
	b.mu.Unlock()
	b.work.Wait()
	return err
}
