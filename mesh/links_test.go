package mesh

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

func TestListenErrors(t *testing.T) {
	r := newRegistry(t)
	taken := r.join("a", ListenOptions{})
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		o    ListenOptions
		kind tandem.Kind
		want string
	}{
		{"no identity", ListenOptions{Listen: "127.0.0.1:0"}, tandem.Invalid, "NewIdentity"},
		{"in use", ListenOptions{Listen: taken.Addr()}, tandem.Conflict, "another process listens"},
		{"not ours", ListenOptions{Listen: "192.0.2.1:7422"}, tandem.Invalid, "address of this machine"},
		{"unknown host", ListenOptions{Listen: "no.such.host.invalid:7422"}, tandem.Invalid, "cannot be resolved"},
		{"no port", ListenOptions{Listen: "127.0.0.1"}, tandem.Invalid, "host:port"},
		{"every address", ListenOptions{Listen: ":0"}, tandem.Invalid, "give --advertise the one"},
		{"advertise", ListenOptions{Listen: "127.0.0.1:0", Advertise: "b"}, tandem.Invalid, "host:port"},
		{"advertise no host", ListenOptions{Listen: "127.0.0.1:0", Advertise: ":7422"}, tandem.Invalid, "host:port"},
	} {
		if tc.name != "no identity" {
			tc.o.Identity = id
		}
		_, err := Listen(t.Context(), tc.o)
		if err == nil || tandem.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, kind %v; want %q, kind %v", tc.name, err, tandem.KindOf(err), tc.want, tc.kind)
		}
	}
}

// lines is a log that can be waited for.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newLines() *lines { return &lines{more: make(chan struct{}, 1)} }

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(b)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSuffix(l.text.String(), "\n"), "\n")
}

func (l *lines) waitFor(t *testing.T, want string) {
	t.Helper()
	limit := time.After(patience)
	for {
		if text := strings.Join(l.all(), "\n"); strings.Contains(text, want) {
			return
		}
		select {
		case <-l.more:
		case <-limit:
			t.Fatalf("the log does not say %q but:\n%s", want, strings.Join(l.all(), "\n"))
		}
	}
}

// until waits for a condition without an event.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// knock connects to the port for other nodes as TLS, and returns the error of the other
// end's answer; the other end accepts when there is none.
func knock(address string, config *tls.Config) (*tls.Conn, error) {
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(conn, make([]byte, lengthSize)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func anyKey(string) error { return nil }

// TestStrangers: only nodes whose key is in the list can say anything, and nothing is
// said to others.
func TestStrangers(t *testing.T) {
	log := newLines()
	r := newRegistry(t)
	a := r.join("a", ListenOptions{Logger: log.logger()})
	former := r.join("b", ListenOptions{}).carrier.(*links).id
	r.join("b", ListenOptions{}) // the next run
	cluster := newRegistry(t)    // another one
	foreign := cluster.join("b", ListenOptions{}).carrier.(*links).id
	stranger, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	without := stranger.config(anyKey)
	without.Certificates = nil
	old := former.config(anyKey)
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	other := former.config(anyKey)
	other.NextProtos = []string{"tandem-nodes-0"}
	silent := former.config(anyKey)
	silent.NextProtos = nil
	for _, tc := range []struct {
		name   string
		config *tls.Config
		want   string
	}{
		{"no key", without, "certificate required"},
		{"an unknown key", stranger.config(anyKey), "bad certificate"},
		{"the key of a node of another cluster", foreign.config(anyKey), "bad certificate"},
		{"the key of an earlier run", former.config(anyKey), "bad certificate"},
		{"TLS 1.2", old, "protocol version"},
		{"another protocol", other, "no application protocol"},
		{"no protocol", silent, "protocol"},
	} {
		if conn, err := knock(a.Addr(), tc.config); err == nil {
			conn.Close()
			t.Errorf("%s: is let in", tc.name)
		} else if !strings.Contains(err.Error(), tc.want) && tc.name != "no protocol" {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	log.waitFor(t, "connections at the port for other nodes are refused")
	until(t, "strangers are counted", func() bool { return a.Activity().Refused[RefusedStranger] >= 5 })
	if n := len(log.all()); n != 1 {
		t.Errorf("%d lines about strangers:\n%s", n, strings.Join(log.all(), "\n"))
	}
}

// TestNoSecret: a node that has a wrong address says nothing to the process that answers there,
// beyond what TLS needs.
func TestNoSecret(t *testing.T) {
	r := newRegistry(t)
	a := startNode(t, Peer{"a", 1}, r.join("a", ListenOptions{}))
	stranger, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", stranger.config(anyKey))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	node, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	a.c.Net.Know([]Node{{Name: "b", Key: node.Key(), Address: listener.Addr().String()}})
	send(t, a, Peer{"b", 1}, []byte("an agent's memory"))
	for range 3 {
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(patience))
		if err := conn.(*tls.Conn).Handshake(); err == nil {
			if data, _ := io.ReadAll(conn); len(data) > 0 {
				t.Errorf("a stranger was told %q", data)
			}
		}
		conn.Close()
	}
}

// TestSlow: connections that prove no key are few and end soon, and a node gets in beside
// them.
func TestSlow(t *testing.T) {
	log := newLines()
	r := newRegistry(t)
	first := r.join("a", ListenOptions{Logger: log.logger()})
	var open []net.Conn
	for range 3 * maxStrangersEach {
		conn, err := net.Dial("tcp", first.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	until(t, "the crowd is refused", func() bool {
		return first.Activity().Refused[RefusedCrowd] == 2*maxStrangersEach
	})
	a := startNode(t, Peer{"a", 1}, first)
	b := startNode(t, Peer{"b", 1}, r.join("b", ListenOptions{}))
	burst(t, b, a.self, 0, 10)
	expect(t, a, 0, 10, b.self)
	until(t, "silent connections end", func() bool {
		return first.Activity().Refused[RefusedSlow] == maxStrangersEach
	})
	for _, conn := range open {
		conn.SetDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 100)); err == nil {
			t.Errorf("%d bytes for a silent stranger", n)
		}
	}
	if n := len(log.all()); n > 1 {
		t.Errorf("%d lines:\n%s", n, strings.Join(log.all(), "\n"))
	}
}

func TestDoor(t *testing.T) {
	var d door
	for i := range maxStrangers / maxStrangersEach {
		for range maxStrangersEach {
			if !d.enter(fmt.Sprint(i)) {
				t.Fatal("there is no place")
			}
		}
		if d.enter(fmt.Sprint(i)) {
			t.Error("one address has too many places")
		}
	}
	if d.enter("another") {
		t.Error("there are too many places")
	}
	d.leave("0")
	if !d.enter("another") {
		t.Error("a place that was left is not free")
	}
}

// TestGarbage: what does not parse costs a stranger its connection and nothing else.
func TestGarbage(t *testing.T) {
	r := newRegistry(t)
	a := startNode(t, Peer{"a", 1}, r.join("a", ListenOptions{}))
	for _, data := range []string{"GET / HTTP/1.1\r\n\r\n", "INFO {}\r\nCONNECT {}\r\n", "\x16\x03\x01\xff\xff", "\x00"} {
		conn, err := net.Dial("tcp", a.c.Net.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(data)); err != nil {
			t.Error(err)
		}
		conn.(*net.TCPConn).CloseWrite()
		conn.SetDeadline(time.Now().Add(patience))
		io.ReadAll(conn) // until it is closed
		conn.Close()
	}
	b := startNode(t, Peer{"b", 1}, r.join("b", ListenOptions{}))
	burst(t, b, a.self, 0, 10)
	expect(t, a, 0, 10, b.self)
}

// hostile is a node of the cluster that says what it likes.
func hostile(t *testing.T, r *registry, name string, to *Network) *tls.Conn {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	others := []Node{{Name: name, Key: id.Key(), Address: "127.0.0.1:1"}}
	for other, x := range r.nodes {
		if x.network != to {
			others = append(others, r.nodes[other].Node)
		}
	}
	to.Know(others)
	conn, err := knock(to.Addr(), id.config(anyKey))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func onWire(frames ...[]byte) (data []byte) {
	for _, f := range frames {
		data = binary.BigEndian.AppendUint32(data, uint32(len(f)))
		data = append(data, f...)
	}
	return data
}

// framesOf returns frames of a hostile node with the same piece in each.
func framesOf(n int, p piece) (frames [][]byte) {
	for i := range n {
		frames = append(frames, encode(nil, &packet{
			from: Peer{"evil", 1}, to: Peer{"a", 1}, number: uint64(i + 1), pieces: []piece{p},
		}))
	}
	return frames
}

// TestFaults: a node of the cluster that breaks the protocol loses its link, and is kept
// away for a while; the others do not notice.
func TestFaults(t *testing.T) {
	many := packet{from: Peer{"evil", 1}, to: Peer{"a", 1}, number: 1, pieces: make([]piece, maxPieces+1)}
	const large = 500 << 10
	flood := framesOf(windowFrames+2, piece{data: []byte("wait")})
	heavy := framesOf(12, piece{data: append([]byte("wait"), make([]byte, large)...)})
	endless := framesOf(maxMessage/large+1, piece{data: make([]byte, large), more: true})
	for _, tc := range []struct {
		name, cause string
		data        []byte
	}{
		{"no frame", FaultFrame, onWire([]byte("no frame"))},
		{"too long", FaultFrame, binary.BigEndian.AppendUint32(nil, longest+1)},
		{"of another node", FaultFrame, onWire(encode(nil, &packet{from: Peer{"b", 1}, to: Peer{"a", 1}}))},
		{"too many pieces", FaultFrame, onWire(encode(nil, &many))},
		{"more than the window", FaultFrame, onWire(flood...)},
		{"more bytes than the window", FaultFrame, onWire(heavy...)},
		{"a message without an end", FaultFrame, onWire(endless...)},
		{"news of nothing", FaultFrame, onWire(encode(nil, &packet{from: Peer{"evil", 1}, flags: flagNews}))},
		{"a panic", FaultPanic, onWire(encode(nil, &packet{
			from: Peer{"evil", 1}, to: Peer{"a", 1}, number: 1, pieces: []piece{{data: []byte("panic")}},
		}))},
		{"a panic about news", FaultPanic, onWire(encode(nil, &packet{
			from: Peer{"evil", 1}, flags: flagNews, pieces: []piece{{data: []byte("panic")}},
		}))},
		{"a message that cannot be parsed", FaultMessage, onWire(encode(nil, &packet{
			from: Peer{"evil", 1}, to: Peer{"a", 1}, number: 1, pieces: []piece{{data: []byte("error")}},
		}))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := newLines()
			r := newRegistry(t)
			network := r.join("a", ListenOptions{Logger: log.logger()})
			a := startVictim(t, network)
			b := startNode(t, Peer{"b", 1}, r.join("b", ListenOptions{}))
			burst(t, b, a.self, 0, 10)
			expect(t, a, 0, 10, b.self)
			conn := hostile(t, r, "evil", network)
			go conn.Write(tc.data) // may end early, with the link
			until(t, "the fault is counted", func() bool { return network.Activity().Faults[tc.cause] > 0 })
			if tc.cause != FaultMessage {
				if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
					t.Errorf("the link is not closed: %v", err)
				}
			}
			burst(t, b, a.self, 10, 10)
			expect(t, a, 10, 10, b.self)
			if n := len(log.all()); n != 1 || !strings.Contains(log.all()[0], "node=evil") {
				t.Errorf("%d lines:\n%s", n, strings.Join(log.all(), "\n"))
			}
			if tc.cause == FaultPanic && !strings.Contains(log.all()[0], "links_test.go") {
				t.Errorf("there is no stack in %s", log.all()[0])
			}
		})
	}
}

// startVictim starts node a, which panics, fails or waits as a message says.
func startVictim(t *testing.T, network *Network) *node {
	x := &node{self: Peer{"a", 1}, got: make(chan got, 1000)}
	done := make(chan struct{})
	startMesh(t, x, Config{
		Net: network,
		Receive: func(from Peer, data []byte) error {
			switch {
			case string(data) == "panic":
				panic("at a message")
			case string(data) == "error":
				return errMalformed
			case bytes.HasPrefix(data, []byte("wait")):
				<-done
				return nil
			}
			x.got <- got{from, data}
			return nil
		},
		News: func([]byte) { panic("at news") },
	})
	t.Cleanup(func() { close(done) })
	return x
}

// TestReports: a node that cannot be reached is one line, and one when it can be again,
// however long that takes and however often it is tried.
func TestReports(t *testing.T) {
	log := newLines()
	r := newRegistry(t)
	w := newWire(t)
	b := r.join("b", ListenOptions{Advertise: w.addr()})
	w.set(b.carrier.(*links).listener.Addr().String(), false)
	first := r.join("a", ListenOptions{Logger: log.logger(), Advertise: "127.0.0.1:1"}) // where there is nothing
	x, y := startNode(t, Peer{"a", 1}, first), startNode(t, Peer{"b", 1}, b)
	send(t, x, y.self, nil)
	y.next(t)
	w.set("", true)
	log.waitFor(t, "a node of the cluster cannot be reached; messages to it wait")
	h := first.carrier.(*links)
	until(t, "some more attempts", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.byName["b"].failures > 8
	})
	w.set(b.carrier.(*links).listener.Addr().String(), false)
	log.waitFor(t, "a node of the cluster can be reached again")
	send(t, x, y.self, nil)
	y.next(t)
	if n := len(log.all()); n != 2 {
		t.Errorf("%d lines:\n%s", n, strings.Join(log.all(), "\n"))
	}
}

// TestLeave: the links to a node that is no longer part of the cluster are closed, and
// that is no trouble that an operator must be told of.
func TestLeave(t *testing.T) {
	log := newLines()
	r := newRegistry(t)
	a := r.join("a", ListenOptions{Logger: log.logger()})
	b := r.join("b", ListenOptions{})
	linked := func(n *Network) int {
		h := n.carrier.(*links)
		h.mu.Lock()
		defer h.mu.Unlock()
		count := 0
		for _, p := range h.byName {
			count += len(p.links)
		}
		return count
	}
	until(t, "they are linked", func() bool { return linked(a) > 0 && linked(b) > 0 })
	b.Know(nil) // first, so that it does not connect again
	r.leave("b")
	until(t, "the links are closed", func() bool { return linked(a) == 0 && linked(b) == 0 })
	if err := a.send("", "b", []byte("x")); err == nil {
		t.Error("a frame was sent to a node that has left")
	}
	if text := strings.Join(log.all(), "\n"); text != "" {
		t.Errorf("the log says:\n%s", text)
	}
}
