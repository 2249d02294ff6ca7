package runner

import (
	"context"
	"net"
	"time"
)

// On a slow link a lost packet of a handshake costs minutes, and one of the many of TLS and WebSocket is lost
// often. So the whole is tried beside itself when it takes longer than it does without a loss. On a fast link TCP makes
// up for a loss by itself, and what takes long there is a busy server, which is spared.
const (
	slowTrip   = 2 * time.Second // the round trip of a slow link, at least
	maxOpening = 3               // attempts beside each other
)

// opener makes a connection, and says how long its address took to answer.
type opener func(ctx context.Context, reached func(time.Duration)) (net.Conn, error)

// opened is the outcome of an opener.
type opened struct {
	conn net.Conn
	err  error
}

// beside opens a connection whose handshakes take so many round trips. It begins another attempt when the
// newest has taken half of one longer than that, and returns the first connection that comes of any.
func beside(ctx context.Context, trips int, reached func(time.Duration), open opener) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	outcomes, answers := make(chan opened), make(chan time.Duration)
	running, began := 0, 0
	defer func() {
		cancel()
		go func() {
			for range running {
				if o := <-outcomes; o.err == nil {
					o.conn.Close() // nothing was said on it
				}
			}
		}()
	}()
	begin := func() {
		running++
		began++
		first := began == 1
		go func() {
			c, err := open(ctx, func(trip time.Duration) {
				if first { // the server is reached once
					reached(trip)
				}
				select {
				case answers <- trip:
				case <-ctx.Done():
				}
			})
			outcomes <- opened{c, err}
		}()
	}
	begin()
	var late <-chan time.Time
	for {
		select {
		case o := <-outcomes:
			running--
			if o.err == nil || running == 0 {
				return o.conn, o.err
			}
		case trip := <-answers:
			if trip >= slowTrip && began < maxOpening {
				late = time.After(time.Duration(trips)*trip + trip/2)
			}
		case <-late:
			late = nil
			begin()
		}
	}
}
