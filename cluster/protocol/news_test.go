package protocol

import (
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestIsNews: what changes what agents run is kept for those that may have missed it. A
// question about the moment is not.
func TestIsNews(t *testing.T) {
	for _, tc := range []struct {
		q    Question
		want bool
	}{
		{&Deployed{}, true}, {&Assigned{}, true}, {&Deleted{}, true},
		{&Online{}, false}, {&Runs{}, false}, {&RestartAgent{}, false}, {&RestartDevice{}, false},
		{&Drain{}, false}, {&History{}, false}, {&Follow{}, false}, {&Unfollow{}, false},
	} {
		if got := IsNews(tc.q); got != tc.want {
			t.Errorf("%T: %v", tc.q, got)
		}
	}
}

// TestNewsBefore: what is said at a node that is not part of the cluster yet is told to
// no node at first, and then to those that join.
func TestNewsBefore(t *testing.T) {
	var n News
	if nodes := n.Say(tandem.Now{Mono: 1}, &Deployed{Group: "g"}, nil); nodes != nil {
		t.Errorf("%v are to be told", nodes)
	}
	if effects := n.Joined(tandem.Now{Mono: 2}, Peer{Node: "b", Session: 1}); len(effects) != 1 {
		t.Errorf("who joins is told %v", effects)
	}
}

// TestNewsMost: the newest are kept when there are too many.
func TestNewsMost(t *testing.T) {
	var n News
	for i := range newsMost + 5 {
		n.Hear(tandem.Now{Mono: 1}, &Assigned{Shard: i})
	}
	all := make([]int, newsMost+5)
	for i := range all {
		all[i] = i
	}
	effects := n.Opened(tandem.Now{Mono: 2}, all)
	if len(effects) != newsMost {
		t.Fatalf("%d are kept, want %d", len(effects), newsMost)
	}
	if q := effects[0].(Recall).Question.(*Assigned); q.Shard != 5 {
		t.Errorf("the oldest is that of shard %d, want 5", q.Shard)
	}
}
