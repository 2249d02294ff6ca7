package world

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	hw "github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/core"
	"github.com/tandem-iot/tandem/store/record"
)

// device is a device: its disk, and while it has power the core that runs it.
type device struct {
	w     *World
	home  record.Device
	disk  core.Memory
	power uint64 // how often it was switched on
	on    bool
	born  time.Duration

	serial int           // of the directory
	backup *core.Memory  // an older state of it; nil: none
	skew   time.Duration // by which its clock is wrong
	board  *board.Simulated

	core    *core.Core
	tickAt  time.Duration
	pending []core.Effect // operations of the disk that are not done
	conn    *conn
	dialing uint64 // number of the attempt under way; 0: none
	out     flow   // to the gateway
}

// journalSize is the room for posts that wait, in bytes. A real device has more; this is looked at
// with each start.
const journalSize = 256 << 10

func newDevice(w *World, home record.Device) *device {
	return &device{w: w, home: home, board: board.New()}
}

// switchOn gives the device power.
func (d *device) switchOn() {
	cfg := core.Config{
		ID: d.home.ID, Key: "key", Server: "world", Compile: compileDevice, Board: d.board,
		Chance:      func(n uint64) uint64 { return d.w.random.Uint64N(n) },
		JournalSize: journalSize,
	}
	d.board.Drive("lightlevel", float64(d.serial))
	c, err := core.New(cfg, d.disk.Contents())
	if err != nil {
		d.w.broken("device %s cannot start: %v", d.home.ID, err)
		return
	}
	d.power++
	d.on, d.core, d.born, d.tickAt, d.pending, d.dialing = true, c, d.w.now, 0, nil, 0
	d.step(&core.PowerOn{})
}

// cut takes the power. What the disk has not done is not done, but perhaps the first
// of it. The gateway hears of it at once, or not at all.
func (d *device) cut() {
	if !d.on {
		return
	}
	d.on, d.core = false, nil
	var during core.Effect
	if len(d.pending) > 0 {
		during = d.pending[0]
	}
	d.disk.Cut(during, d.w.random.Uint64N)
	d.pending = nil
	if d.w.one(3) {
		backup := d.disk.Clone()
		d.backup = &backup
	}
	d.hangUp(d.w.one(2))
}

// lose takes the power and loses the directory.
func (d *device) lose() {
	d.cut()
	d.w.say("device %s loses its directory", d.home.ID)
	d.disk = core.Memory{}
	d.serial++
}

// restore takes the power and has the directory as it was before, if there is a backup. The
// agent is told first: it cannot know what may come again.
func (d *device) restore(then func()) {
	d.cut()
	if d.backup == nil {
		then()
		return
	}
	d.w.load.send(d.home.Agent, &tandem.Request{Method: "GET", Path: "/restored"}, func(_ string, ok bool) {
		if !ok {
			d.w.after(300*ms, func() { d.restore(then) })
			return
		}
		d.cut() // another fault may have switched it on meanwhile
		d.w.say("device %s has an older directory", d.home.ID)
		d.disk = d.backup.Clone()
		d.serial++
		then()
	})
}

// after has something happen at the device, if it still has its power then.
func (d *device) after(delay time.Duration, do func()) {
	power := d.power
	d.w.after(delay, func() {
		if d.on && d.power == power {
			do()
		}
	})
}

// now is the time as the device's core is told it. Its clock is 20 s off, or years.
func (d *device) now() tandem.Now {
	return tandem.Now{Wall: d.w.wall().Add(d.skew - 20*time.Second), Mono: d.w.now - d.born + 1}
}

// step gives the core an event and does what it wants.
func (d *device) step(ev core.Event) {
	if !d.on {
		return
	}
	for _, e := range slices.Clone(d.core.Step(d.now(), ev)) {
		d.perform(e)
	}
	at, ok := d.core.Deadline()
	if !ok || d.tickAt != 0 && d.tickAt <= at {
		return
	}
	at = max(at, 1)
	d.tickAt = at
	d.after(max(at-d.now().Mono, 50*time.Microsecond), func() {
		if d.tickAt == at {
			d.tickAt = 0
			d.step(&core.Tick{})
		}
	})
}

func (d *device) perform(e core.Effect) {
	switch e := e.(type) {
	case *core.Dial:
		d.dial(e.Number)
	case *core.CloseConn:
		if d.dialing == e.Number {
			d.dialing = 0
		}
		if d.conn != nil && d.conn.dialed == e.Number {
			d.hangUp(true)
		}
	case *core.Write:
		d.write(e)
	case *core.WriteFile, *core.WriteAt, *core.Reserve, *core.RemoveFile, *core.SetAside, *core.ReadFile:
		d.pending = append(d.pending, e)
		if len(d.pending) == 1 {
			d.after(d.w.between(0, time.Millisecond), d.operateNext)
		}
	case *core.LogLine, *core.BoardReset:
	default:
		unknown(e)
	}
}

// operateNext has the disk do the oldest of what it was asked for.
func (d *device) operateNext() {
	answer := d.disk.Do(d.pending[0])
	d.pending = d.pending[1:]
	if len(d.pending) > 0 {
		d.after(d.w.between(0, time.Millisecond), d.operateNext)
	}
	d.step(answer)
}

var errNoNetwork = errors.New("there is no way to the server")

// dial connects to some node that takes connections.
func (d *device) dial(number uint64) {
	d.dialing = number
	var doors []*node
	for _, n := range d.w.nodes {
		if n.up && n.belonged && !n.closing {
			doors = append(doors, n)
		}
	}
	if len(doors) == 0 {
		d.after(time.Second, func() { d.dialed(number, nil) })
		return
	}
	n := doors[d.w.random.IntN(len(doors))]
	run := n.run
	d.after(d.w.between(time.Millisecond, 5*time.Millisecond), func() {
		if !n.up || n.run != run || n.closing {
			n = nil
		}
		d.dialed(number, n)
	})
}

func (d *device) dialed(number uint64, n *node) {
	if d.dialing != number {
		return
	}
	d.dialing = 0
	if n == nil {
		d.step(&core.Dialed{Number: number, Reason: hw.NoServer, Err: errNoNetwork})
		return
	}
	d.conn, d.out = n.connect(d, number), flow{}
	d.w.say("device %s connects to %s by link %d", d.home.ID, n.name, d.conn.id)
	d.step(&core.Dialed{Number: number, Address: "192.0.2.1"})
}

// delay is how long bytes take between a device and a gateway.
func (d *device) delay() time.Duration { return d.w.between(500*time.Microsecond, 5*time.Millisecond) }

// write sends bytes to the gateway.
func (d *device) write(e *core.Write) {
	c, data := d.conn, e.Data
	if c == nil || c.dialed != e.Number {
		return
	}
	d.w.push(&task{at: d.out.at(d.w, d.delay()), node: c.n, run: c.n.run, do: func() {
		if !c.ended {
			c.receive(data)
		}
	}})
	d.after(50*time.Microsecond, func() { d.step(&core.Written{Number: e.Number}) })
}

// hear receives bytes of the gateway.
func (d *device) hear(c *conn, data []byte) {
	d.w.after(c.out.at(d.w, d.delay())-d.w.now, func() {
		if d.on && d.conn == c {
			d.step(&core.Received{Number: c.dialed, Data: data})
		}
	})
}

// closed hears that the gateway has closed the connection.
func (d *device) closed(c *conn) {
	d.w.after(c.out.at(d.w, d.delay())-d.w.now, func() {
		if d.on && d.conn == c {
			d.w.say("device %s is hung up on", d.home.ID)
			d.conn = nil
			d.step(&core.Closed{Number: c.dialed, Err: io.EOF})
		}
	})
}

// hangUp ends the connection from the device's side. If it is not heard the gateway
// believes in it until it is silent for too long, or another takes over.
func (d *device) hangUp(heard bool) {
	c := d.conn
	d.conn = nil
	d.w.say("device %s hangs up, heard: %t", d.home.ID, heard)
	if c == nil || !heard {
		return
	}
	d.w.push(&task{at: d.out.at(d.w, d.delay()), node: c.n, run: c.n.run, do: func() {
		if !c.ended && !c.deaf {
			c.session.Break(io.EOF)
			c.settle()
		}
	}})
}

// sever breaks the connection so that the device notices and the gateway does not.
func (d *device) sever() {
	c := d.conn
	if c == nil || !d.on {
		return
	}
	d.w.say("device %s is cut off", d.home.ID)
	d.conn = nil
	d.step(&core.Closed{Number: c.dialed, Err: errNoNetwork})
}

// hangUpOffline takes the device's network, with or without the gateway hearing of it.
func (d *device) hangUpOffline(heard bool) {
	if !d.on {
		return
	}
	c := d.conn
	d.w.say("device %s goes offline, heard: %t", d.home.ID, heard)
	d.step(&core.Offline{Off: true})
	if c != nil && !heard {
		c.deaf = true
	}
}

// online gives the network back.
func (d *device) online() { d.step(&core.Offline{Off: false}) }
