package logbook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
)

// TestThrottle floods a device's log and then lets it recover.
func TestThrottle(t *testing.T) {
	var w writer
	count := func(from, to, every int64) (n map[verdict]int) {
		n = map[verdict]int{}
		for now := from; now < to; now += every {
			v := w.throttle(tandem.LogAgent, now)
			if v == opening {
				w.discarded = 0 // as write does when it has said so
			}
			n[v]++
		}
		return n
	}
	// 1,000 lines a second: the burst and the second or so that it lasts for.
	n := count(0, 20_000, 1)
	if n[pass] < tandem.LogBurst || n[pass] > tandem.LogBurst+20 || n[closing] != 1 || n[opening] != 0 {
		t.Errorf("in a flood: %v", n)
	}
	// An hour of flood has the long-term rate.
	n = count(20_000, 3_620_000, 10)
	if passed := n[pass] + n[opening]; passed < 60*tandem.LogRatePerMinute*95/100 ||
		passed > 60*tandem.LogRatePerMinute*105/100 {
		t.Errorf("an hour of flood: %v", n)
	}
	if n[opening] < 50 || n[opening] > 70 || n[closing] > n[opening]+1 {
		t.Errorf("an hour of flood says too much or too little of it: %v", n)
	}
	// An hour of silence gives the burst back.
	n = count(2*3_620_000, 2*3_620_000+tandem.LogBurst, 1)
	if n[closed]+n[closing] != 0 {
		t.Errorf("after an hour of silence: %v", n)
	}
	if v := w.throttle(tandem.LogStatus, 2*3_620_000+tandem.LogBurst+1); v != pass {
		t.Errorf("a status line: %v", v)
	}
}

func TestThrottleLeavesSteadyLoggersAlone(t *testing.T) {
	var w writer
	for now := int64(0); now < 24*3_600_000; now += lineCost {
		if v := w.throttle(tandem.LogAgent, now); v != pass {
			t.Fatalf("at %d ms: %v", now, v)
		}
	}
}

func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{"a", "é", "€", "😀", "\xff"}).Draw(t, "unit")
		size := rapid.IntRange(0, 3*tandem.LogLineSize).Draw(t, "size")
		msg := strings.Repeat("x", rapid.IntRange(0, 3).Draw(t, "offset")) + strings.Repeat(unit, size/len(unit))
		got := cut(msg)
		if len(msg) <= tandem.LogLineSize {
			if got != msg {
				t.Fatalf("a line of %d bytes was changed", len(msg))
			}
			return
		}
		note := fmt.Sprintf("… (line of %d bytes was cut)", len(msg))
		head, ok := strings.CutSuffix(got, note)
		if !ok || !strings.HasPrefix(msg, head) || len(got) > tandem.LogLineSize ||
			len(got) < tandem.LogLineSize-utf8.UTFMax {
			t.Fatalf("a line of %d bytes became one of %d: …%q", len(msg), len(got), got[len(got)-50:])
		}
		if utf8.ValidString(msg) && !utf8.ValidString(got) {
			t.Fatal("a character was split")
		}
	})
}

// TestMerge lets lines arrive late by less than the window, and checks that
// they are shown in order; and, arriving anyhow, that each is shown once, in
// time, with a ts that does not run backwards.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		late := rapid.SampledFrom([]int{0, 99, 500}).Draw(t, "late")
		type event struct {
			e    tandem.LogEntry
			come time.Time
		}
		start := time.UnixMilli(1_000_000)
		var events []event
		for i := range rapid.IntRange(0, 50).Draw(t, "lines") {
			events = append(events, event{
				tandem.LogEntry{
					Device: device(i % 3), Clock: uint64(i * 10),
					TS: start.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ts"))), Msg: fmt.Sprint(i),
				},
				start.Add(time.Duration(i*10+rapid.IntRange(0, late).Draw(t, "delay")) * time.Millisecond),
			})
		}
		slices.SortStableFunc(events, func(a, b event) int { return a.come.Compare(b.come) })
		m := merge{wait: stragglers}
		var shown []tandem.LogEntry
		show := func(e tandem.LogEntry) { shown = append(shown, e) }
		for _, ev := range events {
			for due, ok := m.next(); ok && !due.After(ev.come); due, ok = m.next() {
				m.take(due, show)
			}
			m.add(ev.e, ev.come)
		}
		for due, ok := m.next(); ok; due, ok = m.next() {
			m.take(due, show)
		}
		if len(shown) != len(events) {
			t.Fatalf("%d lines shown of %d", len(shown), len(events))
		}
		last := map[tandem.DeviceID]time.Time{}
		for i, e := range shown {
			if late < int(stragglers.Milliseconds()) && i > 0 && e.Clock < shown[i-1].Clock {
				t.Fatalf("line %s was shown after %s", e.Msg, shown[i-1].Msg)
			}
			if e.TS.Before(last[e.Device]) {
				t.Fatalf("the ts of line %s runs backwards", e.Msg)
			}
			last[e.Device] = e.TS
		}
	})
}

func TestNewest(t *testing.T) {
	var list []tandem.LogEntry
	for i, d := range []int{1, 1, 2, 1, 3, 1, 2, 2} {
		list = append(list, tandem.LogEntry{Device: device(d), Msg: fmt.Sprint(i)})
	}
	if got := messages(newest(list, 2)); got != "3,4,5,6,7" {
		t.Errorf("got %s", got)
	}
}

func TestEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := tandem.LogEntry{
			Device: device(rapid.IntRange(0, 1<<30).Draw(t, "device")),
			TS:     time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(t, "ts")).UTC(),
			Type:   rapid.StringN(0, 60, 255).Draw(t, "type"),
			Msg:    string(rapid.SliceOf(rapid.Byte()).Draw(t, "msg")),
			Clock:  rapid.Uint64().Draw(t, "clock"),
		}
		got, err := decode(subject(want.Device), encode(want, want.TS.UnixMilli()))
		if err != nil || got != want {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(encode(tandem.LogEntry{Type: tandem.LogAgent, Msg: "hello"}, 1))
	f.Add(encode(tandem.LogEntry{Type: strings.Repeat("t", 300)}, 1)[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode("log.0000000000000001", b)
		if err != nil {
			return
		}
		again, err := decode("log.0000000000000001", encode(e, e.TS.UnixMilli()))
		if err != nil || again != e {
			t.Errorf("%+v became %+v, %v", e, again, err)
		}
	})
}

// TestIdleDevices checks what a device costs between its lines, and that it
// costs nothing when it has been quiet.
func TestIdleDevices(t *testing.T) {
	var d desk
	d.writers = map[uint64]writer{}
	for i := range uint64(1000) {
		w := writer{ts: int64(i)}
		w.allowance.use(int64(i))
		d.writers[i] = w
	}
	d.writers[5000] = writer{lost: 1}
	d.writers[5001] = writer{discarded: 1}
	d.writers[5002] = writer{ts: 1 << 50}
	d.evict(499, 500+lineCost)
	if len(d.writers) != 503 || d.floor != 499 {
		t.Errorf("%d writers are left, floor %d", len(d.writers), d.floor)
	}
	d.evict(1000, 1000+lineCost)
	if len(d.writers) != 3 || d.floor != 999 {
		t.Errorf("%d writers are left, floor %d", len(d.writers), d.floor)
	}
}
