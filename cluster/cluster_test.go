package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/record"
)

// code counts, answers late when it is asked to, and asks others.
const code = `
n <- 0;
begun <- math.rand();
device.on("n", function(x) { n++; device.send("ok", x); });
device.on("rest", function(x) { device.send("rests", x); imp.sleep(0.5); });
connects <- 0;
device.onconnect(@() connects++);
function tick() { imp.wakeup(0.3, tick); device.send("tick", begun); }
tick();
http.onrequest(function(q, r) {
	switch (q.path) {
	case "/begun": r.send(200, begun.tostring()); break;
	case "/slow": imp.wakeup(0.5, @() r.send(200, "slow " + n)); server.log("asked"); break;
	case "/fetch": http.get("http://there/").sendasync(@(a) r.send(200, "there: " + a.body)); break;
	case "/connects": r.send(200, connects.tostring()); break;
	case "/park": device.send("parked", 0); break;
	case "/log": server.log("line of " + begun); r.send(200, ""); break;
	default: r.send(200, "n " + n);
	}
});`

// TestLink: a device talks with its agent, wherever that is.
func TestLink(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	gate := f.nodes[0]
	for _, owner := range f.nodes {
		d := f.at(owner)[0]
		l := gate.connect(d)
		await(t, "handled", l.say("n", "1"))
		l.expect("ok 1")
		for _, n := range f.nodes {
			if !n.Online(d.ID) || !n.Runs(d.ID) {
				t.Errorf("as %s sees it: online %v, runs %v", n.Info.ID, n.Online(d.ID), n.Runs(d.ID))
			}
			if got := n.get(d, "/"); got != "n 1" {
				t.Errorf("by way of %s: %q", n.Info.ID, got)
			}
		}
		if err := gate.RestartDevice(t.Context(), d.ID); err != nil {
			t.Error(err)
		}
		l.expect("sys/restart")
		newer := gate.connect(d)
		await(t, "the older link is closed", l.closed)
		l.leave()
		await(t, "handled", newer.say("n", "2"))
		newer.expect("ok 2")
		newer.leave()
		owner.until("offline", func() bool { return !gate.Online(d.ID) })
		gate.until("the links are over", func() bool { return len(gate.links.all()) == 0 })
	}
	gate.until("no call is kept", func() bool { return gate.waiting() == 0 })
	taken := 0
	here := &protocol.Fetched{Ref: tandem.FetchRef{Agent: f.at(gate)[0].Agent}}
	if gate.forward(here, func() { taken++ }); taken != 1 || here.Hops != 0 {
		t.Errorf("a result for an agent that is here is taken %d times, and makes %d hops", taken, here.Hops)
	}
	taken = 0
	late := &protocol.Fetched{Ref: tandem.FetchRef{Agent: f.at(f.nodes[1])[0].Agent}, Hops: maxHops}
	if gate.forward(late, func() { taken++ }); taken != 1 {
		t.Errorf("a result that has followed its agent long enough is taken %d times", taken)
	}
}

// TestUnsent: an agent at another node hears that its message was lost, because the gateway was
// ending the device's connection already.
func TestUnsent(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	gate, owner := f.nodes[0], f.nodes[1]
	d := f.at(owner)[0]
	l := gate.connect(d)
	await(t, "handled", l.say("n", "1"))
	l.expect("ok 1")
	if got := gate.get(d, "/connects"); got != "1" {
		t.Fatalf("the agent has seen %s connections, want 1", got)
	}
	l.refuses.Store(true)
	await(t, "a message is refused", l.refused)
	gate.connect(d)
	f.must(gate.Disconnect(t.Context(), d.ID, l.ref, tandem.LinkEnd{}))
	gate.until("the agent has seen another connection", func() bool { return gate.get(d, "/connects") == "2" })
}

// TestNotFound: what there is not is said, by every way to ask.
func TestNotFound(t *testing.T) {
	f := newFleet(t, 1, 1, code)
	n, d := f.nodes[0], f.devices[0]
	ctx := t.Context()
	const device = tandem.DeviceID("0123456789abcdef")
	for what, ask := range map[string]func() error{
		"request": func() error {
			_, err := n.Request(ctx, "abcdefghijkl", &tandem.Request{Method: "GET"})
			return err
		},
		"connect": func() error { return n.Connect(ctx, device, &line{}, 1, "") },
		"message": func() error {
			return n.FromDevice(ctx, d.ID, tandem.LinkRef{}, 1, "agent/n", tandem.Message{}, nil)
		},
		"assigned":       func() error { return n.Assigned(ctx, device) },
		"restart agent":  func() error { return n.RestartAgent(ctx, device) },
		"restart device": func() error { return n.RestartDevice(ctx, device) },
		"drain":          func() error { return n.DrainNode(ctx, "n9") },
		"undrain":        func() error { return n.UndrainNode(ctx, "n9") },
	} {
		if err := ask(); tandem.KindOf(err) != tandem.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n.Online(device) || n.Runs(device) {
		t.Error("a device that is not there is online, or its agent runs")
	}
	if err := n.Disconnect(ctx, d.ID, tandem.LinkRef{}, tandem.LinkEnd{}); err != nil {
		t.Errorf("a link that is over ends: %v", err)
	}
	if err := n.RestartDevice(ctx, d.ID); tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("restart of a device that is offline: %v", err)
	}
	if err := n.DrainNode(ctx, "n1"); tandem.KindOf(err) != tandem.Conflict {
		t.Errorf("drain of the only node: %v", err)
	}
	if got := n.Another(); got != "" {
		t.Errorf("another node is %q", got)
	}
	if err := n.Drain(ctx); err != nil {
		t.Errorf("the only node stops: %v", err)
	}
	gaveUp, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("gave up"))
	if _, err := n.Request(gaveUp, d.Agent, &tandem.Request{Method: "GET", Path: "/slow"}); err == nil {
		t.Error("there is an answer to a request that was given up")
	}
	if err := n.Deployed(gaveUp, f.group.ID, ""); err == nil {
		t.Error("no node has heard of a deployment, and there is no error")
	}
}

// TestNews: what an operator does at one node, the agents of all follow.
func TestNews(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	first, second := f.nodes[0], f.nodes[1]
	ctx := t.Context()
	f.deploy(first, strings.Replace(code, `"n "`, `"new "`, 1))
	for _, n := range f.nodes {
		d := f.at(n)[0]
		n.until("the new code runs", func() bool { return first.get(d, "/") == "new 0" })
	}
	for _, owner := range f.nodes {
		d := f.at(owner)[0]
		begun := first.get(d, "/begun")
		f.must(first.RestartAgent(ctx, d.ID))
		if second.get(d, "/begun") == begun {
			t.Errorf("the agent at %s has not restarted", owner.Info.ID)
		}
		l := second.connect(d)
		await(t, "handled", l.say("n", "1"))
		_, err := first.Store.Assign(ctx, d.ID, "")
		f.must(err)
		f.must(first.Assigned(ctx, d.ID))
		owner.until("the agent stops", func() bool { return !second.Runs(d.ID) })
		_, err = first.Store.Assign(ctx, d.ID, f.group.ID)
		f.must(err)
		f.must(first.Assigned(ctx, d.ID))
		owner.until("the agent runs", func() bool { return second.Runs(d.ID) })
		_, err = first.Store.Assign(ctx, d.ID, "")
		f.must(err)
		f.must(first.Store.DeleteDevice(ctx, d.ID))
		first.Deleted(d.ID)
		if owner.Host.Runs(d.ID) {
			t.Errorf("the agent at %s runs, and its device has been deleted", owner.Info.ID)
		}
		await(t, "the link is closed", l.closed)
		f.devices = slices.DeleteFunc(f.devices, func(x record.Device) bool { return x.ID == d.ID })
	}
	third := f.add()
	third.until("a node that joins hears of it", func() bool { return len(third.news.opened(third.now(), []int{0})) > 0 })
}

// talk is two devices that talk with their agents, of which the first is asked things,
// too, while both move.
type talk struct {
	*fleet
	d, other record.Device
	lines    []*line
	answers  chan string
}

// ask asks the first agent by way of a node.
func (k *talk) ask(by *node, path string) {
	go func() {
		r, err := by.Request(k.t.Context(), k.d.Agent, &tandem.Request{Method: "POST", Path: path})
		if err != nil {
			k.answers <- err.Error()
			return
		}
		k.answers <- string(r.Body)
	}()
}

// move has the first agent, and perhaps the other, go to another node, when both
// devices have said n things.
func (k *talk) move(from, to *node, n int) {
	k.t.Helper()
	k.ask(from, "/slow")
	k.ask(to, "/slow")
	k.ask(from, "/fetch")
	out := await(k.t, "the agent asks others", from.fetches)
	k.must(to.DrainNode(k.t.Context(), from.Info.ID))
	to.until("the agents have moved", func() bool { return to.Host.Has(k.d.Agent) && to.Host.Has(k.other.Agent) })
	out.done(&tandem.Response{Status: 200, Body: []byte("here")})
	for range 3 {
		if a := await(k.t, "an answer", k.answers); a != fmt.Sprintf("slow %d", n) && a != "there: here" {
			k.t.Errorf("answer %q", a)
		}
	}
	for _, l := range k.lines {
		await(k.t, "handled", l.say("n", fmt.Sprint(n+1)))
		l.expect(fmt.Sprintf("ok %d", n+1))
		if len(l.closed) > 0 {
			k.t.Errorf("a link was closed: %s", <-l.closed)
		}
	}
}

// TestMove: agents go to another node and come back. They go on where they were, and
// so do their devices, those who wait for an answer, and what they have asked others.
func TestMove(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	first, second := f.nodes[0], f.nodes[1]
	k := &talk{fleet: f, d: f.at(first)[0], other: f.at(first)[1], answers: make(chan string, 10)}
	begun := second.get(k.d, "/begun")
	k.lines = []*line{first.connect(k.d), second.connect(k.other)}
	for _, l := range k.lines {
		await(t, "handled", l.say("n", "1"))
	}
	k.move(first, second, 1)
	first.until("it is empty", func() bool { return first.Status().Nodes[0].Shards == 0 })
	if st := first.Status().Nodes[0]; !st.Draining || st.Leaving != 0 {
		t.Errorf("the drained node: %+v", st)
	}
	if got := second.Another(); got != "" {
		t.Errorf("devices are sent to %q, which is drained", got)
	}
	if got := first.Another(); got != "n2:1883" {
		t.Errorf("devices are sent to %q", got)
	}
	f.must(second.UndrainNode(t.Context(), "n1"))
	second.until("it has shards again", func() bool { return second.Status().Nodes[0].Shards > 0 })
	f.settle(2)
	if first.Host.Has(k.d.Agent) {
		k.move(first, second, 2)
	} else {
		k.move(second, first, 2)
	}
	if got := second.get(k.d, "/begun"); got != begun {
		t.Error("the agent has restarted")
	}
}

// TestReturned: what devices have said to agents that leave and come back, because their move
// has failed, is acknowledged all the same, at this node's gateway and at another's.
func TestReturned(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	first, second := f.nodes[0], f.nodes[1]
	list := f.at(first)
	var shards []int
	var handled []chan struct{}
	for i, n := range f.nodes {
		l := n.connect(list[i])
		await(t, "handled", l.say("n", "1"))
		handled = append(handled, l.say("rest", "1"))
		l.expect("rests 1") // its handler is under way
		shards = append(shards, first.shardOf(list[i].Agent))
	}
	slices.Sort(shards)
	shards = slices.Compact(shards)
	pairs, err := first.Host.Export(t.Context(), shards)
	f.must(err)
	back := protocol.Return{Shards: shards}
	for _, m := range pairs {
		back.Pairs = append(back.Pairs, first.pair(m))
	}
	first.takeBack(back)
	for _, c := range handled {
		await(t, "handled", c)
	}
	if got := second.get(list[0], "/"); got != "n 1" {
		t.Errorf("the agent answers %q", got)
	}
}

// TestLost: a node that was declared lost drops what it had and joins again. The
// others have its agents meanwhile.
func TestLost(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	first, second := f.nodes[0], f.nodes[1]
	d, far := f.at(first)[0], f.at(second)[0]
	here, away := first.connect(d), first.connect(far)
	stayed := f.at(first)[1]
	stays := second.connect(stayed)
	old := await(t, "a tick", stays.sent)
	await(t, "handled", here.say("n", "1"))
	await(t, "handled", away.say("n", "1"))
	db, err := pgx.Connect(t.Context(), f.url)
	f.must(err)
	defer db.Close(context.Background())
	begun := second.get(d, "/begun")
	answers := make(chan *tandem.Response, 2)
	park := func(by *node, d record.Device, l *line) {
		t.Helper()
		go func() {
			r, err := by.Request(t.Context(), d.Agent, &tandem.Request{Method: "POST", Path: "/park"})
			if err != nil {
				t.Error(err)
			}
			answers <- r
		}()
		await(t, "the agent has the request", l.parked)
	}
	park(second, d, here)  // its agent will be lost
	park(first, far, away) // who asks will be
	earlier, _ := second.table().Peer("n1")
	_, err = db.Exec(t.Context(), "DELETE FROM leases WHERE node = 'n1'")
	f.must(err)
	for _, l := range []*line{here, away} {
		if why := await(t, "the link is closed", l.closed); !strings.Contains(why, "out of touch") {
			t.Errorf("closed: %s", why)
		}
		l.leave()
	}
	for range 2 {
		if r := await(t, "an answer", answers); r == nil || r.Status != 502 {
			t.Errorf("an answer of which it is not known whether there was one: %+v", r)
		}
	}
	second.until("the node has joined again", func() bool {
		now, ok := second.table().Peer("n1")
		return ok && now != earlier
	})
	f.settle(2)
	if got := first.get(d, "/begun"); got == begun {
		t.Error("the agent goes on although its node was lost")
	}
	second.ticks(stayed, stays, old) // its agent has the link without a word of the device
	again := first.connect(d)
	await(t, "handled", again.say("n", "2"))
	again.expect("ok 2")
}

// ticks waits for a tick of an agent other than old. The lease of a lost node that a test has
// deleted ended before its time, so the lost agent may have sent a last tick, for which the
// link is cut.
func (n *node) ticks(d record.Device, l *line, old string) {
	n.t.Helper()
	for tick := old; tick == old; {
		select {
		case tick = <-l.sent:
		case why := <-l.closed:
			if !strings.Contains(why, "the connection to the agent was broken") {
				n.t.Fatalf("the link was closed: %s", why)
			}
			l.leave()
			l = n.connect(d)
		case <-time.After(patience):
			n.t.Fatalf("no tick of the agent that has restarted within %v", patience)
		}
	}
}

func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestStop: a node that stops gives its agents to the others first.
func TestStop(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	first, second := f.nodes[0], f.nodes[1]
	d := f.at(first)[0]
	l := first.connect(d)
	await(t, "handled", l.say("n", "1"))
	begun := second.get(d, "/begun")
	slow := make(chan error, 1)
	go func() {
		_, err := first.Request(t.Context(), d.Agent, &tandem.Request{Method: "POST", Path: "/slow"})
		slow <- err
	}()
	asked := make(chan error, 1)
	go func() {
		_, err := second.Request(t.Context(), d.Agent, &tandem.Request{Method: "POST", Path: "/fetch"})
		asked <- err
	}()
	out := await(t, "the agent asks others", first.fetches)
	drained := make(chan error, 1)
	go func() { drained <- first.Drain(t.Context()) }()
	second.until("the agents have moved", func() bool { return first.table().Owned("n1") == 0 && first.Host.Away() == 1 })
	var said []protocol.Effect
	first.moves.look(func(m *protocol.Moves) {
		offer := &protocol.Offer{ID: 1, Shards: []int{0}, Epochs: []int64{1}}
		said = m.Offered(first.now(), second.runNow().self, offer)
	})
	if tell, ok := said[0].(protocol.Tell); !ok || !isDecline(tell.Message) {
		t.Errorf("a node that stops answers an offer with %+v", said)
	}
	out.done(&tandem.Response{Status: 200})
	f.must(await(t, "the node is empty", drained))
	f.must(await(t, "the answer", asked))
	if got := second.get(d, "/begun"); got != begun {
		t.Error("the agent has restarted")
	}
	f.must(await(t, "the answer", slow))
	if err := first.Settle(short(t)); tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("settled with a link: %v", err)
	}
	l.leave()
	f.must(first.Settle(t.Context()))
	if second.Online(d.ID) {
		t.Error("the link has ended, and the device is online")
	}
	f.must(first.stop())
	if err := first.Leave(t.Context()); err == nil {
		t.Error("a node leaves although its database is closed")
	}
	second.until("one node", func() bool { return len(second.Status().Nodes) == 1 || !second.Status().Nodes[0].Alive })
	if _, err := first.Request(short(t), d.Agent, &tandem.Request{Method: "GET"}); err == nil {
		t.Error("a node that has stopped answers")
	}
}

func isDecline(m protocol.Message) bool { _, ok := m.(*protocol.Decline); return ok }

// TestLog: the log of a device has the lines of all nodes, those that join later, too.
func TestLog(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	first, second := f.nodes[0], f.nodes[1]
	ctx, stop := context.WithCancel(t.Context())
	d := f.at(second)[0]
	shown := make(chan string, 1000)
	follower := first.Log.Follow(func(e tandem.LogEntry) { shown <- e.Msg })
	f.must(follower.Add(ctx, []tandem.DeviceID{d.ID}, 0))
	ended := make(chan error, 1)
	go func() { ended <- follower.Run(ctx) }()
	follow := func() {
		t.Helper()
		second.get(d, "/log")
		for !strings.HasPrefix(await(t, "a line", shown), "line of") {
		}
	}
	follow()
	l := first.connect(d)
	await(t, "handled", l.say("n", "1"))
	lines, err := first.Log.History(ctx, d.ID, 10)
	f.must(err)
	if !slices.ContainsFunc(lines, func(e tandem.LogEntry) bool { return strings.HasPrefix(e.Msg, "line of") }) {
		t.Errorf("history: %v", lines)
	}
	third := f.add()
	f.settle(3)
	f.must(first.DrainNode(ctx, "n2"))
	f.must(first.DrainNode(ctx, "n1"))
	third.until("the agent is at the third node", func() bool { return third.Host.Has(d.Agent) })
	follow()
	await(t, "handled", l.say("n", "2")) // a third node has the link of the first's gateway
	l.expect("ok 2")
	if n := second.watched() + third.watched(); n != 2 {
		t.Errorf("%d nodes show their lines to the first, want 2", n)
	}
	stop()
	f.must(<-ended)
	third.until("it is not watched any more", func() bool { return second.watched()+third.watched() == 0 })
}

// TestLogAfterLoss: a node that was declared lost, and has joined again, shows what the others log,
// in the logs that were shown before.
func TestLogAfterLoss(t *testing.T) {
	f := newFleet(t, 2, 16, code)
	first, second := f.nodes[0], f.nodes[1]
	ctx, stop := context.WithCancel(t.Context())
	var all []tandem.DeviceID
	for _, d := range f.devices {
		all = append(all, d.ID)
	}
	shown := make(chan string, 1000)
	follower := first.Log.Follow(func(e tandem.LogEntry) { shown <- e.Msg })
	f.must(follower.Add(ctx, all, 0))
	ended := make(chan error, 1)
	go func() { ended <- follower.Run(ctx) }()
	earlier, _ := second.table().Peer("n1")
	db, err := pgx.Connect(t.Context(), f.url)
	f.must(err)
	defer db.Close(context.Background())
	_, err = db.Exec(t.Context(), "DELETE FROM leases WHERE node = 'n1'")
	f.must(err)
	second.until("the node has joined again", func() bool {
		now, ok := second.table().Peer("n1")
		return ok && now != earlier
	})
	f.settle(2)
	there := f.at(second)[0]
	line := "line of " + second.get(there, "/begun")
	second.until("its lines are shown", func() bool {
		second.get(there, "/log")
		for len(shown) > 0 {
			if <-shown == line {
				return true
			}
		}
		return false
	})
	stop()
	f.must(<-ended)
}

// TestAskedAgain: a node that has not answered is asked for its lines again, one that refuses is
// not, and a new run of this node asks all.
func TestAskedAgain(t *testing.T) {
	a := protocol.Peer{Node: "a"}
	b := protocol.Peer{Node: "b"}
	c := protocol.Peer{Node: "c"}
	all := []protocol.Peer{a, b, c}
	l := &logs{asked: map[uint64]map[protocol.Peer]bool{7: {}}}
	want := func(what string, want ...protocol.Peer) {
		t.Helper()
		if got := l.fresh(7, all); !slices.Equal(got, want) {
			t.Errorf("%s: %v are asked, want %v", what, got, want)
		}
	}
	want("at first", all...)
	want("at once again")
	late := tandem.Errorf(tandem.Unavailable, "no answer in time")
	full := tandem.Errorf(tandem.Limit, "too many logs")
	if !l.unanswered(7, map[protocol.Peer]error{b: late, c: full}) {
		t.Error("the node that did not answer is given up")
	}
	want("after an answer that was late", b)
	if l.unanswered(7, map[protocol.Peer]error{c: full}) || l.unanswered(8, map[protocol.Peer]error{a: late}) {
		t.Error("a node that refuses, or one of a log that is not shown, is asked again")
	}
	l.renew()
	want("after this node was lost", all...)
}

// TestStatus: what the table says of each node, and where devices are sent.
func TestStatus(t *testing.T) {
	c := &Cluster{Info: record.Node{ID: "a"}}
	if st := c.Status(); st.Shards != 0 || st.Nodes != nil || c.Another() != "" {
		t.Errorf("before it is part of a cluster: %+v, devices are sent to %q", st, c.Another())
	}
	c.view.Store(&current{Table: &protocol.Table{
		Routes: []protocol.Route{
			{Owner: "a", Target: "a"}, {Owner: "a", Target: "b"}, {Owner: "a"},
			{Target: "b"}, {Owner: "b", Target: "b"}, {Owner: "x"},
		},
		Nodes: []record.Node{
			{ID: "a", MQTT: "a:1883", Alive: true},
			{ID: "b", MQTT: "b:1883", Alive: true, URL: "http://b", Version: "v2", Agents: 3},
			{ID: "c", MQTT: "c:1883"}, {ID: "d", MQTT: "d:1883", Alive: true, Draining: true}, {ID: "e", Alive: true},
		},
	}})
	st := c.Status()
	if st.Shards != 6 || st.Orphan != 2 || len(st.Nodes) != 5 {
		t.Errorf("%+v", st)
	}
	want := NodeStatus{ID: "b", MQTT: "b:1883", Alive: true, URL: "http://b", Version: "v2", Agents: 3, Shards: 1}
	if st.Nodes[1] != want {
		t.Errorf("got %+v, want %+v", st.Nodes[1], want)
	}
	if n := st.Nodes[0]; n.Shards != 3 || n.Leaving != 1 {
		t.Errorf("%d shards, of which %d leave; want 3 and 1", n.Shards, n.Leaving)
	}
	for range 20 {
		if got := c.Another(); got != "b:1883" {
			t.Fatalf("devices are sent to %q", got)
		}
	}
}

// TestReviews: a group is reviewed once in all shards that have come meanwhile, by one
// goroutine at a time.
func TestReviews(t *testing.T) {
	var n news
	if n.begin() {
		t.Error("there is something to review at first")
	}
	for range 2 {
		n.queue("g", []int{1, 2})
		n.queue("g", []int{2, 3})
		if !n.begin() || n.begin() {
			t.Error("not one goroutine is to review")
		}
		if group, in := n.next(); group != "g" || !maps.Equal(in, map[int]bool{1: true, 2: true, 3: true}) {
			t.Errorf("to be reviewed: %s in %v", group, in)
		}
		if group, in := n.next(); in != nil {
			t.Errorf("to be reviewed again: %s in %v", group, in)
		}
	}
}

// TestInsist: what agents that came here need is tried until it succeeds, the run ends, or the
// host stops.
func TestInsist(t *testing.T) {
	fails := tandem.Errorf(tandem.Unavailable, "the database does not answer")
	for name, tc := range map[string]struct {
		errs  []error // of the attempts; nil after them
		runs  time.Duration
		tries int
		done  bool
	}{
		"at once":        {nil, time.Minute, 1, true},
		"after a while":  {[]error{fails, fails, fails}, time.Minute, 4, true},
		"the run ends":   {[]error{fails, fails, fails}, 1500 * time.Millisecond, 2, false},
		"the host stops": {[]error{fails, life.ErrStopping, fails}, time.Minute, 2, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &Cluster{logger: slog.New(slog.DiscardHandler)}
			ctx, cancel := context.WithTimeout(t.Context(), tc.runs)
			defer cancel()
			tries := 0
			done := c.insist(ctx, "fails", func() error {
				tries++
				if tries > len(tc.errs) {
					return nil
				}
				return tc.errs[tries-1]
			})
			if done != tc.done || tries != tc.tries {
				t.Errorf("%s: done is %v after %d attempts", name, done, tries)
			}
		})
	}
}

// waiting returns how many calls of the node wait for an answer.
func (n *node) waiting() int {
	n.calls.mu.Lock()
	defer n.calls.mu.Unlock()
	return len(n.calls.callers)
}

// watched returns how many views of others the node serves.
func (n *node) watched() int {
	n.logs.mu.Lock()
	defer n.logs.mu.Unlock()
	return len(n.logs.serve)
}
