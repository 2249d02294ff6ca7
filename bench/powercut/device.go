package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/bench/volume"
	"github.com/tandem-iot/tandem/internal/child"
)

// deviceProgram posts numbers, a thousand times the run of the code and the number in it, and
// tells by plain messages which it has posted. It keeps a number in the user configuration, too.
const deviceProgram = `
n <- 0;
local b = imp.getuserconfiguration();
kept <- b == null ? 0 : b.readn('i');
agent.send("kept", [tandem.incarnation(), kept]);
function next() {
    imp.wakeup(0.002, next);
    for (local i = 0; i < 3 && n < 999; i++) {
        if (tandem.post("n", tandem.incarnation() * 1000 + n + 1) != 0) return;
        n++;
    }
    if (n % 9 == 0) {
        local b = blob(4);
        b.writen(++kept, 'i');
        imp.setuserconfiguration(b);
        agent.send("keeps", kept);
    }
    agent.send("posted", tandem.incarnation() * 1000 + n);
}
next();`

// watcherProgram is the agent: it checks what comes, and answers with what it has found.
const watcherProgram = `
run <- 0; last <- 0; posted <- 0; total <- 0; keeps <- 0; bad <- [];
function wrong(text) { if (bad.len() < 20) bad.push(text); }
device.on("n", function(x) {
    total++;
    if (x / 1000 != run) {
        if (x / 1000 < run) wrong("run " + x / 1000 + " after " + run);
        if (posted / 1000 == run && posted % 1000 > last)
            wrong("of run " + run + " " + posted % 1000 + " were posted, and " + last + " came");
        run = x / 1000;
        last = 0;
    }
    if (x % 1000 != last + 1) wrong("in run " + run + " " + x % 1000 + " after " + last);
    last = x % 1000;
});
device.on("posted", @(x) posted = x);
device.on("keeps", @(x) keeps = x);
device.on("kept", function(x) { if (x[1] < keeps) wrong("the device keeps " + x[1] + ", and has kept " + keeps); });
http.onrequest(@(q, r) r.send(200, http.jsonencode({ total = total, bad = bad })));`

// deviceRig is a device on a disk that loses its power, and a node elsewhere.
type deviceRig struct {
	base   string
	tandem string
	random *rand.Rand
	volume *volume.Volume
	node   *node.Machine
	device node.Device
	cmd    *exec.Cmd
	ended  chan error // the device's; nil: it was never started
}

// found is what the agent has found.
type found struct {
	Total int
	Bad   []string
}

// deviceCuts cuts the power of a device a number of times. In half of the rounds it has no link.
func deviceCuts(ctx context.Context, tandem string, rounds int, random *rand.Rand) (err error) {
	r := &deviceRig{tandem: tandem, random: random}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.start(ctx); err != nil {
		return err
	}
	posts := 0
	for i := range rounds {
		if err := r.round(ctx); err != nil {
			return fmt.Errorf("round %d: %w; the device's log:\n%s", i+1, err, node.Tail(r.log()))
		}
		f, err := r.ask(ctx)
		if err != nil {
			return err
		}
		if len(f.Bad) > 0 {
			return fmt.Errorf("round %d: %s; the device's log:\n%s", i+1, strings.Join(f.Bad, "; "), node.Tail(r.log()))
		}
		posts = f.Total
	}
	if posts == 0 {
		return errors.New("the agent has heard nothing: the test shows nothing")
	}
	fmt.Printf("%d power cuts of a device: %d posts came, none lost, doubled or out of order\n", rounds, posts)
	return nil
}

// start makes the disk and the node with its one device.
func (r *deviceRig) start(ctx context.Context) (err error) {
	if r.base, err = os.MkdirTemp("", "tandem-powercut-node-"); err != nil {
		return err
	}
	if r.volume, err = volume.New(ctx, diskSize/8, r.random); err != nil {
		return err
	}
	r.node, err = node.NewMachine(r.tandem, filepath.Join(r.base, "node"), filepath.Join(r.base, "log"), "")
	if err != nil {
		return err
	}
	if err = r.node.Up(ctx); err != nil {
		return err
	}
	code := map[string]string{"agent.nut": watcherProgram}
	if err = r.node.Deploy(ctx, filepath.Join(r.base, "program"), code); err != nil {
		return err
	}
	if r.device, err = r.node.AddDevice(ctx, "desk"); err != nil {
		return err
	}
	return os.WriteFile(r.program(), []byte(deviceProgram), 0o600)
}

func (r *deviceRig) program() string { return filepath.Join(r.base, "device.nut") }

func (r *deviceRig) log() string { return filepath.Join(r.base, "device.log") }

// run starts the device.
func (r *deviceRig) run(link bool) error {
	log, err := os.OpenFile(r.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own descriptor
	to := r.node.MQTT
	if !link {
		to = "127.0.0.1:1" // where no server is
	}
	r.cmd = exec.Command(r.tandem, "device", "run", "--id", r.device.ID, "--key", r.device.Key, "--node", "tcp://"+to,
		"--dir", filepath.Join(r.volume.Dir, "device"), "--code", r.program())
	r.cmd.Stdout, r.cmd.Stderr = log, log
	r.ended, err = child.Start(r.cmd, syscall.SIGKILL)
	return err
}

// round runs the device, cuts the power at some moment, and mounts the disk again.
func (r *deviceRig) round(ctx context.Context) error {
	if err := r.run(r.random.IntN(2) == 0); err != nil {
		return err
	}
	length := 20*time.Millisecond + time.Duration(r.random.Int64N(int64(time.Second)))
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.volume.Disk.CutAfter(1+r.random.IntN(unflushed), r.random, func() {}):
	case err := <-r.ended:
		r.ended <- err
		return fmt.Errorf("the device has ended: %w", err)
	case <-time.After(idle):
	}
	if err := r.volume.Cut(r.kill, r.wait); err != nil {
		return err
	}
	return r.volume.Boot(ctx, false)
}

func (r *deviceRig) kill() error {
	if r.cmd != nil {
		if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
	}
	return nil
}

func (r *deviceRig) wait() error {
	if r.ended != nil {
		r.ended <- <-r.ended
	}
	return nil
}

// ask asks the agent what it has found.
func (r *deviceRig) ask(ctx context.Context) (f found, err error) {
	return f, client.GetJSON(ctx, http.DefaultClient, r.device.URL, &f)
}

func (r *deviceRig) close() error {
	var err error
	if r.volume != nil {
		err = errors.Join(r.volume.Cut(r.kill, r.wait), r.volume.Close())
	}
	if r.node != nil {
		r.node.Kill()
	}
	return errors.Join(err, os.RemoveAll(r.base))
}
