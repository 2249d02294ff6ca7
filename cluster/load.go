package cluster

import (
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/placement"
)

// gauge measures what part of the processors this process uses, and keeps how
// much of its weight the node claims.
type gauge struct {
	mu      sync.Mutex
	at      time.Time
	used    time.Duration // processor time, at that moment
	load    float64       // of lately, 0 to 1
	part    float64       // 0: not asked yet
	weighed time.Time
}

const (
	loadMemory = 10 * time.Second // of the average
	weighEvery = 20 * time.Second
)

// read returns the node's load and weight, given the mean load of all. A node
// with more processors has more weight.
func (g *gauge) read(now time.Time, used time.Duration, mean float64) (load, weight float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	cores := float64(runtime.GOMAXPROCS(0))
	if g.part == 0 {
		g.part, g.weighed = 1, now
	} else if d := now.Sub(g.at); d > 0 {
		fresh := min(1, (used-g.used).Seconds()/d.Seconds()/cores)
		g.load += (fresh - g.load) * (1 - math.Exp(-d.Seconds()/loadMemory.Seconds()))
	}
	g.at, g.used = now, used
	if now.Sub(g.weighed) >= weighEvery {
		g.part, g.weighed = placement.Weigh(g.part, g.load, mean), now
	}
	return g.load, cores * g.part
}
