package admit

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// inMemory is a listener in memory, whose connections come from addresses at will.
type inMemory struct {
	queue  chan any // net.Conn or error
	closed chan struct{}
	once   sync.Once
}

func newInMemory() *inMemory {
	return &inMemory{queue: make(chan any, 5000), closed: make(chan struct{})}
}

func (m *inMemory) Accept() (net.Conn, error) {
	select {
	case x := <-m.queue:
		if err, ok := x.(error); ok {
			return nil, err
		}
		return x.(net.Conn), nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *inMemory) Close() error   { m.once.Do(func() { close(m.closed) }); return nil }
func (m *inMemory) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects from an address.
func (m *inMemory) dial(from string) net.Conn {
	client, server := net.Pipe()
	m.queue <- &pipe{Conn: server, from: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}
	return client
}

type pipe struct {
	net.Conn
	from net.Addr
}

func (p *pipe) RemoteAddr() net.Addr { return p.from }

// isClosed reports whether the other end has closed a connection.
func isClosed(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// accept accepts connections until the listener is closed.
func accept(l net.Listener) chan *Conn {
	all := make(chan *Conn, 5000)
	go func() {
		defer close(all)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all <- Of(c)
		}
	}()
	return all
}

func count(clients []net.Conn) (open int) {
	for _, c := range clients {
		if !isClosed(c) {
			open++
		}
	}
	return open
}

// TestGateAddress: a thousand silent connections of one address leave it its share, and
// other addresses all of theirs. IPv6 addresses count by network.
func TestGateAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := newInMemory()
		g := NewGate("HTTP", 200, 50, nil, slog.New(slog.NewTextHandler(&log, nil)))
		l := g.Listen(m)
		accept(l)
		var four, six []net.Conn
		for range 1000 {
			four = append(four, m.dial("192.0.2.1:1000"))
		}
		for i := range 1000 {
			six = append(six, m.dial("[2001:db8::"+string("123456789abcdef"[i%15])+"]:1000"))
		}
		other := m.dial("[2001:db8:0:1::1]:1000")
		synctest.Wait()
		if a, b := count(four), count(six); a != 50 || b != 50 || isClosed(other) {
			t.Errorf("%d and %d connections are open, the other one is closed: %v", a, b, isClosed(other))
		}
		g.Report(time.Now())
		g.Report(time.Now())
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "closed=1900 addresses=2") {
			t.Errorf("logged: %s", text)
		}
		l.Close()
	})
}

// TestGateKnown: thousands of clients that have logged in may share an address, and count
// for the total only.
func TestGateKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newInMemory()
		l := NewGate("MQTT", 3000, 2, nil, nil).Listen(tls.NewListener(m, &tls.Config{}))
		served := accept(l)
		var clients []net.Conn
		for range 2000 {
			clients = append(clients, m.dial("192.0.2.1:1000"))
			(<-served).Know()
		}
		for range 2 {
			clients = append(clients, m.dial("192.0.2.1:1000"))
		}
		synctest.Wait()
		clients = append(clients, m.dial("192.0.2.1:1000"))
		synctest.Wait()
		if open := count(clients); open != 2002 {
			t.Errorf("%d are open", open)
		}
		l.Close()
	})
}

// TestGateTrust: a client whose requests are authorized does not count for its address, and
// gives way between them.
func TestGateTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newInMemory()
		g := NewGate("HTTP", 20, 2, nil, nil)
		l := g.Listen(m)
		served := accept(l)
		var clients []net.Conn
		for range 20 {
			clients = append(clients, m.dial("192.0.2.1:1000"))
			(<-served).Trust()
		}
		synctest.Wait()
		if open := count(clients); open != 20 {
			t.Errorf("%d are open", open)
		}
		clients = append(clients, m.dial("192.0.2.2:1000"))
		synctest.Wait()
		if !isClosed(clients[0]) || count(clients) != 20 {
			t.Error("the first one did not give way")
		}
		g.Shut(true)
		late := m.dial("192.0.2.3:1000")
		synctest.Wait()
		if !isClosed(late) || g.Over() != 1 {
			t.Error("the gate is not shut")
		}
		l.Close()
	})
}

// TestGateProxy: the clients of a proxy share its address.
func TestGateProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newInMemory()
		l := NewGate("HTTP", 3000, 2, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, nil).Listen(m)
		accept(l)
		var proxy, others []net.Conn
		for range 1000 {
			proxy = append(proxy, m.dial("10.1.2.3:1000"))
			others = append(others, m.dial("11.1.2.3:1000"))
		}
		synctest.Wait()
		if a, b := count(proxy), count(others); a != 1000 || b != 2 {
			t.Errorf("%d of the proxy and %d others are open", a, b)
		}
		l.Close()
	})
}

// TestGateStreams: a connection counts as often as it does things at once.
func TestGateStreams(t *testing.T) {
	g := NewGate("HTTP", 100, 10, nil, nil)
	client, server := net.Pipe()
	defer client.Close()
	c := g.enter(server)
	begun := 0
	for range 50 {
		if c.Begin() {
			begun++
		}
	}
	if begun != 10 || g.Connections() != 10 {
		t.Errorf("%d have begun, %d count", begun, g.Connections())
	}
	for range begun {
		c.End()
	}
	if g.Connections() != 1 {
		t.Errorf("%d are left", g.Connections())
	}
	c.Close()
	if g.Connections() != 0 {
		t.Errorf("%d are left at the end", g.Connections())
	}
	var none *Conn
	none.Know()
	if !none.Begin() {
		t.Error("no connection is refused")
	}
	none.End()
}

// TestGateDescriptors: without file descriptors, Accept neither fails nor spins; waiting
// connections are closed, and one line is written.
func TestGateDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := newInMemory()
		l := NewGate("HTTP", 100, 100, nil, slog.New(slog.NewTextHandler(&log, nil))).Listen(m)
		served := accept(l)
		idle := m.dial("192.0.2.1:1")
		<-served
		began := time.Now()
		for range 20 {
			m.queue <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		m.dial("192.0.2.1:2")
		<-served
		m.queue <- &net.OpError{Op: "accept", Err: syscall.EMFILE} // it is not over yet
		m.dial("192.0.2.1:3")
		<-served
		if took := time.Since(began); took < 10*time.Second || took > 20*time.Second {
			t.Errorf("20 failures took %v", took)
		}
		if !isClosed(idle) {
			t.Error("the idle connection is open")
		}
		<-time.After(calm)
		m.dial("192.0.2.1:4")
		<-served
		text := log.String()
		if strings.Count(text, "\n") != 2 || !strings.Contains(text, "cannot be accepted") ||
			!strings.Contains(text, "accepted again") {
			t.Errorf("logged: %s", text)
		}
		m.queue <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		l.Close()
		if _, ok := <-served; ok {
			t.Error("a connection is accepted at the end")
		}
	})
}

func TestSource(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "192.0.2.1": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64", "[fe80::1%eth0]:80": "fe80::/64", "::1": "::/64",
		"pipe": "unknown", "": "unknown", "@": "unknown",
	} {
		if got := SourceOf(Addr(text)).String(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if SourceOfConn(&net.UnixAddr{Name: "x"}) != (Source{}) || SourceOfConn(nil) != (Source{}) {
		t.Error("a socket of Unix has an address")
	}
}
