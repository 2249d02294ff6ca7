package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/runner"
)

// pairCode is the agents' program in chaos. In addition to code, it has a value that is
// written and read, and handles its device's posts: each number must be the next one, is
// saved, and is posted back. It reports an error in every answer from then on.
const pairCode = `
state <- server.load();
if (!("begun" in state)) state = { begun = 0, saved = 0, value = 0, up = 0, done = -1, broken = "" };
safe <- 0; count <- 0;
function save() {
    while (server.save(state) != 0) imp.sleep(0.1);
    safe = state.saved;
}
function broken(what) {
    server.error(what);
    if (state.broken == "") state.broken = what;
    save();
}
state.begun++;
save();
device.on("up", function(n) {
    server.log("got " + n);
    if (n != state.up + 1) broken("post " + n + " of the device after " + state.up);
    state.up = n;
    while (tandem.post("back", n) != 0) imp.sleep(0.1);
    save();
});
device.on("broken", broken);
device.on("done", function(n) { state.done = n; save(); });
function tick() { imp.wakeup(1, tick); device.send("tick", tandem.incarnation()); }
tick();
http.onrequest(function(q, r) {
    switch (q.path) {
    case "/halt": tandem.post("halt", null); r.send(200, "halting"); return;
    case "/write": state.value = q.query.v.tointeger(); save(); r.send(200, "written"); return;
    case "/read": r.send(200, state.value.tostring()); return;
    }
    count++;
    if (q.method == "POST") { state.saved++; save(); }
    r.send(200, state.begun + " " + count + " " + safe + " " + state.up + " " + state.done + "\n" + state.broken);
});`

// deviceCode posts a number each second, and must get them back in order, each once, over
// all power cuts. It must get no message of an agent that has been replaced.
const deviceCode = `
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
sent <- 0; back <- 0; life <- 0; halted <- false;
local kept = imp.getuserconfiguration();
if (kept != null) { sent = kept.readn('i'); back = kept.readn('i'); }
function keep() { local b = blob(8); b.writen(sent, 'i'); b.writen(back, 'i'); imp.setuserconfiguration(b); }
function end() { if (halted && sent == back) tandem.post("done", sent); }
agent.on("back", function(n) {
    server.log("back " + n);
    if (n != back + 1) tandem.post("broken", "post " + n + " comes back after " + back);
    back = n;
    keep();
    end();
});
agent.on("tick", function(n) {
    if (n < life) tandem.post("broken", "the agent's life " + n + " is heard after life " + life);
    life = n;
});
agent.on("halt", function(_) { halted = true; end(); });
function next() {
    if (halted) return;
    imp.wakeup(1, next);
    if (sent - back >= 20) return;
    server.log("sent " + (sent + 1));
    tandem.post("up", ++sent);
    keep();
}
next();`

// fleet is a set of running devices.
type fleet struct {
	dir     string
	log     *os.File
	runners []*runner.Runner
	stop    context.CancelFunc
	work    sync.WaitGroup

	mu    sync.Mutex
	ended error
}

// newFleet runs a device for each subject with a key.
func newFleet(ctx context.Context, addr string, subjects []*subject) (*fleet, error) {
	dir, err := os.MkdirTemp(memory(), "tandem-fleet-")
	if err != nil {
		return nil, err
	}
	f := &fleet{dir: dir}
	if f.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	logger := slog.New(slog.NewTextHandler(f.log, nil))
	ctx, f.stop = context.WithCancel(ctx)
	for _, s := range subjects {
		r := &runner.Runner{
			ID:     tandem.DeviceID(s.device),
			Key:    s.key,
			Addr:   "tcp://" + addr,
			Dir:    filepath.Join(dir, s.device),
			Logger: logger,
		}
		f.runners = append(f.runners, r)
		f.work.Go(func() {
			if err := r.Run(ctx); err != nil {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.ended = errors.Join(f.ended, fmt.Errorf("device %s ended: %w", s.device, err))
			}
		})
	}
	return f, nil
}

// memory returns a directory in memory, if there is one: the files of a hundred devices
// would keep the node's disk busy.
func memory() string {
	const shm = "/dev/shm"
	if _, err := os.Stat(shm); err != nil {
		return ""
	}
	return shm
}

func (f *fleet) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended
}

// close stops the devices. After a failure their files are kept.
func (f *fleet) close(failed bool) error {
	f.stop()
	f.work.Wait()
	err := errors.Join(f.failure(), f.log.Close())
	if failed {
		return errors.Join(err, fmt.Errorf("the devices' log is %s", f.log.Name()))
	}
	return errors.Join(err, os.RemoveAll(f.dir))
}

// some returns a third of the devices.
func (f *fleet) some(random *rand.Rand) (list []*runner.Runner) {
	for _, i := range random.Perm(len(f.runners))[:(len(f.runners)+2)/3] {
		list = append(list, f.runners[i])
	}
	return list
}

func powerCut(_ context.Context, d *load, _ *proc, random *rand.Rand) error {
	some := d.fleet.some(random)
	d.did("%d devices lose power", len(some))
	for _, r := range some {
		r.PowerCycle()
	}
	return nil
}

func devicesOffline(_ context.Context, d *load, _ *proc, random *rand.Rand) error {
	some := d.fleet.some(random)
	d.did("%d devices are off the network for 3 s", len(some))
	return d.lab.during(3*time.Second, func(on bool) error {
		for _, r := range some {
			r.Offline(on)
		}
		return nil
	})
}

// halt makes all devices stop posting, and waits until each has all of its posts back.
func (d *load) halt(ctx context.Context) error {
	deadline := time.Now().Add(settling)
	for i, s := range d.pairs {
		n := d.lab.nodes[i%len(d.lab.nodes)]
		if _, err := d.lab.call(ctx, n, s, http.MethodGet, "/halt"); err != nil {
			return err
		}
	}
	for i, s := range d.pairs {
		for {
			n := d.lab.nodes[i%len(d.lab.nodes)]
			_, broken, err := d.lab.step(ctx, n, s, http.MethodGet)
			if broken != nil {
				return broken
			}
			if err == nil && s.last.done >= 0 && s.last.done == s.last.up {
				d.posted += int64(s.last.done)
				break
			}
			if time.Now().After(deadline) {
				lines, logErr := d.lab.logOf(ctx, n, s)
				unfinished := fmt.Errorf("pair %s does not finish: the agent has received %d posts, and %d are back "+
					"at its device; its log:\n%s", s.device, s.last.up, s.last.done, strings.Join(lines, "\n"))
				return errors.Join(unfinished, err, logErr)
			}
			<-time.After(100 * time.Millisecond)
		}
	}
	return nil
}
