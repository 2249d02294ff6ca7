package life

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// op is one thing that happens in a random walk. A walk is a list of them, so that
// it can be done again.
type op struct {
	what string
	n    int // chooses among what there is
}

// walkCode does a bit of everything, as it is asked to.
const walkCode = `
n <- 0; parked <- []; client <- null; upload <- null;
local saved = server.load(); if ("n" in saved) n = saved.n;
server.log("boots " + tandem.incarnation());
device.onconnect(function() { server.log("onconnect"); });
device.ondisconnect(function() { server.log("ondisconnect"); });
tandem.onpeerstart(function(reason, i) { server.log("peer " + reason); });
function act(what) {
    n++;
    switch (what) {
    case "save": server.log("save " + server.save({ n = n })); break;
    case "post": server.log("post " + tandem.post("p", n, @() server.log("callback"))); break;
    case "sleep": imp.sleep(3); break;
    case "timer": imp.wakeup(7, @() server.log("timer")); break;
    case "zero": imp.wakeup(0, @() server.log("zero")); break;
    case "send": device.send("x", n); break;
    case "fetch": http.get("http://example.com/").sendasync(@(x) server.log("fetched " + x.statuscode)); break;
    case "pieces":
        http.get("http://example.com/").sendasync(@(x) server.log("done " + x.statuscode),
            @(p) server.log("piece " + p), NO_TIMEOUT);
        break;
    case "sync": server.log("sync " + http.get("http://example.com/").sendsync().statuscode); break;
    case "throw": throw "thrown"; break;
    case "restart": server.restart(); break;
    case "told":
        server.onshutdown(function(reason) { server.log("told"); imp.wakeup(2, @() server.restart()); });
        break;
    case "untold": server.onshutdown(null); break;
    case "mqtt":
        client = mqtt.createclient();
        client.onmessage(@(m) server.log("mqtt " + m.message));
        client.onconnectionlost(@() server.log("mqtt lost"));
        client.connect("tcp://broker.example.com", "me");
        break;
    case "upload":
        upload = http.putstream("http://example.com/", {}, @(x) server.log("uploaded " + x.statuscode));
        upload.send("one");
        break;
    case "closed": if (upload) upload.closeasync(); break;
    }
}
device.on("act", act);
http.onrequest(function(q, r) {
    local what = q.path.slice(1);
    if (what == "park") { parked.append(r); return; }
    if (what == "unpark") { foreach (p in parked) p.send(200, "parked"); parked.clear(); }
    act(what);
    r.send(200, what + " " + n);
});
`

var (
	quietActs = []string{
		"save", "post", "sleep", "timer", "zero", "send", "fetch", "pieces", "sync", "throw", "restart", "told", "untold",
		"park", "unpark", "nothing",
	}
	allActs   = append([]string{"mqtt", "upload", "closed"}, quietActs...)
	walkFails = []string{"load", "program", "device", "posts", "begin", "save", "post", "forget", "snapshot"}
	pauses    = []time.Duration{
		0, time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 11 * time.Second, 61 * time.Second,
		11 * time.Minute,
	}
	hellos = []string{
		`{"boot":1,"incarnation":0}`, `{"boot":1,"incarnation":1,"reason":"power_on","code":"sha-4"}`,
		`{"boot":2,"incarnation":2,"reason":"exception","code":"sha-9"}`, `no JSON`,
	}
)

// quietOps happen to every pair; roughOps are those of nodes that fail, and of what
// does not go along when a pair moves: a machine cannot go on where its code is withdrawn.
var (
	quietOps = []string{
		"request", "request", "request", "gaveup", "link", "link", "relink", "unlink", "lost", "goodbye",
		"message", "message", "post", "again", "hello", "log", "handled", "handled", "reload", "started",
		"restart", "restartdevice",
		"wait", "wait", "wait", "fetched", "fetched", "part",
	}
	roughOps = append([]string{
		"oldlost", "oldlink", "notsent", "fail", "mend", "mend", "hold", "let", "let", "letlast", "resume", "refuse",
		"nodelost", "mqtt", "mqttlost", "uploaded", "review", "remind",
		"leave", "arrive", "stop", "vanish", "deleted", "enter", "tick", "charge", "bad", "withdraw",
	}, quietOps...)
)

// drawWalk draws a walk.
func drawWalk(t *rapid.T, ops []string, most int) []op {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) op {
		return op{rapid.SampledFrom(ops).Draw(t, "op"), rapid.IntRange(0, 1000).Draw(t, "n")}
	}), 1, most).Draw(t, "walk")
}

// walker does walks.
type walker struct {
	*world
	acts     []string
	requests uint64
	linkID   uint64
	seq      uint64
}

func newWalker(t rapid.TB, acts []string) *walker {
	w := &walker{world: newWorld(t), acts: acts}
	w.deploy("g", walkCode, "device")
	return w
}

// do does one thing.
func (w *walker) do(o op) {
	if w.moved != nil && o.what != "arrive" {
		o = op{what: "arrive", n: o.n}
	}
	w.door.Count(w.life.Waiting())
	switch o.what {
	case "request":
		w.requests++
		r := &tandem.Request{Method: "GET", Path: "/" + w.acts[o.n%len(w.acts)]}
		w.take(&Request{Number: w.requests, Origin: tandem.Origin{Node: "n2", ID: w.requests}, Request: r})
	case "gaveup":
		if w.requests > 0 {
			w.take(&GaveUp{1 + uint64(o.n)%w.requests})
		}
	case "message", "post", "again":
		w.publish(o)
	case "hello":
		w.tell("sys/hello", hellos[o.n%len(hellos)])
	case "log":
		w.tell("log", "line")
	case "handled":
		if len(w.store.posts) > 0 {
			w.tell("sys/handled", fmt.Sprint(w.store.posts[o.n%len(w.store.posts)].Seq))
		}
	case "reload":
		w.deploy("g", walkCode, "device")
		w.take(&Reload{Group: "g"})
	case "started":
		w.deploy("g", walkCode, "device")
		w.programs["g"].Env["DEPLOYMENT_ID"] = fmt.Sprint(o.n % 2)
		w.take(&Reload{Group: "g", Deployment: fmt.Sprint(o.n / 2 % 2)})
	case "review":
		w.take(&Review{"g"})
	case "remind":
		w.take(&Remind{[]byte(hellos[o.n%len(hellos)])})
	case "bad":
		w.deploy("g", "}", "")
		w.take(&Reload{Group: "g"})
	case "withdraw":
		delete(w.programs, "g")
		w.take(&Reload{Group: "g"})
	case "restart":
		w.take(&Restart{tandem.ReasonRestart})
	case "restartdevice":
		w.take(&RestartDevice{})
	case "wait":
		w.pass(pauses[o.n%len(pauses)])
	case "tick":
		w.tick()
	case "charge":
		w.perform(w.life.Charge(w.now, time.Duration(o.n)*time.Millisecond, time.Duration(o.n)*time.Millisecond))
	default:
		w.doMore(o)
	}
}

func (w *walker) doMore(o op) {
	switch o.what {
	case "link":
		w.linkID++
		w.seq = 0
		w.link(w.linkID, 1)
	case "relink":
		w.link(w.linkID, 1)
	case "oldlink":
		w.link(max(w.linkID, 1)-1, 1)
	case "unlink":
		w.unlink(w.linkID, tandem.LinkEnd{})
	case "lost":
		w.unlink(w.linkID, tandem.LinkEnd{Lost: true})
	case "oldlost":
		w.unlink(max(w.linkID, 1)-1, tandem.LinkEnd{Lost: true})
	case "goodbye":
		w.unlink(w.linkID, tandem.LinkEnd{Clean: true})
	case "notsent":
		w.take(&NotSent{uint64(o.n) % 4 * w.store.seq})
	case "fetched":
		if f := w.life.Fetches; len(f) > 0 {
			w.fetched(f[o.n%len(f)].ID, 200, "body")
		}
	case "part":
		if f := w.life.Fetches; len(f) > 0 {
			id := f[o.n%len(f)].ID
			w.take(&FetchedPart{Token: w.newToken("part"), Incarnation: w.life.Incarnation, ID: id, Data: []byte("p")})
		}
	case "uploaded":
		if f := w.life.Fetches; len(f) > 0 {
			w.take(&Uploaded{Incarnation: w.life.Incarnation, ID: f[o.n%len(f)].ID, N: o.n})
		}
	case "mqtt":
		w.broker(&agent.MQTTMessage{Topic: "t", Payload: []byte("m")}, o)
	case "mqttlost":
		w.broker(&agent.MQTTLost{Why: "the broker has gone"}, o)
	default:
		w.doRough(o)
	}
}

func (w *walker) doRough(o op) {
	what := walkFails[o.n%len(walkFails)]
	switch o.what {
	case "fail":
		w.fail[what] = tandem.Errorf(tandem.Kind(o.n%8), "the store fails")
	case "mend":
		clear(w.fail)
	case "hold":
		w.hold[what] = true
	case "let":
		w.let(o.n%2 == 0)
	case "letlast":
		slices.Reverse(w.held)
		w.let(true)
	case "resume":
		w.take(&Resume{})
	case "refuse":
		w.take(&Refuse{})
	case "nodelost":
		w.take(&NodeLost{Node: "n0"})
	case "leave":
		w.leave(time.Duration(o.n) * 10 * time.Millisecond)
	case "arrive":
		w.come(o)
	case "stop":
		w.door.Shut(ErrStopping)
		w.take(&Stop{time.Duration(o.n) * 10 * time.Millisecond})
	case "vanish":
		w.take(&Vanish{})
	case "deleted":
		w.take(&Deleted{})
	case "enter":
		w.enterAgain()
	}
}

// publish has the device publish a message by its newest link.
func (w *walker) publish(o op) {
	m := tandem.Message{Name: "act", Data: fmt.Appendf(nil, "%q", w.acts[o.n%len(w.acts)])}
	if o.what == "post" {
		m.Post = 1
	}
	if o.what == "again" && w.seq > 0 {
		w.message(w.linkID, 1+uint64(o.n)%w.seq, m)
		return
	}
	w.seq = w.door.Accepted + 1
	if w.door.Heard.ID != w.linkID {
		w.seq = 1
	}
	w.message(w.linkID, w.seq, m)
}

func (w *walker) tell(topic, data string) {
	w.take(&Said{Token: w.newToken("said " + topic), Topic: topic, Data: []byte(data)})
}

// broker brings something of the connection to a broker, or of one before it.
func (w *walker) broker(ev agent.Event, o op) {
	var id uint64
	if m := w.life.Machine(); m != nil {
		id = m.MQTT()
	}
	switch ev := ev.(type) {
	case *agent.MQTTMessage:
		ev.ID = id
	case *agent.MQTTLost:
		ev.ID = id
	}
	w.take(&MQTT{Token: w.newToken("mqtt"), Conn: w.life.MQTT - min(w.life.MQTT, uint64(o.n)%2), Event: ev})
}

// let gives the life what was held, all or the first.
func (w *walker) let(all bool) {
	n := min(len(w.held), 1)
	if all {
		n = len(w.held)
		clear(w.hold)
	}
	let := slices.Clone(w.held[:n])
	w.held = w.held[n:]
	for _, ev := range let {
		w.take(ev)
	}
}

// come has a pair that has left arrive, here or elsewhere. One that does not leave
// for now has its wish taken back with the host it is on.
func (w *walker) come(o op) {
	if w.moved == nil {
		return
	}
	w.checkTokens("a pair has left")
	w.held = nil
	why := []tandem.Reason{tandem.ReasonBalance, tandem.ReasonDrain, ""}[o.n%3]
	if err := w.arrive(time.Duration(o.n)*time.Minute, why); err != nil {
		if tandem.KindOf(err) != tandem.Unavailable {
			w.t.Fatal(err)
		}
		clear(w.fail)
		if err := w.arrive(w.now.Mono, why); err != nil {
			w.t.Fatal(err)
		}
	}
}

// enterAgain has the node stop, or be lost, and another start.
func (w *walker) enterAgain() {
	w.end()
	w.enter()
}

// end ends the life on this host, and checks that nothing waits for it any more.
func (w *walker) end() {
	if w.moved != nil {
		w.come(op{})
	}
	if !w.life.Ended() {
		w.take(&Stop{5 * time.Second})
		w.pass(5 * time.Second)
	}
	if !w.life.Ended() {
		w.t.Fatal("the life does not end")
	}
	w.let(true) // too late
	w.checkTokens("a life has ended")
	if len(w.waiting) > 0 {
		w.t.Fatalf("requests %v have no answer", w.waiting)
	}
}

func (w *walker) checkTokens(what string) {
	if len(w.tokens) > 0 {
		w.t.Fatalf("%s, and tokens are not given back: %v", what, w.tokens)
	}
}

// record is all that there was of a walk, to the byte.
func (w *walker) record() string {
	text := ""
	for _, e := range w.effects {
		data, err := json.Marshal(e)
		if err != nil {
			w.t.Fatal(err)
		}
		text += fmt.Sprintf("%T %s\n", e, data)
	}
	return text
}
