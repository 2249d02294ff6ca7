package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func table(t *testing.T) []attack {
	t.Helper()
	all, err := attacks()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Each listener and family of natives is attacked at least twice, and nothing else is.
func TestTable(t *testing.T) {
	all := table(t)
	if len(all) < 40 {
		t.Errorf("there are only %d attacks", len(all))
	}
	count := map[string]int{}
	for _, a := range all {
		count[a.on]++
	}
	for _, on := range slices.Concat(listeners, families, messages()) {
		if count[on] < 2 {
			t.Errorf("%s is attacked %d times, not at least twice", on, count[on])
		}
		delete(count, on)
	}
	for on := range count {
		t.Errorf("there is no listener, family of natives or message %q", on)
	}
}

// family has the natives of each family, by the beginnings of their names.
var family = map[string][]string{
	"language": {
		"print", "error", "assert", "type", "callee", "dummy", "getroottable", "setroottable", "collectgarbage",
		"getstackinfos", "compilestring", "function::", "generator::", "thread::", "class::", "instance::", "weakref::",
		"newthread", "suspend", "setdebughook", "seterrorhandler", "enabledebuginfo", "bool::", "null::", "getconsttable",
		"setconsttable", "resurrectunreachable", "imp.environment", "imp.getmemoryfree", "imp.getsoftwareversion",
		"imp.onunhandledexception", "imp.sleep", "tandem.incarnation", "tandem.onpeerstart", "server.restart",
		"server.onshutdown",
	},
	"strings": {"string::", "format", "split", "strip", "lstrip", "rstrip", "startswith", "endswith", "escape", "printf"},
	"arrays":  {"array"},
	"tables":  {"table::"},
	"blobs":   {"blob", "casti2f", "castf2i", "swap"},
	"math": {
		"integer::", "float::", "sqrt", "sin", "cos", "tan", "log", "asin", "acos", "atan", "floor", "ceil", "exp", "fabs",
		"pow", "abs", "rand", "srand", "clock", "time", "date",
	},
	"regexp":      {"regexp"},
	"codecs":      {"http.json", "http.url", "http.base64"},
	"crypto":      {"crypto.", "http.hash."},
	"http in":     {"http.onrequest", "httpresponse.", "http.agenturl"},
	"http out":    {"http.get", "http.post", "http.put", "http.httpdelete", "http.request", "httprequest.", "httpstream."},
	"mqtt client": {"mqtt.", "mqttclient.", "mqttmessage."},
	"server.save": {"server.save", "server.load", "server.setpermanentvalues"},
	"device.send": {"device."},
	"timers":      {"imp.wakeup", "imp.cancelwakeup"},
	"logs":        {"server.log", "server.error", "server.show"},
	"posts":       {"tandem.post"},
}

// Each native that an agent has belongs to a family that is attacked.
func TestNatives(t *testing.T) {
	for name := range family {
		if !slices.Contains(families, name) {
			t.Errorf("%q is no family", name)
		}
	}
	for _, dir := range []string{"squirrel", "agent"} {
		file := "../../" + dir + "/testdata/charges/natives.txt"
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		natives := 0
		for line := range strings.Lines(string(text)) {
			native, ok := strings.CutPrefix(strings.TrimSpace(line), "native ")
			if !ok {
				continue
			}
			natives++
			if !belongs(strings.Fields(native)[0]) {
				t.Errorf("%s: native %s is in no family: add it to one in family, and an attack if it is a new kind", file, native)
			}
		}
		if natives == 0 {
			t.Errorf("%s has no natives", file)
		}
	}
}

func belongs(native string) bool {
	for _, beginnings := range family {
		for _, b := range beginnings {
			if strings.HasPrefix(native, b) {
				return true
			}
		}
	}
	return false
}

func TestJudge(t *testing.T) {
	fine := func() verdict {
		u := figures{Quiet: 1, Attacked: 1.9, Served: 100}
		return verdict{Users: [3]figures{u, u, u}, Memory: 100, Named: "it did", Restart: time.Second}
	}
	o := options{memory: 512}
	for _, tc := range []struct {
		name   string
		change func(*verdict, *options)
		want   string
	}{
		{"fine", func(*verdict, *options) {}, ""},
		{"slower", func(v *verdict, _ *options) { v.Users[1].Attacked = 2.1 }, "is 2.1 times as long"},
		{"slower, in short", func(v *verdict, o *options) { v.Users[1].Attacked = 2.1; o.short = true }, ""},
		{"failures", func(v *verdict, _ *options) { v.Users[0].Failures = 1; v.Users[0].Errors = []string{"503"} }, "503"},
		{"not served", func(v *verdict, o *options) { v.Users[2].Served = 0; o.short = true }, "was not served"},
		{"memory", func(v *verdict, o *options) { v.Memory = 513; o.short = true }, "reached 513 MiB"},
		{"a node ended", func(v *verdict, _ *options) { v.Ended = []string{"n1"} }, "node n1 ended"},
		{"an innocent line", func(v *verdict, _ *options) { v.Innocent = []string{"Agent restarted"} }, "Agent restarted"},
		{"not named", func(v *verdict, _ *options) { v.Named = "" }, "no log line names it"},
		{"no restart", func(v *verdict, o *options) { v.Restart = 0; o.short = true }, "did not come about"},
		{"late restart", func(v *verdict, _ *options) { v.Restart = 6 * time.Second }, "took 6.0 s"},
		{"late restart, in short", func(v *verdict, o *options) { v.Restart = 6 * time.Second; o.short = true }, ""},
		{"trouble", func(v *verdict, _ *options) { v.Troubles = []string{"no metrics"} }, "no metrics"},
		{"the attack failed", func(v *verdict, _ *options) { v.Attacker.Err = "address in use" }, "address in use"},
	} {
		v, o := fine(), o
		tc.change(&v, &o)
		v.judge(o, attack{})
		got := strings.Join(v.Failed, "; ")
		if (tc.want == "") != (got == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
	v := fine()
	v.Named = ""
	if v.judge(o, attack{harmless: true}); v.Failed != nil {
		t.Errorf("a harmless attack has to be named: %q", v.Failed)
	}
}

func TestReport(t *testing.T) {
	list := []verdict{{Name: "one", Restart: time.Second}, {Name: "two", Failed: []string{"a|b"}}}
	var out bytes.Buffer
	if err := report(&out, options{}, list); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var last struct{ Rows []verdict }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || len(last.Rows) != 2 {
		t.Errorf("the last line is %q: %v", lines[len(lines)-1], err)
	}
	columns := strings.Count(lines[0], "|")
	for _, line := range lines[1:4] {
		if strings.Count(line, "|") != columns {
			t.Errorf("%q has not the columns of %q", line, lines[0])
		}
	}
	if err := failed(list); err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("one of two failed: %v", err)
	}
	if err := failed(list[:1]); err != nil {
		t.Error(err)
	}
}

// Attacks of one batch need the same kind of site, and none is lost.
func TestBatches(t *testing.T) {
	all := table(t)
	for _, short := range []bool{false, true} {
		n := 0
		for _, batch := range batches(options{short: short}, all) {
			n += len(batch)
			message := strings.HasPrefix(batch[0].on, "message ")
			if len(batch) > atATime || !short && !message && len(batch) != 1 {
				t.Errorf("a batch of %d", len(batch))
			}
			for _, a := range batch {
				if a.site != batch[0].site {
					t.Errorf("%s and %s need different sites", a.name, batch[0].name)
				}
			}
		}
		if n != len(all) {
			t.Errorf("%d attacks of %d are made", n, len(all))
		}
	}
}

func TestWatch(t *testing.T) {
	w := &watch{more: make(chan struct{}, 1)}
	opened := make(chan struct{}, 1)
	const text = "retry: 3000\ndata: {\"state\":\"opened\"}\n\nevent: message\n" +
		"data: {\"type\":\"status\",\"msg\":\"Agent restarted\"}\n\n"
	w.read(bufio.NewReader(strings.NewReader(text)), opened)
	select {
	case <-opened:
	default:
		t.Error("the stream is not opened")
	}
	if got := w.matching("^status Agent"); !slices.Equal(got, []string{"status Agent restarted"}) {
		t.Errorf("the lines are %q", got)
	}
	for range maxWatched {
		w.add("more")
	}
	if n := len(w.matching("")); n > maxWatched {
		t.Errorf("%d lines are kept", n)
	}
}

func TestSource(t *testing.T) {
	a := attack{code: `function attack() { http.get("http://{{SERVE}}/"); }`}
	got := a.source(&target{Serve: "127.0.0.1:9"})
	if !strings.Contains(got, "http://127.0.0.1:9/") || !strings.Contains(got, "again();") {
		t.Errorf("the program is %s", got)
	}
	if got := (attack{}).source(&target{}); got != harmlessCode {
		t.Errorf("without a program, it is %s", got)
	}
}

// TestServed: what a quiet user would have begun while it waited is counted, and not begun.
func TestServed(t *testing.T) {
	began := time.Unix(1000, 0)
	for _, tc := range []struct {
		took  time.Duration
		count int
		last  time.Duration // after began
	}{
		{pace / 2, 1, 0}, {3 * pace / 2, 1, 0}, {2 * pace, 2, pace}, {100*pace + pace/2, 100, 99 * pace},
	} {
		q := new(quiet)
		last := q.served(began, began.Add(tc.took))
		if len(q.took) != tc.count || q.took[0] != tc.took || !last.Equal(began.Add(tc.last)) {
			t.Errorf("after %v: %v, the last at %v", tc.took, q.took, last.Sub(began))
		}
	}
}
