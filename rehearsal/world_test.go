package rehearsal

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
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
	p, err := Compile(Code{Agent: read("agent.nut"), Device: read("device.nut")})
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

// text returns the log as text.
func (w *World) text() string {
	var b strings.Builder
	for _, l := range w.Log() {
		fmt.Fprintf(&b, "%10.3f %-12s %s\n", l.At.Seconds(), l.Type, l.Text)
	}
	return b.String()
}

func run(t testing.TB, w *World, d time.Duration) {
	t.Helper()
	w.Run(d)
	if err := w.Err(); err != nil {
		t.Fatalf("%v\n%s", err, w.text())
	}
}

func TestSyncStaysInStep(t *testing.T) {
	w := newWorld(t, Config{Seed: 1, Pair: example(t, "sync")})
	run(t, w, 10*time.Second)
	for _, f := range []Fault{
		{Kind: Restart, Text: string(tandem.ReasonRestart)}, {Kind: PowerCycle}, {Kind: Cut, For: 8 * time.Second},
		{Kind: Cut, For: 90 * time.Second}, {Kind: Reset}, {Kind: Move}, {Kind: Lose}, {Kind: Deploy},
		{Kind: Refuse, For: 5 * time.Second}, {Kind: Latency, For: 2 * time.Second}, {Kind: Loss, Value: 0.3},
		{Kind: RestartDevice}, {Kind: AgentClock, For: time.Hour}, {Kind: DeviceClock, For: -time.Hour},
	} {
		w.Do(f)
		run(t, w, 5*time.Minute)
	}
	if !strings.Contains(w.text(), "Agent moved: balance.") {
		t.Errorf("the agent has not moved")
	}
	t.Log(w.text())
}
