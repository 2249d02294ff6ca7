package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-iot/tandem/bench/node"
)

// Faults of a machine and of its operator, during which the cluster goes on.

// twinPatience is how long a second node of the same name may take to refuse to start.
const twinPatience = 30 * time.Second

// twin starts another process with the name of a node that runs, and in one case of two
// with its directory. It must refuse to start, and say why.
func twin(ctx context.Context, d *load, n *proc, random *rand.Rand) error {
	dir := n.dir
	if random.IntN(2) == 0 {
		var err error
		if dir, err = os.MkdirTemp("", "tandem-lab-twin-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	d.did("%s gets a twin, in the same directory: %v", n.Name, dir == n.dir)
	ctx, cancel := context.WithTimeout(ctx, twinPatience)
	defer cancel()
	other := proc{Process: node.Process{Name: n.Name, Web: n.Web, Agents: n.Agents}, dir: dir, host: n.host,
		skew: n.skew, mqtt: n.mqtt, nodes: n.nodes}
	for _, addr := range []*string{&other.Web, &other.Agents, &other.mqtt, &other.nodes} {
		host, _, err := net.SplitHostPort(*addr)
		if err != nil {
			return err
		}
		*addr = net.JoinHostPort(host, "0")
	}
	command := d.lab.command(&other, false)
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the twin of %s runs; it says:\n%s", n.Name, out)
	case err == nil, !strings.Contains(string(out), "in use") &&
		!strings.Contains(string(out), "another node has the name "+n.Name):
		return fmt.Errorf("the twin of %s ended with %v, and does not say that the name or the directory is in use:\n%s",
			n.Name, err, out)
	}
	return nil
}

// exhaustDescriptors leaves a node's process no file descriptor but those it has.
func exhaustDescriptors(_ context.Context, d *load, n *proc, _ *rand.Rand) error {
	const wait = 10 * time.Second
	pid := n.PID()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return err
	}
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return err
	}
	d.did("%s has no file descriptors but its %d for %v", n.Name, len(open), wait)
	few := unix.Rlimit{Cur: uint64(len(open)), Max: old.Max}
	return d.lab.during(wait, func(on bool) error {
		limit := &old
		if on {
			limit = &few
		}
		return unix.Prlimit(pid, unix.RLIMIT_NOFILE, limit, nil)
	})
}

// diskSize is the size of a node's disk, where it has one of its own.
const diskSize = 256 << 20

// mountDisk gives a node a disk of its own.
func (n *proc) mountDisk() error {
	dir := filepath.Join(n.dir, "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tandem", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", diskSize)); err != nil {
		return fmt.Errorf("a disk for %s: %w", n.Name, err)
	}
	n.disk = dir
	return nil
}

// fillDisk fills the disk of a node.
func fillDisk(ctx context.Context, d *load, n *proc, _ *rand.Rand) error {
	if err := whileFull(d, n, 15*time.Second); err != nil {
		return err
	}
	return d.lab.well(ctx, n)
}

func whileFull(d *load, n *proc, wait time.Duration) (err error) {
	if n.disk == "" {
		return fmt.Errorf("%s has no disk of its own", n.Name)
	}
	d.did("the disk of %s is full for %v", n.Name, wait)
	name := filepath.Join(n.disk, "filler")
	defer func() { err = errors.Join(err, os.Remove(name)) }()
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = io.Copy(f, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the disk of %s is not full: %w", n.Name, err)
	}
	<-time.After(wait)
	return nil
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// slowDatabase has all that the nodes and the database say to each other take longer.
func slowDatabase(_ context.Context, d *load, _ *proc, random *rand.Rand) error {
	delay := time.Duration(20+random.IntN(130)) * time.Millisecond
	d.did("the database is %v away each way for 20 s", delay)
	return d.lab.during(20*time.Second, func(on bool) error {
		if !on {
			delay = 0
		}
		d.lab.forward.delay.Store(int64(delay))
		return nil
	})
}

// lagging delays what is read.
type lagging struct {
	io.Reader
	delay *atomic.Int64
}

func (l lagging) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if d := time.Duration(l.delay.Load()); d > 0 {
		<-time.After(d)
	}
	return n, err
}

// hostiles are agents that do what they can to harm the others, and their callers. What they
// answer is not looked at; what they do must explain no restart of others.
var hostiles = []string{
	// It uses up processor time, memory and the disk.
	`n <- 0;
	http.onrequest(function(q, r) {
		switch (n++ % 6) {
		case 0: while (true) {}
		case 1: local s = "x"; while (true) s += s; break;
		case 2: while (true) server.save({ x = n++ });
		case 3: local a = []; while (true) a.append(array(1000, n));
		case 4: while (true) server.log("flood " + n++);
		default: format("%s%d", array(1000, "x").tostring(), "not a number");
		}
		r.send(200, "");
	});`,
	// It crashes, restarts, posts, and asks others for much.
	`n <- 0;
	function again() { imp.wakeup(0, again); }
	http.onrequest(function(q, r) {
		switch (n++ % 6) {
		case 0: throw "ouch"; break;
		case 1: server.restart(); break;
		case 2: for (local i = 0; i < 900; i++) imp.wakeup(0, again); break;
		case 3: for (local i = 0; i < 2000; i++) tandem.post("x", array(100, i)); break;
		case 4: for (local i = 0; i < 100; i++) http.get(http.agenturl()).sendasync(@(x) null); break;
		default: for (local i = 0; i < 1000; i++) device.send("x", blob(100000)); break;
		}
		r.send(200, "");
	});`,
}

// attack keeps the hostile agents busy until the load ends.
func (d *load) attack(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	end := d.stop
	d.stop = func() { stop(); end() }
	good := d.lab.agentCode
	defer func() { d.lab.agentCode = good }()
	for i, code := range hostiles {
		d.lab.agentCode = code
		list, err := d.lab.group(ctx, d.lab.nodes[0], fmt.Sprint("hostile ", i), 1)
		if err != nil {
			return err
		}
		for caller := range 2 {
			d.work.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), uint64(caller)))
				for ctx.Err() == nil {
					if n := d.door(random); n != nil {
						_, _ = d.lab.call(ctx, n, list[0], "GET", "") // it fails, as a rule
					}
					<-time.After(20 * time.Millisecond)
				}
			})
		}
	}
	return nil
}
