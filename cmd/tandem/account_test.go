package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestAccounts makes accounts on a node, and gives them passwords. The node says how before
// there is one.
func TestAccounts(t *testing.T) {
	dir := t.TempDir()
	args := []string{"up", "--data", dir, "--http", freeAddr(t), "--agents", freeAddr(t), "--mqtt", freeAddr(t)}
	node := start(t, args...)
	node.expect(`The account operator has no password yet; .*: tandem account password operator --data `)
	for _, tt := range []struct {
		input, args, want string
		status            int
	}{
		{"short\n", "password", "at least 8", 1},
		{"correct-horse\n", "password", "", 0},
		{"correct-horse", "add ann ann@example.com", "-", 0},
		{"correct-horse", "add ann ann@example.com", "unique", 1},
		{"other-horse\n", "password ANN@example.com", "", 0},
		{"other-horse\n", "password bob", "there is no account bob: tandem account list", 1},
		{"", "list --filter name=ann", " ann +ann@example.com ", 0},
	} {
		command := append(append([]string{"account"}, strings.Fields(tt.args)...), "--data", dir)
		status, out, errs := runCommand(t, tt.input, command...)
		if status != tt.status || !regexp.MustCompile(tt.want).MatchString(out+errs) {
			t.Errorf("%q: %d %s%s", command, status, out, errs)
		}
	}
	node.stop()
	again := start(t, args...)
	again.expect(`HTTP at (\S+), MQTT`)
	again.stop()
	if strings.Contains(again.text(), "no password yet") {
		t.Error("the node still says how to set a password")
	}
}
