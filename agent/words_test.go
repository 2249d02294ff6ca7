package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/wrongtest"
	"github.com/tandem-iot/tandem/squirrel"
)

// reported boots a program in which an instance of each class is a global, gives it events,
// and returns the first line of an error in the log.
func reported(t *testing.T, src string, events ...Event) *Log {
	t.Helper()
	m := New(mustCompile(t, src), epoch)
	vm := m.core.VM
	for _, c := range slices.Concat(API.Classes, imp.Shared.Classes) {
		vm.Set(vm.Root(), vm.NewString("of_"+c.Name), vm.NewNative(c.Name, squirrel.Null))
	}
	for _, ev := range append([]Event{&Boot{}}, events...) {
		for _, e := range m.Step(epoch, ev) {
			if l, ok := e.(*Log); ok && l.Type == tandem.LogAgentError {
				return l
			}
		}
	}
	t.Fatalf("%s: there is no error", src)
	return nil
}

// TestErrorsInWords makes every call of agents with each wrong type for each of its
// parameters: people read the name of the function and of the parameter, what it is and
// what it takes; the text of the log stays the vendor's.
func TestErrorsInWords(t *testing.T) {
	for _, path := range library().Unnamed() {
		t.Errorf("%s: its parameters do not all have a name", path)
	}
	for _, f := range agentFunctions() {
		callee := instanceOrPath(f.Name)
		right := wrongtest.Right(f.Params)
		for i, p := range f.Params {
			for _, x := range wrongFor(p) {
				call := wrongtest.Call(callee, right, i, x)
				l := reported(t, "function called(...) {}\n"+call+";\n")
				want := fmt.Sprintf("%s: parameter %d, the %s, is a", f.Name, i+1, p.Name)
				itself := slices.Contains(wrongtest.Letters(p), "x") && x == notData // the function itself finds it
				switch {
				case l.Where == nil || l.Where.Line != 2 || l.Where.Source != call+";":
					t.Errorf("%s: the place is %+v", call, l.Where)
				case itself && (strings.HasPrefix(l.Msg, f.Name) || strings.HasPrefix(l.Where.Plain, f.Name)):
				case itself:
					t.Errorf("%s: %q, %q", call, l.Msg, l.Where.Plain)
				case !strings.HasPrefix(l.Msg, fmt.Sprintf("parameter %d has an invalid type '", i+1)):
					t.Errorf("%s: the log says %q", call, l.Msg)
				case !strings.HasPrefix(strings.Replace(l.Where.Plain, "is null", "is a null", 1), want),
					!strings.Contains(l.Where.Plain, "; it takes a"), strings.Contains(l.Where.Plain, "any value"):
					t.Errorf("%s: %q", call, l.Where.Plain)
				}
			}
		}
	}
}

// TestDuring: the report of an error says what the program was called for, also when the
// program has waited, and when it has moved meanwhile.
func TestDuring(t *testing.T) {
	message := func(name string) Event {
		return &DeviceMessage{tandem.Message{Name: tandem.EscapeName(name), Data: []byte("1")}}
	}
	for _, c := range []struct {
		src    string
		events []Event
		want   string
	}{
		{`fail();`, nil, ""},
		{`device.on("temp", fail);`, []Event{message("temp")}, `device.on("temp")`},
		{"device.on(\"a\\xffz\\n\", fail);", []Event{message("a\xffz\n")}, `device.on("a` + "\ufffd" + `z\n")`},
		{`device.onconnect(fail);`, []Event{&DeviceConnected{}}, "device.onconnect"},
		{`device.ondisconnect(fail);`, []Event{&DeviceConnected{}, &DeviceDisconnected{}}, "device.ondisconnect"},
		{`http.onrequest(fail);`, []Event{&Request{1, &tandem.Request{Method: "GET", Path: "/x", Query: "secret=1"}}},
			"http.onrequest: GET /x"},
		{`tandem.onpeerstart(fail);`, []Event{&PeerStarted{tandem.ReasonRestart, 2}}, "tandem.onpeerstart"},
		{`server.onshutdown(fail);`, []Event{&Shutdown{tandem.ReasonDrain}}, "server.onshutdown"},
		{`imp.wakeup(0, fail);`, []Event{&Alarm{}}, "imp.wakeup"},
		{`imp.wakeup(0, fail, "tick");`, []Event{&Alarm{}}, `imp.wakeup("tick")`},
		{`http.get("http://x").sendasync(fail);`, []Event{&Fetched{1, &tandem.Response{Status: 200}}},
			"httprequest.sendasync"},
		{`device.on("a", @(_) null); imp.wakeup(0, fail);`, []Event{message("a"), &Alarm{}}, "imp.wakeup"},
		{`device.on("slow", function(x) { server.save({}); fail(); });`, []Event{message("slow"), &Saved{}},
			`device.on("slow")`},
	} {
		src := "function fail(...) { throw \"no\"; }\n" + c.src
		if l := reported(t, src, c.events...); l.Msg != "no" || l.Where.During != c.want || l.Where.Function != "fail" ||
			l.Where.File != "agent_code" || l.Where.Line != 1 || l.Where.Source != `function fail(...) { throw "no"; }` {
			t.Errorf("%s: %q, %+v", c.src, l.Msg, l.Where)
		}
	}
	cfg := mustCompile(t, `device.on("slow", function(x) { server.save({}); throw "no"; });
imp.onunhandledexception(function(e) { server.save({}); });`)
	m := New(cfg, epoch)
	var last []Effect
	for _, ev := range []Event{&Boot{}, message("slow"), &Saved{}, &Saved{}} {
		last = m.Step(epoch, ev)
		data, err := m.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if m, err = Restore(cfg, data, epoch); err != nil {
			t.Fatal(err)
		}
	}
	l := last[0].(*Log)
	if want := (tandem.Where{
		File: "agent_code", Line: 1, During: `device.on("slow")`,
		Source: `device.on("slow", function(x) { server.save({}); throw "no"; });`,
	}); l.Msg != "no" || *l.Where != want {
		t.Errorf("after a move: %q, %+v", l.Msg, l.Where)
	}
}
