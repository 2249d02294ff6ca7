package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/runner"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/server"
)

type devCmd struct {
	Dir     string `arg:"" help:"Directory with agent.nut and, for a device that runs here too, device.nut."`
	HTTP    string `name:"http" placeholder:"ADDR" default:"${http}" help:"Where the node listens for HTTP (${default})."`
	Agents  string `placeholder:"ADDR" default:"${agents}" help:"${help_dev_agents}"`
	MQTT    string `name:"mqtt" placeholder:"ADDR" default:"${mqtt}" help:"Where the node listens for MQTT (${default})."`
	Verbose bool   `short:"v" help:"Also print the node's own log."`
}

// watchEvery is the interval at which dev checks whether a source file was saved.
const watchEvery = 200 * time.Millisecond

// linesOfStart is how many past lines of the log dev reads to find those since
// this node's start. An agent of an earlier run may restart before dev follows
// the log.
const linesOfStart = 100

// patienceOfPeople is the time after which dev says what it is waiting for.
const patienceOfPeople = time.Second

// loopback is what dev opens to the agent: a developer's own servers.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// dev is a pair under development: a node, and a device if there is code for
// one.
type dev struct {
	*devCmd
	s      *streams
	out    *lineWriter
	logger *slog.Logger
	node   *server.Node
	group  string
	id     tandem.DeviceID
	key    string
	had    pairSource // the sources as read last
	began  time.Time  // before the start of the node

	mu      sync.Mutex
	runner  *runner.Runner // nil until there is device code
	offline bool
}

const keysLine = "Keys    r restart agent · d power-cycle device · o device offline/online · q quit"

// identity is the identity of dev's device, which it keeps from one run to the
// next.
type identity struct {
	Device tandem.DeviceID `json:"device"`
	Key    string          `json:"key"`
	Group  string          `json:"group"`
}

func (c *devCmd) Run(ctx context.Context, s *streams) error {
	if _, err := readPair(c.Dir); err != nil {
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	d := &dev{devCmd: c, s: s, out: newLineWriter(s.out), began: time.Now()}
	d.out.files = pairFiles(c.Dir)
	level := slog.LevelError
	if c.Verbose {
		level = slog.LevelDebug
	}
	d.logger = slog.New(slog.NewTextHandler(&sayer{d.out}, &slog.HandlerOptions{Level: level}))
	typed, restore := keys(s.in, d.out)
	defer restore()
	parts, ctx := errgroup.WithContext(ctx)
	nodeCtx, stopNode := context.WithCancel(context.WithoutCancel(ctx))
	ready := make(chan *server.Node, 1)
	node := &server.Server{
		Dir: filepath.Join(c.Dir, ".tandem", "node"), HTTP: c.HTTP, MQTT: c.MQTT, Agents: server.Agents{Listen: c.Agents},
		LoopbackIsSecure: true, Egress: loopback, Version: version(), Logger: d.logger,
		Ready: func(n *server.Node) { ready <- n },
	}
	ended := make(chan struct{})
	parts.Go(func() error { defer close(ended); return node.Run(nodeCtx) })
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
		return d.run(ctx, quit, typed, restore)
	})
	return parts.Wait()
}

// run runs everything but the node itself.
func (d *dev) run(ctx context.Context, quit func(), typed <-chan byte, restore func()) error {
	if err := d.enrol(ctx); err != nil {
		return err
	}
	src, err := readPair(d.Dir)
	if err != nil {
		return err
	}
	parts, ctx := errgroup.WithContext(ctx)
	log := d.node.Log.Follow(func(e tandem.LogEntry) {
		if !e.TS.Before(d.began) {
			d.out.entry(e)
		}
	})
	if err := log.Add(ctx, []tandem.DeviceID{d.id}, linesOfStart); err != nil {
		return untilDone(err)
	}
	d.deploy(ctx, src)
	d.welcome(src)
	parts.Go(func() error { return untilDone(log.Run(ctx)) })
	d.had = src
	if src.hasDevice {
		d.startDevice(ctx, parts)
	}
	parts.Go(func() error {
		watchPair(ctx, d.Dir, watchEvery, func() { d.changed(ctx, parts) })
		return nil
	})
	parts.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case key := <-typed:
				if key == 'q' || key == interruptKey {
					restore() // from now on Ctrl-C is a signal, which ends dev at once
					quit()
					return nil
				}
				d.press(ctx, key)
			}
		}
	})
	return parts.Wait()
}

// changed handles a change of the source files.
func (d *dev) changed(ctx context.Context, parts *errgroup.Group) {
	src, err := readPair(d.Dir)
	switch {
	case tandem.KindOf(err) == tandem.NotFound:
		d.out.warn("%v: the old code keeps running until the file is back.", err)
		return
	case err != nil:
		d.out.warn("Not deployed: %v", err)
		return
	}
	before := d.had
	d.had = src
	d.mu.Lock()
	runs := d.runner != nil
	d.mu.Unlock()
	switch {
	case before.hasDevice && !src.hasDevice:
		d.out.warn("%s no longer has a %s: the device keeps its code.", d.Dir, deviceFile)
		if bytes.Equal(src.agent, before.agent) {
			return
		}
	case src.hasDevice && !runs:
		d.out.say("Device  %s, runs here from now on", d.id)
	}
	d.deploy(ctx, src)
	if src.hasDevice && !runs {
		d.startDevice(ctx, parts)
	}
}

func untilDone(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// enrol finds the device of an earlier run, or makes one.
func (d *dev) enrol(ctx context.Context) error {
	// The directory belongs to this machine, and contains keys.
	if err := os.WriteFile(filepath.Join(d.Dir, ".tandem", ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return err
	}
	file := filepath.Join(d.Dir, ".tandem", "device.json")
	data, err := os.ReadFile(file)
	var who identity
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(data, &who); err != nil {
			return &tandem.Error{
				Kind: tandem.Invalid,
				Msg:  fmt.Sprintf("%s is damaged: delete it to get a new device", file),
				Err:  err,
			}
		}
	}
	if who.Device != "" && d.node.Central.Knows(ctx, who.Device) {
		d.id = who.Device
		d.key = who.Key
		d.group = who.Group
		return nil
	}
	group, err := d.node.Central.EnsureGroup(ctx, "dev", "dev")
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(d.Dir) // it may be "."
	if err != nil {
		return err
	}
	device, key, err := d.node.Central.AddDevice(ctx, central.NewDevice{Name: filepath.Base(dir), Group: group.ID})
	if err != nil {
		return err
	}
	who = identity{Device: device.ID, Key: key, Group: group.ID}
	d.id = who.Device
	d.key = who.Key
	d.group = who.Group
	if data, err = json.MarshalIndent(who, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o600)
}

// welcome prints the addresses and keys.
func (d *dev) welcome(src pairSource) {
	url, err := d.node.Central.AgentURL(context.Background(), d.id)
	if err != nil {
		d.out.say("%v", err)
	}
	d.out.say("Agent   %s", url)
	if src.hasDevice {
		d.out.say("Device  %s, runs here", d.id)
	} else {
		d.out.say("Device  any MQTT client, at %s:\n        ID=%s KEY=%s URL=%s", d.node.MQTT, d.id, d.key, url)
	}
	d.out.say("Manual  %s/docs/", d.node.URL)
	d.out.say("%s", keysLine)
	d.out.say("Saving %s or %s in %s deploys it.\n", agentFile, deviceFile, d.Dir)
}

// deploy deploys the pair's code. If it does not compile, the old code keeps
// running.
func (d *dev) deploy(ctx context.Context, src pairSource) {
	err := d.node.Central.Deploy(ctx, d.group, central.Code{Agent: string(src.agent), Device: string(src.device)})
	var bad *central.CompileError
	switch {
	case errors.As(err, &bad):
		var places notCompiled
		for _, p := range bad.Problems {
			places = append(places, place{
				Row: p.Line, Column: p.Column, Text: p.Text, File: cmp.Or(p.File, imp.SourceName(p.Side)),
				Plain: p.Plain, Excerpt: excerpt{p.Excerpt.File, p.Excerpt.Line, p.Excerpt.Col, p.Excerpt.Text, p.Excerpt.Caret},
			})
		}
		for _, line := range places.lines(pairFiles(d.Dir), nodeFlags{Data: filepath.Join(d.Dir, ".tandem", "node")}) {
			d.out.warn("%s", line)
		}
		d.out.warn("Not deployed: correct the file and save it again.")
	case err != nil && ctx.Err() == nil:
		d.out.warn("Not deployed: %v", err)
	}
}

func (d *dev) startDevice(ctx context.Context, parts *errgroup.Group) {
	r := &runner.Runner{
		ID: d.id, Key: d.key, Addr: "tcp://" + d.node.MQTT, Dir: filepath.Join(d.Dir, ".tandem", "device"), Logger: d.logger,
	}
	d.mu.Lock()
	d.runner = r
	d.mu.Unlock()
	parts.Go(func() error { return untilDone(r.Run(ctx)) })
}

// press handles a key.
func (d *dev) press(ctx context.Context, key byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch key {
	case 'r':
		if err := d.node.Host.RestartAgent(ctx, d.id); err != nil {
			d.out.warn("%v", err)
		}
	case 'd', 'o':
		if d.runner == nil {
			d.out.say("No device runs here: there is no %s in %s.", deviceFile, d.Dir)
			return
		}
		if key == 'd' {
			d.runner.PowerCycle()
			return
		}
		d.offline = !d.offline
		d.runner.Offline(d.offline)
		if d.offline {
			d.out.say("The device's network is off; press o to turn it on again.")
		} else {
			d.out.say("The device's network is on.")
		}
	default:
		d.out.say("%s", keysLine)
	}
}

// sayer is a writer for slog that writes whole lines through a lineWriter.
type sayer struct{ out *lineWriter }

func (s *sayer) Write(b []byte) (int, error) {
	s.out.write(string(b))
	return len(b), nil
}

var _ io.Writer = (*sayer)(nil)
