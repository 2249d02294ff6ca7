package core

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// keptLog is what the server's log has of a device that keeps its lines.
type keptLog struct {
	t       *testing.T
	newest  tandem.Mark
	lines   []int // the numbers of those of the code, in order
	lost    int   // that the log tells of
	tellers int   // lines that tell of lost ones
	posts   int
}

func watchLog(w *world) *keptLog {
	l := &keptLog{t: w.t.(*testing.T)}
	w.server.subscribed = w.tellTime
	w.server.handle = l.take
	return l
}

func (l *keptLog) take(m *agentView) {
	if m.topic == "agent/p" {
		l.posts++
	}
	if !isLine(m) || !m.mark.After(l.newest) {
		return
	}
	l.newest = m.mark
	n, lost := 0, 0
	if _, err := fmt.Sscanf(m.payload, "%d lines of the log were lost here", &lost); err == nil {
		l.lost += lost
		l.tellers++
	}
	if _, err := fmt.Sscanf(m.payload, "line %d ", &n); err != nil {
		return
	}
	if k := len(l.lines); k > 0 && n <= l.lines[k-1] {
		l.t.Fatalf("line %d comes after %d", n, l.lines[k-1])
	}
	if m.written == 0 {
		l.t.Fatalf("line %d has no time", n)
	}
	l.lines = append(l.lines, n)
}

// want wants the newest of so many lines to have come, in order, and the others to be said to be lost.
func (l *keptLog) want(total int) {
	l.t.Helper()
	n := len(l.lines)
	if n+l.lost != total || n > 0 && (l.lines[n-1] != total || l.lines[0] != total-n+1) {
		l.t.Errorf("of %d lines %d come, and %d are said to be lost", total, len(l.lines), l.lost)
	}
}

// chatterCode logs lines of some 100 bytes, without a link, as fast as it can, and posts when it is told to by a
// pin.
const chatterCode = `
	tandem.keeplog(true);
	server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
	n <- 0;
	fill <- "";
	while (fill.len() < 90) fill += "x";
	function some() {
		for (local i = 0; i < 100 && n < %d; i++) server.log("line " + ++n + " " + fill);
		if (n < %d) imp.wakeup(0.1, some);
	}
	imp.wakeup(1, some);
	posted <- 0;
	big <- blob(4000);
	function more() {
		if (hardware.pin1.read() == 0) return;
		for (local i = 0; i < 20; i++) if (tandem.post("p", big) == 0) posted++;
		imp.wakeup(0.1, more);
	}
	hardware.pin1.configure(DIGITAL_IN, more);`

func chatter(t *testing.T, lines int) *world {
	w := newWorld(t)
	w.cfg.JournalSize = 16 * smallestSegment
	w.net = "down"
	w.install(fmt.Sprintf(chatterCode, lines, lines))
	w.on()
	w.pass(time.Duration(lines)*time.Millisecond + 10*time.Second)
	return w
}

// TestOldestLinesGo: of more lines than the disk may have the newest are kept, and one line says how many are
// not, also when the power goes before it has been said.
func TestOldestLinesGo(t *testing.T) {
	const count = 20_000
	for _, cuts := range []int{0, 1, 3} {
		w := chatter(t, count)
		for range cuts {
			w.cutPower(nil)
			w.install("")
			w.on()
			w.pass(time.Second)
		}
		if n := w.core.disk.lines.allocated() + w.core.disk.journal.allocated(); n > w.cfg.JournalSize {
			t.Errorf("%d bytes are taken, of %d", n, w.cfg.JournalSize)
		}
		l := watchLog(w)
		w.net = "up"
		w.pass(time.Minute)
		if l.want(count); l.tellers != 1 || len(l.lines) < 2000 || len(w.core.disk.Lost) > 0 {
			t.Errorf("%d lines come, %d tell of lost ones, and of %v nothing was said", len(l.lines), l.tellers,
				w.core.disk.Lost)
		}
	}
}

// TestLinesGoBeforePosts: no post is refused while there are lines to give up.
func TestLinesGoBeforePosts(t *testing.T) {
	most := func(lines int) (posted int, l *keptLog) {
		w := chatter(t, lines)
		l = watchLog(w)
		w.board.Drive("pin1", 1)
		w.settle()
		w.pass(time.Minute)
		w.board.Drive("pin1", 0)
		w.settle()
		w.pass(time.Second)
		posted = int(w.core.disk.journal.waiting())
		w.net = "up"
		w.pass(time.Minute)
		if l.posts != posted {
			t.Errorf("%d posts come of %d", l.posts, posted)
		}
		l.want(lines)
		return posted, l
	}
	without, _ := most(0)
	with, l := most(10_000)
	// Segments are a little smaller where lines have been.
	if with < without*9/10 || without < 200 || l.tellers != 1 || l.lost != 10_000 {
		t.Errorf("there is room for %d posts, with lines for %d; %d lines tell of %d", without, with, l.tellers, l.lost)
	}
}

// TestLinesOnFullDisk: on a disk that others have filled no lines are given up in vain. What it has no room for is
// in memory, in order with the rest.
func TestLinesOnFullDisk(t *testing.T) {
	w := newWorld(t)
	w.net = "down"
	w.install(fmt.Sprintf(chatterCode, 4000, 4000))
	segments := 0
	w.fails = func(e Effect) error {
		if r, ok := e.(*Reserve); ok && strings.HasSuffix(r.Name, linesSuffix) {
			if segments++; segments > 1 {
				return errors.New("no space left on device")
			}
		}
		return nil
	}
	w.on()
	w.pass(time.Minute)
	if segments > 10 {
		t.Errorf("the disk was asked for room %d times", segments)
	}
	l := watchLog(w)
	w.net = "up"
	w.pass(time.Minute)
	if l.tellers != 1 || l.lost+len(l.lines) != 4000 || len(l.lines) < 2500 {
		t.Errorf("%d lines come, and %d lines tell of %d lost ones", len(l.lines), l.tellers, l.lost)
	}
}

// TestOldLinesAreNotSent: lines have an age, also those from before the device has heard the time.
func TestOldLinesAreNotSent(t *testing.T) {
	w := newWorld(t)
	w.cfg.KeptFor = time.Hour
	w.install(`tandem.keeplog(true);
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
		n <- 0;
		function say() { server.log("line " + ++n + " "); if (n < 10) imp.wakeup(900, say); }
		imp.wakeup(1, say);`)
	w.net = "down"
	w.now.Wall = time.Unix(1000, 0) // a board without a battery
	w.on()
	w.pass(3 * time.Hour)
	l := watchLog(w)
	w.now.Wall = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w.net = "up"
	w.pass(time.Minute)
	if said := strings.Join(w.seenPayloads("log/error"), "\n"); len(l.lines) != 1 || l.lines[0] != 10 ||
		!strings.Contains(said, "9 lines of the log are not sent, because they are older than 1h0m0s") {
		t.Errorf("%v come, and the log says %q", l.lines, said)
	}
}

// TestFlushWaitsForKept: server.flush and server.sleepfor wait until what is kept has arrived, be it sent at once or
// read from the disk.
func TestFlushWaitsForKept(t *testing.T) {
	w := newWorld(t)
	watchLog(w)
	w.server.handle = nil
	w.server.hold = true
	w.install(`tandem.keeplog(true);
		tandem.keepsends(true);
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
		for (local i = 0; i < 200; i++) { agent.send("x", i); server.log("line " + i); }
		imp.wakeup(20, function() {
			local flushed = server.flush(10);
			tandem.keeplog(false);
			server.log("flushed " + flushed);
			tandem.keeplog(true);
			agent.send("x", 200);
			server.sleepfor(100);
		});`)
	w.net = "down"
	w.on()
	w.pass(8 * time.Second)
	w.net = "up"
	w.pass(15 * time.Second)
	if got := w.seenPayloads("log"); len(got) > 200 {
		t.Errorf("it does not wait: %q", got[200:])
	}
	w.server.ack(1000)
	w.settle()
	w.server.hold = false
	w.pass(time.Second)
	w.server.ack(1000)
	w.settle()
	w.pass(time.Second)
	got := w.seenPayloads("log")
	if last := got[len(got)-1]; last != "flushed true" || w.core.life.phase != asleep {
		t.Errorf("the log ends with %q, and the phase is %d\n%s", last, w.core.life.phase, w.out.String())
	}
}

// TestLostRecordsAreFew: as often as lines are given up between two attempts to say so, of which the power takes
// the outcome, the counters stay small and no loss goes unsaid.
func TestLostRecordsAreFew(t *testing.T) {
	w := newWorld(t)
	w.on()
	for i := range 20 {
		n := uint64(10 * (i + 1))
		w.core.tellLost(lostLines{Mark: tandem.Mark{Boot: 1, Seq: n}, Entry: n, Count: 10})
		w.core.disk.Lost[len(w.core.disk.Lost)-1].old = true
	}
	sum := uint64(0)
	for _, l := range w.core.disk.Lost {
		sum += l.Count
	}
	if n := len(w.core.disk.Lost); n != mostLost || sum != 200 || w.core.out.kept.len() != n {
		t.Errorf("%d records of %d lines, %d lines about them", n, sum, w.core.out.kept.len())
	}
}
