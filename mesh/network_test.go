package mesh

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/hlc"
)

const patience = 30 * time.Second // for what must happen; only a failing test waits as long

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
	x.Mesh = New(Config{
		Self: self, Conn: n.Conn(), Prefix: "test", Clock: new(hlc.Clock), Logger: testLogger(t),
		Receive: func(from Peer, data []byte) { x.got <- got{from, data} },
		News:    func(data []byte) { x.news <- data },
	})
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
			t.Errorf("Run of %v: %v", self, err)
		}
	}
	t.Cleanup(x.stop)
	return x
}

func embed(t testing.TB, o EmbedOptions) *Network {
	t.Helper()
	o.Secret = "let us in"
	o.Logger = testLogger(t)
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	n, err := Embed(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
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
	first := embed(b, EmbedOptions{Name: "a"})
	second := embed(b, EmbedOptions{Name: "b", Join: []string{first.Addr()}})
	x := startNode(b, Peer{"a", 1}, first)
	y := startNode(b, Peer{"b", 1}, second)
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
			first := embed(b, EmbedOptions{Name: "a"})
			second := embed(b, EmbedOptions{Name: "b", Join: []string{first.Addr()}})
			x := startNode(b, Peer{"a", 1}, first)
			y := startNode(b, Peer{"b", 1}, second)
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
