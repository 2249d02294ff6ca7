package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/launch"
)

const keysLine = "Keys    r restart agent · d power-cycle device · o device offline/online · ? all keys · q quit"

const keysHelp = `Keys    r  restart the agent
        d  cut the device's power for a moment
        o  take the device's network away, and give it back
        l  slow link: everything takes 0.3 s in each direction, then 3 s, then 30 s, then no time again
        x  lossy link: one in five packets is lost and sent again, then every second one, then none
        h  the agent's host is lost: memory is gone, saved state stays, the connection breaks
        m  move the agent: memory goes along, the connection breaks
        f  full memory: the agent's next event finds none left
        b  bad moment: the agent restarts right after its next message or request
        t  hide the lines of messages and requests, and show them again
        :  something happens at the device's board: pin1 = 1 (Enter does it; ↑ brings lines back)
        q  quit, as Ctrl-C`

// latencies and losses are what the keys for them go through.
var (
	latencies = []time.Duration{0, 300 * time.Millisecond, 3 * time.Second, 30 * time.Second}
	losses    = []float64{0, 0.2, 0.5}
)

// press handles a key.
func (d *dev) press(ctx context.Context, key byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch key {
	case 'd', 'o', 'l', 'x':
		if d.runner == nil {
			d.out.say("No device runs here: there is no %s in %s.", deviceFile, dirName(d.Dir))
			return
		}
		d.pressDevice(key)
	case 'r', 'h', 'm', 'f', 'b':
		if err := d.pressAgent(ctx, key); err != nil && ctx.Err() == nil {
			d.out.warn("%s", inWords(err))
		}
	case 't':
		if d.traffic.mute() {
			d.out.say("Messages and requests are hidden; press t to see them again.")
		} else {
			d.out.say("Messages and requests are shown.")
		}
	case '?':
		d.out.say("%s", keysHelp)
		d.out.say("From another terminal: tandem device set %s%s pin1=1", d.selected(), d.who.Device)
	case enterKey, '\n': // people part what comes next from what came before
		d.out.say("")
	default:
		d.out.say("%s", keysLine)
	}
}

// selected returns the flag by which other commands select dev's node, from the same directory.
func (d *dev) selected() string {
	if d.Dir == "." {
		return ""
	}
	return nodeFlags{Data: filepath.Join(d.Dir, ".tandem", "node")}.again()
}

// pressDevice handles a key about the device and its link. The lock is held.
func (d *dev) pressDevice(key byte) {
	switch key {
	case 'd':
		d.runner.PowerCycle()
	case 'o':
		d.offline = !d.offline
		d.runner.Offline(d.offline)
		if d.offline {
			d.out.say("The device's network is off; press o to turn it on again.")
		} else {
			d.out.say("The device's network is on.")
		}
	case 'l':
		d.latency = (d.latency + 1) % len(latencies)
		d.wire.Slow(latencies[d.latency])
		if d.latency == 0 {
			d.out.say("The link takes no time any more.")
		} else {
			d.out.say("The link takes %v s in each direction from now on; press l for more.", latencies[d.latency].Seconds())
		}
	case 'x':
		d.loss = (d.loss + 1) % len(losses)
		d.wire.Lose(losses[d.loss])
		if d.loss == 0 {
			d.out.say("The link loses nothing any more.")
		} else {
			d.out.say("The link loses %.0f %% of all packets from now on, which come late; press x for more.",
				100*losses[d.loss])
		}
	}
}

// pressAgent handles a key about the agent.
func (d *dev) pressAgent(ctx context.Context, key byte) error {
	host, id := d.node.Host, d.who.Device
	switch key {
	case 'h':
		d.out.say("The agent's host is lost.")
		return host.Lose(ctx, id)
	case 'm':
		d.out.say("The agent moves.")
		return host.Move(ctx, id)
	case 'f':
		runs, err := host.Starve(ctx, id)
		switch {
		case err != nil:
			return err
		case runs:
			d.out.say("The agent has no memory left: its next event ends it.")
		default:
			d.out.say("The agent does not run.")
		}
		return nil
	case 'b':
		d.out.say("The agent restarts right after its next message or request.")
		d.traffic.awaitMoment(func() {
			if err := host.RestartAgent(ctx, id); err != nil && ctx.Err() == nil {
				d.out.warn("%s", inWords(err))
			}
		})
		return nil
	}
	return host.RestartAgent(ctx, id)
}

// boardLine has a line happen at the board.
func (d *dev) boardLine(text string) {
	text = strings.TrimSpace(text)
	d.mu.Lock()
	runs := d.runner != nil
	d.mu.Unlock()
	switch err := d.wiring.Set(text); {
	case text == "":
	case !runs:
		d.out.say("No device runs here: there is no %s in %s.", deviceFile, dirName(d.Dir))
	case err != nil:
		d.out.warn("%v; such lines are pin1 = 1, i2c89 0x90 00 = 1a 20, uart57 < hello", err)
	default:
		d.out.say("Board   %s", text)
	}
}

type deviceSetCmd struct {
	nodeFlags
	Dir   string   `placeholder:"DIR" help:"${help_set_dir}"`
	Name  string   `arg:"" name:"device" help:"Id or name of the device."`
	Lines []string `arg:"" name:"line" help:"${help_set_line}"`
}

// Run has lines happen at the simulated board of a device on this machine.
func (c *deviceSetCmd) Run(ctx context.Context, s *streams) error {
	lines := boardLines(c.Lines)
	for _, line := range lines {
		if err := launch.CheckLine(line); err != nil {
			return tandem.Errorf(tandem.Invalid, "the line %s: %v", line, err)
		}
	}
	if c.Dir != "" {
		id := tandem.DeviceID("")
		if named := tandem.DeviceID(strings.ToLower(c.Name)); named.Valid() {
			id = named
		}
		return launch.SetBoard(ctx, c.Dir, id, lines)
	}
	_, device, err := c.dialDevice(ctx, s, c.Name)
	if err != nil {
		return err
	}
	own := filepath.Join(filepath.Dir(filepath.Clean(c.dataDir())), "device") // of tandem dev
	for _, dir := range []string{own, launch.DefaultDir + "-" + device.ID, launch.DefaultDir} {
		err := launch.SetBoard(ctx, dir, tandem.DeviceID(device.ID), lines)
		if tandem.KindOf(err) != tandem.NotFound {
			return err
		}
	}
	return tandem.Errorf(tandem.NotFound, "no simulated board of device %s is found: run it with tandem dev, or with "+
		"tandem device run on this machine, and name the directory of the latter with --dir", c.Name)
}

// boardLines returns the arguments as lines: each is one, unless they are the words of one.
func boardLines(args []string) []string {
	for _, arg := range args {
		if !strings.ContainsAny(arg, "=<!") || strings.Trim(arg, "=<!") == "" {
			return []string{strings.Join(args, " ")}
		}
	}
	return args
}
