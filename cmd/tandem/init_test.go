package main

import (
	"strings"
	"testing"
)

// TestInit: a new project passes its own tests, and none is written over another.
func TestInit(t *testing.T) {
	t.Chdir(t.TempDir())
	if status, out, errs := within(t, "", "init", "new"); status != 0 || !strings.Contains(errs, "tandem dev new") {
		t.Fatalf("%d %s%s", status, out, errs)
	}
	if status, out, errs := within(t, "", "test", "new"); status != 0 || !strings.Contains(out, "Failures: 0") {
		t.Errorf("its tests: %d %s%s", status, out, errs)
	}
	status, _, errs := within(t, "", "init", "new")
	if status != 1 || !strings.Contains(errs, "new/agent.nut exists already") {
		t.Errorf("a second time: %d %s", status, errs)
	}
	p := startDev(t, beginning)
	p.expect(`\[Device\] pressed 1 times in all`)
	p.until("", `^pressed [1-9]\d* times\n$`)
	p.stop()
}
