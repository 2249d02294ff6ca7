package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/runner"
	"github.com/tandem-iot/tandem/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// fleet is some nodes with one database.
type fleet struct {
	t     *testing.T
	url   string // of the database
	nodes []*running
}

// add starts another node; the test's end ends it.
func (f *fleet) add() *running {
	f.t.Helper()
	c := &Cluster{Database: f.url, Node: fmt.Sprintf("n%d", len(f.nodes)+1), Listen: freeAddr(f.t), Lease: 2 * time.Second}
	for _, n := range f.nodes {
		c.Join = append(c.Join, n.server.Cluster.Listen)
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
device.on("n", function(x) { if (x != heard + 1) server.error("got " + x + " after " + heard); heard = x; device.send("ok", x); });
http.onrequest(function(q, r) {
    local n = ++count;
    if ("slow" in q.query) imp.wakeup(q.query.slow.tofloat(), function() { r.send(200, n + " " + begun + " " + heard); });
    else r.send(200, n + " " + begun + " " + heard);
});`

const counterDevice = `
n <- 0; ok <- 0;
agent.on("ok", function(x) { if (x != ok + 1) server.error("ok " + x + " after " + ok); ok = x; });
function tick() { imp.wakeup(0.02, tick); if (n - ok < 20) agent.send("n", ++n); }
tick();
server.log("device begins");`

// pairs makes pairs with those programs.
func (f *fleet) pairs(n int) (list []testPair) {
	f.t.Helper()
	ctx := f.t.Context()
	c := f.nodes[0].Central
	g, err := c.EnsureGroup(ctx, "dev", "dev")
	if err != nil {
		f.t.Fatal(err)
	}
	if err := c.Deploy(ctx, g.ID, central.Code{Agent: counterAgent, Device: counterDevice}); err != nil {
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
	resp, err := http.Get(node.URL + "/" + string(p.agent) + query)
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
	p.count, p.begun, p.heard = n, begun, heard
	return nil
}

// TestDrainUnderLoad has nodes join, be emptied and stop one after the other
// while pairs talk and are asked. No agent is restarted, no request fails, no
// message is lost, doubled or out of order.
func TestDrainUnderLoad(t *testing.T) {
	f := &fleet{t: t, url: pgtest.Start(t)}
	f.add()
	f.add()
	f.nodes[1].until("two nodes", func() bool { return f.nodes[1].settled(2) && f.nodes[1].shards() > 1000 })
	list := f.pairs(20)

	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	doors := &struct {
		sync.Mutex
		open []*running
	}{open: slices.Clone(f.nodes)}
	door := func(i int) *running {
		doors.Lock()
		defer doors.Unlock()
		return doors.open[i%len(doors.open)]
	}
	for i := range 5 { // devices
		p := &list[i]
		work.Go(func() {
			d := &runner.Runner{
				ID: p.id, Key: p.key, Addr: "tcp://" + door(i).MQTT, Dir: filepath.Join(t.TempDir(), "device"),
				Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
			}
			if err := d.Run(ctx); err != nil {
				t.Errorf("the device ended with %v", err)
			}
		})
	}
	var asked sync.WaitGroup
	halt := make(chan struct{})
	for i := range list {
		p := &list[i]
		asked.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-halt:
					return
				default:
				}
				query := ""
				if n%10 == 3 {
					query = "?slow=0.3"
				}
				if err := p.ask(door(i+n), query); err != nil {
					t.Error(err)
					return
				}
				<-time.After(time.Millisecond)
			}
		})
	}
	third := f.add()
	doors.Lock()
	doors.open = append(doors.open, third)
	doors.Unlock()
	third.until("three nodes", func() bool { return third.settled(3) && third.shards() > 1000 })
	for _, n := range third.Cluster.Status().Nodes {
		if n.Shards < 1000 {
			t.Errorf("node %s has %d shards", n.ID, n.Shards)
		}
	}
	// Devices are at the first two nodes; the second keeps its door open.
	if err := third.Cluster.DrainNode(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	third.until("n2 is empty", func() bool { return third.settled(3) })
	<-time.After(300 * time.Millisecond)
	close(halt)
	asked.Wait()
	for i := range 5 {
		p := &list[i]
		if err := p.ask(third, ""); err != nil {
			t.Error(err)
		}
		if p.heard < 20 {
			t.Errorf("agent %s has heard %d messages", p.agent, p.heard)
		}
	}
	for i := range list {
		lines, err := third.Log.History(t.Context(), list[i].id, 1000)
		if err != nil {
			t.Fatal(err)
		}
		moves, begins, shown := 0, 0, false
		for _, e := range lines {
			switch {
			case strings.HasPrefix(e.Msg, "Agent moved"):
				moves++
			case strings.HasPrefix(e.Msg, "Agent restarted"), e.Type == tandem.LogAgentError, e.Type == tandem.LogDeviceError:
				t.Errorf("%s: %s", list[i].id, e.Msg)
				shown = true
			case e.Msg == "device begins":
				begins++
			}
		}
		if shown {
			for _, e := range lines {
				t.Logf("%s %d %s %s", e.TS.Format("05.000"), e.Clock, e.Type, e.Msg)
			}
		}
		if i < 5 && begins != 1 {
			t.Errorf("%d lines of the device, want 1:\n%v", begins, lines)
		}
	}
	stop()
	work.Wait()
}

// freeAddr returns an address on loopback that nobody listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
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
