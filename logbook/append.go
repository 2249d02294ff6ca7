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

// desk stamps the lines of some of the devices. Its lock keeps each device's lines in
// order.
type desk struct {
	mu      sync.Mutex
	writers map[uint64]writer // by device; a missing writer is zero
	floor   int64             // ms: no ts may be smaller; the newest ts of evicted writers
	closed  bool              // the logbook has stopped
}

func (d *desk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// raise makes later lines of the desk not be older than ts.
func (d *desk) raise(ts int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.floor = max(d.floor, ts)
}

// writer is the state kept of a device between its lines.
type writer struct {
	allowance allowance
	ts        int64  // of its newest line, in ms
	discarded uint32 // number of lines since the throttle closed
	lost      uint32 // number of lines that the engine did not take
}

// evict removes the writers that would behave like new ones. Both times are in ms: the
// wall clock, and the throttle's.
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

// Append adds a line to its device's log. A zero TS becomes the current time, a zero
// Clock the next stamp of the clock. A Clock that is set must have been taken where
// the line was written. A Clock too far ahead is replaced, as is a TS in the future.
// Lines of a device with an invalid id are dropped, as are all lines after Run has
// ended.
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
		e.Clock = 0 // the line would be shown last for as long as it is kept
	}
	if e.TS.IsZero() || e.TS.After(now) {
		e.TS = now // later lines of the device cannot have a smaller ts
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

// lostLines is the notice of lines that were lost.
const lostLines = "%d log lines were lost: the log store did not answer."

// write queues a line, and before it or in its place the notices that are due.
func (l *Logbook) write(w *writer, e tandem.LogEntry) {
	if w.lost > 0 && !l.away.Load() {
		if l.enqueue(w, notice(e, fmt.Sprintf(lostLines, w.lost))) {
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

// notice returns a line of the logbook itself in place of e.
func notice(e tandem.LogEntry, msg string) tandem.LogEntry {
	return tandem.LogEntry{Device: e.Device, TS: e.TS, Type: tandem.LogStatus, Msg: msg, Clock: e.Clock}
}

// enqueue stamps a line and queues it. When it returns false, the caller must count
// the line as lost.
func (l *Logbook) enqueue(w *writer, e tandem.LogEntry) bool {
	if e.Clock == 0 {
		e.Clock = uint64(l.clock.Now())
	}
	if len(e.Msg) > tandem.LogLineSize {
		l.cuts.Add(1)
		e.Msg = cut(e.Msg)
	}
	w.ts = max(w.ts, e.TS.UnixMilli())
	it := item{msg: &nats.Msg{Subject: subject(e.Device), Header: header(&e), Data: encode(e, w.ts)}}
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
			l.away.Store(true)
		}
	}
	return false
}

// drop counts a line that the engine did not take.
func (l *Logbook) drop(m *nats.Msg, cause error) {
	l.away.Store(true)
	l.lost.Add(1)
	l.mending.dropped(cause)
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
	w.lost += 1 + counted(m)
	d.writers[id] = w
}

// counted returns how many lost lines a lost line was to tell of.
func counted(m *nats.Msg) (n uint32) {
	e, err := decode(m.Subject, m.Data)
	if err != nil || e.Type != tandem.LogStatus {
		return 0
	}
	if _, err := fmt.Sscanf(e.Msg, lostLines, &n); err != nil {
		return 0 // another line
	}
	return n
}

// Lost returns how many lines have been lost since the logbook was opened,
// because the engine did not take them.
func (l *Logbook) Lost() uint64 { return l.lost.Load() }

// Activity has the counts of log lines since the logbook was opened.
type Activity struct {
	Written   uint64 // given to the engine
	Throttled uint64 // discarded because a device had too many
	Lost      uint64 // discarded because the engine did not take them
	Cut       uint64 // shortened
}

// Activity returns the counts of log lines.
func (l *Logbook) Activity() Activity {
	return Activity{l.written.Load(), l.silent.Load(), l.lost.Load(), l.cuts.Load()}
}

// cut shortens a line to the limit, between two characters.
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
