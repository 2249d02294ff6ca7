package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/hlc"
)

// phase is what the device is doing.
type phase uint8

const (
	waitingForLink phase = iota // switched on; the code starts with the link or at startAt
	waitingForCode              // there is none yet
	pausing                     // the code starts at startAt
	running
	asleep // deeply, until startAt
)

// loop is a Runner at work. Everything in it belongs to one goroutine, that of
// Run.
type loop struct {
	r     *Runner
	log   *slog.Logger
	files *files
	flash *flash
	clock *hlc.Clock
	fatal error // the device cannot go on

	phase   phase
	startAt time.Time
	wake    int           // of the next start
	reason  tandem.Reason // of the next start
	nv      []byte        // for the next start
	pins    []string      // that end a deep sleep
	skew    time.Duration // of the server's clock against ours, for the running code
	next    time.Duration // the same, for the next start

	m        *device.Machine // while running
	gen      uint64          // counts machines
	ran      string          // SHA of the code that ran last
	ranEnv   map[string]string
	began    time.Time     // the running code, or the last
	begun    bool          // code has run since the device was switched on
	started  tandem.Reason // why the running code started
	woken    int           // its wake reason
	crashes  int           // in a row
	queue    []waiting     // for the machine
	handling []waiting     // to be acknowledged when the machine is not busy
	arrived  []*arrived    // posts of the agent
	kept     int           // posts of the code, on disk
	keptSize int           // bytes of them

	// What the machine wants done can have consequences for it at once. They
	// wait until all of it is done.
	stepping bool
	urgent   []device.Event

	active bool   // something has happened since the last Idle
	seq    uint64 // of the last message

	wanted  bool // a link is
	offline bool
	tried   bool // an attempt to connect has failed since the device was switched on
	conn    *conn
	dialing chan dialed
	retryAt time.Time
	another string    // server that the last one has sent us to; "": back to Addr
	byeAt   time.Time // when patience with a server that does not close ends
	out     outbox
	peer    uint64 // the agent's incarnation, 0 unknown

	failures   int
	cancelDial context.CancelFunc
	heard      chan heard
	wrote      chan wrote
	wg         sync.WaitGroup
}

// waiting is an event that waits for the machine, and what to do when it has
// been handled.
type waiting struct {
	ev   device.Event
	ack  func()   // nil: nobody wants to know
	post *arrived // which is not acknowledged unless it has been handled
}

// maxQueue bounds the events that wait for a busy machine. Messages beyond it
// are lost, as they are for a device that is not connected.
const maxQueue = 1024

func newLoop(r *Runner) (*loop, error) {
	f, err := openFiles(r.Dir)
	if err != nil {
		return nil, err
	}
	chip, err := openFlash(filepath.Join(r.Dir, flashFile))
	if err != nil {
		return nil, err
	}
	l := &loop{
		flash: chip,
		r:     r, log: r.Logger.With("device", string(r.ID)), files: f, clock: hlc.New(time.Now),
		heard: make(chan heard), wrote: make(chan wrote),
	}
	have, err := l.current()
	if err != nil {
		return nil, errors.Join(err, chip.file.Close())
	}
	if have != nil {
		l.ran, l.ranEnv = have.SHA, have.Env
	}
	return l, nil
}

// chance returns a random duration below d.
func (l *loop) chance(d time.Duration) time.Duration { return rand.N(d + 1) }

func (l *loop) run(ctx context.Context) error {
	defer l.stop()
	l.powerOn()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for l.fatal == nil {
		l.advance(ctx)
		l.flush()
		timer.Reset(time.Until(l.deadline()))
		select {
		case <-ctx.Done():
			l.leave()
			return nil
		case <-l.r.mail.ring():
			for _, f := range l.r.mail.take() {
				f(l)
			}
		case d := <-l.dialing:
			l.opened(d)
		case h := <-l.heard:
			l.hear(h)
		case w := <-l.wrote:
			l.written(w)
		case <-timer.C:
		}
	}
	return l.fatal
}

// stop ends all that run has started.
func (l *loop) stop() {
	l.stopDial()
	if l.conn != nil {
		l.closed()
	}
	l.wg.Wait()
	if err := l.flash.file.Close(); err != nil {
		l.log.Error("the flash cannot be closed", "err", err)
	}
}

// leave tells the server that the device goes.
func (l *loop) leave() {
	l.m = nil
	l.hangUp()
	patience := time.NewTimer(leaveWait)
	defer patience.Stop()
	for l.conn != nil {
		select {
		case h := <-l.heard:
			l.hear(h)
		case w := <-l.wrote:
			l.written(w)
		case <-patience.C:
			return
		}
	}
}

// never is later than anything.
const never = 24 * time.Hour

// deadline is when advance has something to do.
func (l *loop) deadline() time.Time {
	at := time.Now().Add(never)
	consider := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	switch l.phase {
	case waitingForLink, pausing, asleep:
		consider(l.startAt)
	case running:
		if t, ok := l.m.Alarm(); ok {
			consider(t.Add(-l.skew))
		}
	}
	switch c := l.conn; {
	case c == nil && l.dials():
		consider(l.retryAt)
	case c != nil && c.bye:
		consider(l.byeAt)
	case c != nil:
		if t := c.client.Deadline(); !t.IsZero() {
			consider(t)
		}
	}
	return at
}

// dials reports whether the device is to try to connect.
func (l *loop) dials() bool { return l.wanted && !l.offline && l.dialing == nil }

// advance does what is due.
func (l *loop) advance(ctx context.Context) {
	now := time.Now()
	switch c := l.conn; {
	case c == nil && l.dials() && !now.Before(l.retryAt):
		l.dial(ctx)
	case c != nil && c.bye && !now.Before(l.byeAt):
		l.closed()
	case c != nil && !c.bye:
		if err := c.client.Tick(now); err != nil {
			l.flush()
			if c == l.conn {
				l.drop(device.NoServer, err)
			}
		}
	}
	due := !now.Before(l.startAt)
	switch l.phase {
	case waitingForLink:
		if l.linked() || l.tried || due {
			l.start()
		}
	case pausing, asleep:
		if due {
			l.start()
		}
	case running:
		if at, ok := l.m.Alarm(); ok && !at.After(l.now()) {
			l.alarm()
		}
	}
}

// now is the time as the running code sees it.
func (l *loop) now() time.Time { return time.Now().Add(l.skew) }

func (l *loop) alarm() {
	if l.m.Busy() {
		l.step(&device.Woken{})
	} else {
		l.step(&device.Alarm{})
	}
	l.pump()
}

// feed gives the machine an event, now or in its turn. ack, if not nil, is
// called when it has been handled, or will never be.
func (l *loop) feed(ev device.Event, ack func()) {
	switch {
	case l.m == nil:
		if ack != nil {
			ack()
		}
		return
	case device.TakenBusy(ev) && l.stepping:
		l.urgent = append(l.urgent, ev)
	case device.TakenBusy(ev):
		l.step(ev)
	case len(l.queue) >= maxQueue:
		l.log.Warn("the code is busy and too much waits for it; an event is lost", "event", fmt.Sprintf("%T", ev))
		if ack != nil {
			ack()
		}
	default:
		l.queue = append(l.queue, waiting{ev: ev, ack: ack})
	}
	l.pump()
}

// pump gives the machine what waits, until it is busy or nothing waits.
func (l *loop) pump() {
	for l.m != nil && !l.stepping && !l.m.Busy() {
		switch {
		case len(l.queue) > 0:
			next := l.queue[0]
			l.queue = l.queue[1:]
			l.handling = append(l.handling, next)
			l.step(next.ev)
		case l.active:
			l.step(&device.Idle{})
			l.active = false
		default:
			return
		}
	}
}

// step gives the machine an event that it takes now, and then what that has
// caused at once.
func (l *loop) step(ev device.Event) {
	l.active, l.stepping = true, true
	l.perform(l.m.Step(l.now(), ev))
	for l.m != nil && len(l.urgent) > 0 {
		next := l.urgent[0]
		l.urgent = l.urgent[1:]
		l.perform(l.m.Step(l.now(), next))
	}
	l.urgent, l.stepping = nil, false
	if l.m == nil || !l.m.Busy() {
		l.acknowledge()
	}
}

func (l *loop) acknowledge() {
	done := l.handling
	l.handling = nil
	for _, w := range done {
		switch {
		case w.post != nil:
			l.applied(w.post)
		case w.ack != nil:
			w.ack()
		}
	}
}
