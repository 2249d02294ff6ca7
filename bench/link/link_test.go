package main

import (
	"math"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink is the end of a network.
type sink struct {
	mu      sync.Mutex
	arrived []time.Time
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived = append(s.arrived, time.Now())
	return len(p), nil
}

// times returns when packets have arrived.
func (s *sink) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.arrived)
}

// packet is an IPv4 packet to an address.
func packet(to netip.Addr) []byte {
	p := make([]byte, 40)
	p[0] = 0x45
	a := to.As4()
	copy(p[16:], a[:])
	return p
}

// TestShaper: packets come after the latency of their network, in order, and as many are lost as should be.
func TestShaper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := netip.MustParseAddr(shapedAddress(0))
		plain := netip.MustParseAddr(plainAddress)
		out := new(sink)
		to := func(p []byte) (netip.Addr, bool) { _, to, ok := ends(p); return to, ok }
		s := newShaper(out, to, map[netip.Addr]network{slow: {Latency: 30 * time.Second, Loss: 0.2}}, 1)
		began := time.Now()
		const count = 10_000
		for range count {
			if _, err := s.Write(packet(slow)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Write(packet(plain)); err != nil {
			t.Fatal(err)
		}
		if at := out.times(); len(at) != 1 || !at[0].Equal(began) {
			t.Errorf("at once arrive %d", len(at))
		}
		<-time.After(time.Minute)
		synctest.Wait()
		arrived := out.times()
		if share := float64(len(arrived)-1) / count; math.Abs(share-0.8) > 0.02 {
			t.Errorf("%.3f of the packets arrive", share)
		}
		for _, at := range arrived[1:] {
			if at.Sub(began) != 30*time.Second {
				t.Fatalf("a packet takes %v", at.Sub(began))
			}
		}
		for _, q := range s.queues {
			close(q)
		}
	})
}

// TestCells: the matrix has all cases, and each has an address of its network.
func TestCells(t *testing.T) {
	o := options{latency: "0s,12s", loss: "0,20", transports: "tcp,wss", clients: "v5,runner"}
	cells := o.cells()
	seen := map[cell]bool{}
	for _, c := range cells {
		seen[*c] = true
		if c.url() == "" || c.bulk != (network{Latency: o.networks()[c.net].Latency}).bulk() {
			t.Errorf("%+v", c)
		}
	}
	if len(cells) != 16 || len(seen) != 16 {
		t.Errorf("%d cells, %d of them different", len(cells), len(seen))
	}
}
