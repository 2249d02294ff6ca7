package rehearsal

import (
	"io"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	hw "github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/core"
	"github.com/tandem-iot/tandem/rehearsal/ground"
)

// hardware is the device: its disk, its flash and its board, which outlive its power, and the core
// that runs while it has power.
type hardware struct {
	disk  core.Memory
	flash flash
	board *board.Simulated
	skew  time.Duration // of its clock

	power   uint64 // how often it was switched on
	on      bool
	born    time.Duration
	core    *core.Core
	tickAt  time.Duration
	pending []core.Effect // operations of the disk that are not done
	conn    uint64        // of the node's connections; 0: none
	dialed  uint64        // the core's number for it
	dialing uint64        // number of the attempt under way; 0: none
}

// Times that a device takes.
const (
	diskTime = time.Millisecond
	bootTime = 100 * time.Millisecond // from power to the first instruction
)

// journalSize is the room for posts that wait, in bytes. A real device has more; this is looked at
// with each start.
const journalSize = 1 << 20

func newHardware(w *World) hardware {
	d := hardware{flash: flash{}, board: board.New()}
	d.board.Notify(func(c board.Change) {
		w.soon(changed{hw.Changed{Pin: c.Pin, Bus: c.Bus, Data: c.Data, Fault: c.Fault}})
	})
	return d
}

// powerOn gives the device its power.
type powerOn struct{}

func (powerOn) happen(w *World) {
	d := &w.device
	if d.on {
		return
	}
	c, err := core.New(core.Config{
		ID: DeviceID, Key: key, Server: "rehearsal", Module: w.cfg.Module, Board: d.board, Flash: d.flash,
		Compile: w.cfg.Pair.compile, Chance: w.chance.Below, Beside: w.script.beside(ground.Device),
		JournalSize: journalSize,
	}, d.disk.Contents())
	if err != nil {
		w.broken("the device cannot start: %v", err)
		return
	}
	d.power++
	d.on, d.core = true, c
	d.born = w.now
	d.tickAt, d.dialing = 0, 0
	d.pending = nil
	w.stepDevice(&core.PowerOn{})
}

// cutPower takes the device's power. What the disk has not done is not done, but perhaps the
// first of it. The network says nothing of it to the node.
func (w *World) cutPower() {
	d := &w.device
	if !d.on {
		return
	}
	var during core.Effect
	if len(d.pending) > 0 {
		during = d.pending[0]
	}
	d.disk.Cut(during, w.chance.Below)
	d.on, d.core = false, nil
	d.pending = nil
	d.conn = 0
	d.board.Reset()
}

// deviceNow is the time as the device's core is told it.
func (w *World) deviceNow() tandem.Now {
	return tandem.Now{Wall: w.wall().Add(w.device.skew), Mono: w.now - w.device.born + 1}
}

// stepDevice gives the core an event and does what it wants.
func (w *World) stepDevice(ev core.Event) {
	d := &w.device
	if !d.on {
		return
	}
	w.seen.device = true
	for _, e := range d.core.Step(w.deviceNow(), ev) { // what it wants is an entry: no Step is within another
		w.performDevice(e)
	}
	at, ok := d.core.Deadline()
	if !ok || d.tickAt != 0 && d.tickAt <= at {
		return
	}
	at = max(at, 1)
	d.tickAt = at
	w.after(max(at-w.deviceNow().Mono, tickTime), deviceTick{d.power, at})
}

// deviceTick looks whether the core's deadline has come.
type deviceTick struct {
	power uint64
	at    time.Duration
}

func (e deviceTick) happen(w *World) {
	if d := &w.device; d.on && d.power == e.power && d.tickAt == e.at {
		d.tickAt = 0
		w.stepDevice(&core.Tick{})
	}
}

// wakeDevice looks whether a timer of the device's code is due.
type wakeDevice struct{ power uint64 }

func (e wakeDevice) happen(w *World) {
	if d := &w.device; d.on && d.power == e.power {
		w.stepDevice(&core.Tick{})
	}
}

// changed is something that has happened on the board.
type changed struct{ what hw.Changed }

func (e changed) happen(w *World) { w.stepDevice(&core.Changed{Change: e.what}) }

func (w *World) performDevice(e core.Effect) {
	d := &w.device
	switch e := e.(type) {
	case *core.Dial:
		d.dialing = e.Number
		w.send(flow{}, dialing{d.power, e.Number})
	case *core.CloseConn:
		if d.dialing == e.Number {
			d.dialing = 0
		}
		if d.conn != 0 && d.dialed == e.Number {
			w.hangUp()
		}
	case *core.Write:
		w.writeWire(e)
	case *core.WriteFile, *core.WriteAt, *core.Reserve, *core.RemoveFile, *core.SetAside, *core.ReadFile:
		d.pending = append(d.pending, e)
		if len(d.pending) == 1 {
			w.after(diskTime, diskDone{d.power})
		}
	case *core.BoardReset:
		d.board.Reset()
	case *core.LogLine, *core.Left:
	default:
		w.broken("the device's core wants %T", e)
	}
}

// hangUp ends the connection from the device's side.
func (w *World) hangUp() {
	d := &w.device
	if c := w.connOf(d.conn); c != nil {
		w.send(flow{c.id, true}, brokenAtHost{c.id})
	}
	d.conn = 0
}

// writeWire sends bytes to the node.
func (w *World) writeWire(e *core.Write) {
	d := &w.device
	if d.conn == 0 || d.dialed != e.Number {
		return
	}
	w.send(flow{d.conn, true}, atHost{d.conn, e.Data})
	w.after(tickTime, written{d.power, e.Number})
}

// written says that the bytes of a Write are with the network.
type written struct{ power, number uint64 }

func (e written) happen(w *World) {
	if d := &w.device; d.power == e.power && d.conn != 0 && d.dialed == e.number {
		w.stepDevice(&core.Written{Number: e.number})
	}
}

// diskDone is the end of the oldest operation of the disk.
type diskDone struct{ power uint64 }

func (e diskDone) happen(w *World) {
	d := &w.device
	if !d.on || d.power != e.power {
		return
	}
	ev := d.disk.Do(d.pending[0])
	d.pending = d.pending[1:]
	if len(d.pending) > 0 {
		w.after(diskTime, e)
	}
	w.stepDevice(ev)
}

// flash is the SPI flash of a device, by blocks that have been written. Erased bytes are 0xff.
type flash map[int64]*[flashBlock]byte

const (
	flashBlock = 4096
	flashSize  = 4 << 20
)

func (flash) Size() int { return flashSize }

func (f flash) ReadAt(p []byte, off int64) (int, error) {
	return f.walk(p, off, func(part []byte, number, from int64) {
		block := f[number]
		if block == nil {
			for i := range part {
				part[i] = 0xff
			}
			return
		}
		copy(part, block[from:])
	})
}

func (f flash) WriteAt(p []byte, off int64) (int, error) {
	return f.walk(p, off, func(part []byte, number, from int64) {
		block := f[number]
		if block == nil {
			block = new([flashBlock]byte)
			for i := range block {
				block[i] = 0xff
			}
			f[number] = block
		}
		copy(block[from:], part)
	})
}

// walk calls fn with each part of p that lies in one block, the number of the block, and where in it.
func (flash) walk(p []byte, off int64, fn func(part []byte, number, from int64)) (int, error) {
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at < 0 || at >= flashSize {
			return done, io.EOF
		}
		from := at % flashBlock
		n := min(int(flashBlock-from), len(p)-done)
		fn(p[done:done+n], at/flashBlock, from)
		done += n
	}
	return done, nil
}
