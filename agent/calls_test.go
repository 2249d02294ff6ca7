package agent

import (
	"cmp"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

// The tables in testdata/calls say what comes of single calls. A block is for
// one function; each line of it is a call, made in a machine of its own:
//
//	good http.urlencode
//	http.urlencode({ a = "x y" })
//	----
//	-> "a=x%20y"
//
// The line in the same place below tells the result, or what was thrown, and
// all that the machine did, in order. A line with a semicolon at its end is a
// function's body. The words good, bad and over are for calls that the API
// promises to carry out, for wrong ones, and for those at and beyond a limit.
//
// Every function that agents have needs the first two, and over if it takes
// more than functions; TestCallsAreComplete tells which are missing. The flag
// -rewrite fills in what comes of the calls.
//
// The test is a generous host: it answers requests, saves tables, keeps posts,
// has an MQTT broker, and lets an hour pass at the end. The arguments of a block
// are
//
//	connected     the device has a link, and handles what is posted
//	fails         nothing can be saved, kept, uploaded or connected to
//	full          no more posts are kept
//	denied        the broker refuses requests
//	memory=N      bytes of memory
//	saved=JSON    the saved table
//	then=EVENT    what happens after the call: see afterwards
const (
	callGood = "good"
	callBad  = "bad"
	callOver = "over"
)

// callsPrelude is what calls may use.
const callsPrelude = `
function show(x) {
  switch (typeof x) {
  case "null": return "null";
  case "string":
    if (x.len() > 200) return x.len() + " bytes of " + show(x.slice(0, 16));
    local s = "\"";
    foreach (c in x) s += c == '"' ? "\\\"" : c == '\\' ? "\\\\"` +
	` : c < 32 || c > 126 ? format("\\x%02x", c) : c.tochar();
    return s + "\"";
  case "float":
    local s = x.tostring();
    return s.find(".") == null && s.find("e") == null && s.find("n") == null ? s + ".0" : s;
  case "blob":
    if (x.len() > 100) return "blob of " + x.len() + " bytes";
    local s = "";
    foreach (b in x) s += format("%02x", b);
    return "blob(" + s + ")";
  case "array":
    local s = "";
    foreach (e in x) s += (s == "" ? "" : ", ") + show(e);
    return "[" + s + "]";
  case "table":
    local s = "";
    foreach (k, e in x) s += (s == "" ? "" : ", ") + (typeof k == "string" ? k : "[" + show(k) + "]") + " = " + show(e);
    return "{" + s + "}";
  case "integer": case "bool": return x.tostring();
  }
  return typeof x;
}
function text(n, c = "x") { local s = c; while (s.len() < n) s += s; return s.slice(0, n); }
function deep(n) { local a = []; for (local i = 1; i < n; i++) a = [a]; return a; }
function got(x) { server.log("got " + show(x)); }
function done(r) { server.log("done " + r.statuscode + " " + r.body); }
function part(s) { server.log("part " + s); }
function called() { server.log("called"); }
function each(n, f) { for (local i = 0; i < n; i++) f(i); }
function other() { return http.get("http://x"); }
function upload() { return http.poststream("http://x", {}, done); }
function handled() { server.log("handled"); }
function online(f) { local c = mqtt.createclient(); c.onconnect(@(code) f(c)); c.connect("tcp://b", "id"); }
function told(code) { server.log("told " + code); }
function granted(code, qos) { server.log("granted " + code + " " + qos); }
function signed(e, s) { server.log("signed " + show(e) + " " + show(s ? http.hash.sha1(s) : s)); }
function verified(e, yes) { server.log("verified " + show(e) + " " + yes); }
RSA <- crypto.RSASSA_PKCS1_SHA256;
loop <- {}; loop.self <- [loop];
http.onrequest(function(q, r) { request <- q; response <- r; });
`

// callKeys has keys for crypto.sign and crypto.verify.
//
//go:embed testdata/calls/keys.nut
var callKeys string

// callLine is one call, with where it is and how it is made.
type callLine struct {
	text string
	args args
}

// program returns the code that makes the call when it gets the message row.
func (l callLine) program() string {
	body := l.text
	if !strings.HasSuffix(body, ";") {
		body = "return " + body + ";"
	}
	const run = `device.on("row", function(_) { local out; try { out = "-> " + show(row()); }` +
		` catch (e) { out = "throws " + e; } server.log(out); });`
	return "function row() { " + body + " }\n" + run + callsPrelude + callKeys
}

// run makes the call and returns what comes of it.
func (l callLine) run(t *testing.T) string {
	cfg := mustCompile(t, l.program())
	cfg.Connected = l.args.d.HasArg("connected")
	cfg.Memory = l.args.num("memory", 0)
	if l.args.d.HasArg("saved") {
		cfg.Saved = fromJSON(l.args.str("saved", ""))
	}
	h := &generousHost{world: newWorld(cfg)}
	if l.args.d.HasArg("fails") {
		h.fails = os.ErrPermission
	}
	if l.args.d.HasArg("full") {
		h.full = tandem.Errorf(tandem.Limit, "1000 messages wait already")
	}
	if l.args.d.HasArg("denied") {
		h.denied = 128
	}
	h.do(&Boot{})
	h.do(&Request{1, &tandem.Request{Method: "GET"}})
	if out := h.out.String(); out != "" {
		t.Fatalf("before the call: %s", out)
	}
	h.do(&DeviceMessage{tandem.Message{Name: "row"}})
	for _, what := range l.args.all("then") {
		ev, ok := afterwards[what]
		if !ok {
			t.Fatalf("no such event: %s", what)
		}
		h.do(ev)
	}
	h.pass(time.Hour)
	return oneLine(h.out.String())
}

// afterwards are the events of then=.
var afterwards = map[string]Event{
	"message":      &DeviceMessage{tandem.Message{Name: "x", Data: []byte(`{"n":1}`)}},
	"connected":    &DeviceConnected{"192.0.2.1"},
	"disconnected": &DeviceDisconnected{},
	"peer":         &PeerStarted{tandem.ReasonReload, 2},
	"request":      &Request{2, &tandem.Request{Method: "GET", Path: "/a", Query: "b=c", Proto: "https"}},
	"shutdown":     &Shutdown{tandem.ReasonReload},
	"crash":        &DeviceMessage{tandem.Message{Name: "crash"}},
	"published":    &MQTTMessage{1, "a/b", []byte("hello")},
	"lost":         &MQTTLost{1, "it broke"},
}

// all returns the values of a word that may be there many times.
func (a args) all(name string) (vals []string) {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == name {
			vals = append(vals, arg.Vals...)
		}
	}
	return vals
}

// oneLine joins what a machine did, and leaves out most of what is too much
// to read.
func oneLine(out string) string {
	const most, begin, end = 9, 2, 4
	parts := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	for i, p := range parts {
		p = strings.TrimPrefix(p, "agent.log: ")
		if len(p) > 300 {
			p = fmt.Sprintf("%s... (%d bytes)", p[:100], len(p))
		}
		parts[i] = strings.TrimRight(p, " ")
	}
	if n := len(parts) - begin - end; len(parts) > most {
		parts = slices.Concat(parts[:begin], []string{fmt.Sprintf("(%d more)", n)}, parts[len(parts)-end:])
	}
	return strings.Join(parts, " | ")
}

// generousHost is a world whose machine gets what it asks for.
type generousHost struct {
	*world
	fails   error // why nothing is saved, kept, uploaded or connected to
	full    error // why no more posts are kept
	denied  int   // what the broker has against requests
	posts   uint64
	unread  []Event // the ends of posts, when the device is connected
	replies []Event
}

// do delivers an event, and then what the machine asks for until it is idle.
func (h *generousHost) do(ev Event) {
	h.reply(ev)
	for len(h.replies) > 0 && !h.m.Dead() {
		i := slices.IndexFunc(h.replies, h.m.Takes)
		var next Event = &Woken{}
		if i < 0 {
			h.now, _ = h.m.Alarm()
		} else {
			next = h.replies[i]
			h.replies = slices.Delete(h.replies, i, i+1)
		}
		h.step(next)
	}
}

func (h *generousHost) reply(events ...Event) { h.replies = append(h.replies, events...) }

func (h *generousHost) step(ev Event) {
	effects := h.m.Step(h.now, ev)
	h.show(effects)
	h.checkKept()
	for _, e := range effects {
		switch e := e.(type) {
		case *Save:
			h.reply(&Saved{h.fails})
		case *Post:
			h.post()
		case *Fetch:
			h.respond(e.ID, e.Fetch.Stream)
		case *Chunk:
			if h.fails != nil {
				h.reply(&Fetched{e.ID, &tandem.Response{Status: 55}})
			}
			h.reply(&Uploaded{e.ID, len(e.Data)})
		case *ChunksEnd:
			h.respond(e.ID, e.Stream)
		case *MQTTConnect:
			connected := &MQTTConnected{ID: e.ID}
			if h.fails != nil {
				connected.Code, connected.Why = 5, "it is not allowed"
			}
			h.reply(connected)
		case *MQTTPublish:
			h.reply(&MQTTDone{e.ID, e.Request, h.denied, 0})
		case *MQTTSubscribe:
			h.reply(&MQTTDone{e.ID, e.Request, h.denied, e.QoS})
		case *MQTTUnsubscribe:
			h.reply(&MQTTDone{e.ID, e.Request, h.denied, 0})
		}
	}
	if h.m.Connected() {
		h.reply(h.unread...)
		h.unread = nil
	}
}

// respond ends an outgoing request.
func (h *generousHost) respond(id uint64, stream bool) {
	r := &tandem.Response{Status: 200, Headers: []tandem.Header{{Name: "X-A", Value: "b"}}, Body: []byte("hello")}
	if stream {
		h.reply(&FetchedPart{id, r.Body})
		r.Body = nil
	}
	h.reply(&Fetched{id, r})
}

// post keeps a post, and has the device handle it when it is connected.
func (h *generousHost) post() {
	if err := cmp.Or(h.fails, h.full); err != nil {
		h.reply(&Posted{Err: err})
		return
	}
	h.posts++
	h.reply(&Posted{Seq: h.posts})
	h.unread = append(h.unread, &Handled{h.posts})
}

// pass lets time pass, and the end of what the machine waits for come.
func (h *generousHost) pass(d time.Duration) {
	end := h.now.Add(d)
	for {
		at, ok := h.m.Alarm()
		if !ok || at.After(end) && !h.m.Busy() {
			return
		}
		if at.After(h.now) {
			h.now = at
		}
		if h.m.Busy() {
			h.do(&Woken{})
		} else {
			h.do(&Alarm{})
		}
	}
}

func TestCalls(t *testing.T) {
	for _, path := range callFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			datadriven.RunTest(t, path, runCalls)
		})
	}
}

func callFiles(t *testing.T) []string {
	files, err := filepath.Glob("testdata/calls/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no tables of calls", err)
	}
	return files
}

func runCalls(t *testing.T, d *datadriven.TestData) string {
	if len(d.CmdArgs) == 0 {
		d.Fatalf(t, "name the function")
	}
	function := d.CmdArgs[0].Key
	var out strings.Builder
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSuffix(line, "\n")
		if method := function[strings.LastIndexByte(function, '.')+1:]; !strings.Contains(line, method+"(") {
			d.Fatalf(t, "this does not call %s: %s", function, line)
		}
		did := callLine{line, args{d}}.run(t)
		if err := checkCall(d.Cmd, did); err != nil {
			d.Fatalf(t, "%s: %s\n%s", line, did, err)
		}
		out.WriteString(did + "\n")
	}
	return out.String()
}

// checkCall reports whether what a call did is what its block says of it.
func checkCall(kind, did string) error {
	threw := strings.HasPrefix(did, "throws ") || strings.Contains(did, " throws ")
	switch {
	case kind == callGood && threw:
		return fmt.Errorf("a good call throws nothing")
	case kind == callBad && !threw && !strings.Contains(did, "agent.error: "):
		return fmt.Errorf("a bad call throws, or an error is logged")
	case kind != callGood && kind != callBad && kind != callOver:
		return fmt.Errorf("a call is %s, %s or %s, not %s", callGood, callBad, callOver, kind)
	}
	return nil
}

// agentFunctions returns the functions that agents have.
func agentFunctions() (all []imp.Function) {
	for _, f := range slices.Concat(API.Functions, imp.Shared.Functions) {
		if f.On.Has(tandem.AgentSide) {
			all = append(all, f)
		}
	}
	return all
}

// TestCallsAreComplete: no function is without its three blocks, and no block
// without a function.
func TestCallsAreComplete(t *testing.T) {
	have := map[string]bool{}
	for _, path := range callFiles(t) {
		table, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			if w := strings.Fields(line); len(w) >= 2 && slices.Contains([]string{callGood, callBad, callOver}, w[0]) {
				have[w[0]+" "+w[1]] = true
			}
		}
	}
	for _, f := range agentFunctions() {
		for _, kind := range []string{callGood, callBad, callOver} {
			block := kind + " " + f.Name
			if !have[block] && (kind != callOver || hasLimits(f)) {
				t.Errorf("testdata/calls has no block %q", block)
			}
			delete(have, block)
		}
	}
	for block := range have {
		t.Errorf("testdata/calls has a block %q, but agents have no such function", block)
	}
}

// hasLimits reports whether a call can ask for too much: it takes more than
// functions and switches.
func hasLimits(f imp.Function) bool {
	return slices.ContainsFunc(f.Params, func(p imp.Param) bool {
		return p.Type != "handler" && p.Type != "function" && p.Type != "bool"
	})
}
