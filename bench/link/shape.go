package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// network is how packets fare.
type network struct {
	Latency time.Duration // each way
	Loss    float64       // of packets, each way
}

// queued is a packet that is on its way.
type queued struct {
	at   time.Time
	data []byte
}

// maxQueued bounds the packets on their way in a network, one way.
const maxQueued = 50_000

// shaper sends packets on, one way. Each network has a queue of its own.
type shaper struct {
	to   io.Writer
	of   func(packet []byte) (netip.Addr, bool) // the nodes' address, by which the network is chosen
	mu   sync.Mutex                             // of to and random
	rand *rand.Rand

	networks map[netip.Addr]network
	queues   map[netip.Addr]chan queued
}

func newShaper(
	to io.Writer, of func([]byte) (netip.Addr, bool), networks map[netip.Addr]network, seed uint64,
) *shaper {
	s := &shaper{
		to: to, of: of, networks: networks, rand: rand.New(rand.NewPCG(seed, 0)), queues: map[netip.Addr]chan queued{},
	}
	for a := range networks {
		q := make(chan queued, maxQueued)
		s.queues[a] = q
		go s.carry(q)
	}
	return s
}

// Write takes a packet.
func (s *shaper) Write(packet []byte) (int, error) {
	addr, ok := s.of(packet)
	net, shaped := s.networks[addr]
	switch {
	case !ok: // IPv6 is not used
	case !shaped:
		return len(packet), s.send(packet)
	case !s.lost(net.Loss):
		select {
		case s.queues[addr] <- queued{time.Now().Add(net.Latency), append([]byte(nil), packet...)}:
		default: // the queue of a router is full, too, at some time
		}
	}
	return len(packet), nil
}

func (s *shaper) lost(chance float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.Float64() < chance
}

func (s *shaper) send(packet []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.to.Write(packet)
	return err
}

// carry carries the packets of a network. All have the same latency, so they keep their order.
func (s *shaper) carry(q <-chan queued) {
	for p := range q {
		if wait := time.Until(p.at); wait > 0 {
			time.Sleep(wait)
		}
		if err := s.send(p.data); err != nil && !errors.Is(err, unix.EIO) {
			return
		}
	}
}
