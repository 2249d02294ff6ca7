package logbook

import (
	"cmp"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
)

// stragglers is how long a live line is held back for lines with a smaller Clock.
const stragglers = 100 * time.Millisecond

// farStragglers is the same for lines of other nodes.
const farStragglers = 250 * time.Millisecond

// merge puts lines into causal order. It has no clock: times are arguments.
type merge struct {
	wait  time.Duration                 // how long a line is held
	held  []held                        // by Clock
	shown map[tandem.DeviceID]time.Time // the newest ts shown
	marks marks                         // of the lines shown
}

type held struct {
	entry tandem.LogEntry
	due   time.Time // until when the line is held
}

// add adds a line that has arrived at now.
func (m *merge) add(e tandem.LogEntry, now time.Time) {
	// In most cases it belongs at the end.
	at := len(m.held)
	for at > 0 && m.held[at-1].entry.Clock > e.Clock {
		at--
	}
	m.held = slices.Insert(m.held, at, held{e, now.Add(m.wait)})
}

// take shows the lines that are due, and with them those with a smaller Clock.
func (m *merge) take(now time.Time, show func(tandem.LogEntry)) {
	n := 0
	for i, h := range m.held {
		if !h.due.After(now) {
			n = i + 1
		}
	}
	for _, h := range m.held[:n] {
		if !m.marks.repeats(h.entry) {
			show(m.pass(h.entry))
		}
	}
	m.held = slices.Delete(m.held, 0, n)
}

// next returns when the next line is due, if any is held.
func (m *merge) next() (time.Time, bool) {
	if len(m.held) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(m.held, func(a, b held) int { return a.due.Compare(b.due) }).due, true
}

// pass makes sure that a device's ts never decreases in this view, even where the order
// by Clock is not the order in which the lines were appended.
func (m *merge) pass(e tandem.LogEntry) tandem.LogEntry {
	if last, ok := m.shown[e.Device]; ok && e.TS.Before(last) {
		e.TS = last
	}
	if m.shown == nil {
		m.shown = map[tandem.DeviceID]time.Time{}
	}
	m.shown[e.Device] = e.TS
	return e
}

// sorted puts a complete list of lines into order, without those that come again in it.
func (m *merge) sorted(list []tandem.LogEntry) []tandem.LogEntry {
	slices.SortStableFunc(list, func(a, b tandem.LogEntry) int { return cmp.Compare(a.Clock, b.Clock) })
	list = unrepeated(list)
	for i, e := range list {
		list[i] = m.pass(e)
	}
	return list
}
