package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/central/client"
	"github.com/tandem-iot/tandem/device/launch"
	"github.com/tandem-iot/tandem/device/runner"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/badlink"
	"github.com/tandem-iot/tandem/internal/version"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/server"
)

type devCmd struct {
	Dir     string   `arg:"" optional:"" default:"." help:"${help_dev_dir}"`
	HTTP    string   `name:"http" placeholder:"ADDR" help:"${help_dev_http}"`
	Agents  string   `placeholder:"ADDR" help:"${help_dev_agents}"`
	MQTT    string   `name:"mqtt" placeholder:"ADDR" help:"${help_dev_mqtt}"`
	Egress  []string `placeholder:"CIDR" help:"${help_dev_egress}"`
	Test    bool     `help:"${help_dev_test}"`
	Verbose bool     `short:"v" help:"${help_dev_verbose}"`
	launch.Hardware
}

// watchEvery is the interval at which dev checks whether a source file was saved.
const watchEvery = 200 * time.Millisecond

// crashPause is the longest pause before code under development that crashes starts again:
// its author waits for it.
const crashPause = time.Second

// patienceOfPeople is the time after which dev says what it is waiting for.
const patienceOfPeople = time.Second

// loopback is what dev opens to the agent: a developer's own servers, and agents.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// dev is a pair under development: a node, and a device if there is code for
// one.
type dev struct {
	*devCmd
	s      *streams
	out    *lineWriter
	logger *slog.Logger
	node   *server.Node
	log    *logbook.Follower // from before the start of the node
	lines  curtain           // of the log
	who    identity
	had    pairSource // the sources as read last
	wiring *launch.Wiring
	usual  bool // the node listens at the usual addresses, or at those that were named

	libraries int        // of the node, before the last deployment
	refused   bool       // its code did not compile
	runs      pairSource // the sources as deployed last

	traffic traffic
	driven
}

// driven is what keys change, under its lock.
type driven struct {
	mu      sync.Mutex
	runner  *runner.Runner // nil until there is device code
	wire    *badlink.Link  // between it and the node
	offline bool
	latency int // index in latencies
	loss    int // index in losses
}

func (c *devCmd) Run(ctx context.Context, s *streams) error {
	if _, err := readPair(c.Dir); err != nil {
		return err
	}
	hardware, err := c.NewBoard()
	if err != nil {
		return err
	}
	open, err := networks("--egress", c.Egress)
	if err != nil {
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	d := &dev{devCmd: c, s: s, out: newLineWriter(s), wiring: hardware}
	d.out.files = pairFiles(c.Dir)
	d.lines.out = d.out
	d.traffic.out, d.traffic.bodies = &d.lines, c.Verbose
	level := slog.LevelError
	if c.Verbose {
		level = slog.LevelDebug
	}
	d.logger = slog.New(s.logHandler(&sayer{d.out}, level))
	all, restore := keys(s.in, d.out)
	defer restore()
	context.AfterFunc(ctx, restore) // Ctrl-C is a signal again, and may end what takes too long
	parts, ctx := errgroup.WithContext(ctx)
	nodeCtx, stopNode := context.WithCancel(context.WithoutCancel(ctx))
	ready := make(chan *server.Node, 1)
	node := server.Server{
		Dir: filepath.Join(c.Dir, ".tandem", "node"), LoopbackIsSecure: true, Egress: append(loopback(), open...),
		Version: version.String(), Logger: d.logger, CrashPause: crashPause,
		Opened: d.follow, Witness: &d.traffic,
		Ready: func(n *server.Node) { ready <- n },
	}
	ended := make(chan struct{})
	parts.Go(func() error { defer close(ended); return d.explain(d.runNode(nodeCtx, node)) })
	parts.Go(func() error {
		<-nodeCtx.Done()
		select {
		case <-ended:
		case <-time.After(patienceOfPeople):
			d.out.say("Waiting for HTTP requests under way to be answered, a few seconds at most.")
		}
		return nil
	})
	parts.Go(func() error {
		// The node stops last, so that the log of the end is shown, too.
		defer stopNode()
		select {
		case d.node = <-ready:
		case <-ctx.Done():
			return nil
		}
		return d.run(ctx, quit, all)
	})
	return parts.Wait()
}

// explain says in the words of this command why the node has not started.
func (d *dev) explain(err error) error {
	if in := new(server.InUse); errors.As(err, &in) {
		return tandem.Errorf(tandem.Conflict,
			"another tandem dev runs %s already, %s: use that one, or end it first with q or Ctrl-C in its terminal",
			dirName(d.Dir), in.By)
	}
	return err
}

// run runs everything but the node itself.
func (d *dev) run(ctx context.Context, quit func(), all <-chan keystroke) error {
	made, err := d.enrol(ctx)
	if err != nil {
		return err
	}
	known := d.look(ctx)
	src, err := readPair(d.Dir)
	if err != nil {
		return err
	}
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return untilDone(d.log.Run(ctx)) })
	d.deploy(ctx, src)
	if made {
		if err := d.settle(ctx); err != nil {
			return err
		}
	}
	known.libraries = d.libraries
	d.welcome(src)
	d.lines.open()
	d.had = src
	d.test(ctx)
	if src.hasDevice {
		if err := d.startDevice(ctx, parts); err != nil {
			return err
		}
	}
	parts.Go(func() error {
		watch(ctx, watchEvery, known, func() sight { return d.look(ctx) }, func() int {
			d.changed(ctx, parts)
			return d.libraries
		})
		return nil
	})
	parts.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case t := <-all:
				switch t.key {
				case 'q', interruptKey:
					d.s.stop.ask(os.Interrupt)
					quit()
					return nil
				case lineKey:
					d.boardLine(t.line)
				default:
					d.press(ctx, t.key)
				}
			}
		}
	})
	return parts.Wait()
}

// rewire gives the board the lines of its file when they have changed, and reports whether
// they have.
func (d *dev) rewire() bool {
	changed, err := d.wiring.Rewire()
	switch {
	case err != nil:
		d.out.warn("%s", inWords(err))
	case changed:
		d.out.say(launch.Given, d.Board)
	}
	return changed
}

// changed handles a change of the source files, or of the board's.
func (d *dev) changed(ctx context.Context, parts *errgroup.Group) {
	rewired := d.rewire()
	src, err := readPair(d.Dir)
	switch {
	case tandem.KindOf(err) == tandem.NotFound:
		d.out.warn("%v: the old code keeps running until the file is back.", err)
		return
	case err != nil:
		d.out.warn("Not deployed: %v", err)
		return
	}
	defer d.test(ctx)
	before := d.had
	if rewired && before.same(src) && before.hasDevice == src.hasDevice {
		return
	}
	d.had = src
	d.mu.Lock()
	runs := d.runner != nil
	d.mu.Unlock()
	switch {
	case before.hasDevice && !src.hasDevice:
		d.out.warn("%s no longer has a %s: the device keeps its code.", dirName(d.Dir), deviceFile)
		if bytes.Equal(src.agent, before.agent) {
			return
		}
	case src.hasDevice && !runs:
		d.out.say("Device  %s, runs here from now on", d.who.Device)
	}
	d.deploy(ctx, src)
	if src.hasDevice && !runs {
		if err := d.startDevice(ctx, parts); err != nil {
			d.out.warn("%s", inWords(err))
		}
	}
}

func untilDone(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// welcome prints the addresses and keys.
func (d *dev) welcome(src pairSource) {
	url, err := d.node.Central.AgentURL(context.Background(), d.who.Device)
	if err != nil {
		d.out.say("%v", err)
	}
	if d.s.json {
		d.out.object(map[string]string{"agent": url, "device": string(d.who.Device), "node": d.node.URL, "mqtt": d.node.MQTT})
		return
	}
	d.out.say("Agent   %s", url)
	if src.hasDevice {
		d.out.say("Device  %s, runs here", d.who.Device)
	} else {
		d.out.say("Device  any MQTT client, at %s:\n        ID=%s KEY=%s URL=%s", d.node.MQTT, d.who.Device, d.who.Key, url)
	}
	d.out.say("Manual  %s/docs/", d.node.URL)
	if !d.usual {
		d.out.say("Ports   others than usual: another program uses %s.", server.DefaultHTTP)
	}
	d.out.say("%s", keysLine)
	d.out.say("Saving %s or %s in %s deploys it.\n", agentFile, deviceFile, dirName(d.Dir))
}

// deploy deploys the pair's code. If it does not compile, the old code keeps
// running.
func (d *dev) deploy(ctx context.Context, src pairSource) {
	d.libraries = d.countLibraries(ctx)
	again := d.refused && src.same(d.runs)
	d.refused = false
	err := d.node.Central.Deploy(ctx, d.who.Group, central.Code{Agent: string(src.agent), Device: string(src.device)})
	var bad *central.CompileError
	switch {
	case errors.As(err, &bad):
		d.refused = true
		var places notCompiled
		for _, p := range bad.Problems {
			places = append(places, client.Place{
				Row: p.Line, Column: p.Column, Text: p.Text, File: cmp.Or(p.File, imp.SourceName(p.Side)),
				Plain: p.Plain, Excerpt: client.Excerpt{
					File: p.Excerpt.File, Row: p.Excerpt.Line, Column: p.Excerpt.Col, Text: p.Excerpt.Text, Caret: p.Excerpt.Caret,
				},
			})
		}
		for _, line := range places.lines(pairFiles(d.Dir), nodeFlags{Data: filepath.Join(d.Dir, ".tandem", "node")}) {
			d.out.warn("%s", line)
		}
		d.out.warn("Not deployed: %s.", places.remedy())
	case err != nil:
		if ctx.Err() == nil {
			d.out.warn("Not deployed: %v", err)
		}
	case again:
		d.out.say("The mistake is gone, and the code is what runs already.")
	default:
		d.runs = src
	}
}

// startDevice runs the device, on a link that the keys make a bad one.
func (d *dev) startDevice(ctx context.Context, parts *errgroup.Group) error {
	wire, err := badlink.Listen(d.node.MQTT)
	if err != nil {
		return err
	}
	r := &runner.Runner{
		ID: d.who.Device, Key: d.who.Key, Addr: "tcp://" + wire.Addr(), Dir: d.deviceDir(),
		Logger: d.logger, CrashPause: crashPause, Module: d.Module, Board: d.wiring.Simulated,
	}
	d.mu.Lock()
	d.runner, d.wire = r, wire
	d.mu.Unlock()
	wireCtx, cut := context.WithCancel(context.WithoutCancel(ctx))
	parts.Go(func() error { return wire.Run(wireCtx) })
	parts.Go(func() error {
		defer cut() // after the device's farewell
		return untilDone(r.Run(ctx))
	})
	parts.Go(func() error { d.wiring.Play(ctx); return nil })
	parts.Go(func() error { return d.wiring.Serve(ctx, d.deviceDir(), d.who.Device) })
	return nil
}

// sayer is a writer for slog that writes whole lines through a lineWriter.
type sayer struct{ out *lineWriter }

func (s *sayer) Write(b []byte) (int, error) {
	s.out.write(string(b))
	return len(b), nil
}

var _ io.Writer = (*sayer)(nil)
