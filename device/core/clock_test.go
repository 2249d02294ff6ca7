package core

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
)

// steps are how the wall clock of a board without a battery may step, at any moment.
var steps = map[string]time.Duration{
	"an hour back": -time.Hour, "two hours ahead": 2 * time.Hour,
	"50 years back": -50 * year, "50 years ahead": 50 * year, "a second back": -time.Second,
}

const year = 365 * 24 * time.Hour

// timed are the functions that wait, or count time, by what they are called. The code calls
// done some time after its start.
var timed = map[string]struct {
	code  string
	setup func(w *world)
}{
	"imp.wakeup": {code: `imp.wakeup(3, done);`},
	"imp.sleep":  {code: `imp.wakeup(0.5, function() { imp.sleep(3); done(); });`},
	"imp.onidle": {code: `imp.wakeup(3, @() imp.onidle(done));`},
	"imp.wakeup again and again": {code: `
		local n = 0;
		function next() { if (++n == 30) done(); else imp.wakeup(0.1, next); }
		next();`},
	"imp.wakeup of a month": {code: `imp.wakeup(2592000, @() server.log("never")); imp.wakeup(3, done);`},
	"hardware.millis": {code: `
		local began = hardware.millis();
		imp.wakeup(3, function() { if (hardware.millis() - began == 3000) done(); });`},
	"hardware.micros": {code: `
		local began = hardware.micros();
		imp.wakeup(3, function() { local d = hardware.micros() - began; if (d >= 3000000 && d < 3000100) done(); });`},
	"clock": {code: `
		local began = clock();
		imp.wakeup(3, function() { local d = clock() - began; if (d > 2.99 && d < 3.01) done(); });`},
	"imp.deepsleepfor":   {code: `woken(done); imp.wakeup(1, @() imp.onidle(@() imp.deepsleepfor(3)));`},
	"imp.deepsleepuntil": {code: `woken(done); imp.onidle(@() imp.deepsleepuntil(0, 0, 3));`},
	"server.sleepfor":    {code: `woken(done); imp.wakeup(1, @() imp.onidle(@() server.sleepfor(3)));`},
	"server.sleepuntil":  {code: `woken(done); imp.onidle(@() server.sleepuntil(0, 0, 3));`},
	"server.sleepfor with a flush": {code: `woken(done); agent.send("x", 1); server.sleepfor(3);`,
		setup: func(w *world) { w.server.hold = true }},
	"server.restart": {code: `woken(done); server.restart();`},
	"server.flush": {code: `imp.wakeup(0.5, function() { agent.send("x", 1); server.flush(3); done(); });`,
		setup: func(w *world) { w.server.hold = true }},
	"server.setsendtimeoutpolicy": {code: `
		server.setsendtimeoutpolicy(RETURN_ON_ERROR_NO_DISCONNECT, WAIT_FOR_ACK, 3);
		imp.wakeup(0.5, function() { agent.send("x", 1); done(); });`,
		setup: func(w *world) { w.server.hold = true }},
	"server.connect": {code: `
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 3);
		imp.wakeup(6, function() { server.disconnect(); server.connect(@(r) done(), 5); });`,
		setup: func(w *world) { w.net = "silent" }},
	"server.connect that waits": {code: `
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 3);
		imp.wakeup(6, function() { server.disconnect(); server.connect(null, 5); done(); });`,
		setup: func(w *world) { w.net = "silent" }},
	"server.onunexpecteddisconnect": {code: `
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 3);
		server.onunexpecteddisconnect(@(r) done());
		agent.on("hangup", @(x) null);`,
		setup: func(w *world) {
			w.server.subscribed = func() { w.net = "down"; w.queue = append(w.queue, &Offline{true}) }
		}},
	"hardware.sampler": {code: `
		local n = 0;
		hardware.sampler.configure(hardware.pin2, 1000, [blob(2000), blob(2000)],
			function(b, l) { if (++n == 4) done(); });
		hardware.sampler.start();`},
	"hardware.fixedfrequencydac": {code: `
		local n = 0;
		hardware.fixedfrequencydac.configure(hardware.pin5, 1000, [blob(2000), blob(2000)],
			function(b) { if (++n == 2) done(); });
		hardware.fixedfrequencydac.start();`},
	"imp.scanwifinetworks": {code: `imp.wakeup(1.0, @() imp.scanwifinetworks(@(l) done()));`},
	"pulses": {code: `
		hardware.pin2.configure(PULSE_COUNTER, 3);
		imp.wakeup(0.5, function() { hardware.pin2.read(); done(); });`},
	"the pauses after crashes": {code: `
		local kept = imp.getuserconfiguration(), n = kept == null ? 0 : kept.readn('b');
		local b = blob(1); b.writen(n + 1, 'b'); imp.setuserconfiguration(b);
		if (n < 4) throw "crash";
		done();`},
}

// prelude has what the code calls. A deep sleep, or a restart, begins the code again.
const prelude = `
function done() { hardware.pin1.configure(DIGITAL_OUT, 1); }
function woken(then) {
	local why = hardware.wakereason();
	if (why != WAKEREASON_POWER_ON && why != WAKEREASON_NEW_SQUIRREL) then();
}
if (hardware.pin1.read() < 1) {
`

// grain is how often it is looked whether the code is done.
const grain = 50 * time.Millisecond

// doneAt returns when the code of a row was done, with a step of the wall clock at a time.
func doneAt(t *testing.T, name string, at, step time.Duration) time.Duration {
	const end = 70 * time.Second
	row := timed[name]
	w := newWorld(t)
	w.now = tandem.Now{Wall: w.now.Wall, Mono: time.Second}
	w.install(prelude + row.code + "\n}")
	if row.setup != nil {
		row.setup(w)
	}
	w.on()
	for w.now.Mono < end {
		if step != 0 && w.now.Mono >= at {
			w.now.Wall = w.now.Wall.Add(step)
			step = 0
			w.do(&Tick{})
		}
		if w.board.Read("pin1", w.now.Wall) >= 0.5 {
			return w.now.Mono
		}
		w.pass(grain)
	}
	t.Errorf("%s: it is never done\n%s", name, w.out.String())
	return 0
}

// TestClockSteps: what waits and counts time does so by the time that has passed, however
// the wall clock steps meanwhile.
func TestClockSteps(t *testing.T) {
	for name := range timed {
		t.Run(name, func(t *testing.T) {
			want := doneAt(t, name, 0, 0)
			if strings.HasSuffix(name, "until") {
				return // it ends at a time of day: see TestUntil
			}
			if want < 2*time.Second && !t.Failed() {
				t.Errorf("it is done after %v: a step before that shows nothing", want)
			}
			for what, step := range steps {
				for _, at := range []time.Duration{1100 * time.Millisecond, 1700 * time.Millisecond, want - grain} {
					if got := doneAt(t, name, at, step); got != want {
						t.Errorf("the clock steps %s after %v: it is done after %v, want %v", what, at, got, want)
					}
				}
			}
		})
	}
}

// untimed are functions with a parameter or a name as of time, for which it means nothing.
var untimed = map[string]string{
	"imp.cancelwakeup":                     "it takes a timer",
	"server.expectonlinein":                "it is accepted and has no effect",
	"server.connectwith":                   "it is server.connect",
	"imp.net.getcellinfo":                  "its module has no other row; it is a task like scanwifinetworks",
	"agent.on":                             "a callback of messages",
	"server.onshutdown":                    "a callback of orders",
	"server.bless":                         "it answers at once",
	"imp.onunhandledexception":             "a callback of exceptions",
	"tandem.onpeerstart":                   "a callback of the agent",
	"tandem.post":                          "a callback of the agent",
	"date":                                 "it reads the wall clock",
	"time":                                 "it reads the wall clock",
	"uart.configure":                       "a callback of bytes",
	"hardware.sampler.configure":           "hardware.sampler",
	"hardware.fixedfrequencydac.configure": "hardware.fixedfrequencydac",
}

// TestTimedAreAll: a function that waits, or that counts time, has a row.
func TestTimedAreAll(t *testing.T) {
	signs := []string{"seconds", "timeout", "wait", "period", "callback", "interval", "duration"}
	var all []imp.Function
	for _, api := range device.API() {
		all = append(all, api.Functions...)
	}
	for _, f := range all {
		named := slices.ContainsFunc(f.Params, func(p imp.Param) bool { return slices.Contains(signs, p.Name) })
		for _, part := range []string{"sleep", "millis", "micros", "clock", "wakeup"} {
			named = named || strings.Contains(f.Name, part)
		}
		if _, ok := timed[f.Name]; named && f.On.Has(tandem.DeviceSide) && !ok && untimed[f.Name] == "" {
			t.Errorf("%s: give it a row in timed, or say in untimed why it has no time", f.Name)
		}
	}
}

// TestUntil: a sleep until a time of day ends then by the clock as it was when it began, the
// server's if this machine's is wrong.
func TestUntil(t *testing.T) {
	for _, call := range []string{"imp.deepsleepuntil", "server.sleepuntil"} {
		w := newWorld(t) // its clock begins at midnight
		w.now = tandem.Now{Wall: w.now.Wall.Add(-30 * year), Mono: time.Second}
		w.server.subscribed = func() {
			w.server.say("sys/time", encode(map[string]time.Time{"time": w.now.Wall.Add(30*year + 23*time.Hour)}))
		}
		w.install(prelude + "woken(done); imp.wakeup(1, @() imp.onidle(@() " + call + "(23, 0, 10))); }")
		w.on()
		w.pass(5 * time.Second)
		w.now.Wall = w.now.Wall.Add(70 * year)
		w.pass(4 * time.Second)
		if w.board.Read("pin1", w.now.Wall) >= 0.5 {
			t.Errorf("%s ends early\n%s", call, w.out.String())
		}
		w.pass(2 * time.Second)
		if w.board.Read("pin1", w.now.Wall) < 0.5 {
			t.Errorf("%s does not end\n%s", call, w.out.String())
		}
	}
}

// TestClockRead: the code reads the wall clock, or the server's time where that is another, at
// once.
func TestClockRead(t *testing.T) {
	var k clocks
	begin := time.Date(1970, 1, 1, 0, 0, 9, 0, time.UTC)
	server := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	at := func(wall time.Time, mono, passed time.Duration, read time.Time) {
		t.Helper()
		k.set(tandem.Now{Wall: wall, Mono: mono})
		if got := k.passed().Sub(earliest); got != passed {
			t.Errorf("%v have passed, want %v", got, passed)
		}
		if got := k.read(); !got.Equal(read) {
			t.Errorf("it reads %v, want %v", got, read)
		}
	}
	at(begin, time.Second, time.Second, begin)
	at(begin.Add(time.Hour), 2*time.Second, 2*time.Second, begin.Add(time.Hour))
	if k.told(server) == 0 {
		t.Error("a clock that is wrong by years is worth a word")
	}
	at(begin, 3*time.Second, 3*time.Second, server.Add(time.Second))
	at(server.Add(50*time.Second), 4*time.Second, 4*time.Second, server.Add(50*time.Second))
	at(server.Add(50*year), 5*time.Second, 5*time.Second, server.Add(3*time.Second))
	if k.told(server.Add(50*year)) != 0 {
		t.Error("the clock is right, and worth no word")
	}
	at(time.Unix(1<<55, 0), 6*time.Second, 6*time.Second, server.Add(50*year+time.Second))
	k = clocks{}
	k.set(tandem.Now{Wall: time.Now(), Mono: 1})
	if text := k.read().String() + k.passed().String(); strings.Contains(text, "m=") {
		t.Errorf("a step of the system's clock would not be seen: %s", text)
	}
	k = clocks{}
	at(time.Unix(1<<55, 0), time.Second, time.Second, time.Unix(1<<55, 0))
}

// TestStamps: a device whose clock was years off takes part in the order of the log as soon as
// it is put right.
func TestStamps(t *testing.T) {
	wall := time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC)
	s := newStamps(func() time.Time { return wall })
	if got := s.Now().Time(); !got.Equal(wall) {
		t.Fatalf("the first stamp is of %v", got)
	}
	wall = wall.Add(-30 * time.Second)
	if a, b := s.Now(), s.Now(); b <= a || a.Time().Before(wall.Add(30*time.Second)) {
		t.Error("stamps go back for a small step")
	}
	wall = wall.Add(-100 * year)
	before := s.Now()
	if got := before.Time(); !got.Equal(wall) {
		t.Errorf("after the step a stamp is of %v", got)
	}
	node := before + 12345<<16
	s.Observe(node)
	if got := s.Now(); got <= node {
		t.Error("a stamp is below one that was received before")
	}
	s.Observe(node + 1<<40)
	if got := s.Now(); got > node+1<<20 {
		t.Error("a stamp of the far future is believed")
	}
}
