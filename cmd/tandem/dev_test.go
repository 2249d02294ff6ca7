package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestThermostat(t *testing.T) {
	p := startDev(t, example(t, "thermostat"))
	p.expect(`\[Status\] Agent started\.`)
	p.expect(`\[Status\] Device (re)?started`)
	if page := p.get("/"); !strings.Contains(page, "<title>Thermostat</title>") {
		t.Errorf("the page is %.200q", page)
	}
	p.until("/state", `"temperature": 1\d`)
	if status, body := p.request("POST", "/target", `{"target": 99}`); status != 400 ||
		!strings.Contains(body, "between 5 and 30") {
		t.Errorf("a bad target: %d %s", status, body)
	}
	if status, body := p.request("POST", "/target", `{"target": 22.5}`); status != 200 ||
		!strings.Contains(body, `"target": 22.5`) {
		t.Errorf("a target: %d %s", status, body)
	}
	p.expect(`\[Agent\] Target is now 22\.5 °C`)
	p.expect(`\[Device\] Target 22\.5 °C`)
	p.press("r")
	p.expect(`\[Status\] Agent restarted: restart\.`)
	if body := p.get("/state"); !strings.Contains(body, `"target": 22.5`) {
		t.Errorf("after a restart of the agent: %s", body)
	}
	p.press("q")
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestSync(t *testing.T) {
	p := startDev(t, example(t, "sync"))
	p.until("", `"inStep": true`)
	if status, body := p.request("POST", "", `{"label": "kitchen", "period": 1}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	p.until("", `"inStep": true`)
	for _, keys := range []string{"r", "d", "rd", "dr", "rrd", "o"} {
		for _, k := range strings.Split(keys, "") {
			p.press(k)
			if k == "o" {
				p.expect(`\[Status\] Device disconnected`)
				p.press("o")
				p.expect(`\[Status\] Device connected`)
			}
		}
		if body := p.until("", `"inStep": true`); !strings.Contains(body, "kitchen") {
			t.Errorf("after %s: %s", keys, body)
		}
	}
	p.stop()
}

func TestCurlDevice(t *testing.T) {
	for _, tool := range []string{"mosquitto_pub", "mosquitto_sub"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: install Debian's mosquitto-clients", err)
		}
	}
	p := startDev(t, example(t, "curl-device"))
	who := p.expect(`ID=(\S+) KEY=(\S+) URL=(\S+)`)
	_, port, _ := strings.Cut(p.addr("--mqtt"), ":")
	as := func(version string, args ...string) *exec.Cmd {
		return exec.Command(args[0],
			append([]string{"-V", version, "-p", port, "-i", who[1], "-u", who[1], "-P", who[2], "-q", "1"}, args[1:]...)...)
	}
	for _, version := range []string{"mqttv311", "mqttv5"} {
		reading := as(version, "mosquitto_pub", "-t", "agent/reading", "-m", `{"celsius": 21.5}`)
		if out, err := reading.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", version, err, out)
		}
		if body := p.get(""); !strings.Contains(body, "21.5") {
			t.Errorf("%s: after a reading: %s", version, body)
		}
		p.expect(`\[Agent\] Reading`)
		p.expect(`\[Status\] Device disconnected`)
		for _, nonsense := range []string{"hello", "", "-1", `{"celsius": "warm"}`, strings.Repeat("x", 60000)} {
			reading := as(version, "mosquitto_pub", "-t", "agent/reading", "-m", nonsense)
			if out, err := reading.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", version, err, out)
			}
			p.expect(`\[Agent\] ERROR: That is no reading`)
			p.expect(`\[Status\] Device disconnected`)
		}
		if body := p.get(""); !strings.Contains(body, "21.5") {
			t.Errorf("%s: after readings that are none: %s", version, body)
		}
		sub := as(version, "mosquitto_sub", "-t", "device/#", "-v", "-C", "1", "-W", "30")
		out, err := sub.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := sub.Start(); err != nil {
			t.Fatal(err)
		}
		p.expect(`\[Status\] Device connected`)
		p.request("POST", "/led", "on")
		line := make([]byte, 64)
		n, _ := out.Read(line)
		if got := string(line[:n]); !strings.HasPrefix(got, "device/") {
			t.Errorf("%s: the device heard %q", version, got)
		}
		if err := sub.Wait(); err != nil {
			t.Errorf("%s: mosquitto_sub: %v", version, err)
		}
	}
	wrong := exec.Command("mosquitto_pub", "-V", "mqttv5", "-p", port, "-i", who[1], "-u", who[1], "-P",
		"wrong", "-q", "1", "-t", "agent/x", "-m", "1")
	if out, err := wrong.CombinedOutput(); err == nil || !strings.Contains(strings.ToLower(string(out)), "not auth") {
		t.Errorf("a wrong key: %v, %s", err, out)
	}
	p.stop()
}

const lifeAgent = `
local saved = server.load();
count <- "count" in saved ? saved.count : 0;
peers <- [];
server.log("agent runs, incarnation " + tandem.incarnation() + ", count " + count +
    ", connected " + device.isconnected());
tandem.onpeerstart(function(reason, incarnation) { server.log("agent heard: device " + reason); });
device.onconnect(function() { server.log("agent: onconnect"); });
device.ondisconnect(function() { server.log("agent: ondisconnect"); });
device.on("hello", function(x) { server.log("agent: hello " + x); });
junk <- [];
http.onrequest(function(q, r) {
    switch (q.path) {
    case "/save":
        count++;
        local failed = server.save({ count = count });
        return r.send(200, failed ? "failed" : count.tostring());
    case "/restart": r.send(200, "restarting"); server.restart(); break;
    case "/memory": r.send(200, "filling"); while (true) junk.append(blob(1000)); break;
    case "/throw": r.send(200, "throwing"); imp.wakeup(0, function() { local t = {}; t.missing.more(); }); break;
    case "/loop": r.send(200, "looping"); while (true) {} break;
    case "/silent": server.restart(); break;
    default: r.send(200, count.tostring());
    }
});
`

const lifeDevice = `
server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
server.log("device runs, incarnation " + tandem.incarnation());
tandem.onpeerstart(function(reason, incarnation) { server.log("device heard: agent " + reason); });
agent.send("hello", hardware.getdeviceid());
`

func TestLifeOfAPair(t *testing.T) {
	p := startDev(t, map[string]string{"agent.nut": lifeAgent, "device.nut": lifeDevice})
	p.expect(`\[Status\] Agent started\.`)
	p.expect(`\[Agent\] agent runs, incarnation 1, count 0`)
	p.expect(`\[Device\] device runs`)
	p.expect(`\[Agent\] agent: hello \w{16}`)

	for _, tc := range []struct{ path, reason, also string }{
		{"/restart", "restart", ""},
		{"/memory", "out_of_memory", `ERROR: .*memory`},
		{"/throw", "exception", `ERROR: the index 'missing' does not exist`},
		{"/loop", "watchdog", `ERROR: .*(processor|CPU)`},
	} {
		p.get(tc.path)
		if tc.also != "" {
			p.expect(tc.also)
		}
		p.expect(`\[Status\] Agent restarted: ` + tc.reason + `\.`)
		p.expect(`\[Device\] device heard: agent ` + tc.reason)
		p.get("/") // it is healthy
	}
	for _, reason := range []string{"restart", "out_of_memory", "exception", "watchdog"} {
		if n := p.count(`Agent restarted: ` + reason + `\.`); n != 1 {
			t.Errorf("restart for %s is logged %d times", reason, n)
		}
	}
	if status, body := p.request("GET", "/silent", ""); status != 502 ||
		!strings.Contains(body, "restarted (restart) before it answered") {
		t.Errorf("a request that its agent took along: %d %s", status, body)
	}

	// Redeploy, and a mistake.
	write(t, filepath.Join(p.dir, "agent.nut"), "local = 3;\n"+lifeAgent)
	p.expect(`agent\.nut:1:\d+: expected a name, found '='`)
	p.expect(`^    local = 3;`)
	p.expect(`^          \^`)
	p.get("/") // the old code goes on
	write(t, filepath.Join(p.dir, "agent.nut"), lifeAgent)
	p.expect(`^The mistake is gone, and the code is what runs already\.`)
	write(t, filepath.Join(p.dir, "agent.nut"), lifeAgent+"\nserver.log(\"second version\");\n")
	p.expect(`\[Status\] Agent restarted: reload\.`)
	p.expect(`\[Agent\] second version`)
	write(t, filepath.Join(p.dir, "device.nut"), lifeDevice+"\nserver.log(\"second device\");\n")
	p.expect(`\[Status\] Downloading new code; \d+\.\d\d% program storage used`)
	p.expect(`\[Device\] second device`)

	// The device loses its power, then its network.
	p.press("d")
	p.expect(`\[Status\] Device started: power_on\.`)
	p.expect(`\[Agent\] agent heard: device power_on`)
	p.press("o")
	p.expect(`\[Status\] Device disconnected`)
	p.expect(`\[Agent\] agent: ondisconnect`)
	p.press("o")
	p.expect(`\[Status\] Device connected`)
	p.expect(`\[Agent\] agent: onconnect`)

	// The node loses its power right after a save has been acknowledged.
	for range 3 {
		p.get("/save")
	}
	want := p.get("/save")
	p.kill()
	p.restart(t)
	p.expect(`\[Status\] Agent restarted: (host_lost|reload)\.`)
	if got := p.get("/"); got != want {
		t.Errorf("after kill -9 the count is %s, %s was acknowledged", got, want)
	}
	p.stop()
}

// Source files come and go while tandem dev runs.
func TestFilesComeAndGo(t *testing.T) {
	p := startDev(t, map[string]string{"agent.nut": `server.log("agent 1");`})
	p.expect(`\[Agent\] agent 1`)
	p.press("d")
	p.expect(`No device runs here`)
	device := filepath.Join(p.dir, "device.nut")
	write(t, device, `server.log("device 1");`)
	p.expect(`Device  \w{16}, runs here from now on`)
	p.expect(`\[Device\] device 1`)
	remove(t, device)
	p.expect(`no longer has a device.nut: the device keeps its code`)
	p.press("d")
	p.expect(`\[Device\] device 1`)
	write(t, device, `server.log("device 2");`)
	p.expect(`\[Device\] device 2`)
	agent := filepath.Join(p.dir, "agent.nut")
	remove(t, agent)
	p.expect(`has no agent.nut: the old code keeps running`)
	write(t, agent, `server.log("agent 2");`)
	p.expect(`\[Agent\] agent 2`)
	if n := p.count(`runs here from now on`); n != 1 {
		t.Errorf("the device was started %d times", n)
	}
	if data, err := os.ReadFile(filepath.Join(p.dir, ".tandem", ".gitignore")); err != nil || string(data) != "*\n" {
		t.Errorf(".tandem/.gitignore: %q, %v", data, err)
	}
	status, _, errs := runCommand(t, "", append([]string{"dev", p.dir}, freeAddrs(t)...)...)
	if status != 1 || !strings.Contains(errs, "another tandem dev runs "+p.dir+" already, process ") {
		t.Errorf("a second tandem dev on the directory: %d %s", status, errs)
	}
	p.stop()
}

// tandem log -f shows every line once, from the past on, also when the node is started again.
func TestLogFollow(t *testing.T) {
	const lines = 400
	p := startDev(t, map[string]string{"agent.nut": `n <- 0;
function tick() { for (local i = 0; i < 4; i++) server.log("line " + n++ + "."); if (n < 400) imp.wakeup(0.01, tick); }
tick();`})
	p.expect(`line 19\.`)
	log := start(t, "log", "-f", "-n", "1000", "--data", filepath.Join(p.dir, ".tandem", "node"))
	log.expect(`line 399\.`)
	for i := range lines {
		if n := log.count(fmt.Sprintf(`\[Agent\] line %d\.`, i)); n != 1 {
			t.Errorf("line %d is there %d times", i, n)
		}
	}
	log.stop()
	status, out, errs := runCommand(t, "", "log", "-n", "250", "--data", filepath.Join(p.dir, ".tandem", "node"))
	if status != 0 || strings.Count(out, "\n") != 250 || !strings.Contains(out, "line 399.") {
		t.Errorf("log -n 250: %d, %d lines, %s", status, strings.Count(out, "\n"), errs)
	}
	again := start(t, "log", "-f", "--data", filepath.Join(p.dir, ".tandem", "node"))
	again.expect(`line 399\.`)
	p.stop()
	again.expect(`the node has ended the log.*; trying again`)
	p.restart(t)
	p.press("r")
	again.expect(`Agent restarted: restart\.`)
	again.stop()
	if n := again.count(`line 399\.`); n != 1 {
		t.Errorf("with a start of the node between, line 399 is there %d times", n)
	}
	p.stop()
}

// A node that is stopped and started again restarts no agent.
func TestStopAndStart(t *testing.T) {
	code := `n <- 0; parked <- null;
http.onrequest(function(q, r) { n++; r.send(200, n + " " + tandem.incarnation()); });
function tick() { imp.wakeup(0.2, tick); ticks++; if (ticks % 5 == 0) server.log("tick"); }
ticks <- 0; tick();`
	dir := t.TempDir()
	pairDir := t.TempDir()
	write(t, filepath.Join(pairDir, "agent.nut"), code)
	args := []string{"up", "--data", dir, "--http", freeAddr(t), "--agents", freeAddr(t), "--mqtt", freeAddr(t)}
	node := start(t, args...)
	node.expect(`HTTP at (\S+), MQTT`)
	tool := func(args ...string) string {
		t.Helper()
		status, out, errs := runCommand(t, "", append(args, "--data", dir)...)
		if status != 0 {
			t.Fatalf("tandem %s: %d %s", strings.Join(args, " "), status, errs)
		}
		return out
	}
	tool("deploy", pairDir, "--validate-tls")
	tool("deploy", pairDir, "--no-validate-tls")
	tool("deploy", pairDir)
	added := tool("device", "add", "desk")
	url := strings.TrimSpace(added[strings.Index(added, "URL=")+4:])
	p := &pair{process: node, url: url}
	if got := p.get(""); got != "1 1" {
		t.Fatalf("first answer %q", got)
	}
	if list := tool("device", "list"); !strings.Contains(list, "desk") {
		t.Errorf("device list: %s", list)
	}
	node.stop()
	p.process = start(t, args...)
	p.expect(`HTTP at (\S+), MQTT`)
	if got := p.get(""); got != "2 1" {
		t.Errorf("after stop and start the agent answers %q, want the second answer of incarnation 1", got)
	}
	log := tool("log", "desk")
	if !strings.Contains(log, "Agent moved: shutdown.") || strings.Contains(log, "restarted") {
		t.Errorf("log:\n%s", log)
	}
	tool("restart", "agent", "desk")
	p.until("", `^\d+ 2$`)
	if log := tool("log", "desk"); !strings.Contains(log, "Agent restarted: restart.") {
		t.Errorf("log:\n%s", log)
	}
	p.stop()
}

func TestClearRefusals(t *testing.T) {
	busy := freeAddr(t)
	blocker := start(t, "up", "--data", t.TempDir(), "--http", busy, "--agents", freeAddr(t), "--mqtt", freeAddr(t))
	blocker.expect(`HTTP at`)
	good := t.TempDir()
	write(t, filepath.Join(good, "agent.nut"), "")
	broken := t.TempDir()
	write(t, filepath.Join(broken, "agent.nut"), "")
	write(t, filepath.Join(broken, ".tandem"), "a file where a directory belongs")
	damaged := t.TempDir()
	write(t, filepath.Join(damaged, "agent.nut"), "")
	if err := os.MkdirAll(filepath.Join(damaged, ".tandem", "node"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(damaged, ".tandem", "node", "tandem.db"), "this is no database, is it?")
	for _, tc := range []struct {
		name, want string
		args       []string
	}{
		{"no directory", "there is no directory", []string{"dev", filepath.Join(good, "missing")}},
		{"no agent.nut", "has no agent.nut", []string{"dev", t.TempDir()}},
		{"port in use", "is in use", []string{"dev", good, "--http", busy, "--agents", freeAddr(t), "--mqtt", freeAddr(t)}},
		{"data directory is a file", "not a directory", append([]string{"dev", broken}, freeAddrs(t)...)},
		{"damaged database", "not a Tandem database", append([]string{"dev", damaged}, freeAddrs(t)...)},
		{"no node", "there is no", []string{"log", "--data", t.TempDir()}},
		{"no such file", "there is no file", []string{"run", filepath.Join(good, "missing.nut")}},
		{"bad device id", "is not a device id", []string{"device", "run", "--id", "x", "--key", "y"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, _, errs := runCommand(t, "", tc.args...)
			if status != 1 || !strings.Contains(errs, tc.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, stderr %q; want status 1 and one line with %q", status, errs, tc.want)
			}
		})
	}
	blocker.stop()
}

func TestCommandLine(t *testing.T) {
	for _, tc := range []struct {
		args        string
		status      int
		stdout, err string // fragments
	}{
		{"", 0, "Usage: tandem <command>", ""},
		{"--help", 0, "Manage devices", ""},
		{"dev --help", 0, "(127.0.0.1:7880)", ""},
		{"version", 0, "tandem ", ""},
		{"frobnicate", 2, "", "unexpected argument frobnicate"},
		{"dev", 1, "", "tandem: the current directory has no agent.nut"},
		{"deploy", 1, "", "tandem: the current directory has no agent.nut"},
		{"restart both", 2, "", `"agent","device"`},
		{"log --lines=-1", 1, "", "0 or more"},
		{"deploy . --url http://127.0.0.1:1", 1, "", "agent.nut"},
		{"device list --url http://127.0.0.1:1", 1, "", "needs --login-key"},
		{"device list --url http://127.0.0.1:1 --login-key x", 1, "", "no node answers at http://127.0.0.1:1"},
		{"up --egress nonsense", 1, "", "is not a network"},
		{"up --cert x", 1, "", "give both or none"},
		{"up --cert x --key y", 1, "", "cannot be used"},
	} {
		status, out, errs := runCommand(t, "", strings.Fields(tc.args)...)
		if status != tc.status || !strings.Contains(out, tc.stdout) || !strings.Contains(errs, tc.err) {
			t.Errorf("tandem %s: %d, %q, %q; want %d, %q, %q", tc.args, status, out, errs, tc.status, tc.stdout, tc.err)
		}
	}
}

func TestRunAndCheck(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"hello.nut": "print(\"hello \" + sqrt(16.0) + \"\\n\");\n",
		"fail.nut":  "function f(x) {\n\treturn x.y;\n}\nf({});\n",
		"bad.nut":   "local a = ;\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	if status, out, errs := runCommand(t, "", "run", filepath.Join(dir, "hello.nut")); status != 0 ||
		out != "hello 4\n" || errs != "" {
		t.Errorf("run hello.nut: %d %q %q", status, out, errs)
	}
	if status, out, _ := runCommand(t, "print(1+1)", "run", "-"); status != 0 || out != "2" {
		t.Errorf("run -: %d %q", status, out)
	}
	status, _, errs := runCommand(t, "", "run", filepath.Join(dir, "fail.nut"))
	for _, want := range []string{
		"fail.nut:2: the index 'y' does not exist\n    return x.y;\n", "  at " + filepath.Join(dir, "fail.nut") + ":2 in f\n",
		"      x = table\n", "fail.nut:4 in main\n",
	} {
		if status != 1 || !strings.Contains(errs, want) {
			t.Errorf("run fail.nut: %d, no %q in %q", status, want, errs)
		}
	}
	status, out, _ := runCommand(t, "", "check", filepath.Join(dir, "hello.nut"), filepath.Join(dir, "bad.nut"))
	want := filepath.Join(dir, "bad.nut") + ":1:11: expected an expression, found ';'\n    local a = ;\n              ^\n"
	if status != 1 || out != want {
		t.Errorf("check: %d %q", status, out)
	}
}

// An agent under development reaches servers on this machine, but not those of its node.
func TestDevReaches(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	defer target.Close()
	p := startDev(t, map[string]string{"agent.nut": `http.onrequest(function(q, r) {
		if ("url" in q.query) r.send(200, http.get(q.query.url).sendsync().statuscode.tostring());
		else r.send(200, http.agenturl());
	});`})
	manual := p.expect(`^Manual  (http://\S+)$`)[1]
	for url, want := range map[string]string{
		target.URL: "204", p.url[:len(p.url)-12]: "404",
		manual: "9", strings.Replace(manual, "127.0.0.1", "localhost", 1): "9",
		"http://" + p.addr("--mqtt"): "9",
	} {
		if got := p.get("?url=" + url); got != want {
			t.Errorf("%s: status %s, want %s", url, got, want)
		}
	}
	if got := p.get(""); got != p.url {
		t.Errorf("http.agenturl() is %s, and the agent is at %s", got, p.url)
	}
	p.stop()
}

// Libraries that are added while dev waits for them are taken up at once.
func TestLibraryIsTakenUp(t *testing.T) {
	p := startDev(t, map[string]string{"agent.nut": `#require "One.lib.nut:1.0.0"
#require "Two.lib.nut:1.0.0"
server.log("they give " + (one() + two()));`})
	data := filepath.Join(p.dir, ".tandem", "node")
	for _, l := range []struct{ name, code, missing string }{
		{"One.lib.nut:1.0.0", "function one() { return 1; }", `library Two\.lib\.nut:1\.0\.0 here`},
		{"Two.lib.nut:1.0.0", "function two() { return 2; }", ""},
	} {
		file := filepath.Join(t.TempDir(), "lib.nut")
		write(t, file, l.code)
		if status, _, errs := runCommand(t, "", "library", "add", "--data", data, l.name, file); status != 0 {
			t.Fatalf("%d %s", status, errs)
		}
		if l.missing != "" {
			p.expect(l.missing)
			p.expect(`Not deployed: it will be when the library is added\.`)
		}
	}
	p.expect(`\[Agent\] they give 3`)
	p.stop()
}

// An agent that says much when it starts does not hide that it has started, and why.
func TestStartIsShown(t *testing.T) {
	p := startDev(t, map[string]string{
		"agent.nut":  `for (local i = 0; i < 900; i++) server.log("line " + i + ".");`,
		"device.nut": `server.log("device");`,
	})
	p.expect(`\[Status\] Agent started\.`)
	p.expect(`\[Agent\] line 899\.`)
	for range 2 {
		p.kill()
		p.restart(t)
		p.expect(`\[Status\] Agent restarted: host_lost\.`)
		p.expect(`\[Agent\] line 899\.`)
		for _, line := range []string{`\[Agent\] line 0\.`, `\[Agent\] line 500\.`, `Agent restarted: host_lost\.`} {
			if n := p.count(line); n != 1 {
				t.Errorf("%s is there %d times", line, n)
			}
		}
	}
	p.stop()
}

// What crashes again and again starts after a second, on both sides.
func TestCrashLoop(t *testing.T) {
	p := startDev(t, map[string]string{"agent.nut": `throw "agent";`, "device.nut": `throw "device";`})
	p.expect(`Agent stopped: exception. It restarts in 1 s, having ended early 2 times in a row\.`)
	p.expect(`Agent stopped: exception. It restarts in 1 s, having ended early 3 times in a row\.`)
	p.expect(`Agent stopped: exception. It restarts in 1 s, having ended early 4 times in a row\.`)
	for n := 2; n < 4; n++ {
		p.expectAnywhere(fmt.Sprintf(`Device stopped: exception. It restarts in 1 s, having crashed %d times in a row\.`, n))
	}
	p.stop()
}

// When dev is started again with its device the agent hears of one connection.
func TestConnectedOnce(t *testing.T) {
	p := startDev(t, map[string]string{"agent.nut": `
device.onconnect(@() server.log("onconnect"));
device.ondisconnect(@() server.log("ondisconnect"));
device.on("hello", @(_) server.log("hello"));`, "device.nut": `agent.send("hello", 0);`})
	for range 3 {
		p.expect(`\[Agent\] hello`)
		if c, d := p.count(`\[Agent\] onconnect`), p.count(`\[Agent\] ondisconnect`); c != 1 || d != 0 {
			t.Errorf("the agent has heard %d connections and %d ends", c, d)
		}
		p.stop()
		p.restart(t)
	}
	p.stop()
}

// Enter parts what comes next from what came before.
func TestEnter(t *testing.T) {
	p := startDev(t, map[string]string{"agent.nut": `server.log("here");`})
	p.expect(`\[Agent\] here\n`)
	p.press("")
	p.press("")
	p.press("r")
	p.expect(`\A\n\n[^\n]+\[Status\] Agent restarted: restart\.`)
	p.press("?")
	p.expect(`^Keys    r  restart the agent`)
	p.stop()
}
