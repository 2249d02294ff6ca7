package logbook

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

// open returns a running logbook in a directory of its own.
func open(t testing.TB, o Options) *Logbook {
	t.Helper()
	l, err := Open(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, l)
	t.Cleanup(func() {
		stop()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// run runs l until the returned function is called.
func run(t testing.TB, l *Logbook) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func device(n int) tandem.DeviceID { return tandem.DeviceID(fmt.Sprintf("%016x", n)) }

func say(l *Logbook, n int, msg string) {
	l.Append(tandem.LogEntry{Device: device(n), Type: tandem.LogAgent, Msg: msg})
}

func flush(t testing.TB, l *Logbook) {
	t.Helper()
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func history(t testing.TB, l *Logbook, n, lines int) []tandem.LogEntry {
	t.Helper()
	list, err := l.History(t.Context(), device(n), lines)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func messages(list []tandem.LogEntry) string {
	var all []string
	for _, e := range list {
		all = append(all, e.Msg)
	}
	return strings.Join(all, ",")
}

func TestHistory(t *testing.T) {
	l := open(t, Options{Lines: 5})
	for i := range 8 {
		say(l, 1, fmt.Sprint(i))
		say(l, 2, fmt.Sprint("other ", i))
	}
	flush(t, l)
	for _, tt := range []struct {
		device, lines int
		want          string
	}{
		{1, 100, "3,4,5,6,7"},
		{1, 2, "6,7"},
		{1, 0, ""},
		{2, 1, "other 7"},
		{3, 5, ""},
	} {
		if got := messages(history(t, l, tt.device, tt.lines)); got != tt.want {
			t.Errorf("last %d lines of device %d: %q, want %q", tt.lines, tt.device, got, tt.want)
		}
	}
	if err := l.Forget(t.Context(), device(1)); err != nil {
		t.Fatal(err)
	}
	if got := history(t, l, 1, 5); len(got) != 0 {
		t.Errorf("after Forget: %v", got)
	}
	if got := messages(history(t, l, 2, 1)); got != "other 7" {
		t.Errorf("the other device has %q", got)
	}
}

func TestEntryComesBackWhole(t *testing.T) {
	l := open(t, Options{})
	want := tandem.LogEntry{
		Device: device(7), TS: time.UnixMilli(1_700_000_000_123).UTC(), Type: tandem.LogDeviceError,
		Msg: "ERROR: \x00\xff ünïcode\n  at main device_code:1", Clock: uint64(hlc.At(time.Now()) + 7),
	}
	l.Append(want)
	flush(t, l)
	if got := history(t, l, 7, 1); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestPlacesComeBack: the place in a program that a line is about comes back with the line,
// and a line without one has none. A place that cannot be read is left out.
func TestPlacesComeBack(t *testing.T) {
	l := open(t, Options{})
	want := tandem.Where{
		File: "agent_code", Line: 44, Function: "f", Deployment: "id", During: "http.onrequest: GET /x\r\nWhere: no",
		Source: "local y = \"é\";", Plain: "a: no",
	}
	for _, at := range []*tandem.Where{nil, &want} {
		l.Append(tandem.LogEntry{Device: device(7), Type: tandem.LogAgentError, Msg: "no", Where: at})
	}
	flush(t, l)
	got := history(t, l, 7, 2)
	if len(got) != 2 || got[0].Where != nil || got[1].Where == nil || *got[1].Where != want {
		t.Errorf("got %+v", got)
	}
	if at := where(nats.Header{headerWhere: {"no JSON"}}); at != nil {
		t.Errorf("got %+v", at)
	}
}

// TestWrittenComesBack: when a device wrote a line comes back with it, with a place or without.
func TestWrittenComesBack(t *testing.T) {
	l := open(t, Options{})
	before := time.Now().Truncate(time.Millisecond)
	written := before.Add(-time.Hour).UTC()
	for _, at := range []*tandem.Where{nil, {File: "device_code", Line: 4}} {
		l.Append(tandem.LogEntry{Device: device(7), Type: tandem.LogDeviceError, Msg: "no", Where: at, Written: written})
	}
	flush(t, l)
	for _, e := range history(t, l, 7, 2) {
		if !e.Written.Equal(written) || e.TS.Before(before) {
			t.Errorf("written %v and came %v, not %v", e.Written, e.TS, written)
		}
	}
	for _, text := range []string{"no number", ""} {
		if at := writtenAt(nats.Header{headerWritten: {text}}); !at.IsZero() {
			t.Errorf("got %v", at)
		}
	}
}

// TestWrongClocks checks that a device with a wrong clock spoils nothing.
func TestWrongClocks(t *testing.T) {
	l := open(t, Options{})
	future := time.Now().Add(24 * time.Hour)
	l.Append(tandem.LogEntry{
		Device: device(1), TS: future, Clock: uint64(hlc.At(future)), Type: tandem.LogDevice,
		Msg: "a",
	})
	say(l, 1, "b")
	flush(t, l)
	list := history(t, l, 1, 10)
	if messages(list) != "a,b" {
		t.Fatalf("got %v", list)
	}
	for _, e := range list {
		if time.Until(e.TS) > time.Hour || time.Until(hlc.Timestamp(e.Clock).Time()) > time.Hour {
			t.Errorf("%s is from the future: %+v", e.Msg, e)
		}
	}
}

func TestImpossibleDevice(t *testing.T) {
	l := open(t, Options{})
	for _, id := range []tandem.DeviceID{"", "*", ">", "a.b", "00000000000000001", "000000000000000A"} {
		l.Append(tandem.LogEntry{Device: id, Type: tandem.LogAgent, Msg: "x"})
	}
	flush(t, l)
	if n := l.at.Load().stream.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d lines were kept", n)
	}
}

// TestReopen checks that lines survive a restart, and that new ones come after
// them though the wall clock was set back.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	var list []tandem.LogEntry
	for i, wall := range []time.Time{time.UnixMilli(1_000_000_000), time.UnixMilli(1_000_000_000).Add(-30 * time.Second)} {
		l, err := Open(t.Context(), dir, Options{Clock: hlc.New(func() time.Time { return wall })})
		if err != nil {
			t.Fatal(err)
		}
		l.now = func() time.Time { return wall }
		stop := run(t, l)
		say(l, 1, fmt.Sprint("run ", i))
		flush(t, l)
		list = history(t, l, 1, 10)
		stop()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := messages(list); got != "run 0,run 1" {
		t.Fatalf("got %q", got)
	}
	if list[1].Clock <= list[0].Clock || list[1].TS.Before(list[0].TS) {
		t.Errorf("the second run's line is not after the first's: %+v", list)
	}
}

func TestMonotoneTime(t *testing.T) {
	l := open(t, Options{})
	wall := time.UnixMilli(1_000_000_000)
	l.now = func() time.Time { return wall }
	say(l, 1, "a")
	wall = wall.Add(-time.Hour)
	say(l, 1, "b")
	say(l, 2, "c") // another device may be back in time
	wall = wall.Add(2 * time.Hour)
	for i := range l.desks {
		l.desks[i].evict(wall.UnixMilli(), capacity)
	}
	wall = wall.Add(-time.Hour - time.Minute)
	say(l, 1, "d")
	flush(t, l)
	list := history(t, l, 1, 10)
	if messages(list) != "a,b,d" {
		t.Fatalf("got %v", list)
	}
	for _, e := range list {
		if want := time.UnixMilli(1_000_000_000).UTC(); e.TS != want {
			t.Errorf("%s has ts %v, want %v", e.Msg, e.TS, want)
		}
	}
}

// collector gathers what a tail shows.
type collector struct {
	mu   sync.Mutex
	list []tandem.LogEntry
	more chan struct{}
}

func newCollector() *collector { return &collector{more: make(chan struct{}, 1)} }

func (c *collector) add(e tandem.LogEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, e)
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// wait returns the lines when there are n.
func (c *collector) wait(t *testing.T, n int) []tandem.LogEntry {
	t.Helper()
	timeout := time.After(patience)
	for {
		c.mu.Lock()
		list := slices.Clone(c.list)
		c.mu.Unlock()
		if len(list) >= n {
			return list
		}
		select {
		case <-c.more:
		case <-timeout:
			t.Fatalf("%d lines, want %d", len(list), n)
		}
	}
}

// TestTailFrom writes without a pause while tails begin, and checks that each
// of them sees every line once and in order.
func TestTailFrom(t *testing.T) {
	const lines, tails = 2000, 5
	l := open(t, Options{Lines: lines})
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	begin := make(chan struct{}, tails)
	wg.Go(func() {
		for i := range lines {
			say(l, 1+i%2, fmt.Sprint(i))
			if i%(lines/tails) == lines/tails/2 {
				begin <- struct{}{}
			}
		}
	})
	var all []*collector
	for range tails {
		<-begin
		c := newCollector()
		all = append(all, c)
		wg.Go(func() {
			if err := l.TailFrom(ctx, []tandem.DeviceID{device(1), device(2)}, lines, c.add); err != nil {
				t.Error(err)
			}
		})
	}
	for n, c := range all {
		list := c.wait(t, lines)
		for i, e := range list {
			if e.Msg != fmt.Sprint(i) {
				t.Fatalf("tail %d: line %d is %q", n, i, e.Msg)
			}
		}
	}
	cancel()
	wg.Wait()
	for n, c := range all {
		if len(c.list) != lines {
			t.Errorf("tail %d saw %d lines, want %d", n, len(c.list), lines)
		}
	}
}

func TestFollowerChanges(t *testing.T) {
	l := open(t, Options{})
	say(l, 1, "old 1")
	say(l, 2, "old 2")
	flush(t, l)
	c := newCollector()
	f := l.Follow(c.add)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	add := func(n, lines int) {
		t.Helper()
		if err := f.Add(t.Context(), []tandem.DeviceID{device(n)}, lines); err != nil {
			t.Fatal(err)
		}
	}
	add(1, 0)
	add(1, 5) // is followed already
	say(l, 1, "a")
	say(l, 2, "unseen")
	c.wait(t, 1)
	add(2, 2)
	c.wait(t, 3)
	f.Remove(device(1))
	f.Remove(device(1))
	say(l, 1, "unseen")
	say(l, 2, "b")
	if got := messages(c.wait(t, 4)); got != "a,old 2,unseen,b" {
		t.Errorf("got %q", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := f.Add(t.Context(), []tandem.DeviceID{device(3)}, 5); tandem.KindOf(err) != tandem.Unavailable {
		t.Errorf("Add after the end: %v", err)
	}
}

func TestSlowReader(t *testing.T) {
	const lines = 3000
	l := open(t, Options{Lines: lines})
	ctx, cancel := context.WithCancel(t.Context())
	block := make(chan struct{})
	c := newCollector()
	ended := make(chan error, 1)
	f := l.Follow(func(e tandem.LogEntry) { <-block; c.add(e) })
	if err := f.Add(ctx, []tandem.DeviceID{device(1)}, 0); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- f.Run(ctx) }()
	for i := range lines {
		say(l, 1, fmt.Sprint(i))
	}
	flush(t, l) // a reader that does not read blocks no other
	close(block)
	for i, e := range c.wait(t, lines) {
		if e.Msg != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, e.Msg)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestEngineAway stops the engine under a logbook, and checks that Append does
// not block and that what is lost is counted.
func TestEngineAway(t *testing.T) {
	l, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, l)
	say(l, 1, "kept")
	flush(t, l)
	l.mending.wait() // the engine is not opened again
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	const lines = queueSize + inFlight + 1000
	for i := range lines {
		l.Append(tandem.LogEntry{Device: device(i % 10), Type: tandem.LogStatus, Msg: "gone"})
	}
	if d := time.Since(start); d > patience {
		t.Errorf("appending to a dead engine took %v", d)
	}
	stop()
	if got := l.Lost(); got != lines {
		t.Errorf("%d lines lost, want %d", got, lines)
	}
	l.Append(tandem.LogEntry{Device: device(1), Type: tandem.LogStatus, Msg: "after the end"})
	if got := l.Lost(); got != lines+1 {
		t.Errorf("%d lines lost, want %d", got, lines+1)
	}
}

// TestLostIsSaid has the engine refuse lines, and checks that the next line of
// each device comes after one that says how many were lost, and of no other.
func TestLostIsSaid(t *testing.T) {
	l := open(t, Options{})
	refuse := func(size int32) {
		t.Helper()
		cfg := l.at.Load().stream.CachedInfo().Config
		cfg.MaxMsgSize = size
		if _, err := l.at.Load().js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	const one, two, three = 0x1f, 0x2a0, 0x3b00 // the same in no other base
	const four = one + 64                       // of the same desk
	all := func(msg string) {
		for _, n := range []int{one, two, three, four} {
			say(l, n, msg)
		}
		flush(t, l)
	}
	all("a")
	refuse(1)
	for range 3 {
		say(l, one, "lost")
	}
	for range 2 {
		say(l, two, "lost")
	}
	say(l, four, "lost")
	flush(t, l)
	refuse(-1)
	say(l, three, "b") // with it the engine turns out to be there again
	flush(t, l)
	all("c")
	all("d")
	if got := l.Lost(); got != 6 {
		t.Errorf("%d lines lost, want 6", got)
	}
	for n, want := range map[int]string{
		one:   "a,3 log lines were lost: the log store did not answer.,c,d",
		two:   "a,2 log lines were lost: the log store did not answer.,c,d",
		three: "a,b,c,d",
		four:  "a,1 log lines were lost: the log store did not answer.,c,d",
	} {
		if got := messages(history(t, l, n, 10)); got != want {
			t.Errorf("device %x: got %q, want %q", n, got, want)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, devices := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			l := open(b, Options{})
			msg := strings.Repeat("x", 80)
			i := 0
			for b.Loop() {
				l.Append(tandem.LogEntry{Device: device(i % devices), Type: tandem.LogStatus, Msg: msg})
				i++
			}
			flush(b, l)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
			if n := l.Lost(); n > 0 {
				b.Errorf("%d lines lost", n)
			}
		})
	}
}
