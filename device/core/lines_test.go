package core

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	batches "github.com/tandem-iot/tandem/mqtt/batch"

	"github.com/tandem-iot/tandem"
)

// sleeperCode logs numbered lines, and leaves the server in every way there is.
const sleeperCode = `
if (!("nv" in getroottable())) nv <- { n = "n" in server.permanent ? server.permanent.n : 0 };
server.setsendtimeoutpolicy(%s, WAIT_TIL_SENT, 10);
function say() {
    for (local i = 0; i < 3; i++) if (server.log("line " + (nv.n + 1)) == 0) nv.n++;
    print("line " + ++nv.n);
}
function next() {
    say();
    local way = nv.n / 4 %% 7;
    if (way == 1) server.sleepfor(5);
    if (way == 3) imp.deepsleepfor(5);
    if (way == 5) { server.disconnect(); imp.wakeup(3, @() server.connect(@(reason) null, 5)); }
    if (way == 6) { server.setpermanentvalues({ n = nv.n }); server.restart(); }
    imp.wakeup(0.5, next);
}
imp.wakeup(0.5, next);
`

// logbook takes lines as the server does: a number that is not above the newest of its boot
// is one that it has had.
type logbook struct {
	newest   tandem.Mark
	lines    []string
	repeated int
}

func isLine(m *agentView) bool { return strings.HasPrefix(m.topic, "log") || m.topic == "sys/status" }

func (l *logbook) take(m *agentView) {
	if !isLine(m) {
		return
	}
	if m.mark.Boot == l.newest.Boot && m.mark.Seq <= l.newest.Seq {
		l.repeated++
		return
	}
	l.newest = m.mark
	if m.topic == "log" {
		l.lines = append(l.lines, m.payload)
	}
}

// TestEachLineOnce: whatever ends the link, and however the code leaves it, each line of the
// log that the code was told is sent is in the log once, in order.
func TestEachLineOnce(t *testing.T) {
	for _, policy := range []string{"SUSPEND_ON_ERROR", "RETURN_ON_ERROR_NO_DISCONNECT"} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprint(policy, seed), func(t *testing.T) { linesOnce(t, policy, seed) })
		}
	}
}

func linesOnce(t *testing.T, policy string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 5))
	w := newWorld(t)
	if seed%2 == 1 {
		w.server.batches = batches.Size
	}
	log := &logbook{}
	broken := 0
	w.server.handle = func(m *agentView) {
		if !isLine(m) {
			return
		}
		if m.mark.Boot == 0 {
			t.Fatalf("a line without a number: %s %s", m.topic, m.payload)
		}
		log.take(m)
		if r.IntN(12) == 0 { // the server has it, and the device does not learn it
			broken++
			w.server.end(errors.New("the connection breaks"))
		}
	}
	w.install(fmt.Sprintf(sleeperCode, policy))
	w.on()
	for range 60 {
		switch r.IntN(8) {
		case 0:
			w.do(&Offline{true})
		case 1:
			w.server.stall = true
		case 2:
			w.server.end(errors.New("the connection breaks"))
		}
		w.settle()
		w.pass(time.Duration(r.IntN(4000)) * time.Millisecond)
		if w.server.stall {
			w.server.unstall()
		}
		w.do(&Offline{false})
		w.pass(time.Duration(r.IntN(8000)) * time.Millisecond)
	}
	w.server.handle = log.take
	w.pass(3 * time.Minute)
	for i, line := range log.lines {
		if line != fmt.Sprint("line ", i+1) {
			t.Fatalf("after %d lines in order comes %q\n%q", i, line, log.lines[max(0, i-5):min(len(log.lines), i+5)])
		}
	}
	if len(log.lines) < 100 || broken == 0 || log.repeated == 0 {
		t.Errorf("%d lines, %d broken connections, %d repeated lines: the test does not try what it should",
			len(log.lines), broken, log.repeated)
	}
}

// TestLostLinesAreSaid: more lines than are kept, made while there is no link.
func TestLostLinesAreSaid(t *testing.T) {
	w := newWorld(t)
	w.install(`server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 1);
server.disconnect();
for (local i = 1; i <= 1500; i++) print(i);
imp.wakeup(60, @() server.connect(@(reason) null, 5));`)
	log := &logbook{}
	w.server.handle = log.take
	w.on()
	w.pass(2 * time.Minute)
	var said []string
	for _, m := range w.server.seen {
		if m.topic == "log/error" {
			said = append(said, m.payload)
		}
	}
	if len(said) != 1 || said[0] != "501 lines of the log were lost here: more than 1000 waited for a link" {
		t.Errorf("said %q", said)
	}
	if n := len(log.lines); n != 999 || log.lines[0] != "502" || log.lines[n-1] != "1500" {
		t.Errorf("%d lines, from %q", n, log.lines[:min(n, 3)])
	}
}
