package central

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/gateway"
)

const noisy = `server.log("agent runs");`

func TestDeviceKey(t *testing.T) {
	w := newWorld(t)
	d := w.must("POST", "/devices", `{"data":{"type":"device","attributes":{"name":"desk"}}}`)
	id := tandem.DeviceID(d.ID)
	if err := w.shows(gateway.Login{Device: id, Key: d.Attributes.Key}); err != nil {
		t.Errorf("the key that was shown: %v", err)
	}
	for _, key := range []string{"", "wrong", strings.ToUpper(d.Attributes.Key) + "0"} {
		if err := w.shows(gateway.Login{Device: id, Key: key}); tandem.KindOf(err) != tandem.Unauthorized {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if err := w.shows(gateway.Login{Device: noDevice, Key: d.Attributes.Key}); tandem.KindOf(err) != tandem.Unauthorized {
		t.Errorf("a device that is not there: %v", err)
	}
	if again := w.must("GET", "/devices/"+d.ID, ""); again.Attributes.Key != "" {
		t.Error("the key is shown again")
	}
}

// An agent's id finds its device while it is assigned, and outlives that.
func TestAgentID(t *testing.T) {
	w := newWorld(t)
	w.pair(noisy, "")
	if d := w.must("GET", "/devices/{agent}", ""); d.ID != w.names["device"] {
		t.Errorf("by its agent's id: %+v", d)
	}
	const devices = "/devicegroups/{group}/relationships/devices"
	w.must("DELETE", devices, `{"data":[{"type":"device","id":"{agent}"}]}`)
	if status, body := w.do("GET", w.fill("/devices/{agent}"), w.token, ""); status != 404 {
		t.Errorf("unassigned: %d %s", status, body)
	}
	w.must("POST", devices, `{"data":[{"type":"device","id":"{device}"}]}`)
	if d := w.must("GET", "/devices/{device}", ""); d.Attributes.Agent != w.names["agent"] {
		t.Errorf("the agent's id was %s and is %s", w.names["agent"], d.Attributes.Agent)
	}
}

// Whatever starts an agent starts it once and says why.
func TestRestarts(t *testing.T) {
	w := newWorld(t)
	id := w.pair(noisy, "// device")
	const (
		self  = `{"data":[{"type":"device","id":"{device}"}]}`
		moved = "/devicegroups/{second}/relationships/devices"
	)
	w.lines(id, "Agent restarted: restart.", 1, func() { w.must("POST", "/devices/{device}/restart?side=agent", "") })
	w.names["second"] = w.must("POST", "/devicegroups",
		`{"data":{"type":"development_devicegroup","attributes":{"name":"second"},"relationships":{"product":{"type":"product","id":"{product}"}}}}`).ID
	w.must("POST", "/deployments", `{"data":{"type":"deployment",`+
		`"attributes":{"agent_code":"server.log(\"second\");","device_code":"// second"},"relationships":{"devicegroup":{"type":"devicegroup","id":"{second}"}}}}`)

	l := newLink()
	if err := w.host.Connect(t.Context(), id, l, 1, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, method, path, body string
		says                     string
		restarts, codes          int // what the device is sent
	}{
		{"both", "POST", "/devices/{device}/restart", "null", "Agent restarted: restart.", 1, 0},
		{"the agent", "POST", "/devices/{device}/restart?side=agent", "", "Agent restarted: restart.", 0, 0},
		{"the group", "POST", "/devicegroups/{group}/restart", "null", "Agent restarted: reload.", 0, 0},
		{"assigned again", "POST", "/devicegroups/{group}/relationships/devices", self, "Agent restarted: reload.", 0, 0},
		{"moved", "POST", moved, self, "Agent restarted: reload.", 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := l.count("sys/restart", 0)
			w.lines(id, tc.says, 1, func() { w.must(tc.method, tc.path, tc.body) })
			if n := l.count("sys/restart", before+tc.restarts) - before; n != tc.restarts {
				t.Errorf("the device was told %d times to restart, want %d", n, tc.restarts)
			}
		})
	}
	before := l.count("sys/restart", 0)
	w.must("POST", "/devices/{device}/restart?side=device", "")
	if n := l.count("sys/restart", before+1) - before; n != 1 {
		t.Errorf("the device was told %d times to restart", n)
	}
	if !strings.Contains(w.online(), `"device_online":true`) {
		t.Error("the device is not shown as online")
	}
	w.must("DELETE", moved, self)
	w.must("DELETE", "/devices/{device}", "")
	<-l.closed // by the goroutine that runs the pair
	l.mu.Lock()
	defer l.mu.Unlock()
	if !strings.Contains(l.why, "deleted") {
		t.Errorf("the link of the deleted device was closed with %q", l.why)
	}
}

func (w *world) online() string {
	w.t.Helper()
	_, body := w.do("GET", w.fill("/devices/{device}"), w.token, "")
	return body
}

// Deploy restarts the pairs only when there is something new to run.
func TestDeploy(t *testing.T) {
	w := newWorld(t)
	id := w.pair(noisy, "")
	w.lines(id, "Agent restarted: reload.", 1, func() {
		for _, code := range []string{noisy, `server.log("second");`, `server.log("second");`} {
			if err := w.Deploy(t.Context(), w.names["group"], Code{Agent: code}); err != nil {
				t.Fatal(err)
			}
		}
	})
	err := w.Deploy(t.Context(), w.names["group"], Code{Agent: "local = 1;"})
	if bad, ok := err.(*CompileError); !ok || len(bad.Problems) != 1 ||
		!strings.HasPrefix(bad.Error(), "agent code, line 1, column ") {
		t.Errorf("code with a mistake: %v", err)
	}
}

func TestLogsNewestFirst(t *testing.T) {
	w := newWorld(t)
	w.names["device"] = w.must("POST", "/devices", `{"data":{"type":"device"}}`).ID
	id := tandem.DeviceID(w.names["device"])
	const count = 25
	for i := range count {
		w.Log.Append(tandem.LogEntry{Device: id, Type: tandem.LogDevice, Msg: fmt.Sprint("line ", i)})
	}
	if err := w.Log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := func(query string) (lines []string, next bool) {
		var out struct {
			Data  []map[string]string
			Links map[string]string
		}
		_, body := w.do("GET", w.fill("/devices/{device}/logs")+query, w.token, "null")
		if err := json.Unmarshal([]byte(body), &out); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		for _, e := range out.Data {
			if len(e) != 3 || e["ts"] == "" || e["type"] == "" {
				t.Errorf("a line is %v", e)
			}
			lines = append(lines, e["msg"])
		}
		return lines, out.Links["next"] != ""
	}
	lines, next := page("?page[size]=3")
	if got := strings.Join(lines, ", "); got != "line 24, line 23, line 22" || !next {
		t.Errorf("first page: %s, next %v", got, next)
	}
	lines, next = page("?page[size]=100")
	if len(lines) != count || lines[count-1] != "line 0" || next {
		t.Errorf("%d lines, next %v", len(lines), next)
	}
}

// TestPlacesOfLines: an error of a program has its place beside the vendor's text, in the log
// and in a stream.
func TestPlacesOfLines(t *testing.T) {
	w := newWorld(t)
	agent := "// The agent\nfunction start() {\n\timp.wakeup(\"5\", start);\n}\nstart();\n"
	id := w.pair(agent, "")
	stream := w.must("POST", "/logstream", `{"data":{"attributes":{"devices":["{device}"],"lines":100}}}`).ID
	s := w.stream(stream)
	s.expect(`{"state":"opened"}`)
	want := regexp.MustCompile(`"type":"agent.error","msg":"parameter 1 has an invalid type 'string' ; ` +
		`expected: 'integer\|float'","file":"agent_code","line":3,"function":"start","deployment":"[0-9a-f-]{36}",` +
		`"source":"imp\.wakeup\(\\"5\\", start\);",` +
		`"plain":"imp\.wakeup: parameter 1, the interval, is a string; it takes a number"}`)
	if got := s.next(); !want.MatchString(got) {
		t.Errorf("the stream says %s", got)
	}
	s.expect(`"msg":"  at start agent_code:3","file":"agent_code","line":3,"function":"start","deployment":"`)
	s.expect(`"msg":"  at main agent_code:5","file":"agent_code","line":5,"function":"main","deployment":"`)
	if err := w.Log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, body := w.do("GET", "/devices/"+string(id)+"/logs?page[size]=100", w.token, "null")
	if !want.MatchString(body) {
		t.Errorf("the log says %s", body)
	}
}

func TestStream(t *testing.T) {
	w := newWorld(t)
	id := w.pair("", "")
	say := func(text string) {
		w.Log.Append(tandem.LogEntry{Device: id, Type: tandem.LogAgent, Msg: text})
	}
	stream := w.must("POST", "/logstream", "null").ID
	s := w.stream(stream)
	s.expect(`{"state":"opened"}`)
	again := w.stream(stream) // the client has connected again, and the node does not know yet that it had left
	again.expect(`{"state":"opened"}`)
	if got := s.next(); got != "" {
		t.Errorf("the reader before has %s", got)
	}
	s = again
	w.must("PUT", "/logstream/"+stream+"/{agent}", "null")
	s.expect(`{"state":"subscribed","device_id":"` + string(id) + `"}`)
	say("heard")
	s.expect(`"msg":"heard"`)
	w.must("DELETE", "/logstream/"+stream+"/{device}", "null")
	s.expect(`{"state":"unsubscribed","device_id":"` + string(id) + `"}`)
	say("not heard")
	if err := w.Log.Flush(t.Context()); err != nil { // or it might be a line that comes after
		t.Fatal(err)
	}
	w.must("PUT", "/logstream/"+stream+"/{device}", "null")
	s.expect("subscribed")
	say("heard again")
	s.expect(`"msg":"heard again"`)

	// A reader that comes back goes on where it was, and gets what has come meanwhile.
	seen := s.last
	say("while it was away")
	s.body.Close()
	s = w.streamAfter(stream, "json", seen-1)
	s.expect(`{"state":"opened"}`)
	s.expect(`"msg":"heard again"`)
	s.expect(`"msg":"while it was away"`)
	s.body.Close()
	w.streams.close(stream)

	s = w.streamFromThePast(say)

	w.Stop()
	s.expect(`{"state":"closed"}`)
	if got := s.next(); got != "" {
		t.Errorf("after the end: %s", got)
	}
	if status, body := w.do("POST", "/logstream", w.token, "null"); status != 503 {
		t.Errorf("a stream of a node that stops: %d %s", status, body)
	}
}

// streamFromThePast reads a stream that begins with the past, which neither misses a
// line nor sees one twice.
func (w *world) streamFromThePast(say func(string)) *eventStream {
	w.t.Helper()
	done := make(chan struct{})
	const count = 300
	say("line 0")
	if err := w.Log.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(done)
		for i := 1; i < count; i++ {
			say(fmt.Sprint("line ", i))
		}
	}()
	s := w.stream(w.must("POST", "/logstream", `{"data":{"attributes":{"devices":["{device}"],"lines":1000}}}`).ID)
	s.expect("opened")
	next := 0
	for next < count {
		line := s.next()
		if line == "" {
			w.t.Fatalf("the stream ended after %d lines", next)
		}
		if !strings.Contains(line, `"msg":"line `) {
			continue
		}
		if !strings.Contains(line, fmt.Sprintf(`"msg":"line %d"`, next)) {
			w.t.Fatalf("%s, want line %d", line, next)
		}
		next++
	}
	<-done
	return s
}

// Too many streams close the oldest one, whether a client reads it or not.
func TestStreamLimit(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	var ids []string
	open := func() {
		ids = append(ids, w.must("POST", "/logstream", `{"data":{"attributes":{"devices":["{device}"],"lines":5}}}`).ID)
	}
	open()
	s := w.stream(ids[0])
	s.expect("opened")
	for range streamsPerAccount + 1 {
		open()
	}
	for {
		data := s.next()
		if strings.Contains(data, `"closed"`) {
			break
		}
		if data == "" {
			t.Fatal("the oldest stream ended without a word")
		}
	}
	if got := s.next(); got != "" {
		t.Errorf("after the end: %s", got)
	}
	for i, id := range ids {
		status, body := w.do("PUT", w.fill("/logstream/"+id+"/{device}"), w.token, "null")
		if want := map[bool]int{true: 404, false: 204}[i < 2]; status != want {
			t.Errorf("stream %d: %d %s, want %d", i, status, body, want)
		}
	}
}

func TestAccessFile(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "access.json")
	for _, mqtt := range []string{"127.0.0.1:1", "127.0.0.1:2"} {
		if err := w.WriteAccess(t.Context(), file, mqtt); err != nil {
			t.Fatal(err)
		}
		a, err := ReadAccess(file)
		if err != nil || a != (Access{URL: w.url, Agents: "http://agents.test", MQTT: mqtt, Key: w.key}) {
			t.Errorf("%+v, %v; the key is %s", a, err, w.key)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := ReadAccess(file + ".not"); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAccess(file); tandem.KindOf(err) != tandem.Invalid || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("a damaged file: %v", err)
	}
}

// TestEnsureAtOnce: what many ask for at the same time, as nodes that start together do, is
// made once.
func TestEnsureAtOnce(t *testing.T) {
	w := newWorld(t)
	var at sync.WaitGroup
	groups := make([]string, 16)
	for i := range groups {
		at.Go(func() {
			g, err := w.EnsureGroup(t.Context(), "p", "g")
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
}

func TestEnsureGroup(t *testing.T) {
	w := newWorld(t)
	first, err := w.EnsureGroup(context.Background(), "p", "g")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		product, group string
		same           bool
	}{{"p", "g", true}, {"p", "h", false}, {"q", "g", false}} {
		g, err := w.EnsureGroup(t.Context(), tc.product, tc.group)
		if err != nil || (g.ID == first.ID) != tc.same {
			t.Errorf("%s/%s: %s, %v; the first is %s", tc.product, tc.group, g.ID, err, first.ID)
		}
	}
}
