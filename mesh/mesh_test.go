package mesh

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

// burst sends numbered messages; expect checks that they come.
func burst(t testing.TB, x *node, to Peer, first, n int) {
	t.Helper()
	for i := range n {
		send(t, x, to, binary.BigEndian.AppendUint32(nil, uint32(first+i)))
	}
}

// expect checks that x gets n messages from each of the peers, numbered from
// first on.
func expect(t testing.TB, x *node, first, n int, from ...Peer) {
	t.Helper()
	next := map[Peer]int{}
	for _, p := range from {
		next[p] = first
	}
	for range n * len(from) {
		g := x.next(t)
		if number := int(binary.BigEndian.Uint32(g.data)); number != next[g.from] {
			t.Fatalf("%v got %d from %v, want %d", x.self, number, g.from, next[g.from])
		}
		next[g.from]++
	}
}

// TestThree lets three nodes talk, and one of them start again.
func TestThree(t *testing.T) {
	const n = 2000
	r := newRegistry(t)
	third := r.join("c", ListenOptions{})
	a := startNode(t, Peer{"a", 1}, r.join("a", ListenOptions{}))
	b := startNode(t, Peer{"b.with *odd> name", 1}, r.join("b.with *odd> name", ListenOptions{}))
	c := startNode(t, Peer{"c", 1}, third)
	for _, x := range []*node{a, b, c} {
		for _, y := range []*node{a, b, c} {
			burst(t, x, y.self, 0, n)
		}
	}
	for _, x := range []*node{a, b, c} {
		expect(t, x, 0, n, a.self, b.self, c.self)
	}
	tellAll(t, a, b, c)

	c.stop()
	if err := third.Close(); err != nil {
		t.Error(err)
	}
	burst(t, a, c.self, n, 10) // to nobody
	c2 := startNode(t, Peer{"c", 2}, r.join("c", ListenOptions{}))
	burst(t, c2, a.self, 0, n)
	burst(t, b, c2.self, 0, n)
	expect(t, a, 0, n, c2.self)
	expect(t, c2, 0, n, b.self)
	for _, x := range []*node{a, b} {
		if err := x.Send(c.self, nil); tandem.KindOf(err) != tandem.NotFound {
			t.Errorf("%v sends to the earlier run: %v", x.self, err)
		}
		if messages, bytes := x.Waiting(c.self); messages != 0 || bytes != 0 {
			t.Errorf("%d messages with %d bytes wait for the earlier run", messages, bytes)
		}
	}
	flushed(t, b, c2.self)
	if len(c2.got) > 0 {
		t.Errorf("the later run got %v", <-c2.got)
	}
}

// tellAll broadcasts until the others have heard of it.
func tellAll(t *testing.T, from *node, others ...*node) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for _, x := range others {
		from.Broadcast([]byte("news"))
		for heard := false; !heard; {
			select {
			case data := <-x.news:
				if heard = true; string(data) != "news" {
					t.Fatalf("%v heard %q", x.self, data)
				}
			case <-again.C:
				from.Broadcast([]byte("news"))
			case <-time.After(patience):
				t.Fatalf("%v heard nothing", x.self)
			}
		}
	}
	if len(from.news) > 0 {
		t.Error("heard its own news")
	}
}

// wire forwards connections to a node, and can be cut.
type wire struct {
	listener net.Listener
	work     sync.WaitGroup
	mu       sync.Mutex
	target   string
	cut      bool
	open     map[net.Conn]bool
}

func newWire(t *testing.T) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, cut: true, open: map[net.Conn]bool{}}
	w.work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			w.work.Go(func() { w.forward(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		w.set("", true)
		w.work.Wait()
	})
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

func (w *wire) set(target string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target, w.cut = target, cut
	if cut {
		for conn := range w.open {
			conn.Close()
		}
		clear(w.open)
	}
}

func (w *wire) forward(in net.Conn) {
	defer in.Close()
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		return
	}
	out, err := net.Dial("tcp", w.target)
	if err != nil {
		w.mu.Unlock()
		return
	}
	defer out.Close()
	w.open[in], w.open[out] = true, true
	w.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(in, out)
		in.Close()
	})
	io.Copy(out, in)
	out.Close()
	back.Wait()
}

// TestPartition cuts all routes while messages flow.
func TestPartition(t *testing.T) {
	const n = 5000
	wires := []*wire{newWire(t), newWire(t)}
	r := newRegistry(t)
	first := r.join("a", ListenOptions{Advertise: wires[0].addr()})
	second := r.join("b", ListenOptions{Advertise: wires[1].addr()})
	set := func(cut bool) {
		wires[0].set(first.carrier.(*links).listener.Addr().String(), cut)
		wires[1].set(second.carrier.(*links).listener.Addr().String(), cut)
	}
	set(false)
	a := startNode(t, Peer{"a", 1}, first)
	b := startNode(t, Peer{"b", 1}, second)
	burst(t, a, b.self, 0, 10)
	expect(t, b, 0, 10, a.self)
	var sending sync.WaitGroup
	sending.Go(func() { burst(t, a, b.self, 10, n) })
	sending.Go(func() { burst(t, b, a.self, 0, n) })
	expect(t, b, 10, 20, a.self)
	set(true)
	sending.Wait()
	set(false)
	expect(t, b, 30, n-20, a.self)
	expect(t, a, 0, n, b.self)
	flushed(t, a, b.self)
	flushed(t, b, a.self)
	if messages, bytes := a.Waiting(b.self); messages != 0 || bytes != 0 {
		t.Errorf("%d messages with %d bytes wait", messages, bytes)
	}
}

func TestLarge(t *testing.T) {
	r := newRegistry(t)
	a := startNode(t, Peer{"a", 1}, r.join("a", ListenOptions{}))
	b := startNode(t, Peer{"b", 1}, r.join("b", ListenOptions{}))
	random := rand.NewChaCha8([32]byte{})
	for _, to := range []*node{b, a} {
		for _, size := range []int{0, 1, maxFrame - 100, maxFrame, maxFrame + 1, 5_000_000, maxMessage} {
			data := make([]byte, size)
			random.Read(data)
			send(t, a, to.self, data)
			send(t, a, to.self, []byte("small"))
			if g := to.next(t); !bytes.Equal(g.data, data) {
				t.Errorf("%d bytes became %d others", len(data), len(g.data))
			}
			if g := to.next(t); string(g.data) != "small" {
				t.Errorf("got %d bytes", len(g.data))
			}
			flushed(t, a, to.self)
		}
	}
	if err := a.Send(b.self, make([]byte, maxMessage+1)); tandem.KindOf(err) != tandem.Limit {
		t.Errorf("too large: %v", err)
	}
}

// slow is a mesh whose Receive waits to be let go.
func slow(t *testing.T, self Peer, n *Network) (m *Mesh, began chan []byte, release chan struct{}) {
	began, release = make(chan []byte, 1000), make(chan struct{})
	m = New(Config{Self: self, Net: n, Prefix: "test", Clock: new(hlc.Clock), Receive: func(_ Peer, data []byte) error {
		began <- data
		<-release
		return nil
	}})
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		run.Wait()
	})
	return m, began, release
}

func TestFlush(t *testing.T) {
	network := overNATS(t)
	a := startNode(t, Peer{"a", 1}, network)
	to := Peer{"b", 1}
	flushed(t, a, to) // nothing sent
	_, began, release := slow(t, to, network)
	send(t, a, to, []byte("1"))
	send(t, a, to, []byte("2"))
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- a.Flush(ctx, to) }()
	release <- struct{}{}
	<-began // the second one runs
	select {
	case err := <-result:
		t.Errorf("Flush returned %v while Receive ran", err)
	default:
	}
	cancel()
	if err := <-result; err != context.Canceled {
		t.Errorf("Flush returned %v", err)
	}
	go func() { result <- a.Flush(context.Background(), to) }()
	close(release)
	if err := <-result; err != nil {
		t.Errorf("Flush returned %v", err)
	}
}

// TestDrop checks that nothing of a dropped peer is received, not even what
// has arrived.
func TestDrop(t *testing.T) {
	network := overNATS(t)
	a := startNode(t, Peer{"a", 1}, network)
	b, began, release := slow(t, Peer{"b", 1}, network)
	for range 100 {
		send(t, a, Peer{"b", 1}, []byte("x"))
	}
	<-began
	b.Drop(a.self)
	close(release)
	other := startNode(t, Peer{"a", 2}, network)
	send(t, other, Peer{"b", 1}, []byte("of the next run"))
	if data := <-began; string(data) != "of the next run" {
		t.Errorf("received %q of the dropped run", data)
	}
	if err := b.Send(a.self, nil); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("send: %v", err)
	}
	if err := b.Flush(t.Context(), a.self); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("flush: %v", err)
	}

	lost := Peer{"nobody", 1}
	send(t, other, lost, nil)
	result := make(chan error, 1)
	go func() { result <- other.Flush(context.Background(), lost) }()
	for !other.flushes(lost) {
		<-time.After(time.Millisecond)
	}
	other.Drop(lost)
	if err := <-result; tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("flush to who is dropped: %v", err)
	}
}

// flushes reports whether there is a Flush that waits for a peer.
func (x *node) flushes(to Peer) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.st.lanes[to.Node].send.flushes) > 0
}

// TestFrameSize: a frame has half a megabyte at most, although NATS lets more through.
func TestFrameSize(t *testing.T) {
	network := overNATS(t)
	if most := network.most(); most < 1<<20 {
		t.Fatalf("NATS lets %d bytes through", most)
	}
	m := New(Config{Self: Peer{"a", 1}, Net: network, Clock: new(hlc.Clock)})
	if got := m.st.limit + fixedHeader + len("a"); got != 512<<10 {
		t.Errorf("a frame has %d bytes", got)
	}
}

func TestEnd(t *testing.T) {
	network := overNATS(t)
	a := startNode(t, Peer{"a", 1}, network)
	to := Peer{"nobody", 1}
	send(t, a, to, nil)
	done, err := a.flush(to)
	if err != nil {
		t.Fatal(err)
	}
	a.stop()
	if err := <-done; tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("Flush that waited: %v", err)
	}
	if err := a.Send(to, nil); tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("Send: %v", err)
	}
	if err := a.Flush(t.Context(), to); tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("Flush: %v", err)
	}

	early := New(Config{Self: Peer{"b", 1}, Net: network, Prefix: "test", Clock: new(hlc.Clock)})
	received := make(chan []byte, 1)
	early.c.Receive = func(_ Peer, data []byte) error { received <- data; return nil }
	if err := early.Send(Peer{"b", 1}, []byte("before Run")); err != nil {
		t.Error(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- early.Run(context.Background()) }()
	if data := <-received; string(data) != "before Run" {
		t.Errorf("received %q", data)
	}
	network.carrier.(*natsCarrier).conn.Close()
	if err := <-ended; tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("Run over a closed connection: %v", err)
	}
	for _, c := range []Config{{Prefix: "test"}, {Self: Peer{"a", 1}}} {
		c.Net = network
		if err := New(c).Run(t.Context()); tandem.KindOf(err) != tandem.Invalid {
			t.Errorf("Run with %+v: %v", c, err)
		}
	}
}

// TestStamps checks that a receiver's clock is past the sender's, and that
// what cannot be read does no harm.
func TestStamps(t *testing.T) {
	network := overNATS(t)
	ahead := hlc.New(func() time.Time { return time.Now().Add(30 * time.Second) })
	a := New(Config{
		Self: Peer{"a", 1}, Net: network, Prefix: "test", Clock: ahead,
		Receive: func(Peer, []byte) error { return nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer run.Wait()
	defer cancel()
	b := startNode(t, Peer{"b", 1}, network)
	stamp := ahead.Now()
	for _, data := range [][]byte{nil, []byte("no frame"), make([]byte, 100)} {
		if err := network.send("test", "b", data); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Send(b.self, nil); err != nil {
		t.Fatal(err)
	}
	b.next(t)
	if now := b.c.Clock.Now(); now < stamp {
		t.Errorf("the clock is at %v, before the sender's %v", now, stamp)
	}
}
