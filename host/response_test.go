package host

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// TestResponsesReleased: a response counts until its agent has handled it, or will not any
// more: because it has restarted before the response came, or while it was waiting.
func TestResponsesReleased(t *testing.T) {
	released := make(chan string, 10)
	f := fetcher(func(_ context.Context, r *tandem.Fetch) *tandem.Response {
		out := &tandem.Response{Status: 200, Body: []byte(r.URL)}
		out.Hold(func() { released <- string(r.Agent) + r.URL })
		return out
	})
	w := newWorld(t, `
function ask(name) { http.get("http://x/" + name).sendasync(@(r) server.log("got " + name)); }
http.onrequest(function(q, r) {
  ask(q.path);
  r.send(200, "");
  if (q.path == "/restarted") server.restart();
  if (q.path == "/waiting") { local a = []; while (true) a.append(blob(10000)); }
});`, 1, func(h *Host) { h.Fetcher = f })
	for _, path := range []string{"/handled", "/restarted", "/waiting"} {
		w.get(path)
		select {
		case got := <-released:
			if want := string(w.devices[0].Agent) + "http://x/" + path; got != want {
				t.Errorf("released: %s, want %s", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("%s: the response is not released", path)
		}
	}
	w.lines.expect("got /handled")
}
