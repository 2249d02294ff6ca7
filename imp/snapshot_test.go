package imp

import (
	"slices"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/snapshottest"
)

// coreForTest returns a Core that has run a program, and its Config.
func coreForTest(t *testing.T, src string) (*Core, Config) {
	t.Helper()
	program, err := Compile(tandem.AgentSide, []byte(src), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Side: tandem.AgentSide, Library: Library("test", tandem.AgentSide, Shared), Program: program,
		Memory: 1 << 20, Log: func(bool, string, *tandem.Where) {},
	}
	c := &Core{}
	c.Start(cfg, time.Unix(1, 0))
	if o := c.Boot(); o != Done {
		t.Fatal(o)
	}
	return c, cfg
}

// TestSnapshotHasAll: what a Core is made of travels, but for what is given to
// Restore or follows from it.
func TestSnapshotHasAll(t *testing.T) {
	c, cfg := coreForTest(t, "x <- 1;")
	const given = "given to Restore"
	snapshottest.Check(t, c, map[string]string{
		"VM":              "has a snapshot of its own",
		"Now":             "its owner sets it before everything else",
		"Ahead":           "its owner sets it before everything else",
		"fuel":            "follows from the budget",
		"site":            "is for errors in beginning a call, which are in the same run",
		"cfg.Side":        given,
		"cfg.Yield":       given,
		"cfg.Library":     given,
		"cfg.Program":     given,
		"cfg.Memory":      given,
		"cfg.Budget":      given,
		"cfg.Version":     given,
		"cfg.Environment": given,
		"cfg.Log":         given,
		"cfg.Over":        given,
		"cfg.Owner":       given,
		"cfg.Beside":      given,
	}, func(c *Core) *Core {
		data, err := c.Snapshot([]byte("machine"))
		if err != nil {
			t.Fatal(err)
		}
		again := &Core{}
		if machine, err := again.Restore(cfg, data, time.Unix(2, 0)); err != nil || string(machine) != "machine" {
			t.Fatalf("%q, %v", machine, err)
		}
		return again
	})
}

// TestReportWithoutPlaces: a report that a version without places of lines has held back is
// logged by this version.
func TestReportWithoutPlaces(t *testing.T) {
	c, cfg := coreForTest(t, "x <- 1;")
	c.crash = report{Lines: []string{"no", "  at main agent_code:1"}}
	data, err := c.Snapshot(nil)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	cfg.Log = func(_ bool, line string, _ *tandem.Where) { lines = append(lines, line) }
	again := &Core{}
	if _, err := again.Restore(cfg, data, time.Unix(2, 0)); err != nil {
		t.Fatal(err)
	}
	again.report()
	if !slices.Equal(lines, []string{"no", "  at main agent_code:1"}) {
		t.Errorf("logged: %q", lines)
	}
}
