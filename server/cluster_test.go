package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/runner"
	"github.com/tandem-iot/tandem/internal/freeaddr"
	"github.com/tandem-iot/tandem/internal/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childNode) != "" {
		os.Exit(runChildNode())
	}
	os.Exit(pgtest.Main(m))
}

// fleet is some nodes with one database.
type fleet struct {
	t     *testing.T
	url   string // of the database
	nodes []*running
	lease time.Duration // 0: so long that no node is lost because the machine is slow
}

// add starts another node; the test's end ends it.
func (f *fleet) add() *running {
	f.t.Helper()
	c := &Cluster{
		Database: f.url, Node: fmt.Sprintf("n%d", len(f.nodes)+1), Listen: freeAddr(f.t),
		Lease: cmp.Or(f.lease, time.Minute), leave: 2 * patience / 3,
	}
	s := &Server{Cluster: c, Version: "test"}
	if testing.Verbose() {
		s.Logger = slog.New(slog.NewTextHandler(f.t.Output(), nil)).With("node", c.Node)
	}
	n := start(f.t, s)
	n.server = s
	f.nodes = append(f.nodes, n)
	return n
}

// until waits until the cluster is as wanted, as a node sees it.
func (n *running) until(what string, ok func() bool) {
	n.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			data, _ := json.MarshalIndent(n.Cluster.Status(), "", " ")
			n.t.Fatalf("%s: not within %v\n%s", what, patience, data)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// settled reports whether all shards are where they are to be, none of them on
// a node that is to be empty.
func (n *running) settled(nodes int) bool {
	st := n.Cluster.Status()
	alive := 0
	for _, x := range st.Nodes {
		if x.Leaving > 0 || x.Draining && x.Shards > 0 {
			return false
		}
		if x.Alive {
			alive++
		}
	}
	return st.Orphan == 0 && alive == nodes
}

// counterAgent answers every request with a number of its own, one more each
// time, and with how often it has begun; ?slow lets the answer wait for a timer.
const counterAgent = `
count <- 0;
begun <- math.rand();
heard <- 0;
posted <- 0;
device.on("post", function(x) {
    if (x != posted + 1) server.error("got post " + x + " after " + posted);
    posted = x;
    tandem.post("post", x);
});
device.on("n", function(x) {
	if (LOST) server.error("got " + x + " after " + heard);
	heard = x;
	device.send("ok", x);
});
http.onrequest(function(q, r) {
    local n = ++count;
    if ("slow" in q.query) imp.wakeup(q.query.slow.tofloat(), function() {
        r.send(200, n + " " + begun + " " + heard);
    });
    else r.send(200, n + " " + begun + " " + heard);
});`

const counterDevice = `
n <- 0; ok <- 0; posted <- 0; back <- 0;
agent.on("post", function(x) {
    if (x != back + 1) server.error("post " + x + " comes back after " + back);
    back = x;
});
agent.on("ok", function(x) { if (GONE) server.error("ok " + x + " after " + ok); ok = x; });
function tick() { imp.wakeup(0.02, tick); if (n - ok < 20) agent.send("n", ++n);
    if (posted - back < 5) tandem.post("post", ++posted); }
tick();
server.log("device begins");`

// strict has both sides complain of anything but the next message; lenient
// allows what a device does that has to connect again: it says again what was
// not acknowledged, and does not hear what was said meanwhile.
var (
	strict  = strings.NewReplacer("LOST", "x != heard + 1", "GONE", "x != ok + 1")
	lenient = strings.NewReplacer("LOST", "x > heard + 1", "GONE", "x < ok")
)

// pairs makes pairs with a program.
func (f *fleet) pairs(n int, code central.Code) (list []testPair) {
	f.t.Helper()
	ctx := f.t.Context()
	c := f.nodes[0].Central
	g, err := c.EnsureGroup(ctx, "dev", "dev")
	if err != nil {
		f.t.Fatal(err)
	}
	if err := c.Deploy(ctx, g.ID, code); err != nil {
		f.t.Fatal(err)
	}
	for i := range n {
		d, key, err := c.AddDevice(ctx, central.NewDevice{Name: fmt.Sprint("desk ", i), Group: g.ID})
		if err != nil {
			f.t.Fatal(err)
		}
		list = append(list, testPair{id: d.ID, agent: d.Agent, key: key})
	}
	return list
}

type testPair struct {
	id    tandem.DeviceID
	agent tandem.AgentID
	key   string
	count int
	begun string
	heard int
}

// ask has an agent count at a node, and checks that it has gone on counting
// where it was.
func (p *testPair) ask(node *running, query string) error {
	resp, err := http.Get(node.Agents.URL(p.agent) + query)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		return fmt.Errorf("agent %s: %d %q %v", p.agent, resp.StatusCode, body, err)
	}
	var n, heard int
	var begun string
	if _, err := fmt.Sscan(string(body), &n, &begun, &heard); err != nil {
		return fmt.Errorf("agent %s answers %q", p.agent, body)
	}
	if n != p.count+1 || p.begun != "" && begun != p.begun || heard < p.heard {
		return fmt.Errorf("agent %s answers %q after %d %s %d", p.agent, body, p.count, p.begun, p.heard)
	}
	p.count = n
	p.begun = begun
	p.heard = heard
	return nil
}

// load is pairs that talk while they are asked, through whichever node's door
// is open.
type load struct {
	*fleet
	list    []testPair
	devices int // the first so many pairs have one that runs

	mu    sync.Mutex
	doors []*door
	halt  chan struct{}
	asked sync.WaitGroup
}

// door is a node that takes requests.
type door struct {
	*running
	asking sync.WaitGroup
}

func (l *load) open(n *running) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doors = append(l.doors, &door{running: n})
}

// close has a node get no more requests, and waits until it has answered those it has: a node
// that stops does not wait for them for long.
func (l *load) close(n *running) {
	l.remove(n).asking.Wait()
}

func (l *load) remove(n *running) *door {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.doors, func(d *door) bool { return d.running == n })
	d := l.doors[i]
	l.doors = slices.Delete(l.doors, i, i+1)
	return d
}

// enter returns a door, at which a request is asked until asking is done.
func (l *load) enter(i int) *door {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.doors[i%len(l.doors)]
	d.asking.Add(1)
	return d
}

// begin starts a load on pairs, some of them with devices, at the nodes there
// are. The devices end with the test.
func (f *fleet) begin(pairs, devices int, kind *strings.Replacer) *load {
	f.t.Helper()
	l := &load{
		fleet:   f,
		list:    f.pairs(pairs, central.Code{Agent: kind.Replace(counterAgent), Device: kind.Replace(counterDevice)}),
		devices: devices, halt: make(chan struct{}),
	}
	for _, n := range f.nodes {
		l.open(n)
	}
	for i := range devices {
		f.run(filepath.Join(f.t.TempDir(), "device"), f.nodes[i%len(f.nodes)], l.list[i])
	}
	for i := range l.list {
		l.asked.Go(func() { l.keepAsking(i) })
	}
	return l
}

// run has a pair's device run at a node until the test's end.
func (f *fleet) run(dir string, at *running, p testPair) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- (&runner.Runner{ID: p.id, Key: p.key, Addr: "tcp://" + at.MQTT, Dir: dir}).Run(ctx)
	}()
	f.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			f.t.Errorf("the device ended with %v", err)
		}
	})
}

func (l *load) keepAsking(i int) {
	for n := 0; ; n++ {
		select {
		case <-l.halt:
			return
		default:
		}
		query := ""
		if n%10 == 3 {
			query = "?slow=0.3"
		}
		d := l.enter(i + n)
		err := l.list[i].ask(d.running, query)
		d.asking.Done()
		if err != nil {
			l.t.Error(err)
			return
		}
		<-time.After(time.Millisecond)
	}
}

// end stops asking, and checks at a node what has come of it.
func (l *load) end(at *running) {
	l.t.Helper()
	close(l.halt)
	l.asked.Wait()
	for i := range l.list {
		p := &l.list[i]
		if err := p.ask(at, ""); err != nil {
			l.t.Error(err)
		}
		if i < l.devices && p.heard < 20 {
			l.t.Errorf("agent %s has heard %d messages", p.agent, p.heard)
		}
		l.checkLog(at, p.id, i < l.devices)
	}
}

// checkLog checks that a log has no restart and no complaint in it.
func (l *load) checkLog(at *running, id tandem.DeviceID, device bool) {
	l.t.Helper()
	lines, err := at.Log.History(l.t.Context(), id, 1000)
	if err != nil {
		l.t.Fatal(err)
	}
	begins, bad := 0, false
	for _, e := range lines {
		bad = bad || strings.HasPrefix(e.Msg, "Agent restarted") || e.Type == tandem.LogAgentError ||
			e.Type == tandem.LogDeviceError
		if e.Msg == "device begins" {
			begins++
		}
	}
	if !slices.IsSortedFunc(lines, func(a, b tandem.LogEntry) int { return cmp.Compare(a.Clock, b.Clock) }) {
		bad = true
	}
	if !bad && (!device || begins <= 1) {
		return
	}
	l.t.Errorf("the log of %s:", id)
	for _, e := range lines {
		l.t.Logf("%s %d %s %s", e.TS.Format("05.000"), e.Clock, e.Type, e.Msg)
	}
}

// TestDrainUnderLoad has a node join and another be emptied while pairs talk
// and are asked. No agent is restarted, no request fails, no message is lost,
// doubled or out of order.
func TestDrainUnderLoad(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t)}
	f.add()
	second := f.add()
	second.until("two nodes", func() bool { return second.settled(2) && second.shards() > 1000 })
	l := f.begin(20, 5, strict)
	third := f.add()
	l.open(third)
	third.until("three nodes", func() bool { return third.settled(3) && third.shards() > 1000 })
	if err := third.Cluster.DrainNode(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	third.until("n2 is empty", func() bool { return third.settled(3) && second.shards() == 0 })
	l.end(third)
}

// TestRollingStop has each of three nodes stop and another take its place while
// pairs are asked and talk, as an upgrade does. Devices are sent on to other
// nodes; no other node notices.
func TestRollingStop(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t)}
	for range 3 {
		f.add()
	}
	first := f.nodes[0]
	first.until("three nodes", func() bool { return first.settled(3) && f.nodes[2].shards() > 1000 })
	l := f.begin(20, 3, lenient)
	for i := range 3 {
		old := f.nodes[i]
		l.close(old) // as a load balancer does
		old.end()
		fresh := f.add()
		l.open(fresh)
		fresh.until("three nodes again", func() bool { return fresh.settled(3) && fresh.shards() > 1000 })
	}
	last := f.nodes[5]
	l.end(last)
	for i := range l.devices { // all nodes that they knew of at first have gone
		p := &l.list[i]
		heard := p.heard
		last.until("the device is heard", func() bool {
			if err := p.ask(last, ""); err != nil {
				t.Fatal(err)
			}
			return p.heard > heard
		})
	}
}

// freeAddr returns an address on loopback without a listener.
func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeaddr.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// shards returns how many shards the node has.
func (n *running) shards() int {
	for _, x := range n.Cluster.Status().Nodes {
		if x.ID == n.server.Cluster.Node {
			return x.Shards
		}
	}
	return 0
}

// TestAskerDeclaredLost: a node is declared lost while it waits for another's
// agent. The answer goes to the run of the node that is over, so the client hears
// that the outcome is unknown, and a request that may be repeated is sent again.
func TestAskerDeclaredLost(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t), lease: 6 * time.Second}
	asker, owner := f.add(), f.add()
	owner.until("two nodes", func() bool { return owner.settled(2) && owner.shards() > 1000 })
	db, err := pgx.Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	pairs := f.pairs(20, central.Code{Agent: `
		asked <- 0;
		waiting <- [];
		http.onrequest(function(q, r) {
			waiting.append(r);
			if (q.path == "/answer") foreach (w in waiting) w.send(200, asked.tostring());
			else server.log("asked " + ++asked);
		});`})
	i := slices.IndexFunc(pairs, func(p testPair) bool { return owner.Cluster.Host.Has(p.agent) })
	if i < 0 {
		t.Fatal("no agent of 20 is on the second node")
	}
	heard := func(line string) {
		t.Helper()
		owner.until(line, func() bool {
			lines, err := owner.Log.History(t.Context(), pairs[i].id, 10)
			return err == nil && slices.ContainsFunc(lines, func(e tandem.LogEntry) bool { return e.Msg == line })
		})
	}
	for _, c := range []struct {
		method, answer string
		heard          string // by the agent, before the node is declared lost
		again          string // and after it, before the agent answers
	}{
		{"POST", "502 A server was lost", "asked 1", ""},
		{"GET", "200 3", "asked 2", "asked 3"},
	} {
		answered := make(chan string, 1)
		go func() { answered <- answerOf(t.Context(), c.method, asker.Agents.URL(pairs[i].agent)) }()
		heard(c.heard)
		if _, err := db.Exec(t.Context(), "DELETE FROM leases WHERE node = 'n1'"); err != nil {
			t.Fatal(err)
		}
		if c.again != "" {
			heard(c.again)
			answerOf(t.Context(), "GET", owner.Agents.URL(pairs[i].agent)+"/answer")
		}
		select {
		case got := <-answered:
			if !strings.HasPrefix(got, c.answer) {
				t.Errorf("%s: %q, want %q", c.method, got, c.answer)
			}
		case <-time.After(patience / 2):
			t.Fatalf("%s is not answered within %v", c.method, patience/2)
		}
		owner.until("two nodes", func() bool { return owner.settled(2) })
	}
}

// TestForgottenAgent: a node has not taken up all agents of its shards yet when it
// gives the shards away. The next one does.
func TestForgottenAgent(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t)}
	first, second := f.add(), f.add()
	second.until("two nodes", func() bool { return second.settled(2) && second.shards() > 1000 })
	pairs := f.pairs(10, central.Code{Agent: `http.onrequest(@(q, r) r.send(200, "here"));`})
	i := slices.IndexFunc(pairs, func(p testPair) bool { return first.Cluster.Host.Has(p.agent) })
	if i < 0 {
		t.Fatal("no agent of 10 is on the first node")
	}
	p := pairs[i]
	if got := answerOf(t.Context(), "GET", first.Agents.URL(p.agent)); got != "200 here" {
		t.Fatal(got)
	}
	first.Cluster.Host.Deleted(p.id) // it is out of mind, and the database says that it runs
	if err := second.Cluster.DrainNode(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	second.until("the agent runs", func() bool { return second.Cluster.Host.Runs(p.id) })
}

// answerOf returns the status and the body, or what went wrong.
func answerOf(ctx context.Context, method, url string) string {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}
