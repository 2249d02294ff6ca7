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
		"cfg.Beside":      given,
		"cfg.Incarnation": "the Core has it",
		"cfg.Wake":        initial,
		"cfg.Connected":   initial,
		"cfg.Address":     initial,
		"cfg.NV":          initial,
		"cfg.User":        initial,
		"cfg.Permanent":   "is in the VM",
		"cfg.Room":        initial,
		"cfg.KeepSends":   initial,
		"cfg.KeepLog":     initial,
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

// TestRestoreRefuses: no bytes make a machine that are not a snapshot of its code
// and its type of module.
func TestRestoreRefuses(t *testing.T) {
	s := newStory(t)
	s.start("x <- 1;")
	data, err := s.m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(s.cfg, data, epoch); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 2, 50, len(data) / 2, len(data) - 1} {
		if _, err := Restore(s.cfg, data[:n], epoch); err == nil {
			t.Errorf("%d bytes of %d were taken", n, len(data))
		}
	}
	damaged, err := s.m.core.Snapshot([]byte{0xff})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(s.cfg, damaged, epoch); err == nil {
		t.Error("a state that is no CBOR was taken")
	}
	other := s.cfg
	other.Module = "imp001"
	if _, err := Restore(other, data, epoch); tandem.KindOf(err) != tandem.Invalid {
		t.Errorf("another type of module: %v", err)
	}
	other = s.cfg
	if other.Program, err = imp.Compile(tandem.DeviceSide, []byte("x <- 2;"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(other, data, epoch); err == nil {
		t.Error("other code was taken")
	}
}
