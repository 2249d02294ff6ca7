package world

import (
	"os"
	"strings"
	"testing"
	"time"
)

// noticed are mistakes with a seed that notices each early in its run.
var noticed = map[string]uint64{
	"life.earlyBoot":          1,
	"life.handOnBegun":        1,
	"life.loseInbox":          1,
	"protocol.openAtNewest":   1,
	"protocol.restlessRebind": 1,
}

// TestNoticed switches mistakes on and expects the world to break.
func TestNoticed(t *testing.T) {
	for mistake, seed := range noticed {
		w := New(Config{Seed: seed, Nodes: 3, Agents: 300, Pairs: 100, Registers: 6, Mistake: mistake})
		if err := w.Chaos(time.Minute); err == nil {
			t.Errorf("seed %d does not notice %s", seed, mistake)
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
