package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-iot/tandem/mqtt"
)

// Of a radio link: each way, and what a lost packet costs when TCP repeats it twice.
const (
	linkLatency = 30 * time.Second
	linkLoss    = 120 * time.Second
)

// slowLink returns the ends of a link on which every fifth packet is lost.
func slowLink() (client, server net.Conn) {
	client, far := net.Pipe()
	near, server := net.Pipe()
	go carry(near, far)
	go carry(far, near)
	return client, server
}

// carry carries packets one way until an end is closed. It keeps their order, as TCP does.
func carry(to, from net.Conn) {
	defer to.Close()
	type packet struct {
		data []byte
		at   time.Time
	}
	packets := make(chan packet, 1000)
	go func() {
		defer close(packets)
		buf := make([]byte, 1400)
		for n := 1; ; n++ {
			k, err := from.Read(buf)
			if err != nil {
				return
			}
			p := packet{append([]byte(nil), buf[:k]...), time.Now().Add(linkLatency)}
			if n%5 == 0 || n == 1 { // the first, too, to be strict
				p.at = p.at.Add(linkLoss)
			}
			packets <- p
		}
	}()
	for p := range packets {
		<-time.After(time.Until(p.at))
		if _, err := to.Write(p.data); err != nil {
			return
		}
	}
}

// oneListener accepts one connection, and then none until it is closed.
type oneListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newOneListener(nc net.Conn) *oneListener {
	l := &oneListener{make(chan net.Conn, 1), make(chan struct{})}
	l.conns <- nc
	return l
}

func (l *oneListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneListener) Close() error   { close(l.closed); return nil }
func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }

// dialSocket opens a WebSocket over the ends of a connection.
func dialSocket(t *testing.T, g *Gateway, client, server net.Conn) net.Conn {
	t.Helper()
	serve(t, g)
	s := &http.Server{Handler: g}
	go s.Serve(newOneListener(server)) // ends with Close
	t.Cleanup(func() { s.Close() })
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return client, nil },
	}
	ws, _, err := websocket.Dial(t.Context(), "ws://node/mqtt", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"mqtt"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return websocket.NetConn(t.Context(), ws, websocket.MessageBinary)
}

// idle has a device that is in do nothing but ping, in the rhythm that it was told, for half an hour.
func idle(t *testing.T, nc net.Conn) {
	t.Helper()
	heard := make(chan int)
	go func() {
		n, _ := io.Copy(io.Discard, nc)
		heard <- int(n)
	}()
	for range 45 {
		if _, err := nc.Write([]byte{0xc0, 0}); err != nil {
			t.Fatal(err)
		}
		<-time.After(40 * time.Second)
	}
	select {
	case <-heard:
		t.Error("an idle device is disconnected")
	case <-time.After(10 * time.Minute):
		nc.Close()
		if n := <-heard; n < 45*2 {
			t.Errorf("45 pings are answered with %d bytes", n)
		}
	}
}

// TestSlowLink: a device gets in, and stays over a link of 30 s each way that loses every fifth packet.
func TestSlowLink(t *testing.T) {
	a := newAuthority(t)
	conf := &tls.Config{Certificates: []tls.Certificate{a.issue(t, "server")}}
	valid := func() time.Time { return a.cert.NotBefore.Add(time.Hour) } // the test's clock is not
	for _, tc := range []struct {
		name string
		wrap func(t *testing.T, g *Gateway, client, server net.Conn) net.Conn
	}{
		{"TCP", func(t *testing.T, g *Gateway, client, server net.Conn) net.Conn {
			serve(t, g, newOneListener(server))
			return client
		}},
		{"TLS 1.3", func(t *testing.T, g *Gateway, client, server net.Conn) net.Conn {
			serve(t, g, tls.NewListener(newOneListener(server), conf))
			return tls.Client(client, &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1", Time: valid})
		}},
		{"TLS 1.2", func(t *testing.T, g *Gateway, client, server net.Conn) net.Conn {
			serve(t, g, tls.NewListener(newOneListener(server), conf))
			return tls.Client(client, &tls.Config{
				RootCAs: a.pool, ServerName: "127.0.0.1", Time: valid, MaxVersion: tls.VersionTLS12,
			})
		}},
		{"WebSocket", func(t *testing.T, g *Gateway, client, server net.Conn) net.Conn {
			return dialSocket(t, g, client, server)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				g := &Gateway{Host: h, measure: func(net.Conn) time.Duration { return 2 * linkLatency }}
				client, server := slowLink()
				began := time.Now()
				nc := tc.wrap(t, g, client, server)
				if _, err := nc.Write(packets(t, mqtt.V5, connecting(mqtt.V5))); err != nil {
					t.Fatal(err)
				}
				in := make([]byte, 4)
				if _, err := io.ReadFull(nc, in); err != nil || in[0] != 0x20 || in[3] != 0 {
					t.Fatalf("after %v: % x %v", time.Since(began), in, err)
				}
				t.Logf("CONNACK after %v", time.Since(began))
				idle(t, nc)
				client.Close()
				<-time.After(10 * time.Minute) // until all packets have arrived
			})
		})
	}
}
