package host

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// endlessCode is for hosts whose budget ends no event.
const endlessCode = `
n <- 0;
http.onrequest(function(q, r) {
	if (q.path == "/loop") {
		device.send("seen", 1);
		server.log("heard");
		while (true) n++;
	}
	r.send(200, "" + ++n);
});
`

func endless(h *Host) { h.Budget = 24 * time.Hour }

// TestWatchdog: a step that makes hardly any progress for two seconds is stopped in the
// middle, and one that makes some is not. Nothing of it is seen but its log.
func TestWatchdog(t *testing.T) {
	w := newWorld(t, endlessCode, 1, endless)
	w.get("/")
	p := w.host.inMemory(w.devices[0].ID)
	asked := make(chan *tandem.Response, 1)
	go func() {
		r, _ := w.host.Request(t.Context(), tandem.Origin{}, p.agent, &tandem.Request{Method: "GET", Path: "/loop"})
		asked <- r
	}()
	for w.host.stepping() == 0 {
		<-time.After(time.Millisecond)
	}
	for range 100 { // as on a computer that is nearly slowness times as slow
		w.host.look(slowness*progress, slowness*progress)
		p.ward.advance(&p.watched)
	}
	select {
	case r := <-asked:
		t.Fatalf("an event that makes progress was stopped: %+v", r)
	default:
	}
	const enough = tandem.EventPatience + 2*watchEvery + slowness*progress
	w.host.look(enough, enough)
	if r := <-asked; r == nil || r.Status != 502 || !strings.Contains(string(r.Body), "watchdog") {
		t.Errorf("%+v", r)
	}
	w.lines.expect("heard")
	w.lines.expect("one event took more than 2s by the clock")
	w.lines.expect("at .*agent_code")
	w.lines.expect("Agent restarted: watchdog")
	if got := w.get("/"); got != "1" {
		t.Errorf("after the restart: %s", got)
	}
}

// TestOrdersFirst: a restart, a move and the end of the node do not wait until the
// processor is free, however many agents use it without end.
func TestOrdersFirst(t *testing.T) {
	const n = 20
	w := newWorld(t, endlessCode, n, endless)
	var asked sync.WaitGroup
	for _, d := range w.devices {
		asked.Go(func() { // until the agent, or the node, is stopped
			_, _ = w.host.Request(context.Background(), tandem.Origin{}, d.Agent, &tandem.Request{Method: "GET", Path: "/loop"})
		})
	}
	for steps := 0; steps < n; steps = w.host.stepping() {
		<-time.After(time.Millisecond)
	}
	w.must(w.host.RestartAgent(t.Context(), w.devices[0].ID))
	w.lines.expect("Agent restarted: watchdog")
	w.lines.expect("Agent restarted: restart")
	if n := w.host.Activity().Restarts["watchdog"]; n > 5 {
		t.Errorf("%d agents had been stopped before the first was restarted", n)
	}
	w.stop()
	asked.Wait()
}

// stepping counts the steps that are under way, those included that wait for a processor.
func (h *Host) stepping() (n int) {
	for i := range h.wards {
		w := &h.wards[i]
		w.mu.Lock()
		for s := w.first; s != nil; s = s.next {
			n++
		}
		w.mu.Unlock()
	}
	return n
}
