package reference

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// outcome is what a program has done.
type outcome struct {
	lines    []string // of the log
	errors   []string // lines that are errors
	answers  int      // to HTTP requests
	restarts []tandem.Reason
	snapshot []byte // of the machine after the boot
}

func (o *outcome) log(isError bool, msg string) {
	o.lines = append(o.lines, msg)
	if isError {
		o.errors = append(o.errors, msg)
	}
}

// handled returns the names of messages that a program asks for.
func handled(src string) (names []string) {
	for _, m := range regexp.MustCompile(`\b(?:device|agent)\.on\("([^"]+)"`).FindAllStringSubmatch(src, -1) {
		names = append(names, m[1])
	}
	return names
}

// payloads are what the other side may send, in JSON: the first unless a program
// wants something else.
var payloads = []string{
	`{"celsius":21.5,"heating":true,"version":1,"period":60,"label":"kitchen"}`, `"hello"`, `21`,
}

func message(name, data string) tandem.Message {
	return tandem.Message{Name: name, Format: tandem.FormatJSON, Data: []byte(data)}
}

const (
	mostAlarms = 40 // of a program that has one after the other
	someTime   = 15 * time.Minute
)

// machine is what a life is that of.
type machine[Event, Effect any] interface {
	Step(now time.Time, ev Event) []Effect
	Alarm() (time.Time, bool)
	Busy() bool
	Dead() bool
	Snapshot() ([]byte, error)
}

// life is a machine with a clock, and with what has yet to happen to it. Its
// owner does what the machine wants done, and lets happen what can happen.
type life[Event, Effect any] struct {
	outcome
	m            machine[Event, Effect]
	now          time.Time
	waiting      []Event
	takes        func(Event) bool
	perform      func(Effect)
	woken, alarm Event
}

// do delivers an event, and then what comes of it.
func (l *life[Event, Effect]) do(ev Event) {
	l.waiting = append(l.waiting, ev)
	for rounds := 0; ; rounds++ {
		i := slices.IndexFunc(l.waiting, l.takes)
		if i < 0 || l.m.Dead() || rounds > 1000 {
			return
		}
		next := l.waiting[i]
		l.waiting = slices.Delete(l.waiting, i, i+1)
		for _, e := range l.m.Step(l.now, next) {
			l.perform(e)
		}
	}
}

// advance lets time pass, alarms included.
func (l *life[Event, Effect]) advance(d time.Duration) {
	end := l.now.Add(d)
	for range mostAlarms {
		at, ok := l.m.Alarm()
		if !ok || at.After(end) {
			break
		}
		if at.After(l.now) {
			l.now = at
		}
		if l.m.Busy() {
			l.do(l.woken)
		} else {
			l.do(l.alarm)
		}
	}
	l.now = end
}

// boot runs the machine's code, and keeps what it is then.
func (l *life[Event, Effect]) boot(t testing.TB, ev Event) {
	t.Helper()
	l.do(ev)
	if l.m.Dead() {
		return
	}
	var err error
	if l.snapshot, err = l.m.Snapshot(); err != nil {
		t.Fatal(err)
	}
}

// agentHost runs an agent.
type agentHost struct {
	life[agent.Event, agent.Effect]
}

// runAgent runs an agent's code through a whole life.
func runAgent(t testing.TB, src string) *outcome {
	t.Helper()
	return agentLife(t, src, payloads[0])
}

func agentLife(t testing.TB, src, data string) *outcome {
	t.Helper()
	program, err := imp.Compile(tandem.AgentSide, []byte(src), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &agentHost{}
	m := agent.New(agent.Config{
		Program: program, Agent: "abcdefghijkl", Device: "0123456789abcdef", URL: "https://agent.example.com/abcdefghijkl",
		Incarnation: 3, Version: "test", Connected: true, Address: "192.0.2.1",
	}, epoch)
	h.life = life[agent.Event, agent.Effect]{
		m:       m,
		now:     epoch,
		takes:   m.Takes,
		perform: h.carryOut,
		woken:   &agent.Woken{},
		alarm:   &agent.Alarm{},
	}
	h.boot(t, &agent.Boot{})
	for _, name := range handled(src) {
		h.do(&agent.DeviceMessage{Message: message(name, data)})
	}
	h.do(&agent.DeviceDisconnected{})
	h.do(&agent.DeviceConnected{Address: "192.0.2.1"})
	h.do(&agent.PeerStarted{Reason: tandem.ReasonReload, Incarnation: 2})
	if strings.Contains(src, "http.onrequest") {
		h.do(&agent.Request{ID: 1, Request: &tandem.Request{
			Method: "POST", Path: "/room/12", Query: "room=kitchen&room=bath",
			Headers: map[string][]string{"content-type": {"application/json"}},
			Body:    []byte(`{"target": 22.5}`), Proto: "https", From: "203.0.113.9",
		}})
	}
	h.advance(someTime)
	h.do(&agent.Shutdown{Reason: tandem.ReasonReload})
	h.advance(someTime)
	return &h.outcome
}

func (h *agentHost) carryOut(e agent.Effect) {
	switch e := e.(type) {
	case *agent.Log:
		h.log(e.Type == tandem.LogAgentError, e.Msg)
	case *agent.Save:
		h.waiting = append(h.waiting, &agent.Saved{})
	case *agent.Fetch:
		body := []byte(`{"celsius": 21.5}`)
		if e.Fetch.Stream {
			h.waiting = append(h.waiting, &agent.FetchedPart{ID: e.ID, Data: body})
			body = nil
		}
		h.waiting = append(h.waiting, &agent.Fetched{ID: e.ID, Response: &tandem.Response{
			Status: 200, Headers: []tandem.Header{{Name: "content-type", Value: "application/json"}}, Body: body,
		}})
	case *agent.Post:
		h.waiting = append(h.waiting, &agent.Posted{Seq: 7}, &agent.Handled{Seq: 7})
	case *agent.Chunk:
		h.waiting = append(h.waiting, &agent.Uploaded{ID: e.ID, N: len(e.Data)})
	case *agent.ChunksEnd:
		h.waiting = append(h.waiting, &agent.Fetched{ID: e.ID, Response: &tandem.Response{Status: 200}})
	case *agent.MQTTConnect:
		h.waiting = append(h.waiting, &agent.MQTTConnected{ID: e.ID})
	case *agent.MQTTPublish:
		h.waiting = append(h.waiting, &agent.MQTTDone{ID: e.ID, Request: e.Request})
	case *agent.MQTTSubscribe:
		h.waiting = append(h.waiting, &agent.MQTTDone{ID: e.ID, Request: e.Request, QoS: e.QoS},
			&agent.MQTTMessage{ID: e.ID, Topic: "house/kitchen", Payload: []byte("21.5")})
	case *agent.MQTTUnsubscribe:
		h.waiting = append(h.waiting, &agent.MQTTDone{ID: e.ID, Request: e.Request})
	case *agent.Answer:
		h.answers++
	case *agent.Restart:
		h.restarts = append(h.restarts, e.Reason)
	}
}

// deviceHost is the same for a device.
type deviceHost struct {
	life[device.Event, device.Effect]
	board *board.Simulated
}

// runDevice runs a device's code through a whole life.
func runDevice(t testing.TB, src string) *outcome {
	t.Helper()
	return deviceLife(t, src, payloads[0])
}

func deviceLife(t testing.TB, src, data string) *outcome {
	t.Helper()
	program, err := imp.Compile(tandem.DeviceSide, []byte(src), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &deviceHost{board: board.New()}
	for _, line := range []string{"i2c89 0x90 00 = 15 80", "lightlevel = 40000", "pin1 = 0", "pin2 = 0.5"} {
		if err := h.board.Command(line); err != nil {
			t.Fatal(err)
		}
	}
	h.board.Notify(func(c board.Change) {
		h.waiting = append(h.waiting, &device.Changed{Pin: c.Pin, Bus: c.Bus, Data: c.Data, Fault: c.Fault})
	})
	m := device.New(device.Config{
		Program: program, Device: "0123456789abcdef", Incarnation: 7, Connected: true, Address: "10.0.0.2",
		Board: h.board, Flash: board.NewFlash(16 << 10), Version: "test",
	}, epoch)
	h.life = life[device.Event, device.Effect]{
		m: m, now: epoch, waiting: h.waiting, perform: h.carryOut,
		takes: func(e device.Event) bool { return !m.Busy() || device.TakenBusy(e) },
		woken: &device.Woken{}, alarm: &device.Alarm{},
	}
	h.boot(t, &device.Boot{})
	for _, name := range handled(src) {
		h.do(&device.AgentMessage{Message: message(name, data)})
	}
	h.board.Drive("pin1", 1)
	h.board.Feed("uart57", []byte("hello\n"))
	h.do(&device.PeerStarted{Reason: tandem.ReasonReload, Incarnation: 2})
	h.do(&device.Idle{})
	h.do(&device.Unlinked{Reason: device.NoServer})
	h.advance(2 * time.Minute)
	h.do(&device.Linked{Address: "10.0.0.2"})
	h.advance(someTime)
	h.do(&device.Shutdown{Reason: device.ShutdownNewSquirrel})
	h.advance(someTime)
	return &h.outcome
}

func (h *deviceHost) carryOut(e device.Effect) {
	sent := func(id uint64) {
		h.waiting = append(h.waiting, &device.Written{ID: id}, &device.Sent{ID: id})
	}
	switch e := e.(type) {
	case *device.Log:
		h.log(e.Type == tandem.LogDeviceError, e.Msg)
		sent(e.ID)
	case *device.Send:
		sent(e.ID)
	case *device.Post:
		h.waiting = append(h.waiting, &device.Handled{ID: e.ID})
	case *device.Connect:
		h.waiting = append(h.waiting, &device.Linked{Address: "10.0.0.2"})
	case *device.Restart:
		h.restarts = append(h.restarts, e.Reason)
	}
}

// fault returns what is wrong with how a program went, or "". A program may
// say what it logs, by a comment "// → text" for each line.
func (o *outcome) fault(src string, mayLogErrors bool) string {
	if len(o.errors) > 0 && !mayLogErrors {
		return "an error is logged: " + strings.Join(o.errors, "; ")
	}
	for _, r := range o.restarts {
		if r == tandem.ReasonException || r == tandem.ReasonOutOfMemory || r == tandem.ReasonWatchdog {
			return "it ends for the reason " + string(r)
		}
	}
	if strings.Contains(src, "response.send(") && o.answers == 0 {
		return "the request is not answered"
	}
	lines := o.lines
	for _, m := range regexp.MustCompile(`// → (.*)`).FindAllStringSubmatch(src, -1) {
		i := slices.Index(lines, m[1])
		if i < 0 {
			return "it does not log " + m[1] + ", but " + strings.Join(o.lines, "; ")
		}
		lines = lines[i+1:]
	}
	return ""
}
