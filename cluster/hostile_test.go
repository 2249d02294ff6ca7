package cluster

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/nonsense"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// intruder is a node of the cluster that says what it likes. It has no agents.
type intruder struct {
	*mesh.Mesh
	self protocol.Peer
}

// newIntruder makes a registered node of which the fleet's nodes know.
func (f *fleet) newIntruder() *intruder {
	f.t.Helper()
	ctx := f.t.Context()
	s, err := store.OpenPostgres(ctx, f.url)
	f.must(err)
	f.t.Cleanup(func() { f.must(s.Close()) })
	net, _ := f.network(s, "evil")
	f.t.Cleanup(func() { f.must(net.Close()) })
	info := record.Node{ID: "evil", Draining: true}
	session, err := s.Register(ctx, info, time.Hour)
	f.must(err)
	x := &intruder{self: protocol.Peer{Node: "evil", Session: session}}
	m, err := s.Membership(ctx, -1)
	f.must(err)
	net.Know(nodesOf(protocol.NewTable(m, nil)))
	x.Mesh = mesh.New(mesh.Config{
		Self: mesh.Peer(x.self), Net: net, Prefix: "tandem", Clock: new(hlc.Clock),
		Receive: func(mesh.Peer, []byte) error { return nil },
	})
	running, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() {
		if err := x.Run(running); err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(func() { stop(); run.Wait() })
	for _, n := range f.nodes {
		n.until("it knows the intruder", func() bool { return n.table().Has(x.self) })
	}
	return x
}

// tell sends a node data, which need not be a message, and waits until it was received.
func (x *intruder) tell(t *testing.T, n *node, data ...[]byte) {
	t.Helper()
	to, _ := n.table().Peer(n.Info.ID)
	for _, d := range data {
		if err := x.Send(mesh.Peer(to), d); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := x.Flush(ctx, mesh.Peer(to)); err != nil {
		t.Fatal(err)
	}
}

// TestHostileMessages: a node of the cluster sends every kind of message, with absurd
// values and with bytes changed, cut and added. No code panics at one, nothing is left
// over, and the agents go on.
func TestHostileMessages(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	victim, other := f.nodes[0], f.nodes[1]
	d := f.at(victim)[0]
	x := f.newIntruder()
	before := runtime.NumGoroutine()
	r := nonsense.Maker{
		Rand: rand.New(rand.NewPCG(1, 2)),
		Texts: []string{
			"", "\xff\x00", "n1", "n2", "evil", "GET", "POST", "/", "/../", "sys/hello", "agent/n", strings.Repeat("x", 5000),
			string(d.ID), string(d.Agent), string(f.at(other)[0].Agent), string(f.at(other)[0].ID), f.group.ID,
		},
	}
	const rounds = 60
	for range rounds {
		var batch [][]byte
		for _, of := range nonsense.Messages() {
			data := protocol.Encode(r.Message(of, x.self))
			batch = append(batch, data)
			broken := append([]byte{}, data...)
			for range 1 + r.IntN(4) {
				broken[1+r.IntN(len(broken)-1)] = byte(r.Uint32())
			}
			if m, err := protocol.Decode(broken); err == nil {
				broken = protocol.Encode(r.Harmless(m, x.self))
			}
			batch = append(batch, broken, data[:r.IntN(len(data))], append(data, 0))
		}
		x.tell(t, victim, batch...)
	}
	faults := victim.Net.Activity().Faults
	if faults[mesh.FaultPanic] != 0 || faults[mesh.FaultFrame] != 0 || faults[mesh.FaultMessage] == 0 {
		t.Errorf("faults: %v", faults)
	}
	for _, n := range f.nodes {
		for _, d := range f.at(n) {
			resp, err := n.Host.Request(t.Context(), tandem.Origin{Node: n.Info.ID, ID: 1}, d.Agent,
				&tandem.Request{Method: "GET", Path: "/"})
			if err != nil || resp.Status != 200 {
				t.Errorf("an agent at %s: %+v, %v", n.Info.ID, resp, err)
			}
		}
	}
	victim.until("nothing is left over", func() bool { return runtime.NumGoroutine() < before+200 })
}

// TestPanics: code that panics at a message of another node, wherever it runs, ends the
// handling of that message and nothing else.
func TestPanics(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	n := f.nodes[0]
	panics := func() int64 { return n.Net.Activity().Faults[mesh.FaultPanic] }
	boom := func() { panic("boom") }
	for name, do := range map[string]func(){
		"an event of the member": func() {
			n.guarded("n2", func() {
				n.member.step(func(*protocol.Member, tandem.Now) []protocol.Effect { boom(); return nil })
			})
		},
		"an effect of the moves": func() {
			n.moves.step(func(*protocol.Moves, tandem.Now) []protocol.Effect { return []protocol.Effect{protocol.Tell{}} })
		},
		"an event of the calls": func() {
			n.guarded("n2", func() {
				n.calls.step(n.Cluster, func(*protocol.Calls, tandem.Now) []protocol.Effect { boom(); return nil })
			})
		},
		"an event of the guests": func() {
			n.guarded("n2", func() {
				n.guests.step(n.Cluster, func(*protocol.Guests) []protocol.Effect { boom(); return nil })
			})
		},
		"a goroutine": func() { n.apart("n2", boom) },
		"an event of a link": func() {
			l := n.connect(f.at(n)[0])
			n.guarded("n2", func() {
				n.links.get(l.ref.ID).event(func(*protocol.Link) []protocol.Effect { boom(); return nil })
			})
			await(t, "handled", l.say("n", "1"))
			l.leave()
		},
	} {
		t.Run(name, func(t *testing.T) {
			was := panics()
			do()
			n.until("the panic is counted", func() bool { return panics() == was+1 })
			for _, owner := range f.nodes {
				if got := n.get(f.at(owner)[0], "/log"); got != "" {
					t.Errorf("an agent at %s answers %q", owner.Info.ID, got)
				}
			}
		})
	}
}

// TestNodeCalls: a node that asks for more at once than it may is told so.
func TestNodeCalls(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	n := f.nodes[0]
	x := f.newIntruder()
	for range maxServed {
		if !n.served.begin("evil") {
			t.Fatal("there is no place")
		}
	}
	x.tell(t, n,
		protocol.Encode(&protocol.Request{ID: 1, Agent: f.at(n)[0].Agent, Request: &tandem.Request{Method: "GET"}}),
		protocol.Encode(&protocol.Ask{ID: 2, Question: &protocol.Online{Device: f.at(n)[0].ID}}))
	n.until("both are counted", func() bool { return n.Over()[tandem.OverNodeCalls] == 2 })
	if got := f.nodes[1].get(f.at(n)[0], "/begun"); got == "" {
		t.Error("another node's request has no answer")
	}
	for range maxServed {
		n.served.end("evil")
	}
	if len(n.served.by) != 0 {
		t.Errorf("%v are counted", n.served.by)
	}
}

// cable forwards connections to a node's port for others until it is cut.
type cable struct {
	listener net.Listener
	target   string
	plugged
}

// plugged is the connections of a cable.
type plugged struct {
	mu   sync.Mutex
	cut  bool
	open []net.Conn
}

func newCable(t *testing.T) *cable {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &cable{listener: l}
}

// run forwards connections to a target.
func (c *cable) run(t *testing.T, target string) {
	c.target = target
	go func() {
		for {
			in, err := c.listener.Accept()
			if err != nil {
				return
			}
			go c.forward(in)
		}
	}()
	t.Cleanup(func() { c.plug(false) })
}

// plug cuts the cable, or mends it.
func (c *cable) plug(in bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = !in
	for _, conn := range c.open {
		conn.Close()
	}
	c.open = nil
}

func (c *cable) forward(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	defer out.Close()
	c.mu.Lock()
	c.open = append(c.open, in, out)
	cut := c.cut
	c.mu.Unlock()
	if cut {
		return
	}
	go io.Copy(in, out)
	io.Copy(out, in)
}

// journal is a log whose lines can be counted.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, string(b))
	return len(b), nil
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string{}, j.lines...)
}

func (j *journal) has(text string) bool {
	return slices.ContainsFunc(j.all(), func(line string) bool { return strings.Contains(line, text) })
}

// TestUnreachable: while two nodes that live cannot reach each other, the log of each has
// one line about that, and one when they can again, whatever is tried meanwhile. A request
// that waits for the other node is answered when it is back.
func TestUnreachable(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t), cables: true}
	var logs []*journal
	for range 2 {
		j := new(journal)
		logs = append(logs, j)
		f.logger = slog.New(slog.NewTextHandler(j, nil))
		f.add()
	}
	f.settle(2)
	f.populate(16, code)
	n := f.nodes[0]
	there, other := f.at(f.nodes[1])[0], f.at(f.nodes[1])[1]
	if got := n.get(there, "/"); got != "n 0" {
		t.Fatal(got)
	}
	l := n.connect(other)
	await(t, "handled", l.say("n", "1"))
	var before []int
	for _, j := range logs {
		before = append(before, len(j.all()))
	}
	for _, n := range f.nodes {
		n.cable.plug(false)
	}
	answered := make(chan string, 1)
	go func() {
		r, err := n.Request(context.Background(), there.Agent, &tandem.Request{Method: "GET", Path: "/"})
		if err != nil {
			answered <- err.Error()
			return
		}
		answered <- string(r.Body)
	}()
	handled := l.say("n", "2")
	// What is tried meanwhile: news for all, and moves.
	quick, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := n.Deployed(quick, f.group.ID, ""); err == nil {
		t.Error("a node that cannot be reached has been told")
	}
	for i, j := range logs {
		f.nodes[i].until("the operator is told", func() bool { return j.has("cannot be reached") })
	}
	for _, n := range f.nodes {
		n.cable.plug(true)
	}
	if got := await(t, "the request is answered", answered); got != "n 0" {
		t.Errorf("the answer is %q", got)
	}
	await(t, "the message is handled", handled)
	for i, j := range logs {
		f.nodes[i].until("the operator is told", func() bool { return j.has("can be reached again") })
		lines := j.all()[before[i]:]
		if len(lines) != 2 || !strings.Contains(lines[0], "a node of the cluster cannot be reached") ||
			!strings.Contains(lines[1], "a node of the cluster can be reached again") {
			t.Errorf("%d lines at %s:\n%s", len(lines), f.nodes[i].Info.ID, strings.Join(lines, ""))
		}
	}
}
