package device

import (
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/snapshottest"
)

// TestSnapshotHasAll: what a Machine is made of travels, but for what is given to
// Restore, follows from it, or is of one Step.
func TestSnapshotHasAll(t *testing.T) {
	program, err := imp.Compile(tandem.DeviceSide, []byte("x <- 1;"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Program: program, Device: "0123456789abcdef"}
	m := New(cfg, epoch)
	m.Step(epoch, &Boot{})
	pins, buses := len(m.st.Pins), len(m.st.Buses)
	const given, initial = "given to Restore", "only New looks at it"
	snapshottest.Check(t, m, map[string]string{
		"core":            "package imp has a test of its own",
		"cfg.Program":     given,
		"cfg.Device":      given,
		"cfg.Module":      given,
		"cfg.Board":       given,
		"cfg.Flash":       given,
		"cfg.Memory":      given,
		"cfg.Budget":      given,
		"cfg.Version":     given,
		"cfg.Incarnation": "the Core has it",
		"cfg.Wake":        initial,
		"cfg.Connected":   initial,
		"cfg.Address":     initial,
		"cfg.NV":          initial,
		"cfg.User":        initial,
		"cfg.Posts":       initial,
		"cfg.PostsSize":   initial,
		"module":          "follows from the type of module",
		"things":          "follow from the type of module",
		"board":           given,
		"effects":         "of one Step",
		"st.Link.emit":    "a method of the machine",
	}, func(m *Machine) *Machine {
		// As many as there are peripherals, and of a mode that there is.
		m.st.Pins = append(make([]pinState, pins-1), pinState{Mode: modeDigitalOut, Level: m.st.Pins[0].Level})
		m.st.Buses = append(make([]busState, buses-1), m.st.Buses[0])
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
