package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestGroupAtOnce: what many commands need at the same time is made once.
func TestGroupAtOnce(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	node := start(t, "up", "--data", data, "--http", freeAddr(t), "--agents", freeAddr(t), "--mqtt", freeAddr(t))
	node.expect(`HTTP at`)
	c, err := nodeFlags{Data: data}.dial(t.Context(), &streams{out: io.Discard, err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	var at sync.WaitGroup
	groups := make([]string, 8)
	for i := range groups {
		at.Go(func() {
			own := *c // what it has read is its own
			g, err := own.target(t.Context(), groupFlags{})
			if err != nil {
				t.Error(err)
			}
			groups[i] = g.ID
		})
	}
	at.Wait()
	if made := slices.Compact(groups); len(made) != 1 {
		t.Errorf("groups %v", made)
	}
	node.stop()
}

// TestFleet has a pair and its code go through the commands, good and bad.
func TestFleet(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good/agent.nut": "", "bad/agent.nut": "local x = ;\n", "bad/device.nut": "\n\nfoo(;\n",
		"asks/agent.nut": "#require \"Nope:1.0.0\"\n", "lib.nut": "function f( {}\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, file, text)
	}
	data := filepath.Join(dir, "data")
	node := start(t, "up", "--data", data, "--http", freeAddr(t), "--agents", freeAddr(t), "--mqtt", freeAddr(t))
	node.expect(`HTTP at`)
	id := ""
	for _, tc := range []struct {
		args        string
		status      int
		stdout, err string // patterns
	}{
		{"deploy DIR/bad", 1, `^$`, `^Product dev is new\.\nDevice group dev of product dev is new\.\nDIR/bad/agent\.nut:1:11: expected an expression, found ';'\n    local x = ;\n {14}\^\n` +
			`DIR/bad/device\.nut:3:5: expected an expression, found ';'\n    foo\(;\n {8}\^\n$`},
		{"deploy DIR/asks", 1, `^$`, `^DIR/asks/agent\.nut:1:1: there is no library Nope:1\.0\.0 here; add it with: tandem library add --data DIR/data Nope:1\.0\.0 FILE\n    #require "Nope:1\.0\.0"\n    \^\n$`},
		{"library add F:1.0.0 DIR/lib.nut", 1, `^$`, `^DIR/lib\.nut:1:13: .*\n    function f\( \{\}\n {16}\^\n$`},
		{"deploy DIR/good", 0, `^\S+\n$`, `^Deployed to device group dev of product dev, whose devices restart\.\n$`},
		{"device add desk", 0, `^ID=\S+\nKEY=\S+\nURL=\S+\n$`, `only once`},
		{"device add desk", 1, `^$`, `already has the name desk: choose another name`},
		{"device add", 0, `^ID=(\S+)\n`, `only once`},
		{"device remove lamp", 1, `^$`, `there is no device lamp`},
		{"device remove desk", 1, `^$`, `This removes device desk .*: say --yes`},
		{"device remove --yes desk", 0, `^\S+\n$`, `^$`},
		{"device remove -y ID", 0, `^ID\n$`, `^$`},
		{"device list", 0, `^DEVICE +NAME +PRODUCT +GROUP +ONLINE +CHANGED +AGENT\n$`, `^$`},
		{"device add desk", 0, `^ID=`, `only once`},
		{"help device remove", 0, `^Usage: tandem device remove`, `^$`},
	} {
		here := strings.NewReplacer("DIR", dir, "ID", id)
		args := strings.Fields(here.Replace(tc.args))
		if args[0] != "help" {
			args = append(args, "--data", data)
		}
		status, out, errs := runCommand(t, "", args...)
		quoted := strings.NewReplacer("DIR", regexp.QuoteMeta(dir), "ID\\n", id+"\\n")
		stdout, stderr := regexp.MustCompile(quoted.Replace(tc.stdout)), regexp.MustCompile(quoted.Replace(tc.err))
		if status != tc.status || !stdout.MatchString(out) || !stderr.MatchString(errs) {
			t.Errorf("tandem %s: %d, %q, %q; want %d, %s, %s", tc.args, status, out, errs, tc.status, stdout, stderr)
		}
		if m := stdout.FindStringSubmatch(out); len(m) > 1 {
			id = m[1]
		}
	}
	node.stop()
}
