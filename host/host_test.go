package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/record"
)

const lifeCode = `
n <- 0; parked <- null; heard <- 0;
local saved = server.load(); count <- "count" in saved ? saved.count : 0;
device.onconnect(function() { server.log("onconnect"); });
device.ondisconnect(function() { server.log("ondisconnect"); });
tandem.onpeerstart(function(reason, i) { server.log("peer " + reason + " " + i); });
device.on("add", function(x) { count += x; server.save({ count = count }); });
device.on("hear", function(x) { heard += x; });
http.onrequest(function(q, r) {
    n++;
    switch (q.path) {
    case "/restart": r.send(200, "ok"); server.restart(); break;
    case "/silent": server.restart(); break;
    case "/memory": r.send(200, "ok"); local a = []; while (true) a.append(blob(1000)); break;
    case "/throw": r.send(200, "ok"); throw "ouch"; break;
    case "/loop": r.send(200, "ok"); while (true) {} break;
    case "/park": parked = r; break;
    case "/unpark": parked.send(200, "parked " + n); r.send(200, "ok"); break;
    case "/timer": imp.wakeup(0.05, function() { server.log("timer " + n); }); r.send(200, "ok"); break;
    case "/save": count++; r.send(200, server.save({ count = count }) + " " + count); break;
    case "/count": r.send(200, count.tostring()); break;
    case "/heard": r.send(200, heard.tostring()); break;
    case "/fetch": http.get("http://example.com/").sendasync(function(x) { r.send(200, x.statuscode + " " + x.body); }); break;
    case "/sync": local x = http.get("http://example.com/").sendsync(); r.send(200, x.statuscode + " " + x.body); break;
    case "/send": device.send("x", n); r.send(200, device.isconnected().tostring()); break;
    default: r.send(200, n + " " + tandem.incarnation() + " " + device.isconnected());
    }
});
`

// restartText is the line a reason gives.
func restartText(r tandem.Reason) string { return "^status Agent restarted: " + string(r) + `\.$` }

func TestRestarts(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	w.get("/")
	w.lines.expect(`^status Agent started\.$`)
	l := w.connect()
	for i, tc := range []struct {
		path   string
		reason tandem.Reason
	}{
		{"/restart", tandem.ReasonRestart}, {"", tandem.ReasonRestart}, // "" is a wish from outside, which counts as no crash
		{"/memory", tandem.ReasonOutOfMemory}, {"", tandem.ReasonRestart},
		{"/throw", tandem.ReasonException}, {"", tandem.ReasonRestart},
		{"/loop", tandem.ReasonWatchdog}, {"", tandem.ReasonRestart},
	} {
		if tc.path == "" {
			w.must(w.host.RestartAgent(t.Context(), w.devices[0].ID))
		} else {
			w.get(tc.path)
		}
		w.lines.expect(restartText(tc.reason))
		w.lines.expect("^agent.log onconnect$") // the device is there already
		l.expect(t, fmt.Sprintf(`^sys/agent {"event":"restarted","reason":%q,"incarnation":%d}$`, tc.reason, i+2))
		if got, want := w.get("/"), fmt.Sprintf("1 %d true", i+2); got != want {
			t.Errorf("after %s the agent says %q, want %q", tc.path, got, want)
		}
	}
	w.deploy(lifeCode + "server.log(\"version 2\");")
	w.lines.expect(restartText(tandem.ReasonReload))
	w.lines.expect("version 2")
	w.must(w.host.RestartAgent(t.Context(), w.devices[0].ID))
	w.lines.expect(restartText(tandem.ReasonRestart))
	for reason, n := range map[string]int{"restart": 6, "out_of_memory": 1, "exception": 1, "watchdog": 1, "reload": 1} {
		if got := w.lines.count("Agent restarted: " + reason + "."); got != n {
			t.Errorf("%d restarts for %s are logged, want %d", got, reason, n)
		}
	}
}

// TestLinks: messages go by the newest link, older ones are closed, and one that
// takes none is another connection for the agent.
func TestLinks(t *testing.T) {
	w := newWorld(t, lifeCode, 1, func(h *Host) { h.Grace = time.Hour })
	one := w.connect()
	w.lines.expect("^agent.log onconnect$")
	w.get("/send")
	one.expect(t, "^device/x ")
	two := w.connect()
	if why := <-one.closed; why == "" {
		t.Error("the older connection is not told why it is closed")
	}
	w.disconnect(one, false) // its end means nothing any more
	w.get("/send")
	two.expect(t, "^device/x ")

	again := &link{two.ref, make(chan string, 100), make(chan string, 1)} // the same by another way
	w.must(w.host.Connect(t.Context(), w.devices[0].ID, again, 1, "192.0.2.7"))
	w.get("/send")
	again.expect(t, "^device/x ")
	if len(two.closed) > 0 {
		t.Error("a connection is closed because it has introduced itself again")
	}

	w.introduce(full{newRef()})
	w.get("/send") // it is not taken
	w.connect()
	w.lines.expect("^agent.log ondisconnect$")
	w.lines.expect("^agent.log onconnect$")
	if n := w.lines.count("status Device"); n != 1 {
		t.Errorf("%d comings and goings of the device are logged, want 1", n)
	}
}

// TestHello: what a device says of itself is remembered over a restart of the node,
// and it is offered the code of its group.
func TestHello(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	hello := func(l *link) {
		t.Helper()
		w.say("sys/hello", tandem.Message{Data: []byte(`{"boot":7,"incarnation":3,"reason":"power_on","code":"aa"}`)}, func() {})
		l.expect(t, `^sys/agent {"event":"running"`)
		l.expect(t, `^sys/code {"sha":"[0-9a-f]{64}","code":"// device","env":{.*"DEVICEGROUP_ID"`)
	}
	w.get("/")
	hello(w.connect())
	w.lines.expect(`^status Device started: power_on\.$`)
	w.lines.expect("^agent.log peer power_on 3$")
	w.stop()
	w.open(nil)
	l := w.connect()
	w.lines.expect("Agent moved: shutdown.")
	hello(l)
	if n := w.lines.count("Device started"); n != 0 {
		t.Errorf("one start is logged again %d times", n)
	}
}

// TestStopped: a host that has stopped makes no pairs any more.
func TestStopped(t *testing.T) {
	w := newWorld(t, lifeCode, 2, nil)
	w.get("/")
	w.host.Refuse()
	w.stopNow()
	if _, err := w.request(t.Context(), "/"); !errors.Is(err, life.ErrStopping) {
		t.Errorf("a request to an agent that sleeps: %v", err)
	}
	w.host.mu.Lock()
	w.host.stopping = true
	w.host.mu.Unlock()
	if _, err := w.host.Request(t.Context(), tandem.Origin{}, w.devices[1].Agent, &tandem.Request{}); !errors.Is(err, life.ErrStopping) {
		t.Errorf("a request to another: %v", err)
	}
}

// TestExportStopped: from a host that has ended nothing can be moved, and who wants
// to does not wait.
func TestExportStopped(t *testing.T) {
	w := newWorld(t, lifeCode, 1, alone)
	w.get("/")
	w.stop()
	if moved, err := w.host.Export(t.Context(), []int{0}); !errors.Is(err, life.ErrStopping) || moved != nil {
		t.Errorf("%d agents leave, %v", len(moved), err)
	}
}

// TestNotFound: of a device that is not there every call says so, and nothing is kept
// of it.
func TestNotFound(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	const id = tandem.DeviceID("0123456789abcdef")
	ctx, h := t.Context(), w.host
	for what, call := range map[string]func() error{
		"connect":        func() error { return h.Connect(ctx, id, newLink(), 1, "") },
		"disconnect":     func() error { return h.Disconnect(ctx, id, newRef(), tandem.LinkEnd{}) },
		"message":        func() error { return h.FromDevice(ctx, id, newRef(), 1, "agent/x", tandem.Message{}, func() {}) },
		"restart agent":  func() error { return h.RestartAgent(ctx, id) },
		"restart device": func() error { return h.RestartDevice(ctx, id) },
		"assigned":       func() error { return h.Assigned(ctx, id) },
	} {
		if err := call(); kind(err) != tandem.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.must(h.Review(ctx, id, nil)) // it was deleted since
	h.Deleted(id)
	h.Remind(id, nil)
	if h.Online(id) || h.Runs(id) || h.inMemory(id) != nil {
		t.Error("the device is known")
	}
	gaveUp, cancel := context.WithCancel(ctx)
	cancel()
	for what, err := range map[string]error{
		"review":       h.Review(gaveUp, w.devices[0].ID, nil),
		"review group": h.ReviewGroup(gaveUp, w.group.ID, nil),
		"deployed":     h.Deployed(gaveUp, w.group.ID, ""),
		"take up":      h.TakeUp(gaveUp, []int{0}),
	} {
		if err == nil {
			t.Errorf("%s: the store was not asked, and there is no error", what)
		}
	}
}

// TestResumePasses: an agent that has been deleted, or has left, does not keep those
// behind it from being resumed.
func TestResumePasses(t *testing.T) {
	w := newWorld(t, lifeCode, 40, func(h *Host) {
		h.Join(noOthers{}, "here", 2)
		h.Lease(time.Now().Add(time.Hour))
		h.OpenShards([]int{0})
	})
	one := func(here bool) record.Device {
		i := slices.IndexFunc(w.devices, func(d record.Device) bool { return w.host.Has(d.Agent) == here })
		if i < 0 {
			t.Fatal("all agents are of one shard")
		}
		return w.devices[i]
	}
	last := one(true)
	w.must(w.host.resume(t.Context(), []tandem.AgentID{"abcdefghijkl", one(false).Agent, last.Agent}))
	w.waitRuns(last.ID)
	if _, err := w.host.Request(t.Context(), tandem.Origin{}, last.Agent, &tandem.Request{Path: "/"}); err != nil {
		t.Error(err)
	}
	_, _, events := w.host.Counts()
	if events == 0 || w.host.Activity().Events < events {
		t.Errorf("%d events are counted", events)
	}
}

// waitRuns waits until a device's agent runs.
func (w *world) waitRuns(id tandem.DeviceID) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !w.host.Runs(id); {
		if time.Now().After(deadline) {
			w.t.Fatal("the agent does not run")
		}
		<-time.After(time.Millisecond)
	}
}

// full is a link that takes nothing.
type full struct{ ref tandem.LinkRef }

func (l full) Ref() tandem.LinkRef            { return l.ref }
func (full) Send(string, tandem.Message) bool { return false }
func (full) Close(string)                     {}

func TestRequests(t *testing.T) {
	release := make(chan struct{})
	w := newWorld(t, lifeCode, 1, func(h *Host) {
		h.Fetcher = fetcher(func(ctx context.Context, f *tandem.Fetch) *tandem.Response {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return &tandem.Response{Status: 200, Body: []byte("fetched")}
		})
	})
	if r, err := w.request(t.Context(), "/silent"); err != nil || r.Status != 502 {
		t.Errorf("a request that its agent took along: %+v, %v", r, err)
	}
	if _, err := w.host.Request(t.Context(), tandem.Origin{}, "not-an-agent", &tandem.Request{}); kind(err) != tandem.NotFound {
		t.Errorf("no such agent: %v", err)
	}
	if _, err := w.host.Request(t.Context(), tandem.Origin{}, "no id", &tandem.Request{}); kind(err) != tandem.NotFound {
		t.Errorf("no id of an agent: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	parked := make(chan error, 1)
	go func() {
		_, err := w.request(ctx, "/park")
		parked <- err
	}()
	w.waitWaiting(1)
	cancel()
	if err := <-parked; err != context.Canceled {
		t.Errorf("an abandoned request: %v", err)
	}
	w.get("/unpark") // its caller has gone

	// While the agent waits for a sendsync, others wait for it.
	synced := make(chan string, 1)
	go func() { synced <- w.get("/sync") }()
	w.waitWaiting(1)
	behind := make(chan string, 1)
	go func() { behind <- w.get("/count") }()
	w.waitWaiting(2)
	p := w.host.inMemory(w.devices[0].ID)
	for range life.MaxRequests - 1 {
		r := &life.Request{Number: w.host.ids.Add(1), Request: &tandem.Request{Method: "GET", Path: "/"}}
		owner, verdict, _ := p.box.request(arrival{event: r, wait: &waiter{ready: make(chan struct{}, 1)}})
		if verdict != life.Wanted {
			t.Fatal("the inbox is full too early")
		}
		if owner {
			p.run(nil)
		}
	}
	if _, err := w.request(t.Context(), "/"); kind(err) != tandem.Limit {
		t.Errorf("one too many: %v", err)
	}
	if n := w.host.Activity().Over[tandem.OverInbox]; n != 1 {
		t.Errorf("counted %d times", n)
	}
	close(release)
	if got := <-synced; got != "200 fetched" {
		t.Errorf("sendsync: %q", got)
	}
	if got := <-behind; got != "0" {
		t.Errorf("the request behind it: %q", got)
	}
	if got := w.getWithRoom("/fetch"); got != "200 fetched" {
		t.Errorf("sendasync: %q", got)
	}
}

// getWithRoom is get for an agent for which as many requests wait as may. They make room a
// moment after they have been handled.
func (w *world) getWithRoom(path string) string {
	w.t.Helper()
	r, err := w.request(w.t.Context(), path)
	for kind(err) == tandem.Limit {
		r, err = w.request(w.t.Context(), path)
	}
	w.must(err)
	return string(r.Body)
}

// Many agents that never rest do not keep others from being answered.
func TestHogs(t *testing.T) {
	const hogs = 6
	w := newWorld(t, `function spin() { imp.wakeup(0, spin); for (local i = 0; i < 3000000; i++) {} }
http.onrequest(function(q, r) { r.send(200, "ok"); if (q.path == "/spin") spin(); });`, hogs+1, nil)
	w.get("/spin")
	w.lines.expect("^status Agent uses much processor time: ")
	for _, d := range w.devices[2:] {
		if _, err := w.host.Request(t.Context(), tandem.Origin{}, d.Agent, &tandem.Request{Path: "/spin"}); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if _, err := w.host.Request(t.Context(), tandem.Origin{}, w.devices[1].Agent, &tandem.Request{Path: "/"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.lines.count("much processor time"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
}

// waitWaiting waits until n requests to the first agent are under way, the
// first of them with the agent.
func (w *world) waitWaiting(n int) {
	w.t.Helper()
	p := w.host.inMemory(w.devices[0].ID)
	deadline := time.Now().Add(patience)
	for {
		var begun, total int
		p.inspect(func(l *life.Life) {
			seen, unseen := l.Pending()
			begun, total = seen, seen+unseen
		})
		if total == n && begun > 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d requests wait, want %d", total, n)
		}
		<-time.After(time.Millisecond)
	}
}

func TestHibernation(t *testing.T) {
	w := newWorld(t, lifeCode, 1, func(h *Host) { h.HibernateAfter = 10 * time.Millisecond })
	parked := make(chan string, 1)
	w.get("/")
	go func() { parked <- w.get("/park") }()
	w.waitWaiting(1)
	frozen := func() {
		t.Helper()
		deadline := time.Now().Add(patience)
		for {
			if _, n, _ := w.host.Counts(); n == 1 {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("the agent never hibernates")
			}
			<-time.After(time.Millisecond)
		}
	}
	frozen()
	if got := w.get("/timer"); got != "ok" {
		t.Error(got)
	}
	frozen() // with a timer pending
	w.lines.expect("^agent.log timer 3$")
	frozen()
	w.message("hear", "7", tandem.Mark{})
	frozen()
	if got := w.get("/heard"); got != "7" {
		t.Errorf("heard %s", got)
	}
	w.get("/unpark")
	if got := <-parked; got != "parked 5" {
		t.Errorf("the parked answer: %q", got)
	}
	if n := w.lines.count("status"); n != 1 {
		t.Errorf("%d status lines, want only the start's", n)
	}
}

func TestStopAndStart(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	w.get("/")
	w.get("/save")
	w.get("/timer")
	w.stop()
	w.open(nil)
	w.lines.expect(`^status Agent moved: shutdown\.$`)
	w.lines.expectAnywhere("^agent.log timer 3$") // it is over before the stop on a slow machine
	if got := w.get("/"); got != "4 1 false" {
		t.Errorf("after stop and start: %q", got)
	}
	if n := w.lines.count("started") + w.lines.count("restarted"); n != 0 {
		t.Errorf("%d starts are logged", n)
	}
}

// An event may come before the host has looked at who ran before it.
func TestEventBeforeResume(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	answer := make(chan string, 1)
	early := func(h *Host) {
		p, err := h.pairOf(t.Context(), w.devices[0].ID)
		w.must(err)
		p.box.owned = true // it must not run before the request is there
		go func() {
			r, err := h.Request(t.Context(), tandem.Origin{}, w.devices[0].Agent, &tandem.Request{Method: "GET", Path: "/"})
			if err != nil {
				t.Error(err)
			}
			answer <- string(r.Body)
		}()
		w.waitQueued(p)
		go p.run(nil)
	}
	w.get("/")
	w.stop()
	w.open(early)
	if got := <-answer; got != "2 1 false" {
		t.Errorf("after stop and start: %q", got)
	}
	w.abandon()
	w.open(early)
	w.lines.expect(restartText(tandem.ReasonHostLost))
	if got := <-answer; got != "1 2 false" {
		t.Errorf("after a loss: %q", got)
	}
}

// waitQueued waits until a request waits for p.
func (w *world) waitQueued(p *pair) {
	deadline := time.Now().Add(patience)
	for {
		p.box.mu.Lock()
		n := len(p.box.queue)
		p.box.mu.Unlock()
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the request never comes")
		}
		<-time.After(time.Millisecond)
	}
}

// A node that is lost loses nothing that was acknowledged, and a message that
// comes again is applied to saved state once.
func TestHostLost(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	for i := range 5 {
		w.message("add", "1", tandem.Mark{Boot: 1, Seq: uint64(i + 1)})
	}
	w.get("/save")
	w.abandon()
	w.open(nil)
	w.lines.expect(restartText(tandem.ReasonHostLost))
	for i := range 6 {
		w.message("add", "1", tandem.Mark{Boot: 1, Seq: uint64(i + 1)})
	}
	if got := w.get("/count"); got != "7" {
		t.Errorf("the count is %s, want 5 + 1 by the save + 1 new", got)
	}
}

func TestSaveFails(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	w.get("/")
	// Somebody else begins the next incarnation: this one is fenced.
	began := make(chan error, 1)
	w.store.Begin(w.devices[0].Agent, func(_ uint64, err error) { began <- err })
	w.must(<-began)
	if got := w.get("/save"); got == "0 1" {
		t.Errorf("a save that the store refused says %q", got)
	}
	w.get("/")
}

// stressed is a device that several goroutines use.
type stressed struct {
	mu  sync.Mutex
	ref tandem.LinkRef
	seq uint64
}

// blink connects the device and ends the connection.
func (s *stressed) blink(w *world, id tandem.DeviceID, clean bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connect(w, id)
	w.must(w.host.Disconnect(w.t.Context(), id, s.ref, tandem.LinkEnd{Clean: clean}))
}

func (s *stressed) connect(w *world, id tandem.DeviceID) {
	l := newLink()
	w.must(w.host.Connect(w.t.Context(), id, l, 1, ""))
	s.ref, s.seq = l.Ref(), 0
}

func (s *stressed) say(w *world, id tandem.DeviceID, handled func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ref == (tandem.LinkRef{}) {
		s.connect(w, id)
	}
	s.seq++
	m := tandem.Message{Data: []byte("1")}
	w.must(w.host.FromDevice(w.t.Context(), id, s.ref, s.seq, "agent/hear", m, handled))
}

// TestStress has many goroutines at many pairs, and checks that everything is
// answered and handled once, and that acknowledged saves only grow.
func TestStress(t *testing.T) {
	const pairs, workers, each = 20, 16, 150
	w := newWorld(t, lifeCode, pairs, func(h *Host) { h.HibernateAfter = 3 * time.Millisecond; h.Grace = time.Millisecond })
	var saved [pairs]atomic.Int64
	var devices [pairs]stressed
	var handled, sent atomic.Int64
	var wg sync.WaitGroup
	paths := []string{"/", "/save", "/save", "/save", "/timer", "/restart", "/count", "/", "/throw"}
	for worker := range workers {
		wg.Go(func() {
			for i := range each {
				which := (worker*31 + i*7) % pairs
				d := w.devices[which]
				switch i % 10 {
				case 3:
					devices[which].blink(w, d.ID, i%20 == 3)
				case 6:
					sent.Add(1)
					devices[which].say(w, d.ID, func() { handled.Add(1) })
				default:
					path := paths[(worker+i)%len(paths)]
					switch {
					case path == "/restart":
						w.must(w.host.RestartAgent(t.Context(), d.ID))
						continue
					case path == "/throw" && i%50 != 0: // crashes make agents wait
						path = "/"
					}
					before := saved[which].Load()
					r, err := w.host.Request(t.Context(), tandem.Origin{}, d.Agent, &tandem.Request{Method: "GET", Path: path})
					if err != nil {
						t.Errorf("%s: %v", path, err)
						continue
					}
					if path != "/save" || r.Status != 200 {
						continue
					}
					var failed, count int64
					if _, err := fmt.Sscan(string(r.Body), &failed, &count); err != nil || failed != 0 || count <= before {
						t.Errorf("save answered %q, and %d was acknowledged before it began", r.Body, before)
					}
					for {
						old := saved[which].Load()
						if count <= old || saved[which].CompareAndSwap(old, count) {
							break
						}
					}
				}
			}
		})
	}
	wg.Wait()
	w.stop()
	if handled.Load() != sent.Load() {
		t.Errorf("%d messages were sent, %d handled", sent.Load(), handled.Load())
	}
	w.open(nil)
	for i, d := range w.devices {
		r, err := w.host.Request(t.Context(), tandem.Origin{}, d.Agent, &tandem.Request{Method: "GET", Path: "/count"})
		w.must(err)
		if got, err := strconv.ParseInt(string(r.Body), 10, 64); err != nil || got < saved[i].Load() {
			t.Errorf("agent %d has %q, %d was acknowledged", i, r.Body, saved[i].Load())
		}
	}
}

// TestValidateTLS: the device group's default is that of agents which start
// after it was changed, and they keep it.
func TestValidateTLS(t *testing.T) {
	asked := make(chan bool, 1)
	note := func(h *Host) {
		h.Fetcher = fetcher(func(_ context.Context, f *tandem.Fetch) *tandem.Response {
			asked <- f.Validate
			return &tandem.Response{Status: 200}
		})
	}
	w := newWorld(t, lifeCode, 1, note)
	check := func(want bool) {
		t.Helper()
		w.get("/fetch")
		if got := <-asked; got != want {
			t.Errorf("validate is %v", got)
		}
	}
	check(false)
	_, err := w.store.ChangeGroup(t.Context(), w.group.ID, func(g *record.Group) error { g.ValidateTLS = true; return nil })
	w.must(err)
	check(false)
	w.must(w.host.Deployed(t.Context(), w.group.ID, ""))
	check(true)
	w.stop()
	w.open(note)
	check(true)
}

// TestNoGroup: news about a group without an id, as only a broken node sends it, is refused
// and restarts no agent.
func TestNoGroup(t *testing.T) {
	w := newWorld(t, `n <- 0; http.onrequest(@(q, r) r.send(200, "" + ++n));`, 1, nil)
	w.get("/")
	for _, err := range []error{w.host.Deployed(t.Context(), "", ""), w.host.ReviewGroup(t.Context(), "", nil)} {
		if kind(err) != tandem.Invalid {
			t.Errorf("%v", err)
		}
	}
	if got := w.get("/"); got != "2" {
		t.Errorf("the agent answers %s: it has restarted", got)
	}
}

// TestLineAgain: a line whose acknowledgement was lost with its node comes again, and is in the
// log once.
func TestLineAgain(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	said := func(seq uint64, msg string) {
		t.Helper()
		handled := make(chan struct{})
		m := tandem.Message{Data: []byte(msg), Mark: tandem.Mark{Boot: 1, Seq: seq}}
		w.say("log", m, func() { close(handled) })
		<-handled
	}
	said(1, "one")
	said(2, "two")
	w.lines.expect("^server.log two$")
	w.abandon()
	w.open(nil)
	said(2, "two")
	said(3, "three")
	w.lines.expect("^server.log three$")
	list, err := w.log.History(t.Context(), w.devices[0].ID, 100)
	w.must(err)
	var got []string
	for _, e := range list {
		if e.Type == tandem.LogDevice {
			got = append(got, e.Msg)
		}
	}
	if !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("the log has %q", got)
	}
}
