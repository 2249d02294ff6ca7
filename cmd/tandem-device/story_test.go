package main

import (
	"context"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/enrol"
	"github.com/tandem-iot/tandem/internal/freeaddr"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/server"
	"github.com/tandem-iot/tandem/store/record"
)

var (
	binary   = flag.String("binary", "", "tandem-device for TestStory; by default it is built")
	emulator = flag.String("emulator", "", "program that runs -binary")
)

// patience is how long a test waits for something that must happen.
const patience = 60 * time.Second

const storyAgent = `
device.on("reading", function(r) {
    server.log("agent has " + r.n + " at " + r.c + " °C");
    tandem.post("order", r.n + 41);
});`

const storyDevice = `
local kept = imp.getuserconfiguration();
server.log("device runs " + hardware.getdeviceid() + " with " + (kept == null ? "nothing" : kept.tostring()));
hardware.i2c89.configure(CLOCK_SPEED_100_KHZ);
local c = hardware.i2c89.read(0x90, "\x00", 1)[0] / 10.0;
agent.on("order", function(order) {
    imp.setuserconfiguration(order.tostring());
    server.log("device has order " + order);
});
if (kept == null) tandem.post("reading", { n = 1, c = c });`

// TestStory: the binary connects to a node, takes code, runs it with a board from a file, logs,
// posts and gets a post; it leaves when it is asked to, and goes on with what it has kept.
func TestStory(t *testing.T) {
	n := startNode(t)
	id, key := n.add(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"identity": fmt.Sprintf("ID=%s\nKEY=%s\nNODE=tcp://%s\n", id, key, n.MQTT), "board": "i2c89 0x90 00 = d7\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, lines := range [][]string{
		{"device runs " + string(id) + " with nothing", "agent has 1 at 21.5 °C", "device has order 42"},
		{"device runs " + string(id) + " with 42"},
	} {
		n.tell(t, deviceCommand(t, "--identity", filepath.Join(dir, "identity"), "--board", filepath.Join(dir, "board"),
			"--dir", filepath.Join(dir, "state")), lines)
	}
}

// keepDevice knows nothing of Tandem.
const keepDevice = `
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
server.log("line 1");
agent.send("reading", { n = 2, c = 20 });
server.log("line 3");`

// TestKeepStory: what a program says without a link, and the power that goes then, arrive in order when there is
// one, with the time at which it was said.
func TestKeepStory(t *testing.T) {
	n := startNode(t)
	id, key := n.add(t)
	dir := t.TempDir()
	code, state := filepath.Join(dir, "device.nut"), filepath.Join(dir, "state")
	if err := os.WriteFile(code, []byte(keepDevice), 0o600); err != nil {
		t.Fatal(err)
	}
	nowhere, err := freeaddr.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--id", string(id), "--key", key, "--dir", state, "--code", code, "--keep-sends", "--keep-log"}
	cmd := deviceCommand(t, append(args, "--node", "tcp://"+nowhere)...)
	cmd.Stderr = t.Output()
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForFile(t, filepath.Join(state, "posts", "0000000000000001.lines"), "line 3")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the device has ended in good order")
	}
	cmd = deviceCommand(t, append(args, "--node", "tcp://"+n.MQTT)...)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.After(patience)
	for came := 0; came < 6; { // three of each run
		select {
		case line := <-n.lines:
			if strings.HasPrefix(line, "line ") || strings.HasPrefix(line, "agent has ") {
				came++
			}
		case <-timeout:
			t.Fatalf("%d of what was kept has come", came)
		}
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Error(err)
	}
	lines, err := n.Central.Log.History(t.Context(), id, 100)
	if err != nil {
		t.Fatal(err)
	}
	var own, handled []string // the agent's handlers need not keep up with the log
	for _, e := range lines {
		switch {
		case strings.HasPrefix(e.Msg, "agent has "):
			handled = append(handled, e.Msg)
		case strings.HasPrefix(e.Msg, "line "):
			own = append(own, e.Msg)
			written := e.Written
			if written.IsZero() {
				written = e.TS // it came within a second
			}
			if len(own) < 3 && (written.Before(began.Add(-time.Second)) || written.After(e.TS)) {
				t.Errorf("%q was written at %v, and the device began at %v", e.Msg, e.Written, began)
			}
		}
	}
	if got := strings.Join(own, ", "); got != "line 1, line 3, line 1, line 3" || len(handled) != 2 {
		t.Errorf("the log has %s, and of the agent %q", got, handled)
	}
}

// waitForFile waits until a file has a text, which another process writes.
func waitForFile(t *testing.T, name, text string) {
	t.Helper()
	for began := time.Now(); ; <-time.After(10 * time.Millisecond) {
		data, err := os.ReadFile(name)
		if strings.Contains(string(data), text) {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("%q is not in %s: %v", text, name, err)
		}
	}
}

// TestClaimStory: the binary enrols with a claim code and runs. In the same directory it runs again,
// without an option or with the code that it has used.
func TestClaimStory(t *testing.T) {
	n := startNode(t)
	id, _ := n.add(t)
	code := enrol.NewCode()
	_, err := n.Central.Store.AddClaims(t.Context(), []record.ClaimCode{
		{Hash: record.Hash(string(code)), Device: id, Expires: time.Now().Add(time.Hour)},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	claim := []string{"--claim", code.String(), "--server", n.URL, "--certificate"}
	for _, args := range [][]string{claim, nil, claim} {
		cmd := deviceCommand(t, args...)
		cmd.Dir = dir
		n.tell(t, cmd, []string{"device runs " + string(id) + " with nothing"})
	}
	who, err := enrol.Load(filepath.Join(dir, "tandem-device"))
	if err != nil || who.Device != id || who.Certificate == "" {
		t.Errorf("it has enrolled as %s with the certificate %q, %v", who.Device, who.Certificate, err)
	}
}

// tell runs the binary until the log has had lines, and has it leave.
func (n *testNode) tell(t *testing.T, cmd *exec.Cmd, lines []string) {
	t.Helper()
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		n.expect(t, line)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	n.expect(t, "Device disconnected")
}

// deviceCommand returns the binary with arguments, to be run.
func deviceCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	bin := *binary
	if bin == "" {
		bin = filepath.Join(t.TempDir(), "tandem-device")
		build := exec.Command("go", "build", "-o", bin, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	if f, err := elf.Open(bin); err == nil { // not on macOS
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s has a program header %v: it is linked dynamically", bin, p.Type)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if *emulator != "" {
		bin, args = *emulator, append([]string{bin}, args...)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TANDEM_DEVICE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

// testNode is a node of a test, and what it logs.
type testNode struct {
	*server.Node
	log   *logbook.Follower
	lines chan string
}

func startNode(t *testing.T) *testNode {
	t.Helper()
	n := &testNode{lines: make(chan string, 1000)}
	ready := make(chan *server.Node, 1)
	s := &server.Server{Dir: t.TempDir(), Ready: func(up *server.Node) { ready <- up }}
	for _, addr := range []*string{&s.HTTP, &s.MQTT, &s.Agents.Listen} {
		var err error
		if *addr, err = freeaddr.Loopback(); err != nil {
			t.Fatal(err)
		}
	}
	s.Opened = func(_ context.Context, log *logbook.Logbook) error {
		n.log = log.Follow(func(e tandem.LogEntry) { n.lines <- e.Msg })
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case n.Node = <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	go n.log.Run(ctx) // its error is that ctx has ended, or a test misses a line
	return n
}

// add adds a device with the story's code.
func (n *testNode) add(t *testing.T) (id tandem.DeviceID, key string) {
	t.Helper()
	ctx := t.Context()
	group, err := n.Central.EnsureGroup(ctx, "dev", "dev")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Central.Deploy(ctx, group.ID, central.Code{Agent: storyAgent, Device: storyDevice}); err != nil {
		t.Fatal(err)
	}
	d, key, err := n.Central.AddDevice(ctx, central.NewDevice{Name: "kitchen"})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.log.Add(ctx, []tandem.DeviceID{d.ID}, 0); err != nil {
		t.Fatal(err)
	}
	if err := n.Central.Assign(ctx, d.ID, group.ID); err != nil {
		t.Fatal(err)
	}
	return d.ID, key
}

// expect waits for a line of the log.
func (n *testNode) expect(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(patience)
	var seen []string
	for {
		select {
		case line := <-n.lines:
			if line == want {
				return
			}
			seen = append(seen, line)
		case <-timeout:
			t.Fatalf("no line %q in %q", want, seen)
		}
	}
}
