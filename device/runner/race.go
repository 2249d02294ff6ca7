package runner

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Pauses between attempts to reach one server. Attempts go on beside each other until one succeeds: a dead
// address holds up no other, and when a network comes up in the middle, the next attempt finds it, while
// the packets of one that began before are repeated more and more rarely.
const (
	nextAddress = 300 * time.Millisecond // to the next address of the server
	firstRedial = 5 * time.Second        // to all addresses again; then twice as long
	lastRedial  = 20 * time.Second
	maxAttempts = 16 // beside each other
)

// sendBuffer is how much the system may keep of what is written, in bytes. A server that slows the
// device down reads a ping after all that was written before; within a keep-alive interval.
const sendBuffer = 256 << 10

// attempt is the outcome of one attempt.
type attempt struct {
	conn net.Conn
	trip time.Duration
	err  error
}

// dialTCP connects to addr, host:port, and says how long the server took to answer.
func dialTCP(ctx context.Context, addr string, reached func(time.Duration)) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	addrs, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	a := race(ctx, addrs, port, dialOne)
	if a.err != nil {
		return nil, a.err
	}
	if tcp, ok := a.conn.(*net.TCPConn); ok {
		if err := tcp.SetWriteBuffer(sendBuffer); err != nil {
			a.conn.Close()
			return nil, err
		}
	}
	reached(a.trip)
	return a.conn, nil
}

func dialOne(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Control: steady}
	return d.DialContext(ctx, "tcp", addr)
}

// race tries all addresses until one answers, none can be tried any more, or ctx ends.
func race(
	ctx context.Context, addrs []netip.Addr, port string, dial func(context.Context, string) (net.Conn, error),
) attempt {
	ctx, cancel := context.WithCancel(ctx)
	outcomes := make(chan attempt)
	running := 0
	defer func() {
		cancel()
		go discard(outcomes, running)
	}()
	begin := func(addr netip.Addr) {
		running++
		go func() {
			began := time.Now()
			c, err := dial(ctx, net.JoinHostPort(addr.String(), port))
			outcomes <- attempt{c, time.Since(began), err}
		}()
	}
	var last error
	next, redial := 0, firstRedial
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case a := <-outcomes:
			running--
			if a.err == nil {
				return a
			}
			last = a.err
			switch {
			case next < len(addrs):
				timer.Reset(0)
			case running == 0:
				return attempt{err: last}
			}
		case <-timer.C:
			pause := nextAddress
			if next == len(addrs) {
				next, redial = 0, min(2*redial, lastRedial)
			}
			if running < maxAttempts {
				begin(addrs[next])
			}
			if next++; next == len(addrs) {
				pause = redial
			}
			timer.Reset(pause)
		case <-ctx.Done():
			return attempt{err: errors.Join(ctx.Err(), last)}
		}
	}
}

// discard closes the connections that come after the race.
func discard(outcomes <-chan attempt, running int) {
	for range running {
		if a := <-outcomes; a.err == nil {
			a.conn.Close() // nothing was said on it
		}
	}
}
