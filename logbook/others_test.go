package logbook

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// neighbours are the logbooks of other nodes, in this process.
type neighbours struct {
	books     []*Logbook
	following atomic.Int64 // how many have been asked for lines and not to stop
}

func (n *neighbours) History(ctx context.Context, devices []tandem.DeviceID, lines int) (all []tandem.LogEntry) {
	for _, b := range n.books {
		if list, err := b.Own(ctx, devices, lines); err == nil {
			all = append(all, list...)
		}
	}
	return all
}

func (n *neighbours) Follow(ctx context.Context, devices []tandem.DeviceID, fn func(tandem.LogEntry)) (stop func()) {
	var stops []func()
	for _, b := range n.books {
		if stop, err := b.FollowOwn(ctx, devices, fn); err == nil {
			stops = append(stops, stop)
			n.following.Add(1)
		}
	}
	return func() {
		for _, stop := range stops {
			stop()
			n.following.Add(-1)
		}
	}
}

// TestOthers: the lines of other nodes are shown among our own, in causal order,
// each once, until their device is removed.
func TestOthers(t *testing.T) {
	here, there := open(t, Options{}), open(t, Options{})
	others := &neighbours{books: []*Logbook{there}}
	here.Join(others)
	write := func(l *Logbook, n int, msg string) {
		t.Helper()
		stamp := here.clock.Now() // in a cluster messages carry the clocks
		l.Append(tandem.LogEntry{Device: device(n), Type: tandem.LogAgent, Msg: msg, Clock: uint64(stamp)})
		flush(t, l)
	}
	write(here, 1, "1")
	write(there, 1, "2")
	write(here, 1, "3")
	write(there, 2, "other")
	if got := messages(history(t, here, 1, 10)); got != "1,2,3" {
		t.Errorf("history: %s", got)
	}
	if got := messages(history(t, here, 1, 2)); got != "2,3" {
		t.Errorf("the last 2 lines: %s", got)
	}
	c := newCollector()
	f := here.Follow(c.add)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	if err := f.Add(t.Context(), []tandem.DeviceID{device(1), device(2)}, 10); err != nil {
		t.Fatal(err)
	}
	c.wait(t, 4)
	write(there, 1, "4")
	write(here, 1, "5")
	write(there, 2, "6")
	if got := messages(c.wait(t, 7)); got != "1,2,3,other,4,5,6" {
		t.Errorf("followed: %s", got)
	}
	f.Remove(device(1))
	write(there, 1, "unseen")
	write(here, 1, "unseen")
	write(there, 2, "7")
	if got := messages(c.wait(t, 8)); got != "1,2,3,other,4,5,6,7" {
		t.Errorf("after one of two was removed: %s", got)
	}
	if n := others.following.Load(); n != 1 {
		t.Errorf("%d follow for the device that is left", n)
	}
	f.Remove(device(2))
	if n := others.following.Load(); n != 0 {
		t.Errorf("%d follow for no device", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestFarLimit: lines of other nodes that are not read end the view, beyond a number.
func TestFarLimit(t *testing.T) {
	f := new(Logbook).Follow(func(tandem.LogEntry) {})
	r := &far{f: f}
	for i := range farLimit {
		r.receive(tandem.LogEntry{Device: device(1), Clock: uint64(i)})
	}
	select {
	case err := <-f.failed:
		t.Fatalf("with %d lines: %v", farLimit, err)
	default:
	}
	r.receive(tandem.LogEntry{Device: device(1), Clock: farLimit})
	select {
	case err := <-f.failed:
		if tandem.KindOf(err) != tandem.Limit {
			t.Error(err)
		}
	default:
		t.Error("one line more is taken")
	}
}

// TestFarOpens: what is in the history is not shown again, and what is not is.
func TestFarOpens(t *testing.T) {
	f := new(Logbook).Follow(func(tandem.LogEntry) {})
	r := &far{f: f}
	entry := func(n int, clock uint64) tandem.LogEntry { return tandem.LogEntry{Device: device(n), Clock: clock} }
	r.receive(entry(1, 7))
	r.receive(entry(1, 8))
	r.open([]tandem.LogEntry{entry(1, 7), entry(2, 8)})
	r.receive(entry(2, 9))
	r.receive(entry(2, 8))
	r.receive(entry(2, 10))
	for _, want := range []tandem.LogEntry{entry(1, 8), entry(2, 9), entry(2, 10)} {
		select {
		case got := <-f.arrived:
			if got.line != want {
				t.Errorf("got %+v, want %+v", got.line, want)
			}
		case <-time.After(patience):
			t.Fatalf("%+v does not come", want)
		}
	}
}

// TestEndedContexts: what waits for the engine returns when its caller gives up.
func TestEndedContexts(t *testing.T) {
	l := open(t, Options{})
	say(l, 1, "a")
	flush(t, l)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	ids := []tandem.DeviceID{device(1)}
	if _, err := l.Own(ended, ids, 5); err == nil {
		t.Error("Own has no error")
	}
	if _, err := l.History(ended, device(1), 5); err == nil {
		t.Error("History has no error")
	}
	if err := l.Follow(func(tandem.LogEntry) {}).Add(ended, ids, 5); err == nil {
		t.Error("Add has no error")
	}
	if _, err := l.FollowOwn(ended, ids, func(tandem.LogEntry) {}); err == nil {
		t.Error("FollowOwn has no error")
	}
	if err := l.Forget(ended, device(1)); err == nil {
		t.Error("Forget has no error")
	}
	if _, err := Open(ended, t.TempDir(), Options{}); err == nil {
		t.Error("Open has no error")
	}
	still, err := Open(t.Context(), t.TempDir(), Options{}) // it does not run
	if err != nil {
		t.Fatal(err)
	}
	defer still.Close()
	if age := still.at.Load().stream.CachedInfo().Config.MaxAge; age != 30*24*time.Hour {
		t.Errorf("lines are kept for %v", age)
	}
	for range 2 * queueSize { // also with its queue full
		short, cancel := context.WithTimeout(t.Context(), 0)
		if err := still.Flush(short); err == nil {
			t.Fatal("Flush has no error")
		}
		cancel()
	}
}

// TestFullQueue: lines that find the queue full are counted, and said when there
// is room again.
func TestFullQueue(t *testing.T) {
	l, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.Append(tandem.LogEntry{Device: device(1), Type: tandem.LogStatus, Msg: "first"})
	for i := range queueSize - 1 {
		l.Append(tandem.LogEntry{Device: device(2), Type: tandem.LogStatus, Msg: fmt.Sprint(i)})
	}
	for range 3 {
		l.Append(tandem.LogEntry{Device: device(1), Type: tandem.LogStatus, Msg: "lost"})
	}
	if a := l.Activity(); a.Written != queueSize || a.Lost != 3 || a.Throttled != 0 || a.Cut != 0 {
		t.Errorf("%+v", a)
	}
	stop := run(t, l)
	flush(t, l)
	say(l, 1, "last")
	flush(t, l)
	const want = "first,3 log lines were lost: the log store did not answer.,last"
	if got := messages(history(t, l, 1, 10)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	stop()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestLongLines: a line is cut, and counted, from one byte over the limit on.
func TestLongLines(t *testing.T) {
	l := open(t, Options{})
	for i, cuts := range []uint64{0, 1} {
		say(l, 1, string(make([]byte, tandem.LogLineSize+i)))
		if a := l.Activity(); a.Cut != cuts || a.Written != uint64(i+1) {
			t.Errorf("%d bytes over: %+v", i, a)
		}
	}
}

// TestThrottleAtItsBounds: when it closes and opens to the millisecond, and which
// lines it does not concern.
func TestThrottleAtItsBounds(t *testing.T) {
	var w writer
	for i := range tandem.LogBurst {
		if v := w.throttle(tandem.LogAgent, 0); v != pass {
			t.Fatalf("line %d: %v", i, v)
		}
	}
	for i, want := range []verdict{closing, closed, closed} {
		if v := w.throttle(tandem.LogAgent, 0); v != want {
			t.Errorf("line %d over: %v", i, v)
		}
	}
	before := w
	for _, kind := range []string{tandem.LogStatus, tandem.LogExitCode} {
		if v := w.throttle(kind, 0); v != pass || w != before {
			t.Errorf("%s: %v, and the allowance is %v", kind, v, w.allowance)
		}
	}
	if v := w.throttle(tandem.LogAgent, 60_000-1); v != closed {
		t.Errorf("a millisecond before a minute: %v", v)
	}
	if v := w.throttle(tandem.LogAgent, 60_000); v != opening {
		t.Errorf("after a minute: %v", v)
	}
}

// TestKeptLinesHaveTheirTime: what a device has kept, at the rate that it may have, is not throttled because it comes
// at once; but the same time cannot be used twice, nor a time that is long over or still to come.
func TestKeptLinesHaveTheirTime(t *testing.T) {
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	passed := func(w *writer, from, every time.Duration, count int) (n int) {
		for i := range count {
			w.earn(now.Add(from+time.Duration(i)*every), now)
			if v := w.throttle(tandem.LogDevice, 0); v == pass || v == opening {
				n++
				w.discarded = 0
			}
		}
		return n
	}
	var w writer
	const week = 7 * 24 * time.Hour
	if n := passed(&w, -week, 10*time.Second, 60_480); n != 60_480 {
		t.Errorf("of a week's lines every ten seconds %d pass", n)
	}
	if n := passed(&w, -week, 10*time.Second, 60_480); n > tandem.LogBurst {
		t.Errorf("of the same week %d pass again", n)
	}
	w = writer{}
	if n := passed(&w, -week, time.Millisecond, 100_000); n > tandem.LogBurst+200 {
		t.Errorf("%d lines of 100 seconds pass", n)
	}
	for _, from := range []time.Duration{time.Second, -80 * lateFor} {
		w = writer{}
		if n := passed(&w, from, time.Second, 20_000); n > tandem.LogBurst {
			t.Errorf("%d lines from %v on pass", n, from)
		}
	}
	d := desk{writers: map[uint64]writer{1: {late: now.UnixMilli()}, 2: {late: now.Add(-2 * lateFor).UnixMilli()}}}
	d.evict(now.UnixMilli(), 0)
	if len(d.writers) != 1 {
		t.Errorf("%d writers are left: one of kept lines is forgotten, or kept for ever", len(d.writers))
	}
}
