package agent

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem"
)

// TestScripts runs testdata/*.txt: events in, effects out. The command agent
// makes a machine of the code below it and boots it; see script.run for the
// others.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := &script{t: t}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				return s.run(d)
			})
		})
	}
}

type script struct {
	t *testing.T
	w *world
}

// args are the words behind a command.
type args struct{ d *datadriven.TestData }

func (a args) str(name, fallback string) string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == name && len(arg.Vals) == 1 {
			return arg.Vals[0]
		}
	}
	return fallback
}

func (a args) num(name string, fallback int) int {
	n := fallback
	fmt.Sscan(a.str(name, ""), &n)
	return n
}

func (a args) mark() (m tandem.Mark) {
	fmt.Sscanf(a.str("mark", ""), "%d:%d", &m.Boot, &m.Seq)
	return m
}

// input splits what is below a command into header lines and a body; without
// an empty line all is body.
func (a args) input() (headers []tandem.Header, body []byte) {
	head, rest, ok := strings.Cut(a.d.Input, "\n--\n")
	if !ok {
		return nil, []byte(a.d.Input)
	}
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		headers = append(headers, tandem.Header{Name: name, Value: value})
	}
	return headers, []byte(rest)
}

func (s *script) run(d *datadriven.TestData) string {
	a := args{d}
	if d.Cmd == "agent" {
		cfg := mustCompile(s.t, d.Input)
		cfg.Connected = d.HasArg("connected")
		cfg.Address = a.str("address", "")
		cfg.Memory = a.num("memory", 0)
		cfg.Budget = time.Duration(a.num("budget", 0)) * time.Millisecond
		cfg.Mark = a.mark()
		cfg.ValidateTLS = d.HasArg("validate")
		if d.HasArg("saved") {
			cfg.Saved = fromJSON(strings.Join(d.CmdArgs[len(d.CmdArgs)-1].Vals, ","))
		}
		s.w = newWorld(cfg)
		s.w.do(&Boot{})
	} else if ev := s.event(a); ev != nil {
		s.w.do(ev)
	}
	out := s.w.out.String()
	s.w.out.Reset()
	if d.HasArg("brief") && len(out) > 300 {
		return out[:300] + "...\n"
	}
	return out
}

// event returns the event of a command, or does it and returns nil.
func (s *script) event(a args) Event {
	headers, body := a.input()
	id := uint64(a.num("id", 1))
	switch d := a.d; d.Cmd {
	case "message":
		formats := map[string]tandem.Format{
			"json": tandem.FormatJSON, "compact": tandem.FormatCompact, "cbor": tandem.FormatCBOR,
		}
		data := []byte(d.Input)
		if d.HasArg("hex") {
			fmt.Sscanf(d.Input, "%x", &data)
		}
		return &DeviceMessage{tandem.Message{
			Name: a.str("name", "x"), Format: formats[a.str("format", "json")], Data: data,
			Mark: a.mark(),
		}}
	case "connected":
		return &DeviceConnected{a.str("address", "192.0.2.1")}
	case "disconnected":
		return &DeviceDisconnected{}
	case "peer":
		return &PeerStarted{tandem.Reason(a.str("reason", "reload")), uint64(a.num("incarnation", 1))}
	case "request":
		r := &tandem.Request{
			Method: a.str("method", "GET"), Path: a.str("path", ""), Query: a.str("query", ""),
			Headers: map[string][]string{}, Body: body, Proto: "https", From: "203.0.113.9",
		}
		for _, h := range headers {
			r.Headers[h.Name] = append(r.Headers[h.Name], h.Value)
		}
		return &Request{id, r}
	case "fetched":
		return &Fetched{id, &tandem.Response{Status: a.num("status", 200), Headers: headers, Body: body}}
	case "part":
		return &FetchedPart{id, body}
	case "mqtt-connected":
		return &MQTTConnected{id, a.num("code", 0), a.str("why", "")}
	case "mqtt-message":
		return &MQTTMessage{id, a.str("topic", "t"), body}
	case "mqtt-done":
		return &MQTTDone{id, uint64(a.num("request", 0)), a.num("code", 0), byte(a.num("qos", 0))}
	case "mqtt-lost":
		return &MQTTLost{id, a.str("why", "it broke")}
	case "uploaded":
		return &Uploaded{id, a.num("n", 0)}
	case "saved":
		if d.HasArg("fails") {
			return &Saved{errors.New("the disk is full")}
		}
		return &Saved{}
	case "posted":
		switch a.str("fails", "") {
		case "disk":
			return &Posted{Err: errors.New("the disk is full")}
		case "full":
			return &Posted{Err: tandem.Errorf(tandem.Limit, "1000 messages wait for the device already")}
		}
		return &Posted{Seq: uint64(a.num("seq", 0))}
	case "handled":
		return &Handled{uint64(a.num("seq", 0))}
	case "shutdown":
		return &Shutdown{tandem.Reason(a.str("reason", "reload"))}
	case "alarm":
		return &Alarm{}
	case "woken":
		return &Woken{}
	}
	s.other(a)
	return nil
}

// other does what is no event.
func (s *script) other(a args) {
	w := s.w
	switch a.d.Cmd {
	case "advance":
		d, err := time.ParseDuration(a.d.CmdArgs[0].Key)
		if err != nil {
			s.t.Fatal(err)
		}
		w.advance(d)
	case "move":
		if err := w.move(); err != nil {
			s.t.Fatal(err)
		}
	case "state":
		alarm := "none"
		if at, ok := w.m.Alarm(); ok {
			alarm = at.Sub(w.now).String()
		}
		fmt.Fprintf(&w.out, "busy=%v dead=%v alarm=%s\n", w.m.Busy(), w.m.Dead(), alarm)
	default:
		s.t.Fatalf("no such command: %s", a.d.Cmd)
	}
}
