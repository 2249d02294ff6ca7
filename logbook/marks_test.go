package logbook

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
)

// TestRepeatedLines: a numbered line that is in the log twice, here or on another node, is shown
// once. A line without a number, or another one under the same number, is shown.
func TestRepeatedLines(t *testing.T) {
	here, there := open(t, Options{}), open(t, Options{})
	here.Join(&neighbours{books: []*Logbook{there}})
	write := func(l *Logbook, msg string, boot, seq uint64) {
		t.Helper()
		mark := tandem.Mark{Boot: boot, Seq: seq}
		stamp := uint64(here.clock.Now())
		l.Append(tandem.LogEntry{Device: device(1), Type: tandem.LogDevice, Msg: msg, Mark: mark, Clock: stamp})
		flush(t, l)
	}
	write(there, "1", 3, 1)
	write(there, "2", 3, 2)
	write(here, "2", 3, 2) // the node is lost, and the device has not heard that it had the line
	write(here, "3", 3, 3)
	write(here, "3", 3, 3)
	write(here, "plain", 0, 0)
	write(here, "plain", 0, 0)
	write(here, "other", 3, 3) // of a device whose memory was lost
	write(here, "3", 4, 3)
	const want = "1,2,3,plain,plain,other,3"
	if got := messages(history(t, here, 1, 100)); got != want {
		t.Errorf("history: %s, want %s", got, want)
	}
	for n := range 8 { // as one who reads page by page asks
		list := strings.Split(want, ",")
		if got := messages(history(t, here, 1, n)); got != strings.Join(list[len(list)-n:], ",") {
			t.Errorf("the last %d: %s", n, got)
		}
	}
	c := newCollector()
	f := here.Follow(c.add)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	if err := f.Add(t.Context(), []tandem.DeviceID{device(1)}, 100); err != nil {
		t.Fatal(err)
	}
	write(here, "3", 4, 3)
	write(there, "3", 4, 3)
	write(here, "4", 4, 4)
	if got := messages(c.wait(t, 8)); got != want+",4" {
		t.Errorf("followed: %s, want %s,4", got, want)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestMarksAreBounded: a view remembers the newest lines.
func TestMarksAreBounded(t *testing.T) {
	line := func(n int) tandem.LogEntry {
		return tandem.LogEntry{Device: device(1), Msg: fmt.Sprint(n), Mark: tandem.Mark{Boot: 1, Seq: uint64(n)}}
	}
	var m marks
	for n := range 3 * maxMarks {
		if m.repeats(line(n + 1)) {
			t.Fatalf("line %d is new", n+1)
		}
	}
	if !m.repeats(line(2*maxMarks+1)) || !m.repeats(line(3*maxMarks)) {
		t.Error("one of the newest lines is taken for new")
	}
	if m.repeats(line(2 * maxMarks)) {
		t.Error("an old line is remembered")
	}
	if len(m.seen) != maxMarks || len(m.list) != maxMarks {
		t.Errorf("%d and %d lines are remembered", len(m.seen), len(m.list))
	}
}

// TestMarkComesBack: so does a line with a place; a header that makes no sense is left out.
func TestMarkComesBack(t *testing.T) {
	l := open(t, Options{})
	want := tandem.LogEntry{
		Device: device(7), TS: time.UnixMilli(1_700_000_000_123).UTC(), Type: tandem.LogDeviceError, Msg: "no",
		Where: &tandem.Where{File: "device_code", Line: 4}, Mark: tandem.Mark{Boot: 1<<62 + 1, Seq: 18},
	}
	l.Append(want)
	flush(t, l)
	got := history(t, l, 7, 1)
	if len(got) != 1 || got[0].Mark != want.Mark || got[0].Where == nil || *got[0].Where != *want.Where {
		t.Errorf("got %+v", got)
	}
	for _, text := range []string{"", "1", "1.", ".1", "-1.2", "a.b", "1.2.3"} {
		if m := mark(nats.Header{headerMark: {text}}); m != (tandem.Mark{}) {
			t.Errorf("%q is %v", text, m)
		}
	}
}
