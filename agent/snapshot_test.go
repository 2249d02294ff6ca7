package agent

import (
	"maps"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/snapshottest"
)

// TestSnapshotHasAll: what a Machine is made of travels, but for what is given to
// Restore, follows from it, or is of one Step.
func TestSnapshotHasAll(t *testing.T) {
	cfg := mustCompile(t, "x <- 1;")
	const given, initial, step = "given to Restore", "only New looks at it", "of one Step"
	snapshottest.Check(t, newWorld(cfg).m, map[string]string{
		"core":            "package imp has a test of its own",
		"cfg.Program":     given,
		"cfg.URL":         given,
		"cfg.Memory":      given,
		"cfg.Budget":      given,
		"cfg.Version":     given,
		"cfg.Yield":       given,
		"cfg.Beside":      given,
		"cfg.Incarnation": "the Core has it",
		"cfg.Connected":   initial,
		"cfg.Address":     initial,
		"cfg.Saved":       initial,
		"cfg.Mark":        initial,
		"cfg.Credits":     initial,
		"turn":            "counts the Steps of this machine in this process, for Interrupt",
		"effects":         step,
		"volume":          step,
		"lines":           step,
		"overs":           step,
		"patterns":        "compiled again when they are needed",
	}, func(m *Machine) *Machine {
		for id, f := range maps.Clone(m.fetches) { // they are kept by their ids
			delete(m.fetches, id)
			m.fetches[f.ID] = f
		}
		data, err := m.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Restore(cfg, data, epoch)
		if err != nil {
			t.Fatal(err)
		}
		return again
	})
}

// TestFullIsSaidOnce: that there are too many timers is said once, and again
// when there were few, whether the machine has moved or not.
func TestFullIsSaidOnce(t *testing.T) {
	cfg := mustCompile(t, `
timers <- [];
function fill() { local x; while ((x = imp.wakeup(1000, @() null)) != null) timers.append(x); }
device.on("fill", @(_) fill());
device.on("empty", @(n) timers.slice(0, n).map(@(x) imp.cancelwakeup(x)));
`)
	for _, moves := range []bool{false, true} {
		w := newWorld(cfg)
		do := func(name, data string) string {
			w.out.Reset()
			w.do(&DeviceMessage{tandem.Message{Name: name, Data: []byte(data)}})
			if moves {
				if err := w.move(); err != nil {
					t.Fatal(err)
				}
			}
			return w.out.String()
		}
		w.do(&Boot{})
		for i, tc := range []struct {
			name, data string
			said       bool
		}{
			{"fill", "1", true}, {"fill", "1", false}, {"empty", "100", false},
			{"fill", "1", false}, {"empty", "900", false}, {"fill", "1", true},
		} {
			if said := strings.Contains(do(tc.name, tc.data), "too many timers"); said != tc.said {
				t.Errorf("moves: %v, step %d: said: %v", moves, i, said)
			}
		}
	}
}
