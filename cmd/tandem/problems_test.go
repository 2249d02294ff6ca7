package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestExplained: how people read a log entry about a place in a program.
func TestExplained(t *testing.T) {
	const vendor = "parameter 1 has an invalid type 'string' ; expected: 'integer|float'"
	for _, c := range []struct {
		msg  string
		at   tandem.Where
		want string
	}{
		{"the index 'x' does not exist", tandem.Where{
			File: "agent_code", Line: 44, Function: "f", During: "http.onrequest: GET /x", Source: "local y = t.x;",
		}, "the index 'x' does not exist\nlamp/agent.nut:44: local y = t.x;\nin http.onrequest: GET /x"},
		{vendor, tandem.Where{
			File: "device_code", Line: 3, Source: `imp.wakeup("5", f);`,
			Plain: "imp.wakeup: parameter 1, the interval, is a string; it takes a number",
		}, "imp.wakeup: parameter 1, the interval, is a string; it takes a number\nlamp/device.nut:3: imp.wakeup(\"5\", f);"},
		{"wrong number of parameters", tandem.Where{
			File: "Lib.nut", Line: 1,
			Plain: "f: it takes no arguments, and is given 1; it is defined at agent_code:7",
		}, "f: it takes no arguments, and is given 1; it is defined at lamp/agent.nut:7\nLib.nut:1"},
		{"  at f agent_code:44", tandem.Where{File: "agent_code", Line: 44, Function: "f"}, "  at lamp/agent.nut:44 in f"},
		{"  at unknown agent_code:44", tandem.Where{File: "agent_code", Line: 44}, "  at lamp/agent.nut:44"},
		{"no", tandem.Where{During: "imp.wakeup"}, "no\nin imp.wakeup"},
		{"  at nowhere", tandem.Where{}, "  at nowhere"},
	} {
		if got := explained(tandem.LogEntry{Msg: c.msg, Where: &c.at}, pairFiles("lamp")); got != c.want {
			t.Errorf("%s: got %q, want %q", c.msg, got, c.want)
		}
	}
}

// TestErrorsAsPeopleReadThem: what a developer sees of mistakes in a pair that runs: the file
// as they know it, the line, what the program was called for, and names of parameters.
func TestErrorsAsPeopleReadThem(t *testing.T) {
	p := startDev(t, map[string]string{
		"agent.nut": `http.onrequest(function(request, response) {
    local seconds = request.body;
    imp.wakeup(seconds, @() null);
});
`,
		"device.nut": `agent.on("temp", function(reading) {
    server.log(reading.celsius);
});
agent.send("ready", 1);
`,
	})
	p.expect(`no handler for agent.send\(\): ready`)
	p.request("GET", "/set/5?secret=1", "")
	p.expect(`\[Agent\] ERROR: imp\.wakeup: parameter 1, the interval, is a string; it takes a number$`)
	p.expect(`^    \S*agent\.nut:3: imp\.wakeup\(seconds, @\(\) null\);$`)
	p.expect(`^    in http\.onrequest: GET /set/5$`)
	p.expect(`\[Agent\] ERROR:   at \S*agent\.nut:3$`)
	p.expect(`Agent restarted: exception`)

	write(t, filepath.Join(p.dir, "agent.nut"), `device.onconnect(@() device.send("temp", 21));`)
	p.expect(`\[Device\] ERROR: the index 'celsius' does not exist$`)
	p.expect(`^    \S*device\.nut:2: server\.log\(reading\.celsius\);$`)
	p.expect(`^    in agent\.on\("temp"\)$`)
	p.expect(`\[Device\] ERROR:   at \S*device\.nut:2$`)

	// The same from the outside, where the directory is not known.
	node := filepath.Join(p.dir, ".tandem", "node")
	status, out, errs := runCommand(t, "", "log", "--data", node, "-n", "100")
	for _, want := range []string{
		"ERROR: imp.wakeup: parameter 1, the interval, is a string; it takes a number\n" +
			"    agent.nut:3: imp.wakeup(seconds, @() null);\n    in http.onrequest: GET /set/5\n",
		"ERROR:   at agent.nut:3\n", "ERROR:   at device.nut:2\n",
	} {
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("log: %d, no %q in %s%s", status, want, out, errs)
		}
	}
	wrong := t.TempDir()
	write(t, filepath.Join(wrong, "agent.nut"), "// an agent\nfunction f( {\n}\n")
	want := filepath.Join(wrong, "agent.nut") + ":2:13: expected a name, found '{'\n    function f( {\n                ^\n"
	if status, _, errs := runCommand(t, "", "deploy", "--data", node, wrong); status != 1 || errs != want {
		t.Errorf("deploy: %d %q, want %q", status, errs, want)
	}
	p.stop()
}
