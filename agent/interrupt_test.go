package agent

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestInterrupt: an event that does not end is stopped from outside. Of its effects only
// the lines remain.
func TestInterrupt(t *testing.T) {
	w := newWorld(mustCompile(t, `device.on("spin", function(_) {
    device.send("before", 1);
    server.log("spinning");
    while (true) try { foreach (c in http.jsonencode(array(5000))) throw c; } catch (e) {}
});`))
	w.cfg.Budget = 1 << 40
	w.m = New(w.cfg, w.now)
	w.do(&Boot{})
	w.do(&DeviceConnected{})
	turn := w.m.NextTurn()
	w.m.Interrupt(turn - 1)
	go w.m.Interrupt(turn)
	effects := w.m.Step(w.now, &DeviceMessage{tandem.Message{Name: "spin"}})
	if last, ok := effects[len(effects)-1].(*Restart); !ok || last.Reason != tandem.ReasonWatchdog || !w.m.Dead() {
		t.Errorf("the last effect is %v", effects[len(effects)-1])
	}
	said := ""
	for _, e := range effects[:len(effects)-1] {
		if line, ok := e.(*Log); ok {
			said += line.Msg + "\n"
		} else {
			t.Errorf("there is the effect %T", e)
		}
	}
	if !strings.Contains(said, "stopped in the middle") || !strings.Contains(said, "agent_code:") {
		t.Errorf("the log says %q", said)
	}
}

// TestInterruptBetween: an interrupt for an event that has ended does not hit the next.
func TestInterruptBetween(t *testing.T) {
	w := newWorld(mustCompile(t, `device.on("x", @(_) server.log("x"));`))
	w.do(&Boot{})
	turn := w.m.NextTurn()
	w.do(&DeviceMessage{tandem.Message{Name: "x"}})
	w.m.Interrupt(turn)
	w.do(&DeviceMessage{tandem.Message{Name: "x"}})
	if w.m.Dead() {
		t.Errorf("the agent is dead: %s", w.out.String())
	}
}
