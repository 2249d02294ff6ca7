package main

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// target is the server that agents send their requests to. It implements only enough of
// HTTP to count them, so that it uses little processor time.
type target struct {
	l     net.Listener
	calls atomic.Int64
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil: closed
}

func newTarget() (*target, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &target{l: l, conns: map[net.Conn]struct{}{}}
	t.wg.Go(t.accept)
	return t, nil
}

func (t *target) url() string { return "http://" + t.l.Addr().String() + "/" }

func (t *target) accept() {
	for {
		c, err := t.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the client reports the error
		}
		t.mu.Lock()
		if t.conns == nil {
			c.Close()
		} else {
			t.conns[c] = struct{}{}
			t.wg.Go(func() { t.serve(c) })
		}
		t.mu.Unlock()
	}
}

// serve answers GET requests, which end with an empty line.
func (t *target) serve(c net.Conn) {
	defer func() {
		c.Close()
		t.mu.Lock()
		delete(t.conns, c)
		t.mu.Unlock()
	}()
	r := bufio.NewReaderSize(c, 1024)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(strings.TrimSpace(string(line))) > 0 {
			continue
		}
		t.calls.Add(1)
		if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")); err != nil {
			return
		}
	}
}

func (t *target) close() {
	t.l.Close()
	t.mu.Lock()
	for c := range t.conns {
		c.Close()
	}
	t.conns = nil
	t.mu.Unlock()
	t.wg.Wait()
}
