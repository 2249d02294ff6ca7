package protocol

import (
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// TestNoTable: a node that is not part of the cluster yet knows of no node and no shard.
func TestNoTable(t *testing.T) {
	var none *Table
	if _, ok := none.Peer("a"); ok || none.Node("a") != nil || none.Others("a") != nil || none.Has(Peer{Node: "a"}) {
		t.Error("there is a node")
	}
	if r := none.Route(0); r != (Route{}) {
		t.Errorf("a shard is at %+v", r)
	}
	one := &Table{Routes: []Route{{Owner: "a", Epoch: 1}}}
	for shard, want := range map[int]string{-1: "", 0: "a", 1: ""} {
		if got := one.Route(shard).Owner; got != want {
			t.Errorf("shard %d is at %q, want %q", shard, got, want)
		}
	}
}

// TestMeanLoad: it is that of the nodes that can have shards.
func TestMeanLoad(t *testing.T) {
	table := &Table{Nodes: []record.Node{
		{ID: "a", Alive: true, Load: 0.25}, {ID: "b", Alive: true, Load: 0.75},
		{ID: "c", Load: 1}, {ID: "d", Alive: true, Draining: true, Load: 1},
	}}
	if got := table.MeanLoad(); got != 0.5 {
		t.Errorf("the mean of two nodes is %v", got)
	}
	table.Nodes = table.Nodes[2:]
	if got := table.MeanLoad(); got != 0 {
		t.Errorf("the mean of no nodes is %v", got)
	}
}

// TestHeld: the first shard and the last are held like any other, and what is no shard
// is not.
func TestHeld(t *testing.T) {
	table := &Table{Routes: []Route{{Owner: "a", Epoch: 3}, {Owner: "b", Epoch: 4}, {Owner: "a", Epoch: 5}}}
	m := NewMoves(Peer{Node: "a", Session: 1}, testShard, 0, table)
	m.Table(tandem.Now{Mono: 1}, table, false)
	for shard, want := range map[int]int64{-1: 0, 0: 3, 1: 0, 2: 5, 3: 0} {
		if got := m.Held(shard); got != want {
			t.Errorf("shard %d is held since epoch %d, want %d", shard, got, want)
		}
	}
}
