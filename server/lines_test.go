package server

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/runner"
)

// TestLinesAcrossSleep: what a device logs before it sleeps deeply is in the log once, whether
// it waits until it is sent or not.
func TestLinesAcrossSleep(t *testing.T) {
	n := start(t, &Server{})
	g, err := n.Central.EnsureGroup(t.Context(), "dev", "dev")
	if err != nil {
		t.Fatal(err)
	}
	code := central.Code{Agent: "", Device: `
if (!("nv" in getroottable())) nv <- { runs = 0 };
local run = ++nv.runs;
for (local i = 0; i < 40; i++) { server.log("line " + run + "." + i); print("line " + run + "." + i + "p"); }
if (run == 5) server.log("end");
else if (run % 2 == 1) imp.deepsleepfor(0.1);
else server.sleepfor(0.1);`}
	if err := n.Central.Deploy(t.Context(), g.ID, code); err != nil {
		t.Fatal(err)
	}
	d, key, err := n.Central.AddDevice(t.Context(), central.NewDevice{Name: "desk", Group: g.ID})
	if err != nil {
		t.Fatal(err)
	}
	device := &runner.Runner{ID: d.ID, Key: key, Addr: "tcp://" + n.MQTT, Dir: filepath.Join(t.TempDir(), "device")}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- device.Run(ctx) }()
	var lines, want []string
	err = n.Log.TailFrom(ctx, []tandem.DeviceID{d.ID}, 10_000, func(e tandem.LogEntry) {
		switch {
		case e.Type == tandem.LogDevice && e.Msg == "end":
			stop()
		case strings.HasPrefix(e.Msg, "line "):
			lines = append(lines, e.Msg)
		}
	})
	if ctx.Err() == context.DeadlineExceeded {
		t.Error("the last line does not come: ", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the device ended with %v", err)
	}
	for run := 1; run <= 5; run++ {
		for i := range 40 {
			want = append(want, fmt.Sprintf("line %d.%d", run, i), fmt.Sprintf("line %d.%dp", run, i))
		}
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%d lines, not %d: %q", len(lines), len(want), lines)
	}
}
