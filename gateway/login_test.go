package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/mqtt"
)

// login connects from an address and returns the answer's reason.
func login(t *testing.T, g *Gateway, from string, c *mqtt.Connect) mqtt.Reason {
	t.Helper()
	client, server := net.Pipe()
	conn := g.enter(server, nil, netip.MustParseAddr(from))
	ended := make(chan bool)
	go func() { conn.run(); close(ended) }()
	d := over(t, client, c)
	code := want[*mqtt.Connack](d).Code
	client.Close()
	<-ended
	return code
}

// TestFailedLogins: who guesses a device's key is slowed down, and neither the device elsewhere
// nor its neighbours are.
func TestFailedLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, text := journal()
		var checked atomic.Int64
		g := &Gateway{Host: newHost(), Logger: log}
		g.setUp()
		g.Authenticate = func(ctx context.Context, l Login) (Standing, error) {
			checked.Add(1)
			return authenticate(ctx, l)
		}
		right, wrong := connecting(mqtt.V5), connecting(mqtt.V5)
		wrong.Password = []byte("guessed")
		other := connecting(mqtt.V5)
		other.ClientID, other.Username = otherID, otherID
		const attacker = "2001:db8::1"
		for range 5 {
			if code := login(t, g, attacker, wrong); code != mqtt.NotAuthorized {
				t.Fatal(code)
			}
		}
		for range 1000 { // from other addresses of the same network
			if code := login(t, g, "2001:db8::2", wrong); code != mqtt.ConnectionRateExceeded {
				t.Fatal(code)
			}
		}
		if n := checked.Load(); n != 5 {
			t.Errorf("%d keys are checked", n)
		}
		if code := login(t, g, "192.0.2.1", right); code != mqtt.Success {
			t.Errorf("the device at another address: %v", code)
		}
		if code := login(t, g, attacker, other); code != mqtt.Success {
			t.Errorf("another device at the address: %v", code)
		}
		if code := login(t, g, attacker, right); code != mqtt.ConnectionRateExceeded {
			t.Errorf("the right key among those that are guessed: %v", code)
		}
		<-time.After(time.Minute)
		if code := login(t, g, attacker, right); code != mqtt.Success {
			t.Errorf("the right key later: %v", code)
		}
		for line := range strings.Lines(text()) {
			if !strings.Contains(line, "level=DEBUG") {
				t.Errorf("a stranger writes to the log: %s", line)
			}
		}
		if c := g.Logins.Failures(time.Now()); c.N != 5 {
			t.Errorf("%+v", c)
		}
	})
}

// TestStrangersGiveWay: connections that have not logged in are bounded by address, and give way
// to newer ones; those of devices are not.
func TestStrangersGiveWay(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const each = 8
	gate := admit.NewGate("MQTT", 100, each, nil, nil)
	h := newHost()
	g := &Gateway{Host: h}
	serve(t, g, gate.Listen(l))
	addr := l.Addr().String()
	first := join(t, addr, mqtt.V5)
	h.next(t, "connect")
	var strangers []net.Conn
	for range 10 * each {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		strangers = append(strangers, nc)
	}
	c := connecting(mqtt.V5)
	c.ClientID, c.Username = otherID, otherID
	if ack := want[*mqtt.Connack](open(t, addr, c)); ack.Code != mqtt.Success {
		t.Fatal(ack.Code)
	}
	h.next(t, "connect")
	for i, nc := range strangers[:9*each] { // the oldest are closed
		if err := nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("stranger %d: %v", i, err)
		}
	}
	waitFor(t, func() bool { return gate.Connections() <= each+2 })
	first.delivered(first.publish("agent/x", "", 1, nil), mqtt.Success)
	h.next(t, "agent/x")
}

// failing is a listener whose Accept fails some times before it accepts.
type failing struct {
	net.Listener
	left atomic.Int64
	err  error
}

func (l *failing) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, l.err
	}
	return l.Listener.Accept()
}

// TestAcceptFails: no error of accepting ends the gateway, or has it spin, or fills the log.
func TestAcceptFails(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
		syscall.EPERM, syscall.EPROTO,
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			broken := &failing{Listener: l, err: &net.OpError{Op: "accept", Err: errno}}
			broken.left.Store(5)
			log, text := journal()
			h := newHost()
			began := time.Now()
			serve(t, &Gateway{Host: h, Logger: log}, broken)
			join(t, l.Addr().String(), mqtt.V5)
			h.next(t, "connect")
			if took := time.Since(began); took < 31*firstPause {
				t.Errorf("five failures pass in %v", took)
			}
			if n := strings.Count(text(), "cannot be accepted"); n != 1 {
				t.Errorf("%d lines:\n%s", n, text())
			}
		})
	}
}

// TestSilentTLS: who begins no TLS handshake, or does not finish it, is closed and counted.
func TestSilentTLS(t *testing.T) {
	conf := &tls.Config{Certificates: []tls.Certificate{newAuthority(t).issue(t, "server")}}
	for _, said := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
		synctest.Test(t, func(t *testing.T) {
			g := &Gateway{Host: newHost()}
			g.setUp()
			client, server := net.Pipe()
			c := g.enter(tls.Server(server, conf), nil, netip.Addr{})
			ended := make(chan bool)
			go func() { c.run(); close(ended) }()
			go io.Copy(io.Discard, client) // ends with the connection
			began := time.Now()
			if _, err := io.WriteString(client, said); err != nil {
				t.Fatal(err)
			}
			<-ended
			if took := time.Since(began); took != handshakeLimit {
				t.Errorf("a stranger was suffered for %v", took)
			}
			if n := g.Over()[tandem.OverLoginTime]; n != 1 {
				t.Errorf("the limit is counted %d times", n)
			}
			client.Close()
		})
	}
}
