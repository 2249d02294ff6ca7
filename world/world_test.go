package world

import (
	"testing"
	"time"
)

// small is a world that runs fast enough for every test run.
func small(seed uint64) Config {
	return Config{Seed: seed, Nodes: 3, Agents: 30, Pairs: 10, Registers: 2, Trace: true}
}

// The same seed gives the same run, to the byte.
func TestSameSeed(t *testing.T) {
	run := func() (string, uint64) {
		w := New(small(3))
		if err := w.Chaos(20 * time.Second); err != nil {
			t.Fatalf("%v\n%s", err, w.Trace())
		}
		return w.Trace(), w.Steps()
	}
	one, steps := run()
	two, again := run()
	if one != two || steps != again {
		t.Errorf("two runs differ: %d and %d steps", steps, again)
	}
}

// Some seeds run clean under all faults.
func TestChaos(t *testing.T) {
	for seed := range uint64(5) {
		w := New(small(seed))
		if err := w.Chaos(time.Minute); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
