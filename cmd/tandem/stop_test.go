package main

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStops(t *testing.T) {
	for _, tc := range []struct {
		at   []time.Duration
		want []stop
	}{
		{[]time.Duration{0}, []stop{stopBegin}},
		{[]time.Duration{0, 0}, []stop{stopBegin, stopHeard}},
		{[]time.Duration{0, oneStop - 1}, []stop{stopBegin, stopHeard}},
		{[]time.Duration{0, oneStop}, []stop{stopBegin, stopNow}},
		{[]time.Duration{0, time.Millisecond, 2 * time.Millisecond}, []stop{stopBegin, stopHeard, stopNow}},
		{[]time.Duration{0, time.Millisecond, time.Hour}, []stop{stopBegin, stopHeard, stopNow}},
		{[]time.Duration{time.Hour, time.Hour}, []stop{stopBegin, stopHeard}},
	} {
		var s stops
		var got []stop
		for _, at := range tc.at {
			got = append(got, s.take(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC).Add(at)))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("requests after %v: %v, want %v", tc.at, got, tc.want)
		}
	}
}

// TestTwoSignals: a second signal at once, as timeout(1) sends it, does not disturb the
// stop: the agent goes on afterwards. A third one ends the process in the middle of it.
func TestTwoSignals(t *testing.T) {
	p := startDev(t, map[string]string{"agent.nut": `n <- 0; parked <- null;
http.onrequest(function(q, r) {
    if (q.path != "/park") return r.send(200, "" + ++n);
    parked = r;
    server.log("parked");
});`})
	p.get("")
	signal := func() {
		t.Helper()
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	signal()
	signal()
	if status := p.wait(); status != 0 {
		t.Errorf("two signals: exit status %d", status)
	}
	p.restart(t)
	if got := p.get(""); got != "2" {
		t.Errorf("the agent answers %s, and not as the one that was there before", got)
	}
	p.expect(`\[Status\] Agent moved: shutdown\.`)
	// A request that the agent does not answer holds the stop up for some seconds.
	go http.Get(p.url + "/park")
	p.expect(`\[Agent\] parked`)
	signal()
	signal()
	p.expect(`Waiting for HTTP requests`) // a second later
	signal()
	p.wait()
	if got := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !got.Signaled() || got.Signal() != syscall.SIGTERM {
		t.Errorf("three signals: %v", p.cmd.ProcessState)
	}
}

// The agent of a device that dev has forgotten does not go on where it cannot be reached.
func TestForgottenDevice(t *testing.T) {
	p := startDev(t, map[string]string{
		"agent.nut": `http.onrequest(@(q, r) r.send(200, "here"));`,
		"device.nut": `
local kept = imp.getuserconfiguration();
server.log("kept " + (kept == null ? "nothing" : kept.tostring()));
imp.setuserconfiguration("secret");`,
	})
	p.get("")
	p.expect(`\[Device\] kept nothing`)
	p.press("d")
	p.expect(`\[Device\] kept secret`)
	was := p.url
	p.stop()
	file := filepath.Join(p.dir, ".tandem", "device.json")
	remove(t, file)
	p.restart(t)
	if p.url == was {
		t.Errorf("the agent has the address that it had")
	}
	p.expect(`\[Device\] kept nothing`) // it is a new one
	p.get("")
	if n := p.count(`The device \w{16} of the run before, which \S+device\.json does not name .* is deleted`); n != 1 {
		t.Errorf("the end of the old device is told %d times", n)
	}
	status, list, errs := runCommand(t, "", "device", "list", "--data", filepath.Join(p.dir, ".tandem", "node"))
	if status != 0 || strings.Count(list, "\n") != 2 || !strings.Contains(list, p.url) {
		t.Errorf("device list: %d %s\n%s", status, list, errs)
	}
	url := p.url
	p.stop()
	p.restart(t)
	if p.url != url || p.count("deleted with its agent") != 0 {
		t.Errorf("started again, it is at %s and not %s", p.url, url)
	}
	p.stop()
}
