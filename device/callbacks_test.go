package device

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/callbacktest"
)

// calling returns a row whose callback is called in what happens after the start.
func calling(code string, args int, happens func(s *story) string) callbacktest.Row {
	return callbacktest.Row{Code: code, Args: args, Run: func(t *testing.T, src string) []string {
		s := newStory(t)
		s.cfg.Connected = true
		out := s.start(src)
		if !s.m.Dead() {
			out += happens(s)
		}
		return logLines(out)
	}}
}

// logLines returns the lines of the code's log.
func logLines(out string) (lines []string) {
	for line := range strings.Lines(out) {
		_, text, ok := strings.Cut(line, " server.")
		if _, text, found := strings.Cut(text, ": "); ok && found && strings.HasPrefix(line, "log ") {
			lines = append(lines, strings.TrimSuffix(text, "\n"))
		}
	}
	return lines
}

// TestCallbacks walks all calls of devices that take a callback.
func TestCallbacks(t *testing.T) {
	step := func(ev Event) func(*story) string { return func(s *story) string { return s.step(ev) } }
	after := func(d time.Duration, events ...Event) func(*story) string {
		return func(s *story) (out string) {
			for _, ev := range events {
				out += s.step(ev)
			}
			s.now = s.now.Add(d)
			return out + s.step(&Alarm{})
		}
	}
	const returns = "server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 1); "
	pins := calling(`hardware.pin1.configure(DIGITAL_IN, F);`, 0, step(&Changed{Pin: "pin1"}))
	pins.Anything = true
	rows := map[string]callbacktest.Row{
		"imp.wakeup 2":               calling(`imp.wakeup(1, F);`, 0, after(time.Second)),
		"imp.onunhandledexception 1": calling(`imp.onunhandledexception(F); throw "oops";`, 1, after(0)),
		"tandem.onpeerstart 1":       calling(`tandem.onpeerstart(F);`, 2, step(&PeerStarted{})),
		"agent.on 2": calling(`agent.on("x", F);`, 1,
			step(&AgentMessage{tandem.Message{Name: "x", Data: []byte("1")}})),
		"tandem.post 3":        calling(`tandem.post("x", 1, F);`, 0, step(&Handled{ID: 1})),
		"server.connect 1":     calling(`server.connect(F);`, 1, after(0)),
		"server.connectwith 2": calling(`server.connectwith({ interface = "eth0" }, F);`, 1, after(0)),
		"server.onunexpecteddisconnect 1": calling(returns+`server.onunexpecteddisconnect(F);`, 1,
			after(time.Minute, &Unlinked{Reason: NoServer})),
		"server.onshutdown 1": calling(`server.onshutdown(F);`, 1, step(&Shutdown{Reason: ShutdownOther})),
		"imp.onidle 1":        calling(`imp.onidle(F);`, 0, step(&Idle{})),
		"pin.configure 2":     pins,
		"uart.configure 6": calling(`hardware.uart57.configure(9600, 8, PARITY_NONE, 1, NO_CTSRTS, F);`, 0,
			step(&Changed{Bus: "uart57", Data: []byte("x")})),
	}
	callbacktest.Check(t, "device_code", callbacktest.All(tandem.DeviceSide, API()...), rows)
}
