package main

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/device"
)

// TestModuleFlag: every type of module is taken, also none; any other is refused with
// the list of them.
func TestModuleFlag(t *testing.T) {
	for _, name := range append(device.Modules(), "") {
		if err := (moduleFlag{Module: name}).checkModule(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	err := (moduleFlag{Module: "imp9"}).checkModule()
	if err == nil || !strings.Contains(err.Error(), "imp9") || !strings.Contains(err.Error(), "impC001") {
		t.Errorf("imp9: %v", err)
	}
}
