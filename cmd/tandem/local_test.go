package main

import (
	"strings"
	"testing"
)

// TestLocalURL: commands on the machine of a node reach it, whatever its public URL is.
func TestLocalURL(t *testing.T) {
	data := t.TempDir()
	node := start(t, "up", "--data", data, "--http", freeAddr(t), "--agents", freeAddr(t), "--mqtt", freeAddr(t),
		"--url", "https://tandem.invalid", "--agents-url", "https://agents.invalid")
	node.expect(`^HTTP at https://tandem\.invalid,`)
	status, out, errs := runCommand(t, "", "device", "add", "x", "--data", data)
	if status != 0 || !strings.Contains(out, "URL=https://agents.invalid/") {
		t.Errorf("%d %s%s", status, out, errs)
	}
}
