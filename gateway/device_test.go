package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

const (
	deviceID = "0123456789abcdef"
	otherID  = "fedcba9876543210"
	key      = "the key"
	patience = 3 * time.Minute // a test that waits longer has failed
)

// testHost tells the test what it is told, and does what the test wants.
type testHost struct {
	events     chan hostEvent
	connect    func(id tandem.DeviceID, l tandem.Link) error
	fromDevice func(m hostEvent) error // nil: what is told is handled at once
	disconnect error                   // what Disconnect returns
	hold       atomic.Bool             // for fromDevice

	mu    sync.Mutex
	links map[tandem.LinkRef]tandem.Link
	last  map[tandem.LinkRef]uint64 // number of the last message
}

type hostEvent struct {
	what    string // connect, lost, goodbye, or a topic
	id      tandem.DeviceID
	link    tandem.Link
	end     tandem.LinkEnd
	address string
	message tandem.Message
	handled func()
}

func newHost() *testHost {
	return &testHost{
		events: make(chan hostEvent, 10_000),
		links:  map[tandem.LinkRef]tandem.Link{}, last: map[tandem.LinkRef]uint64{},
	}
}

func (h *testHost) Connect(_ context.Context, id tandem.DeviceID, l tandem.Link, next uint64, address string) error {
	h.mu.Lock()
	h.links[l.Ref()], h.last[l.Ref()] = l, next-1
	h.mu.Unlock()
	if h.connect != nil {
		if err := h.connect(id, l); err != nil {
			return err
		}
	}
	h.events <- hostEvent{what: "connect", id: id, link: l, address: address}
	return nil
}

func (h *testHost) Disconnect(_ context.Context, id tandem.DeviceID, ref tandem.LinkRef, end tandem.LinkEnd) error {
	what := "lost"
	if end.Clean {
		what = "goodbye"
	}
	h.events <- hostEvent{what: what, id: id, link: h.link(ref), end: end}
	return h.disconnect
}

func (h *testHost) FromDevice(_ context.Context, id tandem.DeviceID, ref tandem.LinkRef, seq uint64, topic string,
	m tandem.Message, handled func()) error {
	h.mu.Lock()
	h.last[ref]++
	inOrder := h.last[ref] == seq
	h.mu.Unlock()
	if !inOrder {
		panic(fmt.Sprintf("message %d of %v is out of order", seq, ref))
	}
	ev := hostEvent{what: topic, id: id, link: h.link(ref), message: m, handled: handled}
	if h.fromDevice != nil {
		return h.fromDevice(ev)
	}
	handled()
	h.events <- ev
	return nil
}

// keep is a fromDevice that leaves it to the test when a message is handled.
func (h *testHost) keep(ev hostEvent) error {
	h.events <- ev
	return nil
}

func (h *testHost) link(ref tandem.LinkRef) tandem.Link {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.links[ref]
}

// next returns the next thing the host is told.
func (h *testHost) next(t *testing.T, what string) hostEvent {
	t.Helper()
	select {
	case ev := <-h.events:
		if ev.what != what {
			t.Fatalf("the host is told %q, not %q", ev.what, what)
		}
		return ev
	case <-time.After(patience):
		t.Fatalf("the host is not told %q", what)
	}
	panic("unreachable")
}

// authenticate knows two devices.
func authenticate(_ context.Context, l Login) (s Standing, err error) {
	switch {
	case l.Device != deviceID && l.Device != otherID:
		return s, tandem.Errorf(tandem.NotFound, "there is no device %s", l.Device)
	case l.Key == "broken store":
		return s, errors.New("disk on fire")
	case l.Certificate != nil && strings.EqualFold(l.Certificate.Subject.CommonName, string(l.Device)):
	case l.Key != key:
		return s, tandem.Errorf(tandem.Unauthorized, "wrong key")
	}
	return s, nil
}

// start serves on a loopback port until the test ends, and sees to it that
// nothing of the gateway is left then.
func start(t testing.TB, g *Gateway) (addr string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), serve(t, g, l)
}

func serve(t testing.TB, g *Gateway, listeners ...net.Listener) (stop func()) {
	t.Helper()
	if g.Authenticate == nil {
		g.Authenticate = authenticate
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx, listeners...) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(patience):
			buf := make([]byte, 1<<20)
			t.Errorf("the gateway does not end:\n%s", buf[:runtime.Stack(buf, true)])
		}
		if g.count != 0 || len(g.devices) != 0 || len(g.unknown) != 0 {
			t.Errorf("the gateway has %d connections left, %v %v", g.count, g.devices, g.unknown)
		}
	})
	t.Cleanup(stop)
	return stop
}

// device is a client, used by one goroutine.
type device struct {
	t   *testing.T
	nc  net.Conn
	s   *mqtt.Client
	buf []byte
}

// connecting is a CONNECT as a device sends it.
func connecting(v mqtt.Version) *mqtt.Connect {
	return &mqtt.Connect{
		Version: v, CleanStart: true, KeepAlive: 30, ClientID: deviceID,
		HasUsername: true, Username: deviceID, HasPassword: true, Password: []byte(key),
	}
}

// open dials and says CONNECT.
func open(t *testing.T, addr string, c *mqtt.Connect) *device {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return over(t, nc, c)
}

func over(t *testing.T, nc net.Conn, c *mqtt.Connect) *device {
	t.Helper()
	t.Cleanup(func() { nc.Close() })
	s, err := mqtt.NewClient(time.Now(), nil, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &device{t: t, nc: nc, s: s}
	d.flush()
	return d
}

// join is open with a CONNACK that lets the device in.
func join(t *testing.T, addr string, v mqtt.Version) *device {
	t.Helper()
	d := open(t, addr, connecting(v))
	if ack := want[*mqtt.Connack](d); ack.Code != mqtt.Success {
		t.Fatalf("CONNACK %v", ack.Code)
	}
	return d
}

func (d *device) flush() {
	d.t.Helper()
	if out := d.s.Output(nil); len(out) > 0 {
		if _, err := d.nc.Write(out); err != nil {
			d.t.Logf("write: %v", err)
		}
	}
}

// next returns the next event, or nil when the connection has been closed.
func (d *device) next() mqtt.Event {
	d.t.Helper()
	if err := d.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		d.t.Fatal(err)
	}
	for {
		n, ev, err := d.s.Feed(time.Now(), d.buf)
		d.buf = d.buf[n:]
		d.flush()
		if err != nil && err != mqtt.ErrClosed {
			d.t.Fatal(err)
		}
		if ev != nil {
			return ev
		}
		chunk := make([]byte, 64<<10)
		n, err = d.nc.Read(chunk)
		d.buf = append(d.buf, chunk[:n]...)
		if n == 0 && err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				d.t.Fatal("nothing comes from the gateway")
			}
			return nil
		}
	}
}

// want returns the next event, which must be a T. Delivered is passed over.
func want[T mqtt.Event](d *device) T {
	d.t.Helper()
	for {
		ev := d.next()
		if e, ok := ev.(T); ok {
			return e
		}
		if _, ok := ev.(*mqtt.Delivered); !ok {
			d.t.Fatalf("got %T %+v", ev, ev)
		}
	}
}

// message returns the next message, acknowledged.
func (d *device) message(topic, payload string) *mqtt.Publish {
	d.t.Helper()
	p := want[*mqtt.Publish](d)
	if p.Topic != topic || string(p.Payload) != payload {
		d.t.Fatalf("got %s %.100q, want %s %.100q", p.Topic, p.Payload, topic, payload)
	}
	if p.QoS > 0 {
		if err := d.s.Ack(p.PacketID, mqtt.Success); err != nil {
			d.t.Fatal(err)
		}
		d.flush()
	}
	return p
}

// closed checks that the gateway hangs up, and why: nil for a 3.1.1 device,
// which is not told.
func (d *device) closed(why mqtt.Reason) {
	d.t.Helper()
	switch ev := d.next().(type) {
	case nil:
		if why != mqtt.Success {
			d.t.Fatalf("the connection is closed without the reason %v", why)
		}
	case *mqtt.Disconnect:
		if ev.Code != why {
			d.t.Fatalf("DISCONNECT %v %v, want %v", ev.Code, ev.Props, why)
		}
	default:
		d.t.Fatalf("got %T %+v", ev, ev)
	}
}

func (d *device) publish(topic, payload string, qos byte, props *mqtt.Properties) uint16 {
	d.t.Helper()
	id, err := d.s.Publish(&mqtt.Publish{Topic: topic, Payload: []byte(payload), QoS: qos, Props: props})
	if err != nil {
		d.t.Fatal(err)
	}
	d.flush()
	return id
}

func (d *device) delivered(id uint16, code mqtt.Reason) {
	d.t.Helper()
	ev, ok := d.next().(*mqtt.Delivered)
	if !ok || ev.PacketID != id || ev.Code != code {
		d.t.Fatalf("got %+v, want %d delivered with %v", ev, id, code)
	}
}

func (d *device) subscribe(filters ...string) []mqtt.Reason {
	d.t.Helper()
	var list []mqtt.Subscription
	for _, f := range filters {
		list = append(list, mqtt.Subscription{Filter: f, QoS: 1})
	}
	if _, err := d.s.Subscribe(list...); err != nil {
		d.t.Fatal(err)
	}
	d.flush()
	return want[*mqtt.Suback](d).Codes
}

// journal is a logger that the test can read.
func journal() (*slog.Logger, func() string) {
	var mu sync.Mutex
	var buf bytes.Buffer
	w := writerFunc(func(b []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return buf.Write(b) })
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})), func() string {
		mu.Lock()
		defer mu.Unlock()
		return buf.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
