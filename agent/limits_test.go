package agent

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

func TestLogOfOneEvent(t *testing.T) {
	w := newWorld(mustCompile(t, `for (local i = 0; i < 7000; i++) server.log(i);`))
	effects := w.m.Step(w.now, &Boot{})
	if len(effects) != tandem.LogBurst+1 {
		t.Fatalf("%d effects", len(effects))
	}
	if over, ok := effects[tandem.LogBurst-1].(*Over); !ok || *over != (Over{tandem.OverLogEvent, 1}) {
		t.Errorf("before the last line: %v", effects[tandem.LogBurst-1])
	}
	last := effects[len(effects)-1].(*Log)
	if last.Type != tandem.LogAgentError || !strings.Contains(last.Msg, "dropped") {
		t.Errorf("the last line is %v", last)
	}
	if w.m.Dead() {
		t.Error("the agent is dead")
	}
}

func TestLongLine(t *testing.T) {
	w := newWorld(mustCompile(t, `local s = "0123456789abcdef"; while (s.len() < 100000) s += s; server.log(s);`))
	effects := w.m.Step(w.now, &Boot{})
	if n := len(effects[0].(*Log).Msg); n != tandem.LogLineSize+1 {
		t.Errorf("%d bytes", n)
	}
}

// TestLinesOfBigData: what is not text is not turned into a longer line than
// the log takes, and looking at it is paid for.
func TestLinesOfBigData(t *testing.T) {
	cfg := mustCompile(t, `local s = blob(200000).tostring(); while (true) server.log(s);`)
	cfg.Budget = tandem.EventBudget / 10
	w := newWorld(cfg)
	effects := w.m.Step(w.now, &Boot{})
	if n := len(effects[0].(*Log).Msg); n != tandem.LogLineSize+1 {
		t.Errorf("%d bytes", n)
	}
	if last, ok := effects[len(effects)-1].(*Restart); !ok || last.Reason != tandem.ReasonWatchdog {
		t.Errorf("the last effect is %v", effects[len(effects)-1])
	}
	if n := len(effects); n > 500 {
		t.Errorf("%d effects: reading the data cost too little", n)
	}
}

// TestEncodingIsPaidFor: natives that do much in one call do not make an event
// last much longer than its budget.
func TestEncodingIsPaidFor(t *testing.T) {
	for _, work := range []string{"http.urlencode(t)", "http.jsonencode(t)", "http.jsondecode(j)"} {
		cfg := mustCompile(t, `local t = {}; for (local i = 0; i < 2000; i++) t["key" + i] <- i;
local j = http.jsonencode(t); while (true) { server.log("x"); `+work+`; }`)
		cfg.Budget = tandem.EventBudget / 10
		w := newWorld(cfg)
		effects := w.m.Step(w.now, &Boot{})
		if last, ok := effects[len(effects)-1].(*Restart); !ok || last.Reason != tandem.ReasonWatchdog {
			t.Errorf("%s: the last effect is %v", work, effects[len(effects)-1])
		}
		if n := len(effects); n > 450 {
			t.Errorf("%s: %d calls in one event", work, n)
		}
	}
}

// TestForgottenRequests: requests that are never answered do not pile up.
func TestForgottenRequests(t *testing.T) {
	w := newWorld(mustCompile(t, `http.onrequest(@(q, r) null);`))
	w.do(&Boot{})
	for i := range 3 * sweepAt {
		w.do(&Request{uint64(i), &tandem.Request{Method: "GET"}})
		w.now = w.now.Add(3 * tandem.AnswerWait / sweepAt)
	}
	if n := len(w.m.requests); n > sweepAt {
		t.Errorf("%d requests are kept", n)
	}
}

// TestMemoryFullOfEvent: an event that does not fit the memory ends the
// incarnation, not the host.
func TestMemoryFullOfEvent(t *testing.T) {
	big := []byte(`[` + strings.Repeat(`{},`, 60000) + `0]`)
	for name, ev := range map[string]Event{
		"message": &DeviceMessage{tandem.Message{Name: "x", Data: big}},
		"request": &Request{1, &tandem.Request{Method: "POST", Body: make([]byte, tandem.RequestBodySize)}},
		"fetched": &Fetched{1, &tandem.Response{Status: 200, Body: make([]byte, tandem.FetchBodySize)}},
	} {
		cfg := mustCompile(t, `device.on("x", @(d) server.log(d.len())); http.onrequest(@(q, r) r.send(200, ""));
			http.get("http://x").sendasync(@(r) server.log("no"));`)
		cfg.Memory = 128 << 10
		w := newWorld(cfg)
		w.do(&Boot{})
		w.do(ev)
		if out := w.out.String(); !w.m.Dead() || !strings.Contains(out, "restart out_of_memory") {
			t.Errorf("%s: dead is %v\n%s", name, w.m.Dead(), out)
		}
	}
}

// TestGarbageDoesNotFillMemory: many large events, each of which fits.
func TestGarbageDoesNotFillMemory(t *testing.T) {
	w := newWorld(mustCompile(t, `http.onrequest(@(q, r) r.send(200, q.body.len().tostring()));
		device.on("x", @(d) null);`))
	w.do(&Boot{})
	list := []byte(`[` + strings.Repeat(`1,`, 30000) + `0]`)
	for i := range 50 {
		w.do(&Request{uint64(i), &tandem.Request{Method: "POST", Body: make([]byte, tandem.RequestBodySize)}})
		w.do(&DeviceMessage{tandem.Message{Name: "x", Data: list}})
		w.advance(time.Second)
	}
	if w.m.Dead() {
		t.Fatal(w.out.String())
	}
	if n := strings.Count(w.out.String(), `"524288"`); n != 50 {
		t.Errorf("%d answers", n)
	}
	if n := w.m.Memory(); n > 8<<20 {
		t.Errorf("%d bytes of memory", n)
	}
}

// TestValidHeader: which bytes names and values of headers may have.
func TestValidHeader(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for i := range 256 {
		b := string([]byte{byte(i)})
		for _, name := range []string{b, "x" + b, b + "x"} {
			if got, want := validHeader(name, ""), strings.Contains(token, b); got != want {
				t.Errorf("the name %q: %v", name, got)
			}
		}
		if got, want := validHeader("x", "a"+b), i != 0 && i != '\r' && i != '\n'; got != want {
			t.Errorf("byte %#x in a value: %v", i, got)
		}
	}
	if validHeader("", "x") {
		t.Error("a name of no bytes is taken")
	}
}

// TestDeviceMessageSize: a message of the device that is too large is dropped, is
// said, and counts as a limit.
func TestDeviceMessageSize(t *testing.T) {
	for _, over := range []int{0, 1} {
		w := newWorld(mustCompile(t, `device.on("m", @(d) server.log("got " + d.len()));`))
		w.do(&Boot{})
		data := append(append([]byte{'"'}, bytes.Repeat([]byte{'x'}, tandem.MessageSize-3+over)...), '"')
		w.do(&DeviceMessage{tandem.Message{Name: "m", Data: data}})
		want := "agent.log: got 262141\n"
		if over > 0 {
			want = "limit message_from_device 1\nagent.error: a message of the device was dropped: m is over 256 KB\n"
		}
		if got := w.out.String(); got != want {
			t.Errorf("%d bytes over: got %q", over, got)
		}
	}
}

// TestSnapshotIsTheSame: the same machine gives the same bytes, with many of all
// that it keeps by number.
func TestSnapshotIsTheSame(t *testing.T) {
	w := newWorld(mustCompile(t, `
parked <- [];
http.onrequest(@(q, r) parked.append(r));
device.on("fetch", @(_) http.get("http://x").sendasync(@(r) null));
device.on("post", @(_) tandem.post("p", 1, @() null));
`))
	w.do(&Boot{})
	for i := range uint64(8) {
		w.do(&Request{i, &tandem.Request{Method: "GET"}})
		w.do(&DeviceMessage{tandem.Message{Name: "fetch", Data: []byte("1")}})
		w.do(&DeviceMessage{tandem.Message{Name: "post", Data: []byte("1")}})
		w.do(&Posted{Seq: 100 + i})
	}
	if len(w.m.requests) != 8 || len(w.m.fetches) != 8 || len(w.m.posts) != 8 {
		t.Fatalf("%d requests, %d fetches, %d posts", len(w.m.requests), len(w.m.fetches), len(w.m.posts))
	}
	for range 20 {
		if err := w.move(); err != nil {
			t.Fatal(err)
		}
	}
}
