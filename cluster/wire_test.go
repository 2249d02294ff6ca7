package cluster

import (
	"reflect"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/store/record"
)

// What nodes say to each other arrives as it was said, bytes that are no text
// included.
func TestWire(t *testing.T) {
	said := &offerMessage{
		ID: 7, Shards: []int{1, 4095}, Epochs: []int64{3, 1 << 40}, Why: tandem.ReasonDrain, More: true,
		Pairs: []*life.Moved{{
			Device: "0123456789abcdef", Agent: "abc", State: []byte{0, 255}, Link: &tandem.LinkRef{Node: "n1", ID: 9},
			Origins: []tandem.Origin{{Node: "n2", ID: 1 << 63}}, Version: 1,
		}},
	}
	data := encode(kindOffer, said)
	heard, err := decode[offerMessage](data[1:])
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(heard, said) {
		t.Errorf("got %+v, said %+v", heard, said)
	}
	f := failureOf(tandem.Errorf(tandem.Limit, "too much"))
	if err := f.err(); tandem.KindOf(err) != tandem.Limit || err.Error() != "too much" {
		t.Errorf("an error arrives as %v", err)
	}
	if (*failure)(nil).err() != nil || failureOf(nil) != nil {
		t.Error("no error arrives as one")
	}
}

// FuzzDispatch: whatever another node says, this one does not fall over.
func FuzzDispatch(f *testing.F) {
	f.Add(byte(kindRoutes), encode(kindRoutes, &routesMessage{Shards: []int{0, -1, 5000}, Owner: "b", Epochs: []int64{9}})[1:])
	f.Add(byte(kindTold), encode(kindTold, &toldMessage{ID: 1})[1:])
	f.Add(byte(kindAck), encode(kindAck, &ackMessage{ID: 1, Seq: 2})[1:])
	f.Add(byte(kindLine), encode(kindLine, &lineMessage{})[1:])
	f.Add(byte(kindClosed), []byte{0x80})
	harmless := map[byte]bool{kindAck: true, kindClosed: true, kindAstray: true, kindReady: true, kindStay: true, kindTold: true, kindLine: true, kindAnswer: true}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		c := &Cluster{Host: &host.Host{}}
		c.setUp()
		c.table.Store(someTable())
		if kind == kindRoutes {
			c.news(append([]byte{kind}, data...))
			return
		}
		if harmless[kind] || kind == 0 || kind > kindRoutes { // the others need a host that runs
			_ = c.dispatch(mesh.Peer{Node: "b", Session: 1}, kind, data)
		}
	})
}

func someTable() *table {
	m := &record.Membership{Version: 1, Count: 4, Nodes: []record.Node{{ID: "a", Session: 1, Alive: true}, {ID: "b", Session: 5, Alive: true}}}
	for i := range m.Count {
		m.Shards = append(m.Shards, record.Shard{Shard: i, Owner: "a", Epoch: int64(i + 1), Target: "b"})
	}
	return newTable(m, nil)
}

// A table takes only what is newer, from the database or from a broadcast.
func TestTable(t *testing.T) {
	old := someTable()
	if newer := old.with(&routesMessage{Shards: []int{0, 3, 99}, Owner: "b", Epochs: []int64{1, 3, 7}}); newer != nil {
		t.Errorf("nothing of it is newer: %+v", newer.routes)
	}
	newer := old.with(&routesMessage{Shards: []int{0, 3}, Owner: "b", Epochs: []int64{2, 4}})
	if newer == nil || newer.routes[0] != (route{"b", 2, "b"}) || newer.routes[3] != old.routes[3] || old.routes[0].owner != "a" {
		t.Fatalf("%+v", newer)
	}
	late := &record.Membership{Version: 2, Count: 4, Nodes: []record.Node{{ID: "a", Session: 2, Alive: true}}}
	for i := range late.Count {
		late.Shards = append(late.Shards, record.Shard{Shard: i, Owner: "a", Epoch: 1})
	}
	if got := newTable(late, newer); got.routes[0] != newer.routes[0] {
		t.Errorf("an answer that a broadcast has overtaken counts: %+v", got.routes[0])
	}
	if got := newTable(&record.Membership{Version: 2, Nodes: late.Nodes}, newer); got.routes[0] != newer.routes[0] || len(got.nodes) != 1 {
		t.Errorf("an answer without shards: %+v", got)
	}
	if p, ok := newer.peer("b"); !ok || p != (mesh.Peer{Node: "b", Session: 5}) {
		t.Errorf("peer %v %v", p, ok)
	}
	if _, ok := newer.peer(""); ok {
		t.Error("nobody is a peer")
	}
}
