package storetest

import (
	"errors"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// TestTwinLikeItself checks that the comparison finds no difference where there
// is none.
func TestTwinLikeItself(t *testing.T) {
	nodes := func(count int) (list []Node) {
		db := twin.New(placement.DefaultShards)
		for range count {
			list = append(list, Simulated{Store: db.Open()})
		}
		return list
	}
	Compare(t, nodes(1)[0], nodes(1)[0])
	CompareCluster(t, nodes(3), nodes(3))
}

// TestDiffer checks what counts as a difference.
func TestDiffer(t *testing.T) {
	conflict := record.Fenced()
	for _, tt := range []struct {
		name string
		a, b twin.Answer
		want bool
	}{
		{"nothing", twin.Answer{}, twin.Answer{}, false},
		{"a number", twin.Answer{Value: uint64(1)}, twin.Answer{Value: uint64(2)}, true},
		{"an error", twin.Answer{Err: conflict}, twin.Answer{}, true},
		{"an error without a kind", twin.Answer{Err: errors.New("x")}, twin.Answer{}, true},
		{"the kind of error", twin.Answer{Err: conflict}, twin.Answer{Err: record.Stopped()}, true},
		{"the words of an error", twin.Answer{Err: conflict}, twin.Answer{Err: record.Stale("a", 1)}, false},
		{"no snapshot", twin.Answer{Value: []byte(nil)}, twin.Answer{Value: []byte{}}, false},
		{"a snapshot", twin.Answer{Value: []byte(nil)}, twin.Answer{Value: []byte{1}}, true},
		{"agents", twin.Answer{Value: []tandem.AgentID{"a"}}, twin.Answer{Value: []tandem.AgentID{"b"}}, true},
		{"posts", twin.Answer{Value: []record.Post{{Seq: 1}}}, twin.Answer{Value: []record.Post{{Seq: 2}}}, true},
		{"the data of posts", twin.Answer{Value: []record.Post{{Data: []byte{}}}},
			twin.Answer{Value: []record.Post{{}}}, false},
		{"a table", twin.Answer{Value: record.Agent{Saved: []byte{1}}}, twin.Answer{Value: record.Agent{}}, true},
		{"the version", twin.Answer{Value: record.Membership{Version: 1}},
			twin.Answer{Value: record.Membership{Version: 2}}, true},
	} {
		if got := differ(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
