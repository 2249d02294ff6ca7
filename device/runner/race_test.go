package runner

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem/device/core"
)

// far is a network in which an address answers after a time, refuses, or is silent.
type far map[string]time.Duration

const (
	silent  = time.Duration(-1)
	refuses = time.Duration(-2)
)

func (f far) dial(ctx context.Context, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	switch after := f[host]; after {
	case refuses:
		return nil, syscall.ECONNREFUSED
	case silent:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		select {
		case <-time.After(after):
			c, _ := net.Pipe()
			return c, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TestRace: a slow address has its time, and a dead one holds up no other.
func TestRace(t *testing.T) {
	for _, tc := range []struct {
		name  string
		net   far
		addrs string
		want  time.Duration
		err   error
	}{
		{"one", far{"10.0.0.1": time.Second}, "10.0.0.1", time.Second, nil},
		{"30 s each way", far{"10.0.0.1": time.Minute}, "10.0.0.1", time.Minute, nil},
		{"the first is dead", far{"10.0.0.1": silent, "10.0.0.2": time.Second}, "10.0.0.1 10.0.0.2",
			1300 * time.Millisecond, nil},
		{"the first refuses", far{"10.0.0.1": refuses, "10.0.0.2": time.Second}, "10.0.0.1 10.0.0.2", time.Second, nil},
		{"all refuse", far{"10.0.0.1": refuses, "10.0.0.2": refuses}, "10.0.0.1 10.0.0.2", 0, syscall.ECONNREFUSED},
		{"all are dead", far{"10.0.0.1": silent, "10.0.0.2": silent}, "10.0.0.1 10.0.0.2",
			time.Hour, context.DeadlineExceeded},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				var addrs []netip.Addr
				for _, a := range strings.Fields(tc.addrs) {
					addrs = append(addrs, netip.MustParseAddr(a))
				}
				began := time.Now()
				a := race(ctx, addrs, "1883", tc.net.dial)
				if took := time.Since(began); took != tc.want || !errors.Is(a.err, tc.err) {
					t.Errorf("after %v: %v", took, a.err)
				}
			})
		})
	}
}

// TestRaceAgain: a network that comes up in the middle of an attempt is found by the next, although the
// packets of the first are lost.
func TestRaceAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		up := began.Add(12 * time.Second)
		a := race(t.Context(), []netip.Addr{netip.MustParseAddr("10.0.0.1")}, "1883",
			func(ctx context.Context, addr string) (net.Conn, error) {
				if time.Now().Before(up) {
					return far{"10.0.0.1": silent}.dial(ctx, addr)
				}
				return far{"10.0.0.1": time.Second}.dial(ctx, addr)
			})
		if took := time.Since(began); a.err != nil || took != 16*time.Second || a.trip != time.Second {
			t.Errorf("after %v: %v %v", took, a.trip, a.err)
		}
	})
}

// TestLookup: the patient resolver answers where the system's does not, and its error is the system's where
// that has an answer.
func TestLookup(t *testing.T) {
	one := []netip.Addr{netip.MustParseAddr("10.0.0.1")}
	none := &net.DNSError{Err: "no such host", IsNotFound: true}
	late := &net.DNSError{Err: "timeout", IsTimeout: true}
	for _, tc := range []struct {
		name          string
		first, second answer
		after         [2]time.Duration // each takes
		want          answer
		took          time.Duration
	}{
		{"fast", answer{one, nil}, answer{}, [2]time.Duration{time.Second, time.Hour}, answer{one, nil}, time.Second},
		{"unknown", answer{nil, none}, answer{one, nil}, [2]time.Duration{time.Second, time.Hour},
			answer{nil, none}, time.Second},
		{"slow", answer{nil, late}, answer{one, nil}, [2]time.Duration{20 * time.Second, time.Minute},
			answer{one, nil}, 63 * time.Second},
		{"in vain at once", answer{nil, late}, answer{one, nil}, [2]time.Duration{time.Second, time.Minute},
			answer{one, nil}, 61 * time.Second},
		{"in vain", answer{nil, late}, answer{nil, late}, [2]time.Duration{20 * time.Second, time.Minute},
			answer{nil, late}, 63 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := &net.Resolver{}, &net.Resolver{}
				began := time.Now()
				got, err := firstAnswer(t.Context(), func(r *net.Resolver) ([]netip.Addr, error) {
					a, after := tc.first, tc.after[0]
					if r == second {
						a, after = tc.second, tc.after[1]
					}
					<-time.After(after)
					return a.addrs, a.err
				}, first, second)
				if took := time.Since(began); took != tc.took || len(got) != len(tc.want.addrs) || err != tc.want.err {
					t.Errorf("after %v: %v %v", took, got, err)
				}
				<-time.After(2 * time.Hour) // until what was asked in vain has ended
			})
		})
	}
}

// TestPatientQuestion: a question to a name server is repeated until there is an answer, whatever deadline
// its user sets.
func TestPatientQuestion(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c, err := dialPatiently(t.Context(), "udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("who is it?")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, from, err := server.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "who is it?" {
		t.Fatal(err)
	}
	if _, err := server.WriteTo([]byte("me"), from); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "me" {
		t.Fatal(err)
	}
}

// TestWatch: the core hears of addresses that come and go, whether the system tells or not.
func TestWatch(t *testing.T) {
	for _, told := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var news chan struct{}
			within := pollPause
			if told {
				news, within = make(chan struct{}, 1), settleTime
			}
			heard := make(chan core.Event, 10)
			var now atomic.Pointer[[]string]
			set := func(list ...string) { now.Store(&list) }
			set("127.0.0.1")
			ended := make(chan bool)
			go func() {
				watch(ctx, news, func() []string { return *now.Load() }, func(ev core.Event) { heard <- ev })
				close(ended)
			}()
			expect := func(want string) {
				t.Helper()
				ev := (<-heard).(*core.Network)
				if got := strings.Join(ev.Addresses, " "); got != want {
					t.Errorf("heard of %q, want %q", got, want)
				}
			}
			expect("127.0.0.1")
			<-time.After(time.Minute)
			began := time.Now()
			set("10.0.0.1", "127.0.0.1")
			if told {
				news <- struct{}{}
			}
			expect("10.0.0.1 127.0.0.1")
			if took := time.Since(began); took > within {
				t.Errorf("it took %v", took)
			}
			if told {
				close(news) // from now on it polls
			}
			set()
			expect("")
			cancel()
			<-ended
		})
	}
}
