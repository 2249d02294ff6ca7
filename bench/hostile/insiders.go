package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/cluster/nonsense"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// kindOf is the name of a kind of message between nodes.
func kindOf(m protocol.Message) string {
	name := reflect.TypeOf(m).Elem().Name()
	if a, ok := m.(*protocol.Ask); ok {
		name += " " + reflect.TypeOf(a.Question).Elem().Name()
	}
	return "message " + name
}

// messages are the kinds of messages between nodes.
func messages() (list []string) {
	for _, m := range nonsense.Messages() {
		list = append(list, kindOf(m))
	}
	return list
}

// insiders are attacks by a node of the cluster that says what it likes: each kind of
// message with absurd values, and with bytes changed, cut and added. A node of the cluster
// may rightly end the runs of others and take their shards, which it does not do here.
func insiders() (list []attack) {
	for _, m := range nonsense.Messages() {
		of := kindOf(m)
		list = append(list,
			attack{name: of + " with absurd values", on: of, harmless: true, load: func(
				ctx context.Context, t *target, s *share) error {
				return s.insider(ctx, t, func(r nonsense.Maker, self protocol.Peer) []byte {
					return protocol.Encode(r.Message(m, self))
				})
			}},
			attack{name: of + " in pieces", on: of, noted: "message of another node is ignored.*evil-{{ID}}", load: func(
				ctx context.Context, t *target, s *share) error {
				return s.insider(ctx, t, func(r nonsense.Maker, self protocol.Peer) []byte {
					data := protocol.Encode(r.Message(m, self))
					broken := [][]byte{
						data[:r.IntN(len(data))], append(data, 0),
						append(data[:1:1], 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
						append(data[:1:1], strings.Repeat("\x81", 100_000)...), append(data[:1:1], strings.Repeat("\xbf", 1000)...),
					}
					return broken[r.IntN(len(broken))]
				})
			}})
	}
	return list
}

// insider joins the cluster as a node without agents, and sends the first node messages.
func (s *share) insider(
	ctx context.Context, t *target, message func(nonsense.Maker, protocol.Peer) []byte,
) error {
	st, err := store.OpenPostgres(ctx, t.Database)
	if err != nil {
		return err
	}
	defer st.Close()
	self := mesh.Peer{Node: "evil-" + t.Culprit.ID}
	net, err := s.joined(ctx, t, st, &self)
	if err != nil {
		return err
	}
	defer net.Close()
	members, err := st.Membership(ctx, -1)
	if err != nil {
		return err
	}
	table := protocol.NewTable(members, nil)
	var nodes []mesh.Node
	for _, n := range table.Nodes {
		nodes = append(nodes, mesh.Node{Name: n.ID, Key: n.Key, Address: n.Address})
	}
	net.Know(nodes)
	m := mesh.New(mesh.Config{
		Self: self, Net: net, Prefix: "tandem", Clock: hlc.New(time.Now),
		Receive: func(mesh.Peer, []byte) error { return nil },
	})
	go m.Run(ctx) // its error shows at Flush
	victim, ok := table.Peer("n1")
	if !ok {
		return fmt.Errorf("the cluster has no node n1: %v", nodes)
	}
	r := nonsense.Maker{
		Rand: rand.New(rand.NewPCG(1, uint64(len(t.Culprit.ID)))),
		Texts: []string{
			"", "\xff\x00", "n1", "n2", self.Node, "GET", "/", "sys/hello", "agent/x", strings.Repeat("x", 5000), t.Culprit.ID,
			t.Culprit.Agent, t.Culprit.Group,
		},
	}
	defer st.Leave(context.WithoutCancel(ctx)) // ignore the error: its lease ends then
	return s.each(ctx, 1, func(int) error {
		for range 50 {
			if err := m.Send(mesh.Peer(victim), message(r, protocol.Peer(self))); err != nil {
				return err
			}
		}
		return m.Flush(ctx, mesh.Peer(victim))
	})
}

// joined registers a node that gets no agents.
func (s *share) joined(ctx context.Context, t *target, st *store.Store, self *mesh.Peer) (*mesh.Network, error) {
	id, err := mesh.NewIdentity()
	if err != nil {
		return nil, err
	}
	listen, err := node.FreeAddr()
	if err != nil {
		return nil, err
	}
	net, err := mesh.Listen(ctx, mesh.ListenOptions{Identity: id, Listen: listen})
	if err != nil {
		return nil, err
	}
	claim := record.Claim{Node: self.Node, Key: id.Key(), Address: net.Addr()}
	if err := st.Claim(ctx, claim, time.Minute); err != nil {
		return nil, err
	}
	self.Session, err = st.Register(ctx, record.Node{ID: self.Node, Draining: true}, time.Hour)
	return net, err
}
