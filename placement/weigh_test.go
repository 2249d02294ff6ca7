package placement

import (
	"math"
	"testing"
)

// Three nodes, one of which has agents that work five times as hard: it gives
// shards away until the loads are near each other, and then nothing moves any
// more; when its agents calm down, it has its share again in the end.
func TestWeigh(t *testing.T) {
	const shards, cost = 300, 0.5 / 100 // load of a shard
	hard := map[int]float64{}
	list := make([]Shard, shards)
	for i := range list {
		list[i] = Shard{Owner: string(rune('a' + i/100))}
		hard[i] = 1
		if i < 100 {
			hard[i] = 1.9
		}
	}
	part := map[string]float64{"a": 1, "b": 1, "c": 1}
	names := []string{"a", "b", "c"}
	round := func(factor float64) (moved int, loads map[string]float64) {
		loads = map[string]float64{}
		for i, s := range list {
			loads[s.Owner] += min(1, cost*hard[i]*factor)
		}
		mean := 0.0
		for _, n := range names {
			loads[n] = min(1, loads[n])
			mean += loads[n] / 3
		}
		var nodes []Node
		for _, n := range names {
			part[n] = Weigh(part[n], loads[n], mean)
			nodes = append(nodes, Node{ID: n, Weight: part[n]})
		}
		changes := Plan(nodes, list, shards)
		for _, c := range changes {
			list[c.Shard] = Shard{Owner: c.Target}
		}
		return len(changes), loads
	}
	var loads map[string]float64
	last := 0
	for i := range 100 {
		var moved int
		if moved, loads = round(1); moved > 0 {
			last = i
		}
	}
	if last > 50 {
		t.Errorf("shards still move in round %d", last)
	}
	if math.Abs(loads["a"]-loads["b"]) > 2*above || loads["a"] > 0.9 {
		t.Errorf("the loads are %v", loads)
	}
	for i := range hard {
		hard[i] = 1
	}
	for range 100 {
		round(0.4)
	}
	if part["a"] < 0.6 {
		t.Errorf("a still claims %.2f of its weight", part["a"])
	}
}

func TestWeighBounds(t *testing.T) {
	part := 1.0
	for range 100 {
		part = Weigh(part, 1, 0.5)
	}
	if part != leastPart {
		t.Errorf("the least is %v", part)
	}
	for range 100 {
		part = Weigh(part, 0.1, 0.5)
	}
	if part != 1 {
		t.Errorf("the most is %v", part)
	}
	if got := Weigh(0.5, 0.3, 0.1); got != 0.5 {
		t.Errorf("a node with an idle processor claims %v", got)
	}
}
