package server

import (
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/central"
)

func TestMetrics(t *testing.T) {
	n := start(t, &Server{Version: "1.2.3"})
	n.talk("tcp://"+n.MQTT, nil)
	f := n.figures(t)
	for _, tc := range []struct {
		figure string
		want   float64
	}{
		{`tandem_build_info{version="1.2.3"}`, 1},
		{`tandem_agents{state="live"}`, 1},
		{`tandem_agents{state="frozen"}`, 0},
		{`tandem_messages_total{direction="to_agent"}`, 2},
		{`tandem_messages_total{direction="to_device"}`, 1},
		{`tandem_http_requests_total{class="2xx"}`, 1},
		{`tandem_http_request_seconds_count`, 1},
		{`tandem_log_lines_dropped_total{cause="throttled"}`, 0},
		{`tandem_over_limit_total{limit="timers"}`, 0},
		{`tandem_save_seconds_bucket{le="+Inf"}`, 0},
		{`tandem_saves_failed_total`, 0},
		{`tandem_node_connections_refused_total{cause="stranger"}`, 0},
		{`tandem_node_faults_total{cause="panic"}`, 0},
	} {
		if got, ok := f[tc.figure]; !ok || got != tc.want {
			t.Errorf("%s is %v (%v), want %v", tc.figure, got, ok, tc.want)
		}
	}
	for _, figure := range []string{
		"tandem_agent_events_total", "tandem_store_commit_seconds_count",
		"tandem_store_commit_writes_sum", "tandem_log_lines_total", "go_goroutines",
		"tandem_http_request_seconds_sum",
	} {
		if f[figure] <= 0 {
			t.Errorf("%s is %v", figure, f[figure])
		}
	}
	if _, ok := f["tandem_devices_connected"]; !ok {
		t.Error("no tandem_devices_connected")
	}
	for _, authorization := range []string{"", "Bearer ", "Bearer wrong", "Basic eDp5"} {
		if status, text := n.metrics(t, authorization); status != 401 || strings.Contains(text, "tandem_agents") {
			t.Errorf("with %q: %d %.100s", authorization, status, text)
		}
	}
	if status, text := n.get(n.URL+"/metrics", nil); status != 401 {
		t.Errorf("without: %d %.100s", status, text)
	}
}

// figures returns what /metrics shows.
func (r *running) figures(t *testing.T) map[string]float64 {
	t.Helper()
	a, err := central.ReadAccess(filepath.Join(r.dir, AccessFile))
	if err != nil {
		t.Fatal(err)
	}
	status, text := r.metrics(t, "Bearer "+a.Key)
	if status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	all := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if x, err := strconv.ParseFloat(value, 64); ok && err == nil {
			all[name] = x
		}
	}
	return all
}

func (r *running) metrics(t *testing.T, authorization string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), "GET", r.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
