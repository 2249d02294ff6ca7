package gateway

import (
	"bytes"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/mqtt"
)

// BenchmarkNeighbour measures the round trips of a quiet device, one each 5 ms, beside devices that
// send as fast as they can: how many messages are taken from them, and what it does to the quiet
// one. Unrated is what it would be without rates.
func BenchmarkNeighbour(b *testing.B) {
	for _, tc := range []struct {
		name   string
		floods int
		rates  session.Rates
	}{
		{"quiet", 0, session.DeviceRates}, {"flood", 4, session.DeviceRates}, {"unrated", 4, session.Rates{}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			h := newEchoHost()
			g := forEverybody(&Gateway{Host: h})
			g.setUp()
			g.config.Rates = tc.rates
			addr, _ := start(b, g)
			conns := fleet(b, addr, mqtt.V311, 1+tc.floods)
			var sent atomic.Int64
			for _, c := range conns[1:] {
				go io.Copy(io.Discard, c)
				go flood(c, &sent)
			}
			took := trips(b, conns[0], 5*time.Millisecond)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(sent.Load())/b.Elapsed().Seconds(), "flood/s")
		})
	}
}

// flood sends messages with QoS 0 until the connection ends.
func flood(c net.Conn, sent *atomic.Int64) {
	raw, err := mqtt.Append(nil, &mqtt.Publish{Topic: "agent/x", Payload: []byte("1")}, mqtt.V311)
	if err != nil {
		panic(err)
	}
	const count = 100
	for raw = bytes.Repeat(raw, count); err == nil; sent.Add(count) {
		_, err = c.Write(raw)
	}
}

// trips makes a round trip each interval and returns the sorted times.
func trips(b *testing.B, c net.Conn, interval time.Duration) (took []time.Duration) {
	raw, err := mqtt.Append(nil, &mqtt.Publish{Topic: "agent/x", Payload: make([]byte, 64)}, mqtt.V311)
	if err != nil {
		b.Fatal(err)
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	buf := make([]byte, 4096)
	for b.Loop() {
		<-tick.C
		start := time.Now()
		if _, err := c.Write(raw); err != nil {
			b.Fatal(err)
		}
		m, err := io.ReadAtLeast(c, buf, 2+2+8+2+64)
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
	return took
}
