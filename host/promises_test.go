package host

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/life"
)

// stopNow stops a pair without patience, and waits until it is durable.
func (w *world) stopNow() {
	p := w.host.inMemory(w.devices[0].ID)
	ended := make(chan struct{})
	p.bring(arrival{event: &life.Stop{}, left: func(departure) { close(ended) }})
	<-ended
}

// saved returns a number of the first agent's saved table.
func (w *world) saved(name string) int {
	w.t.Helper()
	rec, err := w.store.Record(w.t.Context(), w.devices[0].Agent)
	w.must(err)
	if rec.Saved == nil {
		return 0
	}
	text, err := codec.TranscodeJSON(rec.Saved)
	w.must(err)
	table := map[string]int{}
	w.must(json.Unmarshal(text, &table))
	return table[name]
}

// ask asks the first agent and does not wait.
func (w *world) ask(path string) {
	ctx, cancel := context.WithCancel(context.Background())
	w.t.Cleanup(cancel)
	go w.request(ctx, path)
}

// inALoop has the first agent save again and again.
func (w *world) inALoop() {
	w.t.Helper()
	w.ask("/loop")
	for w.saved("n") < 20 {
		<-time.After(time.Millisecond)
	}
}

const savesInALoop = `
n <- 0;
http.onrequest(function(q, r) {
    if (q.path == "/loop") while (n < 3000) { if (server.save({ n = n + 1 }) == 0) n++; }
    server.log("at " + n);
    r.send(200, n + "");
});`

// TestStopBetweenSaves: a program that saves again and again is put to sleep in the
// middle of that. It has not been told of more saves than it knows of when it goes on.
func TestStopBetweenSaves(t *testing.T) {
	w := newWorld(t, savesInALoop, 1, nil)
	w.inALoop()
	w.stopNow()
	was := w.saved("n")
	<-time.After(100 * time.Millisecond) // in which it would go on
	if n := w.saved("n"); n > was+1 {
		t.Errorf("%d saves after the agent was put to sleep", n-was)
	}
}

// TestMoveBetweenSaves: a program that saves again and again can be moved.
func TestMoveBetweenSaves(t *testing.T) {
	w := newWorld(t, savesInALoop, 1, alone)
	w.inALoop()
	w.move()
	w.lines.expect("Agent moved: balance.")
	w.lines.expect("^agent.log at 3000$")
}

// TestCreditsOutlive: an agent that restarts itself cannot make more requests for it.
func TestCreditsOutlive(t *testing.T) {
	w := newWorld(t, `
		function ask() { http.get("http://127.0.0.1/").sendasync(@(r) server.log("status " + r.statuscode)); }
		http.onrequest(function(q, r) { if (q.path == "/restart") server.restart(); for (local i = 0; i < q.query.n.tointeger(); i++) ask(); r.send(200, tandem.incarnation() + ""); });`, 1, nil)
	ask := func(n int) string {
		r, err := w.host.Request(t.Context(), tandem.Origin{}, w.devices[0].Agent, &tandem.Request{Method: "GET", Path: "/", Query: fmt.Sprint("n=", n)})
		w.must(err)
		return string(r.Body)
	}
	ask(40)
	w.ask("/restart")
	for ask(0) != "2" {
		<-time.After(time.Millisecond)
	}
	ask(40)
	w.lines.expect("^agent.log status 429$")
}

// TestCallbackOverStop: what the device has handled is told the agent, though the
// node stops before it can be.
func TestCallbackOverStop(t *testing.T) {
	w := newWorld(t, `http.onrequest(function(q, r) {
		tandem.post("x", 1, @(...) server.log("called back"));
		r.send(200, "");
		imp.sleep(0.3);
	});`, 1, nil)
	l := w.postLink()
	w.get("/")
	l.handle(l.next("1"))
	for { // until the store knows
		posts, err := w.store.Posts(t.Context(), w.devices[0].Agent)
		w.must(err)
		if len(posts) == 0 {
			break
		}
		<-time.After(time.Millisecond)
	}
	w.stopNow()
	w.stop()
	w.open(nil)
	w.lines.expect("^agent.log called back$")
}

// TestManyReferences: what is many times in one place of the memory is not copied
// out so often.
func TestManyReferences(t *testing.T) {
	w := newWorld(t, `
		local big = "x";
		while (big.len() < 64000) big += big;
		function try_(what) { try { what(); server.log("done"); } catch (e) { server.log("throws " + e); } }
		http.onrequest(function(q, r) {
			local many = array(3000, big);
			try_(@() http.jsonencode(many));
			try_(@() http.urlencode({ a = many }));
			try_(@() http.get("http://127.0.0.1/", { a = many }).sendasync(@(r) 0));
			try_(function() { for (local i = 0; i < 65536; i++) r.header("a", ""); });
			r.send(200, "");
		});`, 1, nil)
	w.get("/")
	for _, want := range []string{"throws http.jsonencode: Cannot serialize more than", "throws http.urlencode: the result has more than", "the headers of a request have more than 256 KB", "the headers have more than 64 KB"} {
		w.lines.expect(want)
	}
	if n := w.lines.count("done"); n != 0 {
		t.Error(strings.Repeat("done ", n))
	}
}
