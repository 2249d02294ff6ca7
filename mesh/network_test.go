package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/tandem-iot/tandem/hlc"
)

const patience = 3 * time.Minute // for what must happen; only a failing test waits as long

// got is a received message.
type got struct {
	from Peer
	data []byte
}

// node is a mesh that runs in a test.
type node struct {
	*Mesh
	self Peer
	got  chan got
	news chan []byte
	stop func() // ends Run, once
}

func testLogger(t testing.TB) *slog.Logger {
	if !testing.Verbose() {
		return nil
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func startNode(t testing.TB, self Peer, n *Network) *node {
	t.Helper()
	x := &node{self: self, got: make(chan got, 1<<16), news: make(chan []byte, 1<<10)}
	startMesh(t, x, Config{
		Net:     n,
		Receive: func(from Peer, data []byte) error { x.got <- got{from, data}; return nil },
		News:    func(data []byte) { x.news <- data },
	})
	return x
}

// startMesh runs a node's mesh until the test's end.
func startMesh(t testing.TB, x *node, c Config) {
	c.Self = x.self
	c.Prefix = "test"
	c.Clock = new(hlc.Clock)
	c.Logger = testLogger(t)
	x.Mesh = New(c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	stopped := false
	x.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run of %v: %v", x.self, err)
		}
	}
	t.Cleanup(x.stop)
}

// registry is what a database knows of the nodes.
type registry struct {
	t     testing.TB
	nodes map[string]registered
}

type registered struct {
	Node
	network *Network
}

func newRegistry(t testing.TB) *registry { return &registry{t: t, nodes: map[string]registered{}} }

// join opens a node's port, and tells all nodes of each other. A node that has the name
// already is replaced.
func (r *registry) join(name string, o ListenOptions) *Network {
	r.t.Helper()
	var err error
	if o.Identity, err = NewIdentity(); err != nil {
		r.t.Fatal(err)
	}
	if o.Logger == nil {
		o.Logger = testLogger(r.t)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	n, err := Listen(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := n.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			r.t.Error(err)
		}
	})
	r.nodes[name] = registered{Node{Name: name, Key: o.Identity.Key(), Address: n.Addr()}, n}
	r.tell()
	return n
}

// leave removes a node, and tells all others.
func (r *registry) leave(name string) {
	delete(r.nodes, name)
	r.tell()
}

func (r *registry) tell() {
	for name, x := range r.nodes {
		var others []Node
		for other, y := range r.nodes {
			if other != name {
				others = append(others, y.Node)
			}
		}
		x.network.Know(others)
	}
}

// overNATS returns a connection to NATS, over which several meshes can talk.
func overNATS(t testing.TB) *Network {
	t.Helper()
	s := external(t, server.RANDOM_PORT)
	n, err := Dial(t.Context(), "nats://u:p@"+s.Addr().String(), testLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func (x *node) next(t testing.TB) got {
	t.Helper()
	select {
	case g := <-x.got:
		return g
	case <-time.After(patience):
		t.Fatalf("%v got nothing", x.self)
		panic("not reached")
	}
}

func flushed(t testing.TB, x *node, to Peer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := x.Flush(ctx, to); err != nil {
		t.Fatalf("flush from %v to %v: %v", x.self, to, err)
	}
}

func send(t testing.TB, x *node, to Peer, data []byte) {
	t.Helper()
	if err := x.Send(to, data); err != nil {
		t.Fatalf("send from %v to %v: %v", x.self, to, err)
	}
}

func BenchmarkLatency(b *testing.B) {
	r := newRegistry(b)
	x := startNode(b, Peer{"a", 1}, r.join("a", ListenOptions{}))
	y := startNode(b, Peer{"b", 1}, r.join("b", ListenOptions{}))
	send(b, x, y.self, nil)
	y.next(b)
	data := make([]byte, 100)
	for b.Loop() {
		send(b, x, y.self, data)
		<-y.got
	}
}

func BenchmarkThroughput(b *testing.B) {
	for _, size := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			r := newRegistry(b)
			x := startNode(b, Peer{"a", 1}, r.join("a", ListenOptions{}))
			y := startNode(b, Peer{"b", 1}, r.join("b", ListenOptions{}))
			send(b, x, y.self, nil)
			y.next(b)
			flushed(b, x, y.self)
			b.SetBytes(int64(size))
			data := make([]byte, size)
			room := make(chan struct{}, 32<<20/(size+100))
			for b.Loop() {
				room <- struct{}{}
				send(b, x, y.self, data)
				for len(y.got) > 0 || len(room) == cap(room) {
					<-y.got
					<-room
				}
			}
			flushed(b, x, y.self)
		})
	}
}
