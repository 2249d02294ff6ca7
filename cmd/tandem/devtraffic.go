package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/server"
)

// Types of the lines that dev shows beside those of the log.
const (
	lineHTTP    = "http"
	lineMessage = "message"
)

// traffic has a line for each message and each HTTP request of the pair. It is dev's witness, whose
// callers never wait for the terminal.
type traffic struct {
	bodies bool
	waiting
	printer
}

// waiting has lines until they are shown, under its lock. The log holds its lines back for a moment,
// to have them in order; so do these.
type waiting struct {
	mu      sync.Mutex
	lines   []tandem.LogEntry
	dropped int    // lines that are not shown
	due     bool   // flush will be called
	muted   bool   // there are no lines
	moved   func() // is called after the next event of the agent; nil: nothing is
}

// printer shows lines, one list after the other.
type printer struct {
	turn sync.Mutex
	out  *curtain
}

// trafficWait is how long a line waits for lines of the log that are older.
const trafficWait = 200 * time.Millisecond

// maxTraffic bounds the lines that wait, while the terminal is held, say.
const maxTraffic = 10_000

// Saw adds a line.
func (t *traffic) Saw(s *server.Sight) {
	if s.Handled || s.Request != nil && s.Err == nil {
		defer t.badMoment()
	}
	if s.Handled {
		return
	}
	e := tandem.LogEntry{TS: time.Now(), Clock: s.Clock, Type: lineHTTP}
	switch {
	case s.Message != nil:
		e.Type, e.Msg = lineMessage, t.message(s)
	case s.Request != nil:
		e.Msg = t.request(s)
	default:
		e.Msg = t.fetch(s)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.muted {
		return
	}
	if len(t.lines) == maxTraffic {
		t.lines = slices.Delete(t.lines, 0, maxTraffic/2)
		t.dropped += maxTraffic / 2
	}
	t.lines = append(t.lines, e)
	if !t.due {
		t.due = true
		time.AfterFunc(trafficWait, t.flush)
	}
}

// Answer leaves all requests to their servers.
func (t *traffic) Answer(context.Context, *tandem.Fetch) *tandem.Response { return nil }

// flush shows the lines that have waited long enough.
func (t *traffic) flush() {
	t.turn.Lock()
	defer t.turn.Unlock()
	t.show(uint64(hlc.At(time.Now().Add(-trafficWait))))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.due = len(t.lines) > 0; t.due {
		time.AfterFunc(trafficWait, t.flush)
	}
}

// logged shows a line of the log, after what was seen before it.
func (t *traffic) logged(e tandem.LogEntry) {
	t.turn.Lock()
	defer t.turn.Unlock()
	t.show(e.Clock)
	t.out.entry(e)
}

// show shows the lines until a time, by the clock of the log. The caller has the turn.
func (t *traffic) show(until uint64) {
	lines, dropped := t.take(until)
	if dropped > 0 {
		t.out.entry(tandem.LogEntry{
			TS: time.Now(), Type: lineMessage, Msg: fmt.Sprintf("%d lines before this one are left out.", dropped),
		})
	}
	for _, e := range lines {
		t.out.entry(e)
	}
}

// take takes the lines until a time.
func (t *traffic) take(until uint64) (lines []tandem.LogEntry, dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.SortFunc(t.lines, func(a, b tandem.LogEntry) int { return cmp.Compare(a.Clock, b.Clock) })
	n := 0
	for n < len(t.lines) && t.lines[n].Clock <= until {
		n++
	}
	lines = slices.Clone(t.lines[:n])
	t.lines = slices.Delete(t.lines, 0, n)
	dropped = t.dropped
	t.dropped = 0
	return lines, dropped
}

// mute hides the lines, or shows them again, and reports which.
func (t *traffic) mute() (muted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.muted = !t.muted
	return t.muted
}

// awaitMoment has f be called once, after the agent's next event.
func (t *traffic) awaitMoment(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moved = f
}

func (t *traffic) badMoment() {
	t.mu.Lock()
	f := t.moved
	t.moved = nil
	t.mu.Unlock()
	if f != nil {
		f()
	}
}

// Bytes that are shown of a message, and with -v of a body.
const (
	shownBrief = 60
	shownBody  = 2000
)

func (t *traffic) message(s *server.Sight) string {
	way := "agent → device  "
	if s.ToAgent {
		way = "device → agent  "
	}
	data := messageText(s.Message)
	if !t.bodies {
		data = cut(data, shownBrief)
	}
	return strings.TrimRight(way+tandem.UnescapeName(s.Message.Name)+" "+cut(data, shownBody), " ")
}

// messageText returns what a message has, for people.
func messageText(m *tandem.Message) string {
	switch m.Format {
	case tandem.FormatCompact:
		if text, err := codec.TranscodeJSON(m.Data); err == nil {
			return string(text)
		}
	case tandem.FormatJSON:
		if utf8.Valid(m.Data) {
			return string(m.Data)
		}
	}
	return fmt.Sprintf("(%d bytes)", len(m.Data))
}

func (t *traffic) request(s *server.Sight) string {
	line := "in   " + s.Request.Method + " " + cmp.Or(s.Request.Path, "/")
	if s.Request.Query != "" {
		line += "?" + s.Request.Query
	}
	if s.Err != nil {
		return line + " → " + s.Err.Error()
	}
	return line + t.outcome(s, s.Request.Body)
}

func (t *traffic) fetch(s *server.Sight) string {
	line := "out  " + s.Fetch.Method + " " + s.Fetch.URL
	if r := s.Response; r.Status < 100 {
		return fmt.Sprintf("%s → %d, %s", line, r.Status, cut(string(r.Body), shownBrief))
	}
	return line + t.outcome(s, s.Fetch.Body)
}

// outcome is what came of a request, and with -v what was sent and answered.
func (t *traffic) outcome(s *server.Sight, sent []byte) string {
	r := s.Response
	line := fmt.Sprintf(" → %d, %d bytes, %s", r.Status, len(r.Body), shortly(s.Took))
	if !t.bodies {
		return line
	}
	for _, body := range []struct {
		arrow string
		data  []byte
	}{{"> ", sent}, {"< ", r.Body}} {
		if len(body.data) == 0 {
			continue
		}
		text := fmt.Sprintf("(%d bytes)", len(body.data))
		if utf8.Valid(body.data) {
			text = cut(strings.TrimRight(string(body.data), "\n"), shownBody)
		}
		line += "\n" + body.arrow + strings.ReplaceAll(text, "\n", "\n"+body.arrow)
	}
	return line
}

// shortly returns a time with two digits.
func shortly(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// cut shortens a text, and says how long it was.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	whole := len(text)
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:most], whole)
}
