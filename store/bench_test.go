package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store/record"
)

// BenchmarkSave has writers that each save 500 bytes again as soon as the save
// before is durable.
func BenchmarkSave(b *testing.B) {
	for _, engine := range engines {
		for _, writers := range []int{1, 64, 1000} {
			b.Run(fmt.Sprintf("%s/writers=%d", engine.name, writers), func(b *testing.B) {
				s := engine.open(b)
				running(b, s)
				benchmarkSave(b, s, writers)
			})
		}
	}
}

func benchmarkSave(b *testing.B, s *Store, writers int) {
	ids := make([]tandem.AgentID, writers)
	for i := range ids {
		ids[i] = tandem.NewAgentID()
		begin(b, s, ids[i])
	}
	table := make([]byte, 500)
	left := make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			result := make(chan error, 1)
			for range left {
				s.Save(id, 1, table, tandem.Mark{Boot: 1, Seq: 1}, func(err error) { result <- err })
				if err := <-result; err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "saves/s")
}

func BenchmarkRecord(b *testing.B) {
	for _, engine := range engines {
		b.Run(engine.name, func(b *testing.B) {
			s := engine.open(b)
			running(b, s)
			benchmarkRecord(b, s)
		})
	}
}

func benchmarkRecord(b *testing.B, s *Store) {
	const agents = 1000
	ids := make([]tandem.AgentID, agents)
	for i := range ids {
		ids[i] = tandem.NewAgentID()
		begin(b, s, ids[i])
		if err := save(s, ids[i], 1, fmt.Sprintf("%500d", i), tandem.Mark{}); err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	for b.Loop() {
		if r := recordOf(b, s, ids[i%agents]); len(r.Saved) != 500 {
			b.Fatal(r)
		}
		i++
	}
}

func BenchmarkAddDevices(b *testing.B) {
	for _, engine := range engines {
		b.Run(engine.name, func(b *testing.B) {
			s := engine.open(b)
			running(b, s)
			benchmarkAddDevices(b, s)
		})
	}
}

func benchmarkAddDevices(b *testing.B, s *Store) {
	owner := addAccount(b, s, "ann").ID
	list := make([]record.Device, 10_000)
	for i := range list {
		list[i] = record.Device{Owner: owner, KeyHash: record.Hash("")}
	}
	for b.Loop() {
		if _, err := s.AddDevices(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(list)*b.N)/b.Elapsed().Seconds(), "devices/s")
}

// BenchmarkPlacement has a node plan 512 shards of its own, and raise the epochs
// of 16, which is what a handover does.
func BenchmarkPlacement(b *testing.B) {
	s, err := OpenPostgres(b.Context(), pgtest.Start(b))
	if err != nil {
		b.Fatal(err)
	}
	running(b, s)
	if _, err := s.Register(b.Context(), record.Node{ID: "n1"}, time.Hour); err != nil {
		b.Fatal(err)
	}
	plan := func(b *testing.B) []record.Shard {
		m, err := s.Membership(b.Context(), -1)
		if err != nil {
			b.Fatal(err)
		}
		list := m.Shards[:512]
		for i := range list {
			list[i].Target = "n1"
		}
		return list
	}
	if err := s.AssignShards(b.Context(), plan(b)); err != nil {
		b.Fatal(err)
	}
	b.Run("plan", func(b *testing.B) {
		list := plan(b)
		for b.Loop() {
			if err := s.AssignShards(b.Context(), list); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("handover", func(b *testing.B) {
		list := plan(b)[:16]
		for b.Loop() {
			epochs, err := s.Handover(b.Context(), list, "n1", 1)
			if err != nil {
				b.Fatal(err)
			}
			for i := range list {
				list[i].Epoch = epochs[list[i].Shard]
			}
		}
	})
}
