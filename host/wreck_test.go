package host

import (
	"context"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

const faultyCode = `
n <- 0;
device.on("panic", @(_) server.log("unheard"));
device.on("say", @(_) device.send("fault", 1));
http.onrequest(function(q, r) {
	if (q.path == "/fetch") http.get("http://example.com").sendasync(@(x) r.send(200, ""));
	else if (q.path == "/hold") device.send("fault", 1);
	else r.send(200, "" + ++n);
});
server.log("boots");
`

// TestFaultyMachine: a panic in a machine ends incarnations of its agent, and nothing else.
// The third quarantines the agent, also over a restart of the node.
func TestFaultyMachine(t *testing.T) {
	w := newWorld(t, faultyCode, 2, nil)
	other := func() string {
		t.Helper()
		r, err := w.host.Request(t.Context(), tandem.Origin{}, w.devices[1].Agent, &tandem.Request{Method: "GET", Path: "/"})
		w.must(err)
		return string(r.Body)
	}
	other()
	w.get("/")
	w.host.inMemory(w.devices[0].ID).inspect(life.MakeFaulty)
	for range maxWrecks {
		w.message("panic", "1", tandem.Mark{})
	}
	w.lines.expect("Agent restarted: fault")
	w.lines.expect("Agent stopped: quarantined")
	refused := func() {
		t.Helper()
		if _, err := w.request(t.Context(), "/"); kind(err) != tandem.Limit || !strings.Contains(err.Error(), "quarantined") {
			t.Errorf("a request in quarantine: %v", err)
		}
	}
	refused()
	if n := w.lines.count("unheard"); n != 0 {
		t.Errorf("%d lines of an event that ended in a fault are in the log", n)
	}
	if got := other(); got != "2" {
		t.Errorf("the neighbour answers %s: it has restarted", got)
	}
	if n := w.host.Activity().Faults; n != 3 {
		t.Errorf("%d faults are counted", n)
	}
	w.stop()
	w.open(nil)
	w.follow()
	refused()
	w.must(w.host.RestartAgent(t.Context(), w.devices[0].ID))
	w.lines.expect("Agent restarted: restart")
	if got := w.get("/"); got != "1" {
		t.Errorf("after the quarantine: %s", got)
	}
}

// maxWrecks is how many faults quarantine an agent.
const maxWrecks = 3

// brokenLink panics in the shell of the pair.
type brokenLink struct{ *link }

func (l brokenLink) Send(topic string, m tandem.Message) bool {
	if strings.HasSuffix(topic, "fault") {
		panic("a link that is broken")
	}
	return l.link.Send(topic, m)
}

// TestWreck: after a panic in the shell of a pair its callers get an error, its device is
// to connect again, nothing is acknowledged, and the pair is made again.
func TestWreck(t *testing.T) {
	w := newWorld(t, faultyCode, 2, nil)
	w.get("/")
	l := brokenLink{newLink()}
	w.introduce(l)
	handled := false
	w.say("agent/say", tandem.Message{Data: []byte("1")}, func() { handled = true })
	if why := <-l.closed; !strings.Contains(why, "fault") {
		t.Errorf("the device is told %q", why)
	}
	if handled {
		t.Error("the message that met the fault is acknowledged")
	}
	w.lines.expect("Agent restarted: host_lost")
	if got := w.get("/"); got != "1" {
		t.Errorf("the new pair answers %s", got)
	}
	w.introduce(l)
	if _, err := w.request(context.Background(), "/hold"); kind(err) != tandem.Internal {
		t.Errorf("the caller of a request that met a fault gets %v", err)
	}
	<-l.closed
	w.lines.expect("Agent restarted: host_lost")
	w.introduce(l)
	w.say("agent/say", tandem.Message{Data: []byte("1")}, func() { t.Error("acknowledged") })
	<-l.closed
	w.lines.expect("Agent stopped: quarantined")
	if _, err := w.request(t.Context(), "/"); kind(err) != tandem.Limit {
		t.Errorf("after the third: %v", err)
	}
	r, err := w.host.Request(t.Context(), tandem.Origin{}, w.devices[1].Agent, &tandem.Request{Method: "GET", Path: "/"})
	if w.must(err); string(r.Body) != "1" {
		t.Errorf("the neighbour answers %s", r.Body)
	}
}

// TestDamagedOnTheWay: an agent whose state arrives damaged starts from its record; those
// that move with it go on as they were.
func TestDamagedOnTheWay(t *testing.T) {
	w := newWorld(t, `n <- 0; http.onrequest(@(q, r) r.send(200, "" + ++n));`, 3, alone)
	ask := func(i int) string {
		t.Helper()
		r, err := w.host.Request(t.Context(), tandem.Origin{}, w.devices[i].Agent, &tandem.Request{Method: "GET", Path: "/"})
		w.must(err)
		return string(r.Body)
	}
	for i := range w.devices {
		ask(i)
	}
	moved, err := w.host.Export(t.Context(), []int{0})
	w.must(err)
	for _, m := range moved {
		if m.Agent == w.devices[0].Agent {
			m.State = m.State[:len(m.State)/2]
		}
	}
	in := w.host.Import(t.Context(), moved, tandem.ReasonBalance)
	w.must(in.Err())
	in.Activate([]int{0})
	w.lines.expect("Agent restarted: host_lost")
	for i, want := range []string{"1", "2", "2"} {
		if got := ask(i); got != want {
			t.Errorf("agent %d answers %s, want %s", i, got, want)
		}
	}
}

// TestFaultAtLeaving: an agent whose memory cannot be written down moves without it.
func TestFaultAtLeaving(t *testing.T) {
	w := newWorld(t, faultyCode, 2, alone)
	w.get("/")
	w.host.inMemory(w.devices[0].ID).inspect(life.MakeFaulty)
	w.message("unwritable", "1", tandem.Mark{})
	w.move()
	w.lines.expect("Agent restarted: fault")
	if got := w.get("/"); got != "1" {
		t.Errorf("after the move: %s", got)
	}
}
