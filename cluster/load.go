package cluster

import (
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/placement"
)

// gauge measures the load of this process, as a part of the processors, and keeps the
// part of its full weight that the node claims.
type gauge struct {
	mu      sync.Mutex
	at      time.Time     // of the last measurement
	used    time.Duration // processor time at that moment
	load    float64       // moving average, 0 to 1
	part    float64       // of the full weight; 0: not measured yet
	weighed time.Time     // when part was last computed
}

const (
	loadMemory = 10 * time.Second // time constant of the average
	weighEvery = 20 * time.Second // interval between changes of the weight
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
