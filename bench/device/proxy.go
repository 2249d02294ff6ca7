package main

import (
	"context"
	"io"
	"net"
	"sync"
)

// proxy is the network between the device and the node.
type proxy struct {
	mu       sync.Mutex
	conns    map[*net.TCPConn]bool // of both sides
	stalled  chan struct{}         // closed when bytes pass again; nil: they pass
	refusing bool

	listener *net.TCPListener
	to       string
	wg       sync.WaitGroup
}

func newProxy(to string) (*proxy, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, to: to, conns: map[*net.TCPConn]bool{}}
	p.wg.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) close() {
	p.listener.Close() // it ends in any case
	p.pass()
	p.cut(false)
	p.wg.Wait()
}

// serve takes one connection to the node.
func (p *proxy) serve(device *net.TCPConn) {
	if !p.add(device) {
		return
	}
	defer p.drop(device)
	up, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.to)
	if err != nil {
		return
	}
	node := up.(*net.TCPConn)
	if !p.add(node) {
		return
	}
	defer p.drop(node)
	var both sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{device, node}, {node, device}} {
		both.Go(func() {
			p.carry(way[1], way[0])
			device.Close() // one way has ended: so does the connection
			node.Close()
		})
	}
	both.Wait()
}

// add notes a connection. While the network refuses connections it closes it.
func (p *proxy) add(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) drop(c *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}

// carry takes bytes from one side to the other, until one ends.
func (p *proxy) carry(to io.Writer, from io.Reader) {
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		if n > 0 {
			p.mu.Lock()
			stalled := p.stalled
			p.mu.Unlock()
			if stalled != nil {
				<-stalled
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut ends all connections, with a reset or in good order.
func (p *proxy) cut(reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if reset {
			c.SetLinger(0) // a connection that has ended already needs none
		}
		c.Close()
	}
}

// stall keeps back all bytes, until pass.
func (p *proxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
	}
}

// refuse ends all connections and makes no others, until pass.
func (p *proxy) refuse() {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
	p.cut(false)
}

// pass is a network without faults.
func (p *proxy) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = false
	if p.stalled != nil {
		close(p.stalled)
		p.stalled = nil
	}
}
