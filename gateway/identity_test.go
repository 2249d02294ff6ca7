package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// registry is what an operator can change while devices are connected.
type registry struct {
	mu       sync.Mutex
	err      error // of each login
	standing Standing
	keys     []string // to hand over, the next one first
	handed   int
	judged   int
}

func (r *registry) authenticate(context.Context, Login) (Standing, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.judged++
	return r.standing, r.err
}

func (r *registry) newKey(context.Context, tandem.DeviceID) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handed++
	if len(r.keys) == 0 {
		return "", errors.New("no database")
	}
	key := r.keys[0]
	r.keys = r.keys[1:]
	return key, nil
}

func (r *registry) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// TestReview: a revoked device is disconnected and told why, also one that waits to be let in.
func TestReview(t *testing.T) {
	h, r := newHost(), &registry{}
	g := &Gateway{Host: h, Authenticate: r.authenticate}
	addr, _ := start(t, g)
	for _, v := range []mqtt.Version{mqtt.V5, mqtt.V311} {
		d := join(t, addr, v)
		h.next(t, "connect")
		if err := g.Review(t.Context(), otherID); err != nil {
			t.Fatal(err)
		}
		if err := g.Review(t.Context(), deviceID); err != nil { // nothing has changed
			t.Fatal(err)
		}
		d.delivered(d.publish("agent/x", "up", 1, nil), mqtt.Success)
		h.next(t, "agent/x")
		r.set(func() { r.err = errors.New("no database") })
		if err := g.Review(t.Context(), deviceID); err == nil {
			t.Error("a login that cannot be judged is no error")
		}
		d.delivered(d.publish("agent/x", "up", 1, nil), mqtt.Success)
		h.next(t, "agent/x")
		r.set(func() { r.err = tandem.Errorf(tandem.Forbidden, "device was revoked: enrol it again") })
		if err := g.ReviewAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v == mqtt.V5 {
			bye := want[*mqtt.Disconnect](d)
			if bye.Code != mqtt.NotAuthorized || !strings.Contains(bye.Props.ReasonString, "enrol it again") {
				t.Errorf("%+v", bye)
			}
		}
		h.next(t, "lost")
		ack := want[*mqtt.Connack](open(t, addr, connecting(v)))
		if ack.Code != mqtt.NotAuthorized || v == mqtt.V5 && !strings.Contains(ack.Props.ReasonString, "enrol it again") {
			t.Errorf("%+v", ack)
		}
		r.set(func() { r.err = nil })
	}
}

// TestReviewOfArrival: a device whose login was judged before it was revoked, and that is let in
// afterwards, is judged again.
func TestReviewOfArrival(t *testing.T) {
	for _, all := range []bool{false, true} {
		h, r := newHost(), &registry{}
		g := &Gateway{Host: h}
		calls := 0
		g.Authenticate = func(ctx context.Context, l Login) (Standing, error) {
			s, err := r.authenticate(ctx, l)
			if calls++; calls == 1 { // the device is revoked, and reviewed, before it is known here
				r.set(func() { r.err = tandem.Errorf(tandem.Forbidden, "revoked") })
				review := func() error { return g.Review(ctx, l.Device) }
				if all {
					review = func() error { return g.ReviewAll(ctx) }
				}
				if err := review(); err != nil {
					t.Error(err)
				}
			}
			return s, err
		}
		addr, _ := start(t, g)
		if ack := want[*mqtt.Connack](open(t, addr, connecting(mqtt.V5))); ack.Code != mqtt.NotAuthorized || calls != 2 {
			t.Errorf("all %v: %v after %d judgements", all, ack.Code, calls)
		}
	}
}

// TestStandingEnds: a login that is good until some time is judged again then, until that is
// possible, and nothing is left of it when the connection has ended before.
func TestStandingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, r := newHost(), &registry{standing: Standing{Until: time.Now().Add(time.Hour)}}
		g := &Gateway{Host: h, Authenticate: r.authenticate}
		connect := func() (client net.Conn, ended chan bool) {
			client, server := net.Pipe()
			c := g.enter(server, nil, netip.MustParseAddr("192.0.2.1"))
			ended = make(chan bool)
			go func() { c.run(); close(ended) }()
			hello := connecting(mqtt.V311)
			hello.KeepAlive = 0
			if ack := want[*mqtt.Connack](over(t, client, hello)); ack.Code != mqtt.Success {
				t.Fatal(ack.Code)
			}
			h.next(t, "connect")
			return client, ended
		}
		g.setUp()
		client, ended := connect()
		client.Close()
		<-ended
		h.next(t, "lost")
		began := time.Now()
		_, ended = connect()
		<-time.After(time.Hour - time.Second)
		if r.judged != 2 {
			t.Errorf("it is judged %d times before its time is over", r.judged)
		}
		r.set(func() { r.err = errors.New("no database") })
		<-time.After(10 * time.Second)
		r.set(func() { r.err = tandem.Errorf(tandem.Forbidden, "expired") })
		<-ended
		h.next(t, "lost")
		if took := time.Since(began); took < time.Hour+9*time.Second || took > time.Hour+15*time.Second {
			t.Errorf("it has ended after %v", took)
		}
		if r.judged < 8 || r.judged > 14 {
			t.Errorf("it is judged %d times", r.judged)
		}
	})
}

// TestHandOver: a device whose key is rotated gets the new one when it connects, or at once, and
// in a way that does not count as a message of its agent.
func TestHandOver(t *testing.T) {
	h, r := newHost(), &registry{standing: Standing{Rotate: true}, keys: []string{"first", "second"}}
	log, text := journal()
	g := &Gateway{Host: h, Authenticate: r.authenticate, NewKey: r.newKey, Logger: log}
	addr, _ := start(t, g)
	d := join(t, addr, mqtt.V5)
	h.next(t, "connect")
	if _, err := d.s.Subscribe(mqtt.Subscription{Filter: "sys/#", QoS: 1}); err != nil {
		t.Fatal(err)
	}
	d.flush()
	var got []string
	take := func() {
		t.Helper()
		p := want[*mqtt.Publish](d)
		if p.Topic == "sys/time" {
			p = want[*mqtt.Publish](d)
		}
		got = append(got, p.Topic+" "+string(p.Payload))
	}
	want[*mqtt.Suback](d)
	take()
	if err := g.Review(t.Context(), deviceID); err != nil {
		t.Fatal(err)
	}
	take()
	if want := []string{`sys/key {"key":"first"}`, `sys/key {"key":"second"}`}; !slices.Equal(got, want) {
		t.Errorf("the device got %q", got)
	}
	if err := g.Review(t.Context(), deviceID); err != nil { // there is no key
		t.Fatal(err)
	}
	if !strings.Contains(text(), "cannot be given its new key") {
		t.Error(text())
	}
	d.nc.Close() // without an acknowledgement
	if ev := h.next(t, "lost"); ev.end.Lost {
		t.Error("a key that was not acknowledged counts as a lost message of the agent")
	}
}
