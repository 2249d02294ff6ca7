package server

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
)

// limitsCode goes over the limit that is the path. What it returns, or throws,
// is the answer.
const limitsCode = `
function get(path) { return http.get(SERVER + path); }
function statusOf(x) {
	local soon = "retry-after" in x.headers && x.headers["retry-after"].tofloat() <= 0.5;
	return x.statuscode + " " + ("x-agent-rate-limited" in x.headers) + " " + soon;
}
over <- {
    agent_memory = function(r) { local a = []; while (true) a.append(blob(10000)); },
    event_time = function(r) { while (true) {} },
    event_data = function(r) { while (true) device.send("x", blob(200000)); },
    saved_table = function(r) { server.save({ b = blob(66000) }, 2); },
    message_to_device = function(r) { device.send("x", blob(263000)); },
    posts = function(r) { while (true) if (tandem.post("x", blob(200000)) == SEND_ERROR_WOULDBLOCK) return "full"; },
    request_body = function(r) { return "the agent has seen it"; },
    response_body = function(r) { r.send(200, blob(1048577)); },
    response_headers = function(r) {
        for (local i = 0; i < 100; i++) r.header("x" + i, http.base64encode(blob(1000)));
    },
    timers = function(r) {
        for (local i = 0; i < 1000; i++) imp.wakeup(1000, @() 0);
        return imp.wakeup(1000, @() 0) == null;
    },
    fetch_credits = function(r) {
        for (local i = 0; i < 1000; i++) { // a slow machine gets new credits meanwhile
            local x = get("/").sendsync();
            if (x.statuscode != 200) return i + " " + statusOf(x);
        }
    },
    fetches_in_flight = function(r) {
        for (local i = 0; i < 40; i++) get("/hang").sendasync(@(x) 0);
        imp.wakeup(0.6, @() get("/").sendasync(@(x) r.send(200, statusOf(x))));
    },
    fetch_body = function(r) { http.post(SERVER, {}, blob(1048577)).sendsync(); },
    fetch_response = function(r) { local x = get("/big").sendsync(); return x.statuscode + " " + x.body; },
    fetch_time = function(r) { get("/hang").sendasync(@(x) r.send(200, x.statuscode + " " + x.body), null, 0.05); },
    log_event = function(r) { for (local i = 0; i < 7000; i++) server.log(i); return "ok"; },
    log_rate = function(r) { for (local i = 0; i < 3100; i++) server.log(i); return "ok"; },
    log_line = function(r) { local s = "0123456789"; while (s.len() < 5000) s += s; server.log(s); return "ok"; },
    crashes = function(r) { r.send(200, "ok"); imp.wakeup(0, function() { throw "ouch"; }); },
    processor = function(r) { for (local i = 0; i < 4000000; i++) {} return "ok"; },
};
http.onrequest(function(q, r) {
    local x = null;
    try { x = over[q.path.slice(1)](r); } catch (e) { return r.send(400, e.tostring()); }
    if (x != null) r.send(200, x.tostring());
});`

// limits are those that a node can be brought over from outside in a test:
// the answer to the client, and the log line.
var limits = []struct {
	limit  string
	body   int // bytes of the request
	status int
	answer string // a part of it
	log    string // a pattern
}{
	{tandem.OverMemory, 0, 502, "out_of_memory", `out of memory: more than \d+ bytes in use`},
	{tandem.OverEventTime, 0, 502, "watchdog", `one event took more than 1s of processor time`},
	{tandem.OverEventData, 0, 400, "too much data in one event", ""},
	{tandem.OverSavedTable, 0, 400, "server.save: the table has 66", ""},
	{tandem.OverToDevice, 0, 400, "device.send: the message is over 256 KB", ""},
	{tandem.OverPosts, 0, 200, "full", `tandem.post: messages of \d+ KB wait for the device already`},
	{tandem.OverRequestBody, tandem.RequestBodySize + 1, 413, "larger than 524288 bytes", ""},
	{tandem.OverResponseBody, 0, 400, "httpresponse.send: the body has 1048577 bytes, more than 1048576", ""},
	{tandem.OverResponseHeaders, 0, 400, "httpresponse.header: the headers have more than 64 KB", ""},
	{tandem.OverTimers, 0, 200, "true", `too many timers: 1000 are pending`},
	{tandem.OverFetchCredits, 0, 200, " 429 true true", ""},
	{tandem.OverFetchesInFlight, 0, 200, "429 true true", ""},
	{tandem.OverFetchBody, 0, 400, "the body of a request has 1048577 bytes, more than 1048576", ""},
	{tandem.OverFetchResponse, 0, 200, "63 the response is larger than 1048576 bytes", ""},
	{tandem.OverFetchTime, 0, 200, "28 no complete response in time", ""},
	{tandem.OverLogEvent, 0, 200, "ok", `one event wrote more than 6000 lines; the others are dropped`},
	{tandem.OverLogRate, 0, 200, "ok", `Messages throttled: more than 100 log lines a minute; discarding lines\.`},
	{tandem.OverLogLine, 0, 200, "ok", `line of \d+ bytes was cut`},
	{tandem.OverCrashes, 0, 200, "ok", `Agent stopped: exception. It restarts in 1 s, having ended early 2 times in a row\.`},
	{tandem.OverProcessor, 0, 200, "ok", ""},
}

// metAlone are the limits that are met in the tests of the package that keeps
// them: they need a device that misbehaves, or much time, or much memory.
var metAlone = map[string]string{
	tandem.OverFromDevice:     "gateway",
	tandem.OverDeviceBacklog:  "gateway",
	tandem.OverConnections:    "gateway",
	tandem.OverInbox:          "host",
	tandem.OverFaults:         "host",
	tandem.OverSignCredits:    "agent",
	tandem.OverPlacementWait:  "host",
	tandem.OverAnswerWait:     "host",
	tandem.OverRequestMemory:  "ingress",
	tandem.OverNodeFetches:    "egress",
	tandem.OverFetchMemory:    "egress",
	tandem.OverBrokers:        "egress",
	tandem.OverListener:       "admit",
	tandem.OverSlowClient:     "ingress",
	tandem.OverNodeRequests:   "ingress",
	tandem.OverNodeMemory:     "ingress",
	tandem.OverAnswerMemory:   "ingress",
	tandem.OverLogins:         "central",
	tandem.OverAPIBody:        "central",
	tandem.OverDeviceMessages: "gateway",
	tandem.OverDeviceBytes:    "gateway",
	tandem.OverDeviceReports:  "gateway",
	tandem.OverDeviceConnects: "gateway",
	tandem.OverLoginTime:      "gateway",
	tandem.OverSubscriptions:  "gateway",

	tandem.OverNodeConnections: "mesh",
	tandem.OverNodeCalls:       "cluster",
}

func TestLimits(t *testing.T) {
	done := make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			select {
			case <-r.Context().Done():
			case <-done:
			}
		case "/big":
			w.Write(make([]byte, tandem.FetchBodySize+1))
		}
	}))
	defer target.Close()
	defer close(done)
	n := start(t, &Server{Dir: t.TempDir(), Memory: 8 << 20, Egress: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	g, err := n.Central.EnsureGroup(t.Context(), "limits", "limits")
	if err != nil {
		t.Fatal(err)
	}
	code := central.Code{Agent: "const SERVER = \"" + target.URL + "\";" + limitsCode}
	if err := n.Central.Deploy(t.Context(), g.ID, code); err != nil {
		t.Fatal(err)
	}
	met := slices.Collect(maps.Keys(metAlone))
	for _, tc := range limits {
		met = append(met, tc.limit)
		t.Run(tc.limit, func(t *testing.T) {
			d, _, err := n.Central.AddDevice(t.Context(), central.NewDevice{Group: g.ID})
			if err != nil {
				t.Fatal(err)
			}
			before := n.figures(t)[overFigure(tc.limit)]
			// Some limits are met only when it is done again.
			for deadline := time.Now().Add(patience); n.figures(t)[overFigure(tc.limit)] == before; {
				if time.Now().After(deadline) {
					t.Fatal("the limit is not counted")
				}
				status, answer := post(t, n.Agents.URL(d.Agent)+"/"+tc.limit, tc.body)
				if status != tc.status || !strings.Contains(answer, tc.answer) {
					t.Fatalf("%d %.300s; want %d with %q", status, answer, tc.status, tc.answer)
				}
			}
			n.expectLine(t, d.ID, tc.log)
		})
	}
	slices.Sort(met)
	if all := slices.Sorted(slices.Values(tandem.Over)); !slices.Equal(met, all) {
		t.Errorf("limits met by tests:\n%v\nall limits:\n%v", met, all)
	}
}

func overFigure(limit string) string { return `tandem_over_limit_total{limit="` + limit + `"}` }

func post(t *testing.T, url string, size int) (int, string) {
	t.Helper()
	resp, err := http.Post(url, "application/octet-stream", bytes.NewReader(make([]byte, size)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// expectLine waits for a line in the device's log; "" is no line.
func (r *running) expectLine(t *testing.T, id tandem.DeviceID, pattern string) {
	t.Helper()
	if pattern == "" {
		return
	}
	if err := r.Log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := r.Log.History(t.Context(), id, 1000)
	if err != nil {
		t.Fatal(err)
	}
	re := regexp.MustCompile(pattern)
	if !slices.ContainsFunc(list, func(e tandem.LogEntry) bool { return re.MatchString(e.Msg) }) {
		t.Errorf("no line matches %q; the last of %d is %v", pattern, len(list), list[len(list)-1])
	}
}

// TestLimitsDocument requires that docs/limits.md has rows for each limit, and none
// for others.
func TestLimitsDocument(t *testing.T) {
	data, err := os.ReadFile("../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\|.*\\| `([a-z_]+)` \\|$").FindAllSubmatch(data, -1) {
		rows = append(rows, string(m[1]))
	}
	slices.Sort(rows)
	rows = slices.Compact(rows) // requests and messages that wait share one metric
	if all := slices.Sorted(slices.Values(tandem.Over)); !slices.Equal(rows, all) {
		t.Errorf("docs/limits.md has\n%v\nwant\n%v", rows, all)
	}
}
