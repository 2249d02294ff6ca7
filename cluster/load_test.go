package cluster

import (
	"math"
	"runtime"
	"testing"
	"time"
)

// The load is an average, and a node that is busier than the others comes to
// claim less.
func TestGauge(t *testing.T) {
	var g gauge
	cores := float64(runtime.GOMAXPROCS(0))
	now, used := time.Unix(1_700_000_000, 0), time.Duration(0)
	pass := func(d time.Duration, load, mean float64) (float64, float64) {
		var seen, weight float64
		for end := now.Add(d); now.Before(end); {
			now = now.Add(500 * time.Millisecond)
			used += time.Duration(load * cores * float64(500*time.Millisecond))
			seen, weight = g.read(now, used, mean)
		}
		return seen, weight
	}
	if load, weight := pass(time.Second, 1, 0); load > 0.1 || weight != cores {
		t.Errorf("at once: load %.2f, weight %.2f", load, weight)
	}
	if load, _ := pass(time.Minute, 0.8, 0.75); math.Abs(load-0.8) > 0.01 {
		t.Errorf("load %.2f, want 0.8", load)
	}
	if _, weight := pass(time.Minute, 0.8, 0.75); weight != cores {
		t.Errorf("as busy as all: weight %.2f of %.0f", weight, cores)
	}
	if _, weight := pass(time.Minute, 0.9, 0.4); weight > 0.8*cores || weight < 0.6*cores {
		t.Errorf("busier than all for a minute: weight %.2f of %.0f", weight, cores)
	}
}
