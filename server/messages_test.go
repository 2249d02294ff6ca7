package server

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/runner"
)

// The names of messages, as both sides make them, and what counts those that have arrived.
const strangeNames = `
function repeated(s, n) { local b = blob(); for (local i = 0; i < n; i++) b.writestring(s); return b.tostring(); }
names <- ["", "a/b", "/", "+", "#", "a+#/\x00\n", "$SYS/x", "50%", "%41", "%>", "\xff\xfe", "\xef\xbf\xbe", " ",
    repeated("n", 65536), repeated("+", 40000)];
counts <- {};
function count(kind, i, x) {
    if (x != i) server.error(kind + " of " + i + " carries " + x);
    local key = kind + i;
    counts[key] <- key in counts ? counts[key] + 1 : 1;
}
`

// TestNames: any string is the name of a message, both ways, sent and posted, between an agent
// and our own runtime.
func TestNames(t *testing.T) {
	n := start(t, &Server{})
	g, err := n.Central.EnsureGroup(t.Context(), "dev", "dev")
	if err != nil {
		t.Fatal(err)
	}
	code := central.Code{
		Agent: strangeNames + `
waiting <- null; report <- null;
function handle(i, name) {
    device.on(name, function(x) {
        count("agent", i, x);
        device.send(name, i);
        tandem.post(name, i);
    });
}
foreach (i, name in names) handle(i, name);
device.on("report", function(x) {
    local bad = 0;
    foreach (c in counts) if (c != 2) bad++;
    report = counts.len() + " names, " + bad + " bad; " + x;
    if (waiting) waiting.send(200, report);
});
http.onrequest(function(q, r) { if (report) r.send(200, report); else waiting = r; });`,
		Device: strangeNames + `
function handle(i, name) {
    agent.on(name, function(x) {
        count("device", i, x);
        local all = 0;
        foreach (c in counts) all += c;
        if (all == 4 * names.len()) {
            local bad = 0;
            foreach (c in counts) if (c != 4) bad++;
            agent.send("report", counts.len() + " names, " + bad + " bad");
        }
    });
}
foreach (i, name in names) {
    handle(i, name);
    agent.send(name, i);
    tandem.post(name, i);
}`,
	}
	if err := n.Central.Deploy(t.Context(), g.ID, code); err != nil {
		t.Fatal(err)
	}
	d, key, err := n.Central.AddDevice(t.Context(), central.NewDevice{Name: "desk", Group: g.ID})
	if err != nil {
		t.Fatal(err)
	}
	device := &runner.Runner{
		ID: d.ID, Key: key, Addr: "tcp://" + n.MQTT, Dir: filepath.Join(t.TempDir(), "device"),
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- device.Run(ctx) }()
	status, body := n.get(n.Agents.URL(d.Agent), nil)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the device ended with %v", err)
	}
	if want := "15 names, 0 bad; 15 names, 0 bad"; status != 200 || body != want {
		t.Errorf("%d %q, not %q", status, body, want)
	}
}
