package gateway

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// packets returns the bytes of packets.
func packets(t testing.TB, v mqtt.Version, list ...mqtt.Packet) (raw []byte) {
	t.Helper()
	for _, p := range list {
		var err error
		if raw, err = mqtt.Append(raw, p, v); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

// counting is a host that counts, and handles every message at once.
func counting(topic string) (h *testHost, taken *atomic.Int64) {
	h, taken = newHost(), new(atomic.Int64)
	h.fromDevice = func(ev hostEvent) error {
		if ev.what == topic {
			taken.Add(1)
		}
		ev.handled()
		return nil
	}
	return h, taken
}

// write writes until it fails or the time is over, and returns how often it did.
func write(nc net.Conn, raw []byte, length time.Duration) (times int, err error) {
	for start := time.Now(); time.Since(start) < length; times++ {
		if _, err := nc.Write(raw); err != nil {
			return times, err
		}
	}
	return times, nil
}

// TestFloodIsSlowed: a device that sends as fast as it can is read from at its rate, and keeps
// its connection. With the next connection it does not get its budget again.
func TestFloodIsSlowed(t *testing.T) {
	batch := make([]mqtt.Packet, 32)
	for i := range batch {
		batch[i] = &mqtt.Publish{Topic: "agent/x"}
	}
	synctest.Test(t, func(t *testing.T) {
		h, taken := counting("agent/x")
		g := &Gateway{Host: h}
		for _, tc := range []struct {
			length     time.Duration
			more, most int64 // messages
		}{
			{5 * time.Minute, 300_000, 301_000},
			{time.Minute, 59_000, 61_000},
		} {
			client, ended := pipe(t, g)
			go io.Copy(io.Discard, client) // ends with the connection
			if _, err := client.Write(packets(t, mqtt.V5, connecting(mqtt.V5))); err != nil {
				t.Fatal(err)
			}
			h.next(t, "connect")
			before := taken.Load()
			if n, err := write(client, packets(t, mqtt.V5, batch...), tc.length); err != nil {
				t.Fatalf("cut off after %d batches: %v", n, err)
			}
			if n := taken.Load() - before; n < tc.more || n > tc.most {
				t.Errorf("%d messages are taken in %v", n, tc.length)
			}
			client.Close()
			<-ended
			h.next(t, "lost")
		}
		if n := g.Over()[tandem.OverDeviceMessages]; n != 1 {
			t.Errorf("the limit is counted %d times", n)
		}
	})
}

// TestConnectionStorm: a device that connects a hundred times a second, although its last
// connection is open, gets 20 at once and then about one a second, the newest each time.
func TestConnectionStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		g := &Gateway{Host: h}
		var ends []chan bool
		const count = 6000 // in a minute
		var last net.Conn
		for range count {
			client, ended := pipe(t, g)
			ends, last = append(ends, ended), client
			if _, err := client.Write(packets(t, mqtt.V5, connecting(mqtt.V5))); err != nil {
				t.Fatal(err)
			}
			go io.Copy(io.Discard, client) // ends with the connection
			<-time.After(10 * time.Millisecond)
		}
		open := 0
		for _, ended := range ends {
			select {
			case <-ended:
			default:
				open++
			}
		}
		if open > 4 { // one in, one that waits, and those that are being closed
			t.Errorf("%d connections are open", open)
		}
		<-time.After(2 * time.Second) // the last has its turn
		synctest.Wait()
		connects, losses := 0, 0
		for len(h.events) > 0 {
			switch ev := <-h.events; ev.what {
			case "connect":
				connects++
			case "lost":
				losses++
			}
		}
		// One that comes in the moment when another has its turn may not know of that.
		if connects < 78 || connects > 140 || losses != connects-1 || g.Devices() != 1 {
			t.Errorf("the host is told of %d connections and %d ends", connects, losses)
		}
		if _, err := last.Write(packets(t, mqtt.V5, &mqtt.Publish{Topic: "agent/x"})); err != nil {
			t.Fatal(err)
		}
		h.next(t, "agent/x")
		if n := g.Over()[tandem.OverDeviceConnects]; n < 1 || n > 5 {
			t.Errorf("the limit is counted %d times", n)
		}
		last.Close()
		for _, ended := range ends {
			<-ended
		}
		if len(g.arriving) != 0 || len(g.devices) != 0 || g.count != 0 {
			t.Errorf("left: %v %v %d", g.arriving, g.devices, g.count)
		}
	})
}

// TestBudgetsAreForgotten: what is kept for devices that are gone does not grow.
func TestBudgetsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := forEverybody(&Gateway{Host: newEchoHost()})
		for i := range 3 * minBudgets {
			client, ended := pipe(t, g)
			c := connecting(mqtt.V5)
			c.ClientID = string(tandem.NewDeviceID())
			c.Username = c.ClientID
			go client.Write(packets(t, mqtt.V5, c, &mqtt.Disconnect{}))
			io.Copy(io.Discard, client)
			<-ended
			if <-time.After(2 * time.Millisecond); len(g.budgets) > 2*minBudgets {
				t.Fatalf("%d budgets after %d devices", len(g.budgets), i)
			}
		}
	})
}
