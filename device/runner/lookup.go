package runner

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// The system's resolver gives a question up after seconds, and asks the next name server. On a slow link all
// of them have then been asked in vain, so the question is asked by a patient resolver, too, which waits for
// minutes and repeats the question meanwhile.
const (
	patientAfter = 3 * time.Second // the system's resolver has not answered
	lookupWait   = 2 * time.Minute
	firstAsk     = 5 * time.Second // until the question is repeated; then twice as long
	lastAsk      = 20 * time.Second
)

// lookup returns the addresses of a host.
func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	patient := &net.Resolver{Dial: func(_ context.Context, network, address string) (net.Conn, error) {
		return dialPatiently(ctx, network, address)
	}}
	return firstAnswer(ctx, func(r *net.Resolver) ([]netip.Addr, error) {
		return r.LookupNetIP(ctx, "ip", host)
	}, net.DefaultResolver, patient)
}

// answer is the answer of a resolver.
type answer struct {
	addrs []netip.Addr
	err   error
}

// firstAnswer asks the first resolver and, when it has not answered for a while or has waited in vain, the
// second.
func firstAnswer(
	ctx context.Context, ask func(*net.Resolver) ([]netip.Addr, error), first, second *net.Resolver,
) ([]netip.Addr, error) {
	answers := make(chan answer, 2)
	begin := func(r *net.Resolver) {
		go func() {
			addrs, err := ask(r)
			answers <- answer{addrs, err}
		}()
	}
	begin(first)
	timer := time.NewTimer(patientAfter)
	defer timer.Stop()
	waiting := 1
	for {
		select {
		case a := <-answers:
			waiting--
			var dns *net.DNSError
			inVain := errors.As(a.err, &dns) && dns.IsTimeout
			if !inVain || waiting == 0 && !timer.Stop() {
				return a.addrs, a.err
			}
			if waiting == 0 {
				begin(second)
				waiting++
			}
		case <-timer.C:
			begin(second)
			waiting++
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dialPatiently makes a connection to a name server that is more patient than its user. It lives until ctx
// ends at most.
func dialPatiently(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() }) // ends what waits
	if udp, ok := c.(*net.UDPConn); ok {
		return &patientConn{UDPConn: udp}, nil
	}
	return stubborn{c}, nil
}

// stubborn is a connection without deadlines.
type stubborn struct{ net.Conn }

func (stubborn) SetDeadline(time.Time) error { return nil }

// patientConn repeats its question until there is an answer.
type patientConn struct {
	*net.UDPConn
	question []byte
}

// SetDeadline does nothing: the resolver's deadlines are for fast links.
func (c *patientConn) SetDeadline(time.Time) error { return nil }

func (c *patientConn) Write(b []byte) (int, error) {
	c.question = append([]byte(nil), b...)
	return c.UDPConn.Write(b)
}

func (c *patientConn) Read(b []byte) (int, error) {
	end := time.Now().Add(lookupWait)
	for pause := firstAsk; ; pause = min(2*pause, lastAsk) {
		if err := c.SetReadDeadline(time.Now().Add(pause)); err != nil {
			return 0, err
		}
		n, err := c.UDPConn.Read(b)
		var failed net.Error
		if err == nil || !errors.As(err, &failed) || !failed.Timeout() || time.Now().After(end) {
			return n, err
		}
		if _, err := c.UDPConn.Write(c.question); err != nil {
			return 0, err
		}
	}
}
