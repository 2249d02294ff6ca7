package device

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/imp"
)

// busyCode uses much of the API, driven by messages.
const busyCode = `
state <- { n = 0, log = [] };
class Counter { n = 0; function bump() { return ++n; } }
counter <- Counter();
function note(what) { state.n++; state.log.append(what); if (state.log.len() > 5) state.log.remove(0); }

button <- hardware.pin1;
button.configure(DIGITAL_IN_PULLUP, function() { note("button"); server.log("button " + button.read()); });
led <- hardware.pin9;
led.configure(DIGITAL_OUT, 0);
uart <- hardware.uart57;
uart.configure(9600, 8, PARITY_NONE, 1, NO_CTSRTS, function() { note(uart.readstring()); });

server.onunexpecteddisconnect(function(reason) { note("lost"); server.connect(@(r) note("back " + r), 5); });
tandem.onpeerstart(function(reason, n) { note("peer"); agent.send("state", state); });
agent.on("policy", function(p) { server.setsendtimeoutpolicy(p[0], p[1], p[2]); });
agent.on("send", function(n) { local r = agent.send("data", { size = n, data = blob(n), log = state.log }); note(r); });
agent.on("log", function(x) { server.log(x + " " + counter.bump() + " " + time()); });
agent.on("sleep", function(s) { imp.sleep(s); note("slept"); led.write(state.n & 1); });
agent.on("timer", function(s) {
	local k = state.n;
	imp.wakeup(s, function() { note("timer " + k); agent.send("timer", k); });
});
agent.on("flush", function(s) { server.log("flushed " + server.flush(s)); });
agent.on("connect", function(x) { server.connect(@(r) server.log("connected " + r), 3); });
agent.on("disconnect", function(x) { server.disconnect(); });
agent.on("idle", function(x) { imp.onidle(@() note("idle")); });
agent.on("post", function(x) {
	server.log(tandem.post("p", x, @() server.log("handled " + x)) + " " + tandem.post("q", null));
});
agent.on("keep", function(x) { server.log(tandem.keepsends((x & 1) != 0) + " " + tandem.keeplog((x & 2) != 0)); });
agent.on("configure", function(x) { imp.setuserconfiguration("c" + x); server.log(imp.getuserconfiguration()); });
agent.on("clock", function(x) { server.log(hardware.millis() + " " + hardware.micros()); });
agent.on("sample", function(n) {
	local s = hardware.sampler;
	if (n % 3 == 0) return s.stop();
	s.reset();
	s.configure(hardware.pin2, 10 + n, [blob(40), blob(20)], function(b, k) { note(k + " " + (b == null ? 0 : b[1])); });
	s.start();
});
agent.on("play", function(n) {
	local d = hardware.fixedfrequencydac;
	if (n % 3 == 0) return d.stop();
	d.configure(hardware.pin5, 10 + n, [blob(40), blob(20)], function(b) { note(b); if (b) d.addbuffer(b); });
	d.start();
});
agent.on("count", function(n) {
	hardware.pin7.configure(PULSE_COUNTER, 0.1 * (n + 1));
	note(hardware.pin7.read());
	imp.scanwifinetworks(@(list) note(list.len()));
});
agent.on("generate", function(n) {
	local g = function(n) { for (local i = 0; i < n; i++) yield i; }(n);
	local s = 0;
	foreach (x in g) { s += x; imp.sleep(0.1); }
	note(s);
});
`

// world is one machine and its board.
type world struct {
	cfg   Config
	board *board.Simulated
	m     *Machine
	seen  []board.Change
}

func newWorld(t *rapid.T) *world {
	program, err := imp.Compile(tandem.DeviceSide, []byte(busyCode), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{board: board.New()}
	for _, line := range []string{"pin2 = sine 3", "pin7 = square 30"} {
		if err := w.board.Command(line); err != nil {
			t.Fatal(err)
		}
	}
	w.board.Notify(func(c board.Change) { w.seen = append(w.seen, c) })
	w.cfg = Config{Program: program, Device: "0123456789abcdef", Incarnation: 1, Board: w.board}
	w.m = New(w.cfg, epoch)
	return w
}

// events are what can happen; each is drawn with its arguments.
func drawEvent(t *rapid.T) Event {
	message := func(name, text string) Event {
		return &AgentMessage{Message: tandem.Message{Name: name, Data: []byte(text)}}
	}
	small := rapid.IntRange(0, 12)
	switch rapid.IntRange(0, 21).Draw(t, "event") {
	case 0:
		return &Linked{Address: "10.0.0.2"}
	case 1:
		return &Unlinked{Reason: small.Draw(t, "reason") % 5}
	case 2, 3:
		return &Written{ID: uint64(small.Draw(t, "id"))}
	case 4:
		return &Sent{ID: uint64(small.Draw(t, "id"))}
	case 5:
		policy, when := small.Draw(t, "policy")%3, small.Draw(t, "when")%2
		return message("policy", fmt.Sprintf("[%d,%d,%d]", policy, when, small.Draw(t, "timeout")))
	case 6, 7:
		return message("send", fmt.Sprint(rapid.SampledFrom([]int{0, 10, 1000, 3000, 5000}).Draw(t, "size")))
	case 8:
		return message("log", `"line"`)
	case 9:
		return message("sleep", fmt.Sprint(small.Draw(t, "seconds")))
	case 10:
		return message("timer", fmt.Sprint(small.Draw(t, "seconds")))
	case 11:
		return message("flush", fmt.Sprint(small.Draw(t, "seconds")))
	case 12:
		return message(rapid.SampledFrom([]string{"connect", "disconnect", "idle"}).Draw(t, "name"), "null")
	case 13:
		return message("generate", fmt.Sprint(small.Draw(t, "n")))
	case 14:
		return &PeerStarted{Reason: tandem.ReasonReload, Incarnation: 3}
	case 15:
		return &Idle{}
	case 17:
		name := rapid.SampledFrom([]string{"post", "configure", "clock", "sample", "play", "count"}).Draw(t, "name")
		return message(name, fmt.Sprint(small.Draw(t, "x")))
	case 18:
		return &Handled{ID: uint64(small.Draw(t, "id"))}
	case 19:
		m := message("post", "7").(*AgentMessage)
		m.Message.Post = uint64(small.Draw(t, "post"))
		return m
	case 16:
		return &Changed{Bus: "uart57", Data: []byte("bytes")}
	case 21:
		return message("keep", fmt.Sprint(small.Draw(t, "what")))
	}
	return nil // time passes
}

// TestRestoredGoesOn: a machine that is saved and restored again and again
// does exactly what one does that never was.
func TestRestoredGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain, saved := newWorld(t), newWorld(t)
		now := epoch
		both := func(ev Event) {
			want, have := stepShown(plain, now, ev), stepShown(saved, now, ev)
			if want != have {
				t.Fatalf("%T %+v:\nnever saved: %s\nrestored: %s", ev, ev, want, have)
			}
			if plain.m.Busy() != saved.m.Busy() || plain.m.Dead() != saved.m.Dead() {
				t.Fatalf("%T: busy or dead differ", ev)
			}
		}
		both(&Boot{})
		if plain.m.Dead() {
			t.Fatal("the code has ended before anything happened")
		}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			if rapid.Bool().Draw(t, "save") {
				data, err := saved.m.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				if saved.m, err = Restore(saved.cfg, data, now); err != nil {
					t.Fatal(err)
				}
			}
			ev := drawEvent(t)
			if ev == nil {
				now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
				ev = Event(&Alarm{})
				if plain.m.Busy() {
					ev = &Woken{}
				}
			}
			both(ev)
			if rapid.IntRange(0, 9).Draw(t, "press") == 0 {
				level := float64(rapid.IntRange(0, 1).Draw(t, "level"))
				for _, w := range []*world{plain, saved} {
					w.board.Drive("pin1", level)
				}
				if !slices.EqualFunc(plain.seen, saved.seen, func(a, b board.Change) bool { return a.Pin == b.Pin }) {
					t.Fatalf("changes %v and %v", plain.seen, saved.seen)
				}
				if len(plain.seen) > 0 {
					both(&Changed{Pin: "pin1"})
				}
				plain.seen, saved.seen = nil, nil
			}
			if plain.board.Read("pin9", now) != saved.board.Read("pin9", now) {
				t.Fatal("the boards differ")
			}
		}
	})
}

func stepShown(w *world, now time.Time, ev Event) string {
	var out strings.Builder
	for _, e := range w.m.Step(now, ev) {
		fmt.Fprintln(&out, show(e))
	}
	return out.String()
}

// TestLinkKeepsItsBooks: whatever happens, the link never has more in its
// buffer than fits, unless one alone is larger, and what it has told the code is
// on its way stays there until it is acknowledged or withdrawn.
func TestLinkKeepsItsBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLink(false, "")
		onWay := map[uint64]bool{}
		l.emit = func(e Effect) {
			switch e := e.(type) {
			case *Send:
				onWay[e.ID] = true
			case *Forget:
				delete(onWay, e.ID)
			}
		}
		l.Policy = rapid.IntRange(0, 2).Draw(t, "policy")
		l.When = rapid.IntRange(0, 1).Draw(t, "when")
		now := epoch
		id := rapid.Uint64Range(0, 20)
		end := func(v verdict) {
			if v.done {
				l.Wait = wait{}
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "s")) * time.Second)
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0:
				end(l.linked(now, ""))
			case 1:
				end(l.unlinked(NoServer))
			case 2:
				end(l.written(now, id.Draw(t, "id")))
			case 3:
				n := id.Draw(t, "id")
				end(l.sent(now, n, sendOK))
				delete(onWay, n)
			case 4:
				end(l.expired(now))
			case 5:
				if l.Wait.For == waitNothing {
					end(l.flush(now, time.Minute, waitFlush))
				}
			default:
				if l.Wait.For == waitNothing {
					end(l.send(now, &parcel{Name: "x", Data: make([]byte, rapid.IntRange(0, 5000).Draw(t, "size"))}))
				}
			}
			check(t, &l, onWay)
		}
	})
}

func check(t *rapid.T, l *link, onWay map[uint64]bool) {
	used, unwritten := 0, 0
	for i, o := range l.Out {
		if !onWay[o.ID] {
			t.Fatalf("%d is kept, but acknowledged or withdrawn", o.ID)
		}
		if i > 0 && l.Out[i-1].ID >= o.ID {
			t.Fatal("out of order")
		}
		if !o.Written {
			used += o.Size
			unwritten++
		}
	}
	if len(l.Out) != len(onWay) {
		t.Fatalf("%d kept of %d on their way", len(l.Out), len(onWay))
	}
	if l.Up && l.Wait.For == waitLink {
		t.Fatal("waits for a link that there is")
	}
	if !l.Up && l.Wait.For != waitNothing && !l.suspends() {
		t.Fatal("waits without a link, against the policy")
	}
	if l.Wait.For == waitRoom && l.room(l.Wait.Parcel) {
		t.Fatal("waits for room that there is")
	}
}

// TestExamples runs the device code of every example for a minute.
func TestExamples(t *testing.T) {
	says := regexp.MustCompile(`(?m)^\s*(send|post) \d+ `) // to its agent
	files, err := filepath.Glob("../examples/*/device.nut")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newStory(t)
			s.cfg.Connected = true
			out := s.start(string(src))
			for range 60 {
				out += s.advance(time.Second)
				for _, o := range slices.Clone(s.m.st.Link.Out) {
					out += s.step(&Written{ID: o.ID}) + s.step(&Sent{ID: o.ID})
				}
			}
			if s.m.Dead() || strings.Contains(out, "server.error") || !says.MatchString(out) {
				t.Errorf("in a minute:\n%s", out)
			}
		})
	}
}
