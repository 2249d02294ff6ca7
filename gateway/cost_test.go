package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/mqtt"
)

// echoHost sends what a device publishes as agent/x back as device/x.
type echoHost struct {
	mu    sync.Mutex
	links map[tandem.DeviceID]tandem.Link
}

func newEchoHost() *echoHost { return &echoHost{links: map[tandem.DeviceID]tandem.Link{}} }

func (h *echoHost) Connect(_ context.Context, id tandem.DeviceID, l tandem.Link, _ uint64, _ string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.links[id] = l
	return nil
}

func (h *echoHost) FromDevice(_ context.Context, id tandem.DeviceID, _ tandem.LinkRef, _ uint64, _ string,
	m tandem.Message, handled func()) error {
	h.mu.Lock()
	l := h.links[id]
	h.mu.Unlock()
	l.Send("device/x", m)
	handled()
	return nil
}

func (*echoHost) Disconnect(context.Context, tandem.DeviceID, tandem.LinkRef, tandem.LinkEnd) error {
	return nil
}

// fleet connects n devices that have subscribed.
func fleet(t testing.TB, addr string, v mqtt.Version, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	buf := make([]byte, 4096)
	for i := range conns {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		c := connecting(v)
		c.ClientID = fmt.Sprintf("%016x", i)
		c.Username, c.KeepAlive = c.ClientID, 300
		for _, p := range []mqtt.Packet{
			c, &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.Subscription{{Filter: "device/#", QoS: 1}}},
		} {
			raw, err := mqtt.Append(nil, p, v)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := nc.Write(raw); err != nil {
				t.Fatal(err)
			}
			if _, err := nc.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		conns[i] = nc
	}
	return conns
}

// forEverybody lets any device in.
func forEverybody(g *Gateway) *Gateway {
	g.Authenticate = func(context.Context, Login) (Standing, error) { return Standing{}, nil }
	return g
}

// unrated has devices send as fast as they can.
func unrated(g *Gateway) *Gateway {
	g.setUp()
	g.config.Rates = session.Rates{}
	return g
}

// TestIdleConnectionIsSmall counts what a connection costs that nothing
// happens on: heap and stack, the client's end of the socket in this process
// included.
func TestIdleConnectionIsSmall(t *testing.T) {
	const n = 500
	used := func() int64 { // it may shrink, by what earlier tests had
		for range 3 { // stacks shrink by half at a time
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	h := newEchoHost()
	addr, _ := start(t, forEverybody(&Gateway{Host: h}))
	fleet(t, addr, mqtt.V311, 10) // what is there once
	before := used()
	conns := fleet(t, addr, mqtt.V311, n)
	each := (used() - before) / n
	t.Logf("%d bytes for each of %d connections", each, n)
	if each > 12<<10 {
		t.Errorf("%d bytes for an idle connection, the budget is 12 KiB", each)
	}
	runtime.KeepAlive(conns)
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newEchoHost()
			addr, _ := start(b, unrated(forEverybody(&Gateway{Host: h})))
			conns := fleet(b, addr, mqtt.V311, n)
			raw, err := mqtt.Append(nil, &mqtt.Publish{
				Topic: "agent/x", Payload: make([]byte, 64), QoS: 1, PacketID: 1,
			}, mqtt.V311)
			if err != nil {
				b.Fatal(err)
			}
			var took []time.Duration
			buf := make([]byte, 4096)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c := conns[i%n]
				start := time.Now()
				if _, err := c.Write(raw); err != nil {
					b.Fatal(err)
				}
				// The acknowledgement and the echo; the latter's identifier is
				// acknowledged.
				m, err := io.ReadAtLeast(c, buf, 4+2+2+8+2+64)
				if err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
				id := buf[m-66 : m-64]
				if _, err := c.Write([]byte{0x40, 2, id[0], id[1]}); err != nil {
					b.Fatal(err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkBatches has a device publish 32 messages in one write, which all are
// answered, and acknowledge what comes: for each message, not for each batch.
func BenchmarkBatches(b *testing.B) {
	for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
		b.Run(map[mqtt.Version]string{mqtt.V311: "3.1.1", mqtt.V5: "5"}[v], func(b *testing.B) {
			const count = 32
			h := newEchoHost()
			addr, _ := start(b, unrated(forEverybody(&Gateway{Host: h})))
			c := fleet(b, addr, v, 1)[0]
			var batch []byte
			for i := range uint16(count) {
				var err error
				p := &mqtt.Publish{Topic: "agent/x", Payload: make([]byte, 64), QoS: 1, PacketID: i + 1}
				if batch, err = mqtt.Append(batch, p, v); err != nil {
					b.Fatal(err)
				}
			}
			var in, acks []byte
			buf := make([]byte, 64<<10)
			b.ReportAllocs()
			for i := 0; i < b.N; i += count {
				if _, err := c.Write(append(acks, batch...)); err != nil {
					b.Fatal(err)
				}
				acks = acks[:0]
				for left := 2 * count; left > 0; {
					n, err := c.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					in = append(in, buf[:n]...)
					for {
						p, n, err := mqtt.Decode(in, v, 0)
						if err == mqtt.ErrIncomplete {
							break
						}
						if err != nil {
							b.Fatal(err)
						}
						in = in[n:]
						left--
						if m, ok := p.(*mqtt.Publish); ok {
							acks = append(acks, 0x40, 2, byte(m.PacketID>>8), byte(m.PacketID))
						}
					}
				}
			}
		})
	}
}
