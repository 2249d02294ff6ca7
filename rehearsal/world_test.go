package rehearsal

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/chance"
)

// example compiles a pair of ../examples.
func example(t testing.TB, name string) *Pair {
	t.Helper()
	read := func(file string) string {
		b, err := os.ReadFile("../examples/" + name + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return compilePair(t, read("agent.nut"), read("device.nut"))
}

func compilePair(t testing.TB, agent, device string) *Pair {
	t.Helper()
	p, err := Compile(Code{Agent: agent, Device: device})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newWorld(t testing.TB, cfg Config) *World {
	t.Helper()
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// text returns lines as text.
func text(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%.6f %s %s\n", l.At.Seconds(), l.Type, l.Text)
	}
	return b.String()
}

func run(t testing.TB, w *World, d time.Duration) {
	t.Helper()
	w.Run(d)
	if err := w.Err(); err != nil {
		t.Fatalf("%v\n%s", err, text(w.Log()))
	}
}

// faults has each kind of fault, and what is logged after it within five minutes, in that order.
var faults = []struct {
	fault Fault
	want  []string
}{
	{Fault{Kind: Restart, Text: string(tandem.ReasonRestart)}, []string{"Agent restarted: restart.", "The agent has started (restart)"}},
	{Fault{Kind: PowerCycle}, []string{"Device started: power_on.", "The device has started (power_on)"}},
	{Fault{Kind: PowerOff}, []string{"Device disconnected"}},
	{Fault{Kind: PowerOn}, []string{"Device connected", "Device started: power_on."}},
	{Fault{Kind: Cut, For: time.Second}, nil},
	{Fault{Kind: Cut, For: 2 * time.Minute}, []string{"Device disconnected", "Device connected"}},
	{Fault{Kind: Reset}, nil},
	{Fault{Kind: Cut}, []string{"Device disconnected"}},
	{Fault{Kind: Mend}, []string{"Device connected"}},
	{Fault{Kind: Move}, []string{"Agent moved: balance."}},
	{Fault{Kind: Lose}, []string{"Agent restarted: host_lost.", "Device connected", "The agent has started"}},
	{Fault{Kind: Lose, For: time.Minute}, []string{"Agent restarted: host_lost.", "Device connected"}},
	{Fault{Kind: Deploy}, []string{"Agent restarted: reload.", "The agent has started (reload)"}},
	{Fault{Kind: RestartDevice}, []string{"Device restarted: restart."}},
	{Fault{Kind: Refuse, For: 10 * time.Second}, nil},
	{Fault{Kind: Silence, For: 10 * time.Second}, nil},
	{Fault{Kind: Latency, For: 2 * time.Second}, nil},
	{Fault{Kind: Latency, For: 10 * time.Millisecond}, nil},
	{Fault{Kind: Loss, Value: 0.3}, nil},
	{Fault{Kind: Mend}, nil},
	{Fault{Kind: AgentClock, For: time.Hour}, nil},
	{Fault{Kind: DeviceClock, For: -time.Hour}, nil},
	{Fault{Kind: Board, Text: "pin1 = 1"}, nil},
}

// TestFaults: each fault does what its kind says, and both sides find into step again.
func TestFaults(t *testing.T) {
	kinds := map[Kind]bool{}
	w := newWorld(t, Config{Seed: 1, Pair: example(t, "sync")})
	run(t, w, 10*time.Second)
	for _, f := range faults {
		kinds[f.fault.Kind] = true
		from := len(w.Log())
		w.Do(f.fault)
		run(t, w, 5*time.Minute)
		got := text(w.Log()[from:])
		rest := got
		said := f.fault.String()
		if f.fault.Kind == Board {
			said = LogBoard + " " + f.fault.Text
		}
		for _, line := range append([]string{said}, f.want...) {
			_, after, found := strings.Cut(rest, line)
			if !found {
				t.Errorf("%s: %q is not in\n%s", f.fault, line, got)
			}
			rest = after
		}
		if f.want == nil && strings.Contains(rest, " status ") {
			t.Errorf("%s: nothing was to be noticed of it:\n%s", f.fault, got)
		}
	}
	for _, k := range []Kind{
		PowerCycle, PowerOff, PowerOn, Cut, Mend, Latency, Loss, Reset, Restart, RestartDevice, Move, Lose, Deploy, Refuse,
		Silence, AgentClock, DeviceClock, Board,
	} {
		if !kinds[k] {
			t.Errorf("%s has no row", k)
		}
	}
}

// story lets everything happen to a pair, soon one after the other, as a seed has it.
func story(t testing.TB, p *Pair, seed uint64) *World {
	t.Helper()
	w := newWorld(t, Config{Seed: seed, Pair: p})
	fate := chance.Source(seed + 1000)
	run(t, w, time.Second)
	for range 40 {
		f := faults[fate.Below(uint64(len(faults)))].fault
		w.Do(f)
		run(t, w, fate.Between(0, 40*time.Second))
	}
	w.Do(Fault{Kind: Mend})
	w.Do(Fault{Kind: Latency, For: 10 * time.Millisecond})
	w.Do(Fault{Kind: PowerOn})
	run(t, w, 10*time.Minute)
	return w
}

// TestSameSeed: the same seed is the same run to the byte, also when worlds take turns.
func TestSameSeed(t *testing.T) {
	p := example(t, "sync")
	for seed := range uint64(10) {
		one, other := story(t, p, seed), story(t, p, seed)
		if a, b := text(one.Log()), text(other.Log()); a != b || one.Steps() != other.Steps() {
			t.Fatalf("seed %d:\n%s\nand then\n%s", seed, a, b)
		}
	}
}

// TestStories: whatever happens to a pair, no core and no shell breaks an invariant, and both sides
// are there in the end.
func TestStories(t *testing.T) {
	for _, name := range []string{"sync", "thermostat"} {
		p := example(t, name)
		for seed := range uint64(100) {
			w := story(t, p, seed)
			if c := w.connOf(w.device.conn); c == nil || w.host.link != c || !w.host.life.Runs() {
				t.Errorf("%s, seed %d: the pair is not whole again:\n%s", name, seed, text(w.Log()))
			}
		}
	}
}

// TestPosts: what is posted is handled once each and in order, whatever happens meanwhile.
func TestPosts(t *testing.T) {
	p := compilePair(t, `
saved <- server.load();
if (!("n" in saved)) saved.n <- 0;
device.on("up", function(n) {
    if (n != saved.n + 1) server.error("after " + saved.n + " comes " + n);
    saved.n = n;
    while (server.save(saved) != 0) imp.sleep(0.1);
});`, `
n <- 0;
local kept = imp.getuserconfiguration();
if (kept != null) n = kept.readn('i');
function next() {
    imp.wakeup(1, next);
    local b = blob();
    b.writen(++n, 'i');
    tandem.post("up", n);
    imp.setuserconfiguration(b);
}
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
next();`)
	for seed := range uint64(20) {
		w := story(t, p, seed)
		for _, l := range w.Log() {
			// A power cut between a post and the note of its number repeats the number, not more.
			if strings.HasPrefix(l.Text, "after ") {
				var last, n int
				if _, err := fmt.Sscanf(l.Text, "after %d comes %d", &last, &n); err != nil || n > last+1 || n < last {
					t.Errorf("seed %d: %s", seed, l.Text)
				}
			}
		}
	}
}

// TestCut: what was sent during a cut comes after it, in order.
func TestCut(t *testing.T) {
	p := compilePair(t, `device.on("n", function(n) { server.log("got " + n); });`, `
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
n <- 0;
function next() { imp.wakeup(1, next); agent.send("n", ++n); }
next();`)
	w := newWorld(t, Config{Seed: 3, Pair: p})
	run(t, w, 4500*time.Millisecond)
	from := len(w.Log())
	w.Do(Fault{Kind: Cut, For: 4 * time.Second})
	run(t, w, 3900*time.Millisecond)
	if got := text(w.Log()[from:]); strings.Contains(got, "got") {
		t.Errorf("something has arrived:\n%s", got)
	}
	run(t, w, 8*time.Second)
	rest := text(w.Log()[from:])
	for n := 6; n < 12; n++ {
		_, after, found := strings.Cut(rest, fmt.Sprintf("got %d\n", n))
		if !found {
			t.Fatalf("no %d in order:\n%s", n, text(w.Log()))
		}
		rest = after
	}
}

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3 weeks": 21 * 24 * time.Hour, "1 hour 30 minutes": 90 * time.Minute, "0.5 s": time.Second / 2, "1 day": 24 * time.Hour,
		"5 ms": 5 * time.Millisecond, "": -1, "3": -1, "three weeks": -1, "3 moons": -1, "-1 s": -1, "s 3": -1,
	} {
		got, err := ParseSpan(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// TestFlash: erased bytes are 0xff, and what is written is there, over the borders of blocks.
func TestFlash(t *testing.T) {
	f := flash{}
	data := []byte("over a border")
	if _, err := f.WriteAt(data, 2*flashBlock-5); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(data)+2)
	if _, err := f.ReadAt(got, 2*flashBlock-6); err != nil || string(got) != "\xff"+string(data)+"\xff" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := f.ReadAt(got, flashSize-3); err == nil {
		t.Error("it has no end")
	}
}
