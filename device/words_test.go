package device

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/chargetest"
	"github.com/tandem-iot/tandem/internal/wrongtest"
)

// wordsPrelude has what the methods are called on, and a function.
const wordsPrelude = `pin <- hardware.pin2; pin.configure(DIGITAL_OUT, 0); i2c <- hardware.i2c12; ` +
	`i2c.configure(CLOCK_SPEED_100_KHZ); spi <- hardware.spi257; spi.configure(0, 100); uart <- hardware.uart57; ` +
	`uart.configure(9600, 8, PARITY_NONE, 1, 0); function called(...) {}` + "\n"

// reported runs code and returns the first line of an error in the log.
func reported(t *testing.T, src string, events ...Event) *Log {
	t.Helper()
	s := newStory(t)
	program, err := imp.Compile(tandem.DeviceSide, []byte(src), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.cfg.Program, s.cfg.Connected = program, true
	m := New(s.cfg, epoch)
	for _, ev := range append([]Event{&Boot{}}, events...) {
		for _, e := range m.Step(epoch, ev) {
			if l, ok := e.(*Log); ok && l.Type == tandem.LogDeviceError {
				return l
			}
		}
	}
	t.Fatalf("%s: there is no error", src)
	return nil
}

// TestErrorsInWords makes every call of devices with each wrong type for each of its
// parameters: people read the name of the function and of the parameter, what it is and
// what it takes; the text of the log stays the vendor's.
func TestErrorsInWords(t *testing.T) {
	for _, path := range library().Unnamed() {
		t.Errorf("%s: its parameters do not all have a name", path)
	}
	for _, api := range API() {
		for _, f := range api.Functions {
			if f.On.Has(tandem.DeviceSide) {
				errorsInWords(t, f)
			}
		}
	}
}

func errorsInWords(t *testing.T, f imp.Function) {
	callee := chargetest.CallOf(f.Name, receivers)
	right := wrongtest.Right(f.Params)
	for i, p := range f.Params {
		for _, x := range wrongtest.Wrong(p) {
			call := wrongtest.Call(callee, right, i, x)
			l := reported(t, wordsPrelude+call+";\n")
			want := fmt.Sprintf("%s: parameter %d, the %s, is ", f.Name, i+1, p.Name)
			switch {
			case l.Where == nil || l.Where.Line != 2 || l.Where.Source != call+";":
				t.Errorf("%s: the place is %+v", call, l.Where)
			case !strings.HasPrefix(l.Msg, fmt.Sprintf("parameter %d has an invalid type '", i+1)):
				t.Errorf("%s: the log says %q", call, l.Msg)
			case !strings.HasPrefix(l.Where.Plain, want), !strings.Contains(l.Where.Plain, "; it takes a"),
				strings.Contains(l.Where.Plain, "any value"):
				t.Errorf("%s: %q", call, l.Where.Plain)
			}
		}
	}
}

// TestDuring: the report of an error says what the code was called for.
func TestDuring(t *testing.T) {
	message := func(name string) Event { return &AgentMessage{tandem.Message{Name: name, Data: []byte("1")}} }
	for _, c := range []struct {
		src    string
		events []Event
		want   string
	}{
		{`fail();`, nil, ""},
		{`agent.on("temp", fail);`, []Event{message("temp")}, `agent.on("temp")`},
		{`imp.wakeup(0, fail);`, []Event{&Alarm{}}, "imp.wakeup"},
		{`imp.onidle(fail);`, []Event{&Idle{}}, "imp.onidle"},
		{`server.onshutdown(fail);`, []Event{&Shutdown{ShutdownNewSquirrel}}, "server.onshutdown"},
		{`tandem.onpeerstart(fail);`, []Event{&PeerStarted{tandem.ReasonRestart, 2}}, "tandem.onpeerstart"},
		{`server.connect(fail, 10);`, nil, "server.connect"},
		{`hardware.pin1.configure(DIGITAL_IN, fail);`, []Event{&Changed{Pin: "pin1"}}, "the callback of pin1"},
	} {
		src := "function fail(...) { throw \"no\"; }\n" + c.src
		if l := reported(t, src, c.events...); l.Msg != "no" || l.Where.During != c.want || l.Where.Function != "fail" ||
			l.Where.File != "device_code" || l.Where.Line != 1 {
			t.Errorf("%s: %q, %+v", c.src, l.Msg, l.Where)
		}
	}
}
