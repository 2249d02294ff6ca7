package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestLibrary(t *testing.T) {
	const agent = "#require \"Greeter.lib.nut:1.0.0\"\nhttp.onrequest(function(q, r) {\n\tr.send(200, " +
		"greet(q.query.who));\n});\n"
	p := startDev(t, map[string]string{
		"agent.nut":  "",
		"device.nut": "",
		"lib.nut":    "function greet(who) {\n\tif (who == \"none\") throw \"a name is missing\";\n\treturn \"Hello \" + who;\n}\n",
		"latin.nut":  "// \xfc\n",
		"other.nut":  "function greet(who) { return \"Bye \" + who; }\n",
	})
	p.expect(`Device connected`)
	write(t, filepath.Join(p.dir, "device.nut"), "#require \"Greeter.lib.nut:1.0.0\"\nserver.log(greet(\"device\"));\n")
	p.expect(`device\.nut:1:1: there is no library`)
	write(t, filepath.Join(p.dir, "agent.nut"), agent)
	p.expect(
		`agent\.nut:1:1: there is no library Greeter\.lib\.nut:1\.0\.0 here; add it with: tandem library add --data (\S+) Greeter\.lib\.nut:1\.0\.0 FILE`)
	node := []string{"--data", filepath.Join(p.dir, ".tandem", "node")}
	library := func(args ...string) (int, string, string) {
		return runCommand(t, "", append(append([]string{"library"}, args...), node...)...)
	}
	for _, tc := range []struct {
		args, want string
		status     int
	}{
		{"add Greeter.lib.nut:1.0.0 lib.nut", "", 0},
		{"add Greeter.lib.nut:1.0.0 lib.nut", "", 0},
		{"add Greeter.lib.nut:1.0.0 other.nut", "a version never changes", 1},
		{"add Greeter.lib.nut lib.nut", "is not the name and version of a library", 1},
		{"add Greeter.lib.nut:1.0.1 missing.nut", "there is no file", 1},
		{"add Latin.lib.nut:1.0.0 latin.nut", "is not UTF-8 text", 1},
		{"add Another.class.nut:0.1 other.nut", "", 0},
	} {
		args := strings.Fields(tc.args)
		args[2] = filepath.Join(p.dir, args[2])
		if status, out, errs := library(args...); status != tc.status || out != "" || !strings.Contains(errs, tc.want) {
			t.Errorf("library %s: %d %q %q", tc.args, status, out, errs)
		}
	}
	const both = "Another.class.nut:0.1\nGreeter.lib.nut:1.0.0\n"
	if status, out, _ := library("list", "--quiet"); status != 0 || out != both {
		t.Errorf("library list: %d %q", status, out)
	}

	write(t, filepath.Join(p.dir, "agent.nut"), agent+"// saved again\n")
	p.expect(`\[Device\] Hello device`)
	if body := p.get("?who=you"); body != "Hello you" {
		t.Errorf("got %q", body)
	}
	p.request("GET", "?who=none", "")
	p.expect(`\[Agent\] ERROR: a name is missing`)
	p.expect(`at Greeter\.lib\.nut:2 in greet`)
	p.expect(`at \S*agent\.nut:3$`)
	p.stop()
}
