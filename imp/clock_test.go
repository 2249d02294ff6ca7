package imp

import (
	"testing"
	"time"
)

// TestClockCounts: clock() counts the time that passes, also over a step of the wall clock and
// in another process.
func TestClockCounts(t *testing.T) {
	const code = `
		began <- clock(); took <- -1; read <- 0;
		imp.wakeup(5, function() { took = clock() - began; read = time(); });`
	for _, step := range []time.Duration{0, time.Hour, -time.Hour, 30 * 365 * 24 * time.Hour} {
		c, cfg := coreForTest(t, code)
		c.Shift(step / 2)
		data, err := c.Snapshot(nil)
		if err != nil {
			t.Fatal(err)
		}
		c = &Core{}
		if _, err = c.Restore(cfg, data, c.Now); err != nil {
			t.Fatal(err)
		}
		c.Shift(step / 2)
		c.Now = time.Unix(6, 0).Add(step)
		c.Ahead = time.Minute
		if o := c.Fire(); o != Done {
			t.Fatal(o)
		}
		root := c.VM.Root()
		if took := c.VM.Field(root, "took").AsFloat(); took != 5 {
			t.Errorf("a step of %v: %v seconds have passed, want 5", step, took)
		}
		if read := c.VM.Field(root, "read").AsInt(); int64(read) != c.Now.Unix()+60 {
			t.Errorf("a step of %v: the time read is %d", step, read)
		}
	}
}
