package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// phase is what the device is doing.
type phase uint8

const (
	off            phase = iota
	booting              // the boot is being counted
	waitingForLink       // switched on; the code starts with the link or at startAt
	waitingForCode       // there is none yet
	pausing              // the code starts at startAt
	starting             // the code is being read, or the incarnation counted
	running
	asleep  // deeply, until startAt
	leaving // for good, when the last words are written
)

// life is what the device is doing, and what the next start of the code will be.
type life struct {
	phase   phase
	startAt time.Duration
	plan    plan

	wake    int           // of the next start
	reason  tandem.Reason // of the next start
	nv      []byte        // for the next start
	pins    []string      // that end a deep sleep
	crashes int           // in a row
}

// plan is a start of the code that waits for a file.
type plan struct {
	number  uint64 // of the effect that must be answered
	code    *code
	program *compile.Program
}

// powerOn is the cold start. The boot must be counted before anything of it can
// be seen.
func (c *Core) powerOn() {
	c.countBoot()
	c.life = life{phase: booting, wake: device.WakePowerOn, reason: tandem.ReasonPowerOn}
	c.count(forBoot)
	c.run.seq, c.run.line, c.run.begun = 0, 0, false
	c.out, c.posts.arrived = outbox{journal: &c.disk.journal, log: &c.disk.lines}, nil
	c.rewindPosts()
	c.settleIn()
	c.net.wanted, c.net.tried = true, c.net.offline
}

// booted begins to wait for a link.
func (c *Core) booted() {
	c.life.phase, c.life.startAt = waitingForLink, c.now.Mono+bootWait
	c.dialNow()
}

// powerCycle cuts the power and switches it on again.
func (c *Core) powerCycle() {
	if c.life.phase == off || c.life.phase == leaving {
		return
	}
	c.halt()
	c.mail.acks = nil
	c.stopDial()
	if c.net.conn != nil {
		c.closeConn()
	}
	c.powerOn()
}

// leave tells the server that the device goes.
func (c *Core) leave() {
	c.run.machine = nil
	c.life = life{phase: leaving}
	if c.disk.journal.durable != c.disk.Kept || c.disk.lines.durable != c.disk.KeptLines {
		c.count(forCounters) // what is kept is known to be there
	}
	c.net.wanted = false
	c.hangUp()
}

// restart restarts running code.
func (c *Core) restart(reason tandem.Reason) {
	if c.life.phase != running {
		return
	}
	c.halt()
	c.startAfter(0, device.WakeRestart, reason)
}

// halt ends the running code. What it has not handled of the agent's posts the
// next run will.
func (c *Core) halt() {
	c.run.machine = nil
	rest := append([]waiting{c.mail.handling}, c.mail.queue...)
	c.mail = mail{acks: c.mail.acks}
	for _, w := range rest {
		if w.post != nil {
			w.post.fed = false
		} else {
			c.acknowledge(w.receipt)
		}
	}
}

// startAfter has the code start again.
func (c *Core) startAfter(pause time.Duration, wake int, reason tandem.Reason) {
	c.net.wanted = true
	c.life.wake, c.life.reason = wake, reason
	c.life.phase, c.life.startAt = pausing, c.now.Mono+pause
}

// start begins to run the code from its first line.
func (c *Core) start() {
	c.life.phase = starting
	switch {
	case c.cfg.OwnCode:
		n := c.number()
		c.life.plan = plan{number: n}
		c.emit(&ReadCode{n})
	case c.disk.code != nil:
		c.prepare(c.disk.code)
	default:
		c.noCode()
	}
}

func (c *Core) codeRead(ev *CodeRead) {
	switch {
	case c.life.phase != starting || ev.Number != c.life.plan.number:
	case ev.Err != nil:
		c.complain("the device code cannot be read: " + ev.Err.Error())
		c.noCode()
	default:
		c.prepare(codeOf(ev.Text, nil))
	}
}

// prepare counts the start of code that can be run.
func (c *Core) prepare(k *code) {
	program, err := c.cfg.Compile(k.Text, k.Env)
	if err != nil {
		c.complainAt(err.Error(), imp.PlaceOf(err), k)
		c.noCode()
		return
	}
	c.emit(&BoardReset{})
	c.disk.Incarnation++
	c.life.plan = plan{code: k, program: program}
	c.life.plan.number = c.count(forStart)
}

// noCode waits for code that can be run.
func (c *Core) noCode() {
	c.life.phase = waitingForCode
	c.deafen()
	c.greet()
}

// launch runs the code: its start is counted.
func (c *Core) launch() {
	p := c.life.plan
	c.life.plan = plan{}
	if !p.code.same(c.run.code) {
		c.life.wake, c.life.reason = device.WakeNewSquirrel, tandem.ReasonReload
	}
	before := c.run
	c.run = run{
		gen: before.gen + 1, seq: before.seq, line: before.line, code: p.code, incarnation: c.disk.Incarnation,
		messages: c.disk.journal.last, lines: c.disk.lines.last,
		began: c.now.Mono, begun: true, room: c.room(), wake: c.life.wake, reason: c.life.reason,
	}
	c.life.phase = running
	address := ""
	if c.linked() {
		address = c.net.conn.address
	}
	c.run.machine = device.New(device.Config{
		Program: p.program, Device: c.cfg.ID, Incarnation: c.run.incarnation, Wake: c.run.wake,
		Connected: c.linked(), Address: address, NV: c.life.nv, User: c.disk.state.User,
		Permanent: c.disk.state.Permanent,
		Room:      c.room(),
		KeepSends: c.cfg.KeepSends, KeepLog: c.cfg.KeepLog,
		Module: c.cfg.Module, Board: c.cfg.Board, Flash: c.cfg.Flash, Version: Version,
		Beside: c.cfg.Beside,
	}, c.clocks.passed())
	c.life.nv, c.life.pins = nil, nil
	c.log(Info, "the code starts", "incarnation", decimal(c.run.incarnation), "reason", string(c.run.reason))
	switch {
	case !c.linked():
	case c.net.conn.greeted:
		c.out.addNews(&item{publish: *c.hello()})
	default:
		c.greet()
	}
	c.mail.queue = append([]waiting{{ev: &device.Boot{}}}, c.mail.queue...)
	c.pump()
	c.feedPosts()
}

func (c *Core) sleep(e *device.DeepSleep) {
	c.log(Info, "deep sleep", "for", e.Duration.String())
	c.handled()
	c.halt()
	c.net.wanted = false
	c.hangUp()
	c.life.nv, c.life.pins = e.NV, e.Pins
	c.life.wake, c.life.reason = device.WakeTimer, tandem.ReasonWake
	c.life.phase, c.life.startAt = asleep, c.now.Mono+e.Duration
}

// ended restarts the code after it has ended. What crashes again and again waits
// longer and longer.
func (c *Core) ended(e *device.Restart) {
	c.log(Info, "the code ends", "reason", string(e.Reason), "detail", e.Detail)
	c.handled() // a post that ends the code has been handled, or it would do so forever
	c.halt()
	crashed := e.Reason == tandem.ReasonException || e.Reason == tandem.ReasonOutOfMemory ||
		e.Reason == tandem.ReasonWatchdog
	ran := c.now.Mono - c.run.began
	if !crashed || ran >= healthy {
		c.life.crashes = 0
	}
	pause := time.Duration(0)
	switch {
	case crashed:
		if c.life.crashes > 0 {
			pause = min(time.Second<<min(c.life.crashes-1, 6), c.cfg.CrashPause)
			c.announce(fmt.Sprintf("Device stopped: %s. It restarts in %d s, having crashed %d times in a row.",
				e.Reason, int(pause.Seconds()), c.life.crashes+1))
		}
		c.life.crashes++
	case e.Reason == tandem.ReasonRestart:
		// Hardware takes about a second. Code that restarts at once would keep the
		// disk busy with counting.
		pause = max(0, shortestRun-ran)
	}
	c.startAfter(pause, e.Wake, e.Reason)
}

// changed takes news of the board.
func (c *Core) changed(ev *device.Changed) {
	if c.life.phase != asleep {
		c.feed(ev, receipt{})
		return
	}
	wakes := c.cfg.Board != nil && slices.Contains(c.life.pins, ev.Pin)
	if wakes && c.cfg.Board.Read(ev.Pin, c.clocks.passed()) >= 0.5 {
		c.life.wake, c.life.startAt = device.WakePin, c.now.Mono
	}
}
