package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// faults are what chaos can do.
var faults = map[string]func(context.Context, *load, *proc) error{
	"kill": kill, "pause": pausePastLease, "blink": blink, "stop": stopAndStart, "drain": drain, "database": killDatabase, "all": killAll,
}

// chaosAgents is how many agents chaos has at most: it asks each often.
const chaosAgents = 300

// chaos does one thing after the other to a cluster under load.
func chaos(ctx context.Context, l *lab, o options) error {
	fmt.Println("seed", o.seed)
	d, err := threeNodes(ctx, l, min(o.agents, chaosAgents))
	if err != nil {
		return err
	}
	d.faults = true
	d.begin(ctx, 16)
	defer d.end()
	random := rand.New(rand.NewPCG(o.seed, 2))
	counts := map[string]int{}
	names := strings.Split(o.faults, ",")
	for end := time.Now().Add(o.length); time.Now().Before(end) && ctx.Err() == nil; {
		name := names[random.IntN(len(names))]
		n := l.nodes[random.IntN(len(l.nodes))]
		do := faults[name]
		if do == nil {
			return fmt.Errorf("there is no fault %q", name)
		}
		counts[name]++
		if err := do(ctx, d, n); err != nil {
			return fmt.Errorf("seed %d: %s of %s: %w", o.seed, name, n.name, err)
		}
		if err := l.settled(ctx, l.nodes[0], 3); err != nil {
			return fmt.Errorf("seed %d: after %s of %s: %w", o.seed, name, n.name, err)
		}
		if err := d.failure(); err != nil {
			return fmt.Errorf("seed %d: %w", o.seed, err)
		}
	}
	d.end()
	for i, s := range d.subjects {
		if _, broken, err := l.step(ctx, l.nodes[i%3], s, http.MethodGet); broken != nil || err != nil {
			return fmt.Errorf("seed %d: at the end: %w %w", o.seed, broken, err)
		}
	}
	fmt.Printf("chaos: seed %d, %v of faults %v: %d answers checked, %d acknowledged saves, %d failed requests, %d restarts seen, nothing broken\n",
		o.seed, o.length, counts, d.asked.Load(), d.saved.Load(), d.failed.Load(), d.restarts.Load())
	return d.failure()
}

func kill(ctx context.Context, d *load, n *proc) error {
	d.did("kill -9 of %s", n.name)
	n.kill()
	<-time.After(2 * time.Second)
	return d.lab.start(ctx, n, false)
}

// pausePastLease has a node sleep until its agents are others', and wake up with
// all it wanted to do.
func pausePastLease(_ context.Context, d *load, n *proc) error {
	d.did("%s is paused for 8 s", n.name)
	return stopped(n, 8*time.Second)
}

func blink(_ context.Context, d *load, n *proc) error {
	d.did("%s is paused for 1 s", n.name)
	return stopped(n, time.Second)
}

func stopped(n *proc, wait time.Duration) error {
	if err := n.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	<-time.After(wait)
	return n.signal(syscall.SIGCONT)
}

func stopAndStart(ctx context.Context, d *load, n *proc) error {
	d.did("%s is stopped and started", n.name)
	if err := n.stop(); err != nil {
		return err
	}
	return d.lab.start(ctx, n, false)
}

func drain(ctx context.Context, d *load, n *proc) error {
	d.did("%s is drained, and restarted", n.name)
	if err := d.lab.api(ctx, d.lab.nodes[0], "POST", "/cluster/nodes/"+n.name+"/drain", "", nil); err != nil {
		return err
	}
	<-time.After(2 * time.Second)
	if err := n.stop(); err != nil {
		return err
	}
	return d.lab.start(ctx, n, false)
}

func killDatabase(_ context.Context, d *load, _ *proc) error {
	d.did("kill -9 of the database for 1 s")
	if err := d.lab.pg.Stop(true); err != nil {
		return err
	}
	<-time.After(time.Second)
	return d.lab.pg.Start()
}

func killAll(ctx context.Context, d *load, _ *proc) error {
	d.did("kill -9 of all nodes and the database")
	for _, n := range d.lab.nodes {
		n.kill()
	}
	if err := d.lab.pg.Stop(true); err != nil {
		return err
	}
	if err := d.lab.pg.Start(); err != nil {
		return err
	}
	for _, n := range d.lab.nodes {
		if err := d.lab.start(ctx, n, false); err != nil {
			return err
		}
	}
	return nil
}
