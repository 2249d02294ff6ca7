package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// driveAgent counts in memory, and answers with what the agent's own requests bring.
const driveAgent = `
n <- 0;
local told = server.load();
device.on("tick", function(x) { n++; });
device.onconnect(function() { server.log("linked"); });
http.onrequest(function(q, r) {
    if (q.path == "/fetch") {
        http.post(q.query.url, {}, q.body).sendasync(function(x) { r.send(200, x.statuscode + " " + x.body); });
    } else if (q.path == "/tell") {
        device.send("told", http.jsondecode(q.body));
        r.send(200, "told");
    } else {
        r.send(200, n + " " + tandem.incarnation());
    }
});`

const driveDevice = `
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
button <- hardware.pin1;
button.configure(DIGITAL_IN, function() {
    server.log("button " + button.read());
    agent.send("tick", button.read());
});
agent.on("told", function(x) { server.log("told " + http.jsonencode(x)); });`

// TestDriveByKeys presses each key, and looks for what it does.
func TestDriveByKeys(t *testing.T) {
	p := startDev(t, map[string]string{"agent.nut": driveAgent, "device.nut": driveDevice})
	p.expect(`\[Status\] Device started`)
	p.press(":pin1 = 1")
	p.expect(`^Board   pin1 = 1$`)
	p.expect(`\[Device\] button 1`)
	p.expect(`\[Message\] device → agent  tick 1`)
	p.press(":pin1 = often")
	p.expect(`^"often": not a level`)
	p.press(":pin99 = 1")
	p.expect(`^there is no pin or bus pin99`)
	p.until("/", "^1 1$")
	p.press("m")
	p.expect(`\[Status\] Agent moved: shutdown\.`)
	if got := p.get("/"); got != "1 1" {
		t.Errorf("after a move the agent says %s", got)
	}
	p.press("h")
	p.expect(`\[Status\] Agent restarted: host_lost\.`)
	p.expect(`\[Agent\] linked`)
	if got := p.get("/"); got != "0 2" {
		t.Errorf("after the loss of its host the agent says %s", got)
	}
	p.press("b")
	p.expect(`restarts right after`)
	if got := p.get("/"); got != "0 2" {
		t.Errorf("before a bad moment the agent says %s", got)
	}
	p.expect(`\[Status\] Agent restarted: restart\.`)
	p.until("/", "^0 3$")
	p.press("f")
	p.expect(`no memory left`)
	_, _ = p.request("GET", "/", "")
	p.expect(`ERROR: out of memory`)
	p.expect(`\[Status\] Agent restarted: out_of_memory\.`)
	p.until("/", "^0 4$")
	p.press("x")
	p.expect(`loses 20 % of all packets`)
	p.press("x")
	p.press("x")
	p.expect(`loses nothing any more`)
	p.press("l")
	p.expect(`takes 0.3 s in each direction`)
	p.press(":pin1 = 0")
	p.expect(`\[Message\] device → agent  tick 0`)
	p.press("t")
	p.expect(`are hidden`)
	p.press("?")
	for _, key := range "rdolxhmfbt:q" {
		p.expect(fmt.Sprintf(`^(Keys)? +%c  \w`, key))
	}
	words := strings.Fields(p.expect(`^From another terminal: tandem (.*)$`)[1])
	if status, _, errs := runCommand(t, "", words...); status != 0 {
		t.Errorf("tandem %q: %s", words, errs)
	}
	p.expect(`\[Device\] button 1`)
	p.press("~")
	p.expect(`^Keys    r restart agent`)
	p.stop()
}

// TestTraffic: messages and requests have a line each, in the order in which they came, and with -v
// their bodies.
func TestTraffic(t *testing.T) {
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "heard %s", data)
	}))
	defer outside.Close()
	for _, verbose := range []bool{false, true} {
		var flags []string
		if verbose {
			flags = []string{"-v"}
		}
		p := startDev(t, map[string]string{"agent.nut": driveAgent, "device.nut": driveDevice}, flags...)
		p.expect(`\[Status\] Device started`)
		long := strings.Repeat("x", 100)
		p.request("POST", "/tell?to=device", `["`+long+`"]`)
		p.expect(`\[Message\] agent → device  told \["x+`)
		p.expect(`\[HTTP\] in   POST /tell\?to=device → 200, 4 bytes, `)
		if _, body := p.request("POST", "/fetch?url="+outside.URL+"/there", "question"); body != "200 heard question" {
			t.Fatalf("the agent has heard %s", body)
		}
		p.expect(`\[HTTP\] out  POST ` + outside.URL + `/there → 200, 14 bytes, `)
		if verbose {
			p.expect(`^    > question$`)
			p.expect(`^    < heard question$`)
		}
		p.expect(`\[HTTP\] in   POST /fetch`)
		if got := strings.Contains(p.text(), `["`+long+`"]`); got != verbose {
			t.Errorf("-v %v: the whole message is shown: %v", verbose, got)
		}
		p.press("q")
		p.wait()
	}
}

// TestReachOfDev: an agent under development reaches this machine's own servers and agents, and
// neither the API, the manual nor the MQTT listener of its node.
func TestReachOfDev(t *testing.T) {
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hi")
	}))
	defer outside.Close()
	p := startDev(t, map[string]string{"agent.nut": driveAgent}, "--egress", "10.1.0.0/16", "--egress", "192.168.7.7")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(outside.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ url, want string }{
		{outside.URL, "200 hi"}, {"http://localhost:" + port, "200 hi"}, {p.url + "/", "200 0 1"},
		{"http://" + p.addr("--http") + "/v5/accounts/me", "9 "}, {"http://" + p.addr("--http") + "/", "9 "},
		{"http://localhost:" + p.addr("--http")[strings.Index(p.addr("--http"), ":")+1:] + "/docs/", "9 "},
		{"http://" + p.addr("--mqtt") + "/", "9 "},
	} {
		if _, body := p.request("POST", "/fetch?url="+tc.url, ""); !strings.HasPrefix(body, tc.want) {
			t.Errorf("%s: %s, want %s", tc.url, body, tc.want)
		}
	}
	p.expect(`\[HTTP\] out  POST http://` + p.addr("--mqtt") + `/ → 9, `)
	p.stop()
}

// TestFreePorts: a second tandem dev finds ports of its own, and one that is told to use a port that is
// taken says so.
func TestFreePorts(t *testing.T) {
	origins := map[string]bool{}
	for range 2 {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "agent.nut"), driveAgent)
		p := &pair{dir: dir, args: []string{"dev", dir}}
		p.restart(t)
		agents, _, _ := strings.Cut(strings.TrimPrefix(p.url, "http://"), "/")
		if origins[agents] {
			t.Errorf("two agents are at %s", agents)
		}
		origins[agents] = true
		p.until("/", "^0 1$")
		if len(origins) == 1 {
			continue // it may have the usual ports
		}
		if n := p.count(`^Ports   others than usual`); n != 1 {
			t.Errorf("the second says %d times that it uses other ports", n)
		}
		busy := t.TempDir()
		write(t, filepath.Join(busy, "agent.nut"), "")
		status, _, errs := runCommand(t, "", "dev", busy, "--agents", agents)
		if status != 1 || !strings.Contains(errs, "the address "+agents+" for agents is in use") {
			t.Errorf("an address that is taken: %d %s", status, errs)
		}
	}
}

// TestDeviceSet: a command changes what a device's sensors say.
func TestDeviceSet(t *testing.T) {
	p := startDev(t, map[string]string{"agent.nut": driveAgent, "device.nut": driveDevice + boardReader})
	p.expect(`\[Status\] Device started`)
	name, data := filepath.Base(p.dir), filepath.Join(p.dir, ".tandem", "node")
	set := func(args ...string) (int, string) {
		status, _, errs := runCommand(t, "", append([]string{"device", "set"}, args...)...)
		return status, errs
	}
	for _, tc := range []struct {
		args []string
		want string // in the log of the device
	}{
		{[]string{"--data", data, name, "pin1=1"}, "button 1"},
		{[]string{"--data", data, name, "pin2=1", "pin1 = 0"}, "button 0"},
		{[]string{"--data", data, name, "i2c89", "0x90", "00", "=", "1a"}, "it reads 26"},
		{[]string{"--dir", filepath.Join(p.dir, ".tandem", "device"), name, "i2c89 0x90 00 = 1b"}, "it reads 27"},
	} {
		if status, errs := set(tc.args...); status != 0 {
			t.Errorf("%q: %d %s", tc.args, status, errs)
		}
		p.expect(`\[Device\] ` + tc.want)
	}
	t.Chdir(p.dir) // where its node is found
	if status, errs := set(name, "pin1=1"); status != 0 {
		t.Errorf("in the project's directory: %d %s", status, errs)
	}
	p.expect(`\[Device\] button 1`)
	for _, tc := range []struct{ name, line, want string }{
		{name, "pin1=often", "not a level"}, {name, "pin99=1", "there is no pin or bus pin99"},
		{"nosuch", "pin1=1", "there is no device nosuch"},
	} {
		if status, errs := set(tc.name, tc.line); status != 1 || !strings.Contains(errs, tc.want) {
			t.Errorf("%s %s: %d %s, want %s", tc.name, tc.line, status, errs, tc.want)
		}
	}
	if status, errs := set("--dir", t.TempDir(), name, "pin1=1"); status != 1 || !strings.Contains(errs, "no device") {
		t.Errorf("a directory without a device: %d %s", status, errs)
	}
	p.stop()
	if status, errs := set("--dir", filepath.Join(".tandem", "device"), name, "pin1=1"); status != 1 ||
		!strings.Contains(errs, "no device with a simulated board runs in") {
		t.Errorf("a device that has ended: %d %s", status, errs)
	}
}

// TestValuesOverTime: the board's file says when what happens.
func TestValuesOverTime(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "board.txt")
	write(t, filepath.Join(dir, "agent.nut"), "")
	write(t, filepath.Join(dir, "device.nut"), driveDevice)
	write(t, file, "pin1 = 1\nwait 100 ms\npin1 = 0\nwait 0.1 s\nrepeat\n")
	p := &pair{dir: dir, args: append([]string{"dev", dir, "--board", file}, freeAddrs(t)...)}
	p.restart(t)
	for range 3 {
		p.expect(`\[Device\] button 0`)
		p.expect(`\[Device\] button 1`)
	}
	write(t, file, "pin1 = 1\nwait 1\n")
	p.expect(`board\.txt:2: wait: "1" is not a span of time`)
	p.stop()
}
