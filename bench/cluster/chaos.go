package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// fault is a fault that chaos causes.
type fault struct {
	do      func(context.Context, *load, *proc, *rand.Rand) error
	restart bool // agents may restart because of it; otherwise none may
	network bool // it needs network namespaces and disks
}

var faults = map[string]fault{
	"kill":     {do: kill, restart: true},
	"pause":    {do: pausePastLease, restart: true},
	"blink":    {do: blink},
	"stop":     {do: stopAndStart},
	"drain":    {do: drain},
	"database": {do: killDatabase, restart: true},
	"all":      {do: killAll, restart: true},
	"power":    {do: powerCut},
	"offline":  {do: devicesOffline},
	"twin":     {do: twin},
	"files":    {do: exhaustDescriptors},
	"disk":     {do: fillDisk, network: true},
	"far":      {do: slowDatabase, restart: true},
	"rollback": {do: rollBack, restart: true},
	"cut":      {do: cutPastLease, restart: true, network: true},
	"split":    {do: splitPair, restart: true, network: true},
	"slow":     {do: slowDown, restart: true, network: true},
	"flicker":  {do: flicker, restart: true, network: true},
}

// Limits of chaos's agents, so that it can call each of them often.
const (
	chaosAgents    = 300
	chaosPairs     = 100 // agents with devices
	chaosRegisters = 6   // further agents that are registers
)

// wave is how long after a fault agents may still restart because of it.
const wave = 30 * time.Second

// chaos causes one fault after the other in a cluster under load.
func chaos(ctx context.Context, l *lab, o options) (err error) {
	fmt.Println("seed", o.seed)
	names, err := l.faultNames(o)
	if err != nil {
		return err
	}
	d, regs, err := chaosLoad(ctx, l, min(o.agents, chaosAgents))
	if err != nil {
		return err
	}
	b, err := newBalancer("127.0.0.1:0", l.nodes[0].mqtt, l.nodes[1].mqtt, l.nodes[2].mqtt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if d.fleet, err = newFleet(ctx, b.addr(), d.pairs); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.fleet.close(err != nil)) }()
	d.begin(ctx, 16)
	defer d.end()
	if err := d.attack(ctx); err != nil {
		return err
	}
	regs.begin(ctx)
	defer func() { regs.stop(); regs.work.Wait() }()
	counts := map[string]int{}
	random := rand.New(rand.NewPCG(o.seed, 2))
	for end := time.Now().Add(o.length); time.Now().Before(end) && ctx.Err() == nil; {
		name := names[random.IntN(len(names))]
		n := l.nodes[random.IntN(len(l.nodes))]
		counts[name]++
		if err := d.round(ctx, regs, name, n, random); err != nil {
			return fmt.Errorf("seed %d: %s of %s: %w", o.seed, name, n.Name, err)
		}
	}
	d.end()
	if err := d.lastLook(ctx); err != nil {
		return fmt.Errorf("seed %d: at the end: %w", o.seed, d.withStory(err))
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	fmt.Printf(
		"chaos: seed %d, %v, %d faults %v: %d answers checked, %d acknowledged saves, %d failed requests, "+
			"%d restarts, each after a fault that explains it, "+
			"%d posts of %d devices handled once each and back in order, %d pairs of log lines in causal order, "+
			"%d operations on %d registers linearisable (%d windows not decided), nothing broken\n",
		o.seed, o.length, total, counts, d.asked.Load(), d.saved.Load(), d.failed.Load(), d.restarted.Load(),
		d.posted, len(d.pairs), d.lines, regs.checked, len(regs.list), regs.undecided)
	return d.failure()
}

// faultNames returns the selected faults that are possible here.
func (l *lab) faultNames(o options) (names []string, err error) {
	all := slices.Sorted(maps.Keys(faults))
	if o.faults != "" {
		all = strings.Split(o.faults, ",")
	}
	for _, name := range all {
		f, known := faults[name]
		switch {
		case !known:
			return nil, fmt.Errorf("there is no fault %q; the faults are %s", name,
				strings.Join(slices.Sorted(maps.Keys(faults)), ", "))
		case !f.network || l.hosts != nil:
			names = append(names, name)
		case o.faults != "":
			return nil, fmt.Errorf("fault %q needs -net=on, and network namespaces", name)
		}
	}
	return names, nil
}

// chaosLoad starts three nodes with different clocks, and their agents.
func chaosLoad(ctx context.Context, l *lab, agents int) (*load, *registers, error) {
	l.skews = []time.Duration{0, 3 * time.Second, -3 * time.Second}
	l.deviceCode, l.agentCode = deviceCode, pairCode
	d, err := threeNodes(ctx, l, agents+chaosRegisters)
	if err != nil {
		return nil, nil, err
	}
	regs := &registers{load: d}
	for _, s := range d.subjects[agents:] {
		regs.list = append(regs.list, &register{subject: s})
	}
	d.subjects = d.subjects[:agents]
	d.pairs = d.subjects[:min(agents, chaosPairs)]
	d.faults = true
	return d, regs, nil
}

// round causes one fault, waits until the cluster has recovered, and checks the results.
func (d *load) round(ctx context.Context, regs *registers, name string, n *proc, random *rand.Rand) error {
	f := faults[name]
	if f.restart {
		d.mayRestart(time.Now().Add(time.Hour))
	}
	err := f.do(ctx, d, n, random)
	if err == nil {
		err = d.lab.settled(ctx, d.lab.nodes[0], len(d.lab.nodes))
	}
	if f.restart {
		d.mayRestart(time.Now().Add(wave))
	}
	if err != nil {
		return d.withStory(err)
	}
	if err := regs.check(); err != nil {
		return d.withStory(err)
	}
	regs.begin(ctx)
	if err := d.fleet.failure(); err != nil {
		return d.withStory(err)
	}
	return d.failure()
}

// lastLook calls every agent once more, and checks the answers.
func (d *load) lastLook(ctx context.Context) error {
	nodes := d.lab.nodes
	for i, s := range d.subjects {
		if _, broken, err := d.lab.step(ctx, nodes[i%len(nodes)], s, http.MethodGet); broken != nil || err != nil {
			return errors.Join(broken, err)
		}
	}
	if err := d.halt(ctx); err != nil {
		return err
	}
	for i, s := range d.pairs {
		n, err := d.lab.causal(ctx, nodes[i%len(nodes)], s)
		if err != nil {
			return err
		}
		d.lines += n
	}
	return nil
}

func kill(ctx context.Context, d *load, n *proc, _ *rand.Rand) error {
	d.did("kill -9 of %s", n.Name)
	n.Kill()
	<-time.After(2 * time.Second)
	return d.lab.start(ctx, n, false)
}

// pausePastLease stops a node's process until other nodes own its agents, and then
// continues it with its pending work.
func pausePastLease(_ context.Context, d *load, n *proc, _ *rand.Rand) error {
	d.did("%s is paused for 8 s", n.Name)
	return stopped(n, 8*time.Second)
}

func blink(_ context.Context, d *load, n *proc, _ *rand.Rand) error {
	d.did("%s is paused for 1 s", n.Name)
	return stopped(n, time.Second)
}

func stopped(n *proc, wait time.Duration) error {
	if err := n.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	<-time.After(wait)
	return n.Signal(syscall.SIGCONT)
}

func stopAndStart(ctx context.Context, d *load, n *proc, _ *rand.Rand) error {
	d.did("%s is stopped and started", n.Name)
	if err := n.Stop(); err != nil {
		return err
	}
	return d.lab.start(ctx, n, false)
}

func drain(ctx context.Context, d *load, n *proc, _ *rand.Rand) error {
	d.did("%s is drained, and restarted", n.Name)
	if err := d.lab.drain(ctx, d.lab.nodes[0], n); err != nil {
		return err
	}
	<-time.After(2 * time.Second)
	if err := n.Stop(); err != nil {
		return err
	}
	return d.lab.start(ctx, n, false)
}

func killDatabase(_ context.Context, d *load, _ *proc, _ *rand.Rand) error {
	d.did("kill -9 of the database for 1 s")
	if err := d.lab.pg.Stop(true); err != nil {
		return err
	}
	<-time.After(time.Second)
	return d.lab.pg.Start()
}

func killAll(ctx context.Context, d *load, _ *proc, _ *rand.Rand) error {
	d.did("kill -9 of all nodes and the database")
	for _, n := range d.lab.nodes {
		n.Kill()
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
