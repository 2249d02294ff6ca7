package world

import (
	"os"
	"strings"
	"testing"
	"time"
)

// noticed are mistakes that few seeds notice, and early in a run.
var noticed = []string{
	"life.earlyBoot", "life.handOnBegun", "life.loseInbox", "protocol.openAtNewest", "protocol.restlessRebind",
}

// TestNoticed switches mistakes on and expects a world to break, of ten at most.
func TestNoticed(t *testing.T) {
	for _, mistake := range noticed {
		var err error
		for seed := uint64(1); seed <= 10 && err == nil; seed++ {
			w := New(Config{Seed: seed, Nodes: 3, Agents: 300, Pairs: 100, Registers: 6, Mistake: mistake})
			err = w.Chaos(time.Minute)
		}
		if err == nil {
			t.Errorf("no seed notices %s", mistake)
		}
	}
}

// TestTable: DESIGN.md says of every mistake how it shows, or that it does not.
func TestTable(t *testing.T) {
	design, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, mistake := range Mistakes() {
		if !strings.Contains(string(design), "\n| `"+mistake+"` |") {
			t.Errorf("DESIGN.md has no row for %s", mistake)
		}
	}
}

// TestStory: the faults of a world are the same whether they are drawn or given.
func TestStory(t *testing.T) {
	const length = 20 * time.Second
	run := func(story []Fault) (string, uint64) {
		c := small(5)
		c.Story = story
		w := New(c)
		if err := w.Chaos(length); err != nil {
			t.Fatal(err)
		}
		return w.Trace(), w.Steps()
	}
	drawn, steps := run(nil)
	given, again := run(Story(small(5), length))
	if drawn != given || steps != again {
		t.Errorf("two runs differ: %d and %d steps", steps, again)
	}
}
