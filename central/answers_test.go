package central

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster"
)

// legible indents an answer and gives names to what is another in each run.
func (w *world) legible(body string) string {
	var out bytes.Buffer
	if json.Indent(&out, []byte(body), "", "  ") == nil {
		body = out.String()
	}
	for name, value := range w.names {
		if name == strings.ToLower(name) && value != "" {
			body = strings.ReplaceAll(body, value, "{"+name+"}")
		}
	}
	for _, r := range []struct {
		is   *regexp.Regexp
		name string
	}{
		{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "{uuid}"},
		{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "{time}"},
		{regexp.MustCompile(`127\.0\.0\.1:\d+`), "{host}"},
		{regexp.MustCompile(`"agent_id": "[^"]*"`), `"agent_id": "{agent}"`},
		{regexp.MustCompile(`("agent_id": "\{agent\}",\s+"agent_running": )(true|false)`), `$1"{in its own time}"`},
		{regexp.MustCompile(`"agent_url": "[^"]*"`), `"agent_url": "{url}"`},
		{regexp.MustCompile(`"mac_address": "[^"]*"`), `"mac_address": "{mac}"`},
		{regexp.MustCompile(`"agent_state_changed_at": [^,]*`), `"agent_state_changed_at": "{in its own time}"`},
		{regexp.MustCompile(`"(key|access_token|refresh_token|url|secret|token)": "[^"]*"`), `"$1": "{secret}"`},
		{regexp.MustCompile(`-----BEGIN[^"]*`), "{PEM}"},
		{regexp.MustCompile(`Tandem devices [0-9a-f]{8}`), "Tandem devices {number}"},
		{regexp.MustCompile(`\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b`), "{code}"},
		{regexp.MustCompile(`\b[0-9A-Za-z]{20,}\b`), "{long}"},
		{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "{device id}"},
	} {
		body = r.is.ReplaceAllString(body, r.name)
	}
	return strings.ReplaceAll(body, "\n\n", "\n")
}

// database returns what runs a statement on the database beside the store, and the
// names of its tables.
func (w *world) database() (exec func(text string), tables []string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1) // settings are a connection's
	exec = func(text string) {
		w.t.Helper()
		if _, err := db.ExecContext(context.Background(), text); err != nil {
			w.t.Fatal(text, err)
		}
	}
	exec("PRAGMA busy_timeout = 10000")
	exec("PRAGMA legacy_alter_table = ON") // what refers to a table keeps the name
	const all = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
	rows, err := db.QueryContext(w.t.Context(), all)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil || len(tables) == 0 {
		w.t.Fatal(tables, err)
	}
	return exec, tables
}

// TestStoreTrouble: a call that needs something that the database does not have
// any more fails as ours, and never gives half an answer or one of the client's
// mistakes.
func TestStoreTrouble(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	paths := []string{
		"/accounts/me", "/products", "/products/{product}", "/devicegroups", "/devicegroups/{group}", "/deployments",
		"/libraries", "/devices",
		"/devices/{device}", "/devices?filter[devicegroup.id]={group}", "/devicegroups?filter[product.id]={product}",
		"/deployments?filter[devicegroup.id]={group}", "/devices/{device}/logs", "/devices/{agent}",
	}
	exec, tables := w.database()
	failed := 0
	for _, table := range tables {
		exec("ALTER TABLE " + table + " RENAME TO gone")
		for _, path := range paths {
			status, answer := w.do("GET", w.fill(path), w.token, "")
			if status >= 500 {
				failed++
				continue
			}
			exec("ALTER TABLE gone RENAME TO " + table)
			whole, want := w.do("GET", w.fill(path), w.token, "")
			exec("ALTER TABLE " + table + " RENAME TO gone")
			if status != whole || !strings.Contains(path, "logs") && settled(answer) != settled(want) {
				t.Errorf("without %s, GET %s: %d %s", table, path, status, answer)
			}
		}
		exec("ALTER TABLE gone RENAME TO " + table)
	}
	if failed < len(paths) {
		t.Errorf("only %d calls failed without a table", failed)
	}
}

// settled is an answer without what changes in an agent's own time.
func settled(body string) string {
	return regexp.MustCompile(`"agent_(running|state_changed_at)":[^,]*,`).ReplaceAllString(body, "")
}

// drained is a cluster of one node, and of what has been asked of it.
type drained struct{ nodes []string }

func (*drained) Status() cluster.Status { return cluster.Status{} }

func (d *drained) DrainNode(_ context.Context, node string) error {
	if node != "n1" {
		return tandem.Errorf(tandem.NotFound, "there is no node %s", node)
	}
	d.nodes = append(d.nodes, node)
	return nil
}

func (d *drained) UndrainNode(_ context.Context, node string) error {
	d.nodes = slices.DeleteFunc(d.nodes, func(n string) bool { return n == node })
	return nil
}

// TestCluster: the calls about a cluster's nodes.
func TestCluster(t *testing.T) {
	w := newWorld(t)
	d := &drained{}
	w.Cluster = d
	for _, tc := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/cluster", 200}, {"POST", "/cluster/nodes/n1/drain", 204}, {"POST", "/cluster/nodes/n2/drain", 404},
	} {
		if status, body := w.do(tc.method, tc.path, w.token, ""); status != tc.status {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, status, body)
		}
	}
	if !slices.Equal(d.nodes, []string{"n1"}) {
		t.Errorf("drained: %q", d.nodes)
	}
}

// TestFilters: each filter leaves out what does not match it, and keeps what does.
func TestFilters(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	w.names["me"] = w.operatorID()
	w.must("POST", "/webhooks", `{"data":{"type":"webhook","attributes":{"url":"http://hooks.test/","event":"blinkup",`+
		`"content_type":"application/json"},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`)
	w.names["sha"] = w.currentSHA()
	for path, filters := range map[string]map[string]string{
		"/products":     {"owner.id": "{me}"},
		"/devicegroups": {"owner.id": "{me}", "product.id": "{product}", "type": "development_devicegroup"},
		"/deployments":  {"owner.id": "{me}", "creator.id": "{me}", "product.id": "{product}", "devicegroup.id": "{group}", "sha": "{sha}"},
		"/devices": {
			"owner.id": "{me}", "product.id": "{product}", "devicegroup.id": "{group}",
			"devicegroup.owner.id": "{me}", "devicegroup.type": "development_devicegroup", "account.id": "{me}",
		},
		"/webhooks": {"owner.id": "{me}", "devicegroup.id": "{group}"},
	} {
		for name, value := range filters {
			other := anID
			if strings.HasSuffix(name, "type") {
				other = "dut_devicegroup"
			}
			for v, found := range map[string]bool{value: true, other: false} {
				status, body := w.do("GET", path+"?filter["+name+"]="+w.fill(v), w.token, "")
				if status != 200 || strings.Contains(body, `"data":[]`) == found {
					t.Errorf("%s by %s %s: %d %s", path, name, v, status, body)
				}
			}
		}
	}
}

// TestEveryFilter: the filters of a list are those that TestFilters tries, and every list
// refuses any other, and one that is given twice.
func TestEveryFilter(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	for _, r := range routes {
		if r.method != "GET" || r.open || strings.HasPrefix(r.path, "cluster") {
			continue
		}
		path := "/" + strings.NewReplacer(":id", w.names["device"]).Replace(r.path)
		for _, query := range []string{"filter[bogus]=1", "bogus=1", "filter=1", "page[number]=1&page[number]=2", "%zz"} {
			status, body := w.do("GET", path+"?"+query, w.token, "")
			if status != 400 || strings.Contains(body, `"data"`) {
				t.Errorf("%s?%s: %d %s", path, query, status, body)
			}
		}
	}
}

// currentSHA is the sha of the only deployment.
func (w *world) currentSHA() string {
	w.t.Helper()
	_, body := w.do("GET", "/deployments", w.token, "")
	found := regexp.MustCompile(`"sha":"([0-9a-f]{64})"`).FindStringSubmatch(body)
	if found == nil {
		w.t.Fatal(body)
	}
	return found[1]
}

// TestMAC: a device is found by its MAC address, in either case, and shows it.
func TestMAC(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	exec, _ := w.database()
	exec("UPDATE devices SET mac = '0c:2a:69:00:00:01', sum = NULL")
	for path, want := range map[string]int{
		"0c:2a:69:00:00:01": 200, "0C:2A:69:00:00:01": 200, "0c:2a:69:00:00:02": 404, "0c:2a:69:00:00": 404,
	} {
		status, body := w.do("GET", "/devices/"+path, w.token, "")
		if status != want || want == 200 && !strings.Contains(body, `"mac_address":"0c:2a:69:00:00:01"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestCompileErrorText: what is wrong with code, one after the other.
func TestCompileErrorText(t *testing.T) {
	one := Problem{Side: tandem.AgentSide, Line: 1, Column: 2, Text: "a"}
	two := Problem{Side: tandem.DeviceSide, File: "Lib", Line: 3, Column: 4, Text: "b"}
	for want, list := range map[string][]Problem{
		"agent code, line 1, column 2: a":                                                                         {one},
		"agent code, line 1, column 2: a; device code, Lib, line 3, column 4: b":                                  {one, two},
		"device code, Lib, line 3, column 4: b; agent code, line 1, column 2: a; agent code, line 1, column 2: a": {two, one, one},
	} {
		if got := (&CompileError{list}).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestStatuses: how each kind of error looks in HTTP.
func TestStatuses(t *testing.T) {
	for kind, want := range map[tandem.Kind]string{
		tandem.Internal: "500 XX001", tandem.NotFound: "404 NF001", tandem.Invalid: "400 VX001", tandem.Conflict: "409 CX001",
		tandem.Unauthorized: "401 PX001", tandem.Forbidden: "403 PX002", tandem.Limit: "409 CX002",
		tandem.Unavailable: "503 XX002",
	} {
		if s := statuses[kind]; fmt.Sprint(s.status, " ", s.code) != want || s.title == "" {
			t.Errorf("%v: %+v, want %s", kind, s, want)
		}
	}
}

// TestStoreTakesNothing: a call that changes something fails when the database
// takes nothing, and so does the making of the access file.
func TestStoreTakesNothing(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	w.names["free"] = w.must("POST", "/devices", `{"data":{"type":"device","attributes":{"name":"free"}}}`).ID
	exec, tables := w.database()
	exec("DELETE FROM login_keys")
	for _, table := range tables {
		for _, change := range []string{"INSERT", "UPDATE", "DELETE"} {
			exec("CREATE TRIGGER no_" + change + "_" + table + " BEFORE " + change + " ON " + table +
				" BEGIN SELECT RAISE(ABORT, 'nothing is taken'); END")
		}
	}
	const product = `"product":{"type":"product","id":"{product}"}`
	const group = `"devicegroup":{"type":"devicegroup","id":"{group}"}`
	for _, tc := range []struct{ method, path, body string }{
		{"POST", "/products", `{"data":{"type":"product","attributes":{"name":"other"}}}`},
		{"POST", "/devicegroups", `{"data":{"type":"development_devicegroup","attributes":{"name":"other"},"relationships":{` + product + `}}}`},
		{"PATCH", "/devicegroups/{group}", `{"data":{"attributes":{"validate_tls":true}}}`},
		{"POST", "/deployments", `{"data":{"type":"deployment","attributes":{"agent_code":"","device_code":""},"relationships":{` + group + `}}}`},
		{"POST", "/libraries", `{"data":{"type":"library","attributes":{"name":"Lib","version":"1.0.0","code":"x"}}}`},
		{"POST", "/devices", `{"data":{"type":"device","attributes":{"name":"other"}}}`},
		{"PATCH", "/devices/{device}", `{"data":{"attributes":{"name":"renamed"}}}`},
		{"DELETE", "/devices/{free}", ""},
		{"POST", "/devicegroups/{group}/relationships/devices", `{"data":[{"type":"device","id":"{free}"}]}`},
		{"DELETE", "/devicegroups/{group}/relationships/devices", `{"data":[{"type":"device","id":"{device}"}]}`},
	} {
		status, body := w.do(tc.method, w.fill(tc.path), w.token, w.fill(tc.body))
		if status < 400 {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, status, body)
		}
	}
	if err := w.WriteAccess(t.Context(), filepath.Join(t.TempDir(), "access.json"), ""); err == nil {
		t.Error("an access file is made of a key that is not kept")
	}
	for _, table := range tables { // for the end
		for _, change := range []string{"INSERT", "UPDATE", "DELETE"} {
			exec("DROP TRIGGER no_" + change + "_" + table)
		}
	}
}

// TestGiveUpSaved: an operator starts an agent whose record is damaged, without what is damaged.
func TestGiveUpSaved(t *testing.T) {
	w := newWorld(t)
	id := w.pair("server.log(1);", "")
	d, err := w.Store.Device(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for began := false; !began; { // or its start would write the record again
		r, err := w.Store.Record(t.Context(), d.Agent)
		if err != nil {
			t.Fatal(err)
		}
		began = r.Incarnation > 0
		<-time.After(time.Millisecond)
	}
	exec, _ := w.database()
	exec("DELETE FROM agents")
	exec("UPDATE devices SET ran = 1")
	for _, tt := range []struct {
		query   string
		damaged bool // afterwards
	}{
		{"?side=agent", true}, {"?side=agent&give_up_saved", false},
	} {
		if status, body := w.do("POST", "/devices/"+string(id)+"/restart"+tt.query, w.token, ""); status != 204 {
			t.Errorf("%s: %d %s", tt.query, status, body)
		}
		if _, err := w.Store.Record(t.Context(), d.Agent); (err != nil) != tt.damaged {
			t.Errorf("%s: then the record has the error %v", tt.query, err)
		}
	}
}
