package logbook

import (
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

// desk is where the lines of some of the devices are stamped. Its lock keeps
// each device's lines in order.
type desk struct {
	mu      sync.Mutex
	writers map[uint64]writer // by device; those that are missing are zero
	floor   int64             // ms: no ts is smaller; what evicted writers would have said
	closed  bool              // the logbook has stopped
}

func (d *desk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// writer is what there is to remember of a device between its lines.
type writer struct {
	allowance allowance
	ts        int64  // ms, of its newest line
	discarded uint32 // lines, since the throttle closed
	lost      uint32 // lines, because the engine was away
}

// evict forgets the writers that would behave like new ones. Both times are in
// ms: the wall clock, and the throttle's.
func (d *desk) evict(wall, now int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, w := range d.writers {
		if w.discarded == 0 && w.lost == 0 && w.ts <= wall && w.allowance.full(now) {
			delete(d.writers, id)
			d.floor = max(d.floor, w.ts)
		}
	}
}

// Append adds a line to its device's log. A zero TS becomes the time now, a
// zero Clock the next stamp of the clock. A Clock that is set must have been
// taken where the line was written; one that cannot be true, as a TS in the
// future, is replaced. Lines of a device whose id is not valid are dropped, and
// all when Run has ended.
func (l *Logbook) Append(e tandem.LogEntry) {
	if !e.Device.Valid() {
		l.log.Error("log line with an invalid device id", "device", e.Device, "msg", e.Msg)
		return
	}
	id, err := strconv.ParseUint(string(e.Device), 16, 64)
	if err != nil {
		l.log.Error("log line with an invalid device id", "device", e.Device, "error", err)
		return
	}
	now := l.now()
	if !l.clock.Observe(hlc.Timestamp(e.Clock)) {
		e.Clock = 0 // a wrong clock's line would come last for as long as it is kept
	}
	if e.TS.IsZero() || e.TS.After(now) {
		e.TS = now // and a ts in the future would hold up all that follow
	}
	d := &l.desks[id%uint64(len(l.desks))]
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		l.lost.Add(1)
		return
	}
	if d.writers == nil {
		d.writers = map[uint64]writer{}
	}
	w := d.writers[id]
	w.ts = max(w.ts, d.floor)
	l.write(&w, e)
	d.writers[id] = w
}

// write puts a line into the queue, with what has to be said before or instead.
func (l *Logbook) write(w *writer, e tandem.LogEntry) {
	if w.lost > 0 && !l.away.Load() {
		if l.enqueue(w, notice(e, fmt.Sprintf("%d log lines were lost: the log store did not answer.", w.lost))) {
			w.lost = 0
		}
	}
	switch w.throttle(e.Type, l.throttleTime()) {
	case pass:
	case closing:
		l.silent.Add(1)
		e = notice(e, "Messages throttled: more than 100 log lines a minute; discarding lines.")
	case closed:
		l.silent.Add(1)
		return
	case opening:
		if l.enqueue(w, notice(e, fmt.Sprintf("Messages throttled: %d log lines were discarded.", w.discarded))) {
			w.discarded = 0
		}
	}
	if !l.enqueue(w, e) {
		w.lost++
		l.lost.Add(1)
	}
}

// notice is a line of ours in the place of e.
func notice(e tandem.LogEntry, msg string) tandem.LogEntry {
	return tandem.LogEntry{Device: e.Device, TS: e.TS, Type: tandem.LogStatus, Msg: msg, Clock: e.Clock}
}

// enqueue stamps a line and puts it into the queue. It reports whether it
// could; otherwise the line is to be counted as lost.
func (l *Logbook) enqueue(w *writer, e tandem.LogEntry) bool {
	if e.Clock == 0 {
		e.Clock = uint64(l.clock.Now())
	}
	if len(e.Msg) > tandem.LogLineSize {
		l.cuts.Add(1)
		e.Msg = cut(e.Msg)
	}
	w.ts = max(w.ts, e.TS.UnixMilli())
	it := item{msg: &nats.Msg{Subject: subject(e.Device), Data: encode(e, w.ts)}}
	select {
	case l.queue <- it:
		l.written.Add(1)
		return true
	default:
	}
	if !l.away.Load() {
		wait := time.NewTimer(queueWait)
		defer wait.Stop()
		select {
		case l.queue <- it:
			l.written.Add(1)
			return true
		case <-wait.C:
			if l.away.CompareAndSwap(false, true) { // many wait at the same time
				l.log.Warn("the log store does not keep up; log lines are being dropped")
			}
		}
	}
	return false
}

// drop counts a line that the engine did not take.
func (l *Logbook) drop(m *nats.Msg, cause error) {
	l.away.Store(true)
	if l.lost.Add(1)%1000 == 1 {
		l.log.Warn("a log line was lost", "lost", l.lost.Load(), "error", cause)
	}
	id, err := strconv.ParseUint(string(deviceOf(m.Subject)), 16, 64)
	if err != nil {
		l.log.Error("log line on an invalid subject", "subject", m.Subject, "error", err)
		return
	}
	d := &l.desks[id%uint64(len(l.desks))]
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writers == nil {
		d.writers = map[uint64]writer{}
	}
	w := d.writers[id]
	w.lost++
	d.writers[id] = w
}

// Lost returns how many lines have been lost since the logbook was opened,
// because the engine did not take them.
func (l *Logbook) Lost() uint64 { return l.lost.Load() }

// Activity is what has happened to log lines since the logbook was opened.
type Activity struct {
	Written   uint64 // given to the engine
	Throttled uint64 // discarded because a device had too many
	Lost      uint64 // discarded because the engine did not take them
	Cut       uint64 // shortened
}

// Activity reports what has happened to log lines.
func (l *Logbook) Activity() Activity {
	return Activity{l.written.Load(), l.silent.Load(), l.lost.Load(), l.cuts.Load()}
}

// cut shortens a line to the limit, at the end of a character.
func cut(msg string) string {
	if len(msg) <= tandem.LogLineSize {
		return msg
	}
	note := fmt.Sprintf("… (line of %d bytes was cut)", len(msg))
	end := tandem.LogLineSize - len(note)
	for i := range utf8.UTFMax {
		if utf8.RuneStart(msg[end-i]) {
			end -= i
			break
		}
	}
	return msg[:end] + note
}
