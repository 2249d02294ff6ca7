package runner

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/mqtt"
)

// powerOn is the cold start.
func (l *loop) powerOn() {
	if err := l.files.nextBoot(); err != nil {
		l.fatal = err
		return
	}
	l.seq, l.nv, l.pins, l.crashes, l.begun = 0, nil, nil, 0, false
	l.out, l.arrived = outbox{}, nil
	l.keptPosts()
	l.wake, l.reason = device.WakePowerOn, tandem.ReasonPowerOn
	l.wanted, l.tried, l.failures, l.retryAt = true, l.offline, 0, time.Now()
	l.phase, l.startAt = waitingForLink, time.Now().Add(bootWait)
}

// powerCycle cuts the power and switches it on again.
func (l *loop) powerCycle() {
	l.halt()
	l.stopDial()
	if l.conn != nil {
		l.closed()
	}
	l.powerOn()
}

// operatorRestart restarts the code, whatever it is doing.
func (l *loop) operatorRestart() { l.restart(tandem.ReasonRestart) }

func (l *loop) restart(reason tandem.Reason) {
	if l.phase != running {
		return
	}
	l.halt()
	l.startAfter(0, device.WakeRestart, reason)
}

// halt ends the running code. What it has not handled of the agent's posts the
// next run will.
func (l *loop) halt() {
	l.m = nil
	rest := append(l.handling, l.queue...)
	l.handling, l.queue, l.urgent = nil, nil, nil
	for _, w := range rest {
		switch {
		case w.post != nil:
			w.post.fed = false
		case w.ack != nil:
			w.ack()
		}
	}
}

// startAfter has the code start again.
func (l *loop) startAfter(pause time.Duration, wake int, reason tandem.Reason) {
	l.wanted = true
	l.wake, l.reason = wake, reason
	l.phase, l.startAt = pausing, time.Now().Add(pause)
}

// current returns the code to run, nil when there is none.
func (l *loop) current() (*code, error) {
	if l.r.Code == "" {
		return l.files.code, nil
	}
	text, err := os.ReadFile(l.r.Code)
	if err != nil {
		return nil, err
	}
	return &code{SHA: shaOf(string(text)), Text: string(text)}, nil
}

// start runs the code from its first line. It reports whether there is code that
// can be run.
func (l *loop) start() bool {
	c, err := l.current()
	if err != nil || c == nil {
		if err != nil {
			l.complain("the device code cannot be read: " + err.Error())
		}
		l.phase = waitingForCode
		return false
	}
	program, err := imp.Compile(tandem.DeviceSide, []byte(c.Text), c.Env)
	if err != nil {
		l.complain(err.Error())
		l.phase = waitingForCode
		return false
	}
	if err := l.files.nextIncarnation(); err != nil {
		l.fatal = err
		return false
	}
	if c.SHA != l.ran || !maps.Equal(c.Env, l.ranEnv) {
		l.wake, l.reason = device.WakeNewSquirrel, tandem.ReasonReload
		l.ran, l.ranEnv = c.SHA, c.Env
	}
	if b, ok := l.r.Board.(interface{ Reset() }); ok {
		b.Reset()
	}
	l.woken, l.started = l.wake, l.reason
	l.gen++
	l.skew = l.next
	l.began, l.begun, l.phase, l.active = time.Now(), true, running, false
	address := ""
	if l.linked() {
		address = l.conn.address()
	}
	l.m = device.New(device.Config{
		Program: program, Device: l.r.ID, Incarnation: l.files.Incarnation, Wake: l.wake,
		Connected: l.linked(), Address: address, NV: l.nv, User: l.files.state.User,
		Posts: l.kept, PostsSize: l.keptSize,
		Module: l.r.Module, Board: l.r.Board, Flash: l.flash, Version: Version,
	}, l.now())
	l.nv, l.pins = nil, nil
	l.log.Info("the code starts", "incarnation", l.files.Incarnation, "reason", l.started)
	if l.linked() {
		l.out.add(&item{publish: *l.hello()})
	}
	l.feed(&device.Boot{}, nil)
	l.feedPosts()
	return true
}

// perform does what the code wants.
func (l *loop) perform(effects []device.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case *device.Send:
			l.send(e)
		case *device.Post:
			l.post(e)
		case *device.Log:
			l.line(e)
		case *device.Forget:
			l.out.forget(l.gen, e.ID)
		case *device.Connect:
			l.connect()
		case *device.Disconnect:
			l.wanted = false
			l.hangUp()
		case *device.Configured:
			if err := l.files.setUser(e.Data, e.Cause); err != nil {
				l.fatal = err
			}
		case *device.DeepSleep:
			l.sleep(e)
		case *device.Restart:
			l.ended(e)
		}
	}
}

// connect is to make a link, at once if there was no attempt before.
func (l *loop) connect() {
	if !l.wanted {
		l.wanted, l.failures, l.retryAt = true, 0, time.Now()
	}
}

func (l *loop) sleep(e *device.DeepSleep) {
	l.log.Info("deep sleep", "for", e.Duration)
	l.acknowledge()
	l.halt()
	l.wanted = false
	l.hangUp()
	l.nv, l.pins = e.NV, e.Pins
	l.wake, l.reason = device.WakeTimer, tandem.ReasonWake
	l.phase, l.startAt = asleep, time.Now().Add(e.Duration)
}

// ended restarts the code after it has ended. What crashes again and again
// waits longer and longer.
func (l *loop) ended(e *device.Restart) {
	l.log.Info("the code ends", "reason", e.Reason, "detail", e.Detail)
	l.acknowledge() // a post that ends the code has been handled, or it would do so forever
	l.halt()
	crashed := e.Reason == tandem.ReasonException || e.Reason == tandem.ReasonOutOfMemory || e.Reason == tandem.ReasonWatchdog
	if !crashed || time.Since(l.began) >= healthy {
		l.crashes = 0
	}
	pause := time.Duration(0)
	switch {
	case crashed:
		if l.crashes > 0 {
			pause = min(time.Second<<min(l.crashes-1, 6), time.Minute)
			l.announce(fmt.Sprintf("Device stopped: %s. It restarts in %d s, having crashed %d times in a row.", e.Reason, int(pause.Seconds()), l.crashes+1))
		}
		l.crashes++
	case e.Reason == tandem.ReasonRestart:
		// Hardware takes about a second. Code that restarts at once would keep
		// the disk busy with counting.
		pause = max(0, shortestRun-time.Since(l.began))
	}
	l.startAfter(pause, e.Wake, e.Reason)
}

// changed takes news of the board.
func (l *loop) changed(c *device.Changed) {
	if l.phase != asleep {
		l.feed(c, nil)
		return
	}
	if slices.Contains(l.pins, c.Pin) && l.r.Board.Read(c.Pin) >= 0.5 {
		l.wake, l.startAt = device.WakePin, time.Now()
	}
}

func (l *loop) setOffline(off bool) {
	if off == l.offline {
		return
	}
	l.offline = off
	l.failures, l.retryAt = 0, time.Now()
	if !off {
		return
	}
	l.stopDial()
	if l.conn != nil {
		l.drop(device.NoLink, errOffline)
	} else {
		l.tried = true
		l.feed(&device.Unlinked{Reason: device.NoLink}, nil)
	}
}

// send puts a message of the code on its way.
func (l *loop) send(e *device.Send) {
	l.seq++
	m := e.Message
	m.Mark = tandem.Mark{Boot: l.files.Boot, Seq: l.seq}
	l.out.add(&item{gen: l.gen, id: e.ID, keep: true, publish: mqtt.Publish{
		Topic: "agent/" + m.Name, QoS: 1, Payload: m.Data, Props: messageProperties(m, l.clock.Now()),
	}})
}

// line puts a line of the log on its way.
func (l *loop) line(e *device.Log) {
	topic, text := "log", []byte(e.Msg)
	switch e.Type {
	case tandem.LogDevice:
	case tandem.LogDeviceError:
		topic = "log/error"
	default:
		topic, text = "sys/status", status(e.Type, e.Msg)
	}
	l.addLine(&item{gen: l.gen, id: e.ID, keep: e.Sure}, topic, text)
}

func (l *loop) addLine(it *item, topic string, text []byte) {
	it.line = true
	it.publish = mqtt.Publish{Topic: topic, Payload: text, Props: &mqtt.Properties{User: []mqtt.UserProperty{stamp(l.clock.Now())}}}
	if it.keep {
		it.publish.QoS = 1
	}
	if lost := l.out.add(it); lost != nil {
		l.settled(lost, true)
	}
}

// announce logs a line about the device that is not its code's.
func (l *loop) announce(msg string) {
	l.addLine(&item{keep: true}, "sys/status", status(tandem.LogStatus, msg))
}

// complain logs an error of ours where the owner of the code will see it.
func (l *loop) complain(msg string) {
	l.log.Error(msg)
	l.addLine(&item{keep: true}, "log/error", []byte(msg))
}
