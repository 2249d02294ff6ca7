package central

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
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
		{regexp.MustCompile(`"(key|access_token|refresh_token)": "[^"]*"`), `"$1": "{secret}"`},
		{regexp.MustCompile(`\b[0-9A-Za-z]{20,}\b`), "{long}"},
		{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "{device id}"},
	} {
		body = r.is.ReplaceAllString(body, r.name)
	}
	return strings.ReplaceAll(body, "\n\n", "\n")
}

// TestStoreTrouble: a call that needs something that the database does not have
// any more fails as ours, and never gives half an answer or one of the client's
// mistakes.
func TestStoreTrouble(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	paths := []string{
		"/accounts/me", "/products", "/products/{product}", "/devicegroups", "/devicegroups/{group}", "/deployments", "/libraries", "/devices",
		"/devices/{device}", "/devices?filter[devicegroup.id]={group}", "/devicegroups?filter[product.id]={product}",
		"/deployments?filter[devicegroup.id]={group}", "/devices/{device}/logs", "/devices/{agent}",
	}
	db, err := sql.Open("sqlite", w.file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(text string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(text, err)
		}
	}
	exec("PRAGMA busy_timeout = 10000")
	exec("PRAGMA legacy_alter_table = ON") // what refers to a table keeps the name
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
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
			if status != whole || !strings.Contains(path, "logs") && answer != want {
				t.Errorf("without %s, GET %s: %d %s", table, path, status, answer)
			}
		}
		exec("ALTER TABLE gone RENAME TO " + table)
	}
	if failed < len(paths) {
		t.Errorf("only %d calls failed without a table", failed)
	}
}
