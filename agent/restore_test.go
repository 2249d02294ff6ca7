package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

// restless uses everything that a snapshot has to carry.
const restless = `
class Box {
	n = 0;
	items = null;
	constructor() { items = []; }
	function add(x) { items.append(x); n++; return this; }
	function _tostring() { return "box of " + n; }
}
box <- Box();
parked <- [];
requests <- [];
timers <- [];
bytes <- blob();
stream <- null;
client <- mqtt.createclient();
function counter() { local n = 0; return function() { return ++n; }; }
next <- counter();
function numbers() { local i = 0; while (true) yield i++; }
gen <- numbers();

function note(text) {
	server.log(text + " #" + next() + " " + (resume gen) + " " + math.rand() % 1000 + " " + box + " " + time());
}

device.on("save", function(d) {
	note("save");
	local r = server.save({ n = next(), d = d, items = box.items.len() });
	note("saved " + r + " " + http.jsonencode(server.load()));
});
device.on("fetch", function(d) {
	local r = http.get("http://x/" + d);
	requests.append(r);
	r.sendasync(@(r) note("done " + r.statuscode + r.body), @(p) note("part " + p));
});
device.on("sync", function(d) {
	for (local i = 0; i < 2; i++) {
		local r = http.post("http://x/", { h = i }, "b").sendsync();
		note("sync " + r.statuscode);
	}
});
device.on("sleep", function(d) {
	try { imp.sleep(0.5); note("slept"); imp.sleep(0.25); throw "up"; } catch (e) { note(e); }
});
device.on("timer", function(d) { timers.append(imp.wakeup(1.5, @() note("timer " + d))); });
device.on("untimer", function(d) { if (timers.len() > 0) imp.cancelwakeup(timers.pop()); note("untimer"); });
device.on("cancel", function(d) { if (requests.len() > 0) requests.pop().cancel(); note("cancel"); });
device.on("grow", function(d) { for (local i = 0; i < 200; i++) box.add("item " + i + d);
	bytes.writestring("grown"); if (box.n > 2000) { box = Box(); bytes = blob(); }
  note("grown " + bytes.len()); });
device.on("answer", function(d) {
	foreach (r in parked) { r.header("X", "y"); r.send(200, "late"); }
	parked.clear();
	note("answered");
});
device.on("map", function(d) { note(http.jsonencode([3, 1, 2].map(function(x) { imp.sleep(0.1); return x + 1; }))); });
device.on("post", function(d) {
	note("post " + tandem.post("p", d, @() note("handled " + d)) + " " + tandem.post("q", null));
});
device.on("flood", function(d) {
	local x;
	while ((x = imp.wakeup(500, @() null, "n" + timers.len())) != null) timers.append(x);
	note("flood");
});
device.on("ebb", function(d) { foreach (x in timers) imp.cancelwakeup(x); timers.clear(); note("ebb"); });
device.on("upload", function(d) {
	if (!stream) stream = http.poststream("http://x", {}, @(r) note("uploaded " + r.statuscode));
  stream.send(blob(100000)); note("sent"); });
device.on("close", function(d) { if (stream) { local s = stream; stream = null; s.closeasync(); }
  note("close"); });
device.on("pattern", function(d) { note("pattern " + regexp2("^(a|b)+" + d).match("ab7")); });
device.on("sign", function(d) {
	try { crypto.sign(crypto.RSASSA_PKCS1_SHA256, "m", "no key", @(e, s) note(e)); } catch (e) { note(e); }
});
device.on("online", function(d) { client.connect("tcp://b", "id"); note("online"); });
device.on("publish", function(d) {
	client.createmessage("a", "b" + d, { qos = 1 }).sendasync(@(code) note("published " + code));
	note("publishes");
});
device.on("offline", function(d) { client.disconnect(@() note("offline")); });
client.onconnect(@(code) note("mqtt " + code));
client.onconnectionlost(@(why) note("mqtt lost " + why));
client.onmessage(@(m) note("mqtt " + m.topic + m.message));
device.on("crash", function(d) { local t = {}; t.nothing = 1; });
device.on("restart", @(d) server.restart());
http.onrequest(function(q, r) {
  if (q.path == "/park") { parked.append(r); r.header("Parked", "yes"); return; }
  if (q.path == "/save") server.save({ path = q.path });
  r.send(200, http.jsonencode(q.query));
  note("request " + q.method);
});
device.onconnect(function() { note("connect"); imp.sleep(0.1); note("connected"); device.send("hi", { n = next() }); });
device.ondisconnect(@() note("disconnect"));
tandem.onpeerstart(@(reason, n) note("peer " + reason + n));
imp.onunhandledexception(function(e) { note("crash: " + e); server.save({ crash = e }); note("crash saved"); });
server.onshutdown(function(reason) { note("shutdown " + reason); imp.wakeup(1, @() server.restart()); });
function tick() { imp.wakeup(3, tick); note("tick"); }
tick();
`

// events generates what can happen to restless. Most numbers are small, so
// that answers meet questions.
func events(t *rapid.T, n int) Event {
	id := rapid.Uint64Range(1, 30)
	names := []string{
		"save", "save", "fetch", "fetch", "sync", "sleep", "timer", "untimer", "cancel", "grow", "answer", "map",
		"post", "flood", "ebb", "upload", "close", "pattern", "sign", "online", "publish", "offline", "unknown",
	}
	switch rapid.IntRange(0, 25).Draw(t, "kind") {
	case 0, 1, 2, 3, 4, 5:
		return &DeviceMessage{tandem.Message{
			Name: rapid.SampledFrom(names).Draw(t, "name"), Data: []byte("7"),
			Mark: tandem.Mark{Boot: 1, Seq: rapid.Uint64Range(1, 40).Draw(t, "seq")},
		}}
	case 6:
		return &DeviceConnected{"192.0.2.1"}
	case 7:
		return &DeviceDisconnected{}
	case 8, 9, 10:
		path := rapid.SampledFrom([]string{"/park", "/save", "/", "/x"}).Draw(t, "path")
		return &Request{
			uint64(100 + n),
			&tandem.Request{
				Method: "GET", Path: path, Query: "a=1&b=2",
				Headers: map[string][]string{"Host": {"x"}, "Accept": {"*"}},
			},
		}
	case 11, 12:
		return &Fetched{id.Draw(t, "id"), &tandem.Response{Status: 200, Body: []byte("body")}}
	case 13:
		return &FetchedPart{id.Draw(t, "id"), []byte("piece")}
	case 14:
		return &PeerStarted{tandem.ReasonWake, 5}
	case 15:
		return &Alarm{}
	case 16:
		return &Woken{}
	case 17:
		if rapid.IntRange(0, 9).Draw(t, "end") == 0 {
			return &Shutdown{tandem.ReasonReload}
		}
	case 18:
		if rapid.IntRange(0, 9).Draw(t, "end") == 0 {
			return &DeviceMessage{tandem.Message{
				Name: rapid.SampledFrom([]string{"crash", "restart"}).Draw(t, "name"), Data: []byte("1"),
			}}
		}
	case 20:
		return &Handled{id.Draw(t, "seq")}
	case 21:
		return &MQTTConnected{ID: id.Draw(t, "id"), Code: rapid.IntRange(0, 1).Draw(t, "code") * 5, Why: "why"}
	case 22:
		return &MQTTMessage{id.Draw(t, "id"), "topic", []byte("payload")}
	case 23:
		return &MQTTDone{id.Draw(t, "id"), id.Draw(t, "request"), 0, 1}
	case 24:
		return &MQTTLost{id.Draw(t, "id"), "it broke"}
	case 25:
		return &Uploaded{id.Draw(t, "id"), 100_000}
	}
	return nil // time passes
}

// TestRestoreGoesOn: a machine that is moved at any point, also while it is
// busy, does what one that was not does.
func TestRestoreGoesOn(t *testing.T) {
	cfg := mustCompile(t, restless)
	cfg.Connected = true
	rapid.Check(t, func(t *rapid.T) {
		stays, moves := newWorld(cfg), newWorld(cfg)
		for n := range rapid.IntRange(1, 60).Draw(t, "events") {
			if rapid.Bool().Draw(t, "move") {
				if err := moves.move(); err != nil {
					t.Fatal(err)
				}
			}
			var ev Event = &Boot{}
			if n > 0 {
				ev = events(t, n)
			}
			answer := rapid.IntRange(0, 3).Draw(t, "answer") > 0
			pause := time.Duration(rapid.IntRange(0, 2000).Draw(t, "pause")) * time.Millisecond
			for _, w := range []*world{stays, moves} {
				w.turn(ev, answer, pause)
			}
			if a, b := stays.out.String(), moves.out.String(); a != b {
				t.Fatalf("stays:\n%s\nmoves:\n%s", a, b)
			}
			if n == 0 && stays.m.Dead() {
				t.Fatalf("the program has ended before anything happened:\n%s", stays.out.String())
			}
		}
	})
}

// turn delivers an event, perhaps answers what the program waits for, and
// lets time pass.
func (w *world) turn(ev Event, answer bool, pause time.Duration) {
	if ev != nil {
		if answer {
			w.aim(ev)
		}
		w.do(ev)
	}
	if answer {
		switch w.m.core.Waiting() {
		case waitSave:
			w.do(&Saved{})
		case waitFetch:
			w.do(&Fetched{uint64(w.m.syncID), &tandem.Response{Status: 200}})
		case waitPost:
			w.posts++
			w.do(&Posted{Seq: w.posts})
		case waitUpload:
			w.do(&Uploaded{uint64(w.m.syncID), 100_000})
		}
	}
	w.advance(pause)
	fmt.Fprintf(&w.out, "busy=%v dead=%v\n", w.m.Busy(), w.m.Dead())
}

// aim gives an event numbers that the machine knows, when it knows some.
func (w *world) aim(ev Event) {
	b := &w.m.broker
	switch ev := ev.(type) {
	case *Handled:
		for _, ev.Seq = range w.m.PostsAwaited() {
		}
	case *MQTTConnected:
		ev.ID = uint64(b.ID)
	case *MQTTMessage:
		ev.ID = uint64(b.ID)
	case *MQTTLost:
		ev.ID = uint64(b.ID)
	case *MQTTDone:
		if ev.ID = uint64(b.ID); len(b.Requests) > 0 {
			ev.Request = uint64(b.Requests[0].ID)
		}
	case *Uploaded:
		for id, f := range w.m.fetches {
			if f.Upload {
				ev.ID = uint64(id)
			}
		}
	}
}

// TestRestoreRefuses: no bytes make a machine that are not a snapshot.
func TestRestoreRefuses(t *testing.T) {
	w := newWorld(mustCompile(t, restless))
	w.do(&Boot{})
	data, err := w.m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 2, 50, 200, len(data) - 1} {
		if _, err := Restore(w.cfg, data[:n], w.now); err == nil {
			t.Errorf("%d bytes of %d were taken", n, len(data))
		}
	}
	damaged, err := w.m.core.Snapshot([]byte{0xff})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(w.cfg, damaged, w.now); err == nil {
		t.Error("a state that is no CBOR was taken")
	}
	other := mustCompile(t, "server.log(1);")
	if _, err := Restore(other, data, w.now); err == nil || !strings.Contains(err.Error(), "program") {
		t.Errorf("another program: %v", err)
	}
}

// TestExamples runs the agents of the examples.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*/agent.nut")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(mustCompile(t, string(src)))
			reading := &DeviceMessage{tandem.Message{
				Name: "reading", Data: []byte(`{"temperature": 19.5, "heating": true, "heated": 2.5}`),
			}}
			w.do(&Boot{})
			w.do(&DeviceConnected{"192.0.2.1"})
			for _, ev := range []Event{
				&PeerStarted{tandem.ReasonPowerOn, 1}, reading,
				&DeviceMessage{tandem.Message{Name: "target?", Data: []byte("null")}},
				&DeviceMessage{tandem.Message{Name: "report", Data: []byte(`{"version": 0, "label": "", "count": 1}`)}},
				&Request{1, &tandem.Request{Method: "GET", Path: "/"}},
				&Request{2, &tandem.Request{Method: "GET", Path: "/state"}},
				&Request{3, &tandem.Request{Method: "POST", Path: "/target", Body: []byte(`{"target": 21.5}`)}},
				&Request{4, &tandem.Request{Method: "POST", Path: "/led", Body: []byte(`on`)}},
				&Request{5, &tandem.Request{Method: "POST", Path: "/", Body: []byte(`{"period": 2}`)}},
				&Request{6, &tandem.Request{Method: "POST", Path: "/", Body: []byte(`nonsense`)}},
			} {
				w.turn(ev, true, time.Second)
				if err := w.move(); err != nil {
					t.Fatal(err)
				}
			}
			if w.m.Dead() || w.m.Busy() {
				t.Error("the agent is dead or busy")
			}
			out := w.out.String()
			for id := 1; id <= 6; id++ {
				if !strings.Contains(out, fmt.Sprintf("answer %d: ", id)) {
					t.Errorf("request %d was not answered", id)
				}
			}
			if strings.Contains(out, "does not exist") {
				t.Error("an exception")
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// TestDocumented: what programs see is documented.
func TestDocumented(t *testing.T) {
	for _, f := range API.Functions {
		if f.Doc == "" || f.Source != "tandem" && !strings.HasPrefix(f.Source, "https://") || f.On != imp.OnAgent ||
			f.Fn == nil {
			t.Errorf("%s: every function has On, Doc, Source and Fn", f.Name)
		}
	}
	for _, c := range API.Constants {
		if c.Doc == "" || c.Source == "" || c.Value == nil {
			t.Errorf("%s: every constant has Value, Doc and Source", c.Name)
		}
	}
}

// TestRestoreBytes: what the program names need not be text.
func TestRestoreBytes(t *testing.T) {
	w := newWorld(mustCompile(t, `
imp.onunhandledexception(function(e) { imp.sleep(1); server.log("slept"); });
imp.wakeup(5, @() server.log("rang"), "timer \xff");
http.onrequest(function(q, r) { r.header("X", "header \xff"); imp.wakeup(2, @() r.send(200, "late")); });
device.on("crash", function(d) { throw "crash \xff"; });
`))
	w.do(&Boot{})
	w.do(&Request{1, &tandem.Request{Method: "GET"}})
	for i := range 4 {
		if i == 3 {
			w.do(&DeviceMessage{tandem.Message{Name: "crash", Data: []byte("1")}})
		}
		if err := w.move(); err != nil {
			t.Fatal(err)
		}
		w.advance(2 * time.Second)
	}
	for _, want := range []string{"answer 1: 200 [X: header \xff]", "slept", "rang", "crash"} {
		if !strings.Contains(w.out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, w.out.String())
		}
	}
}
