package host

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// Both sides get their libraries; a deployment is what was submitted all the
// same, and a node that starts again goes on with what it includes.
func TestLibraries(t *testing.T) {
	w := newWorld(t, lifeCode, 1, func(h *Host) { h.Grace = time.Hour })
	ctx := t.Context()
	for lib, code := range map[tandem.LibraryID]string{
		{Name: "Count.lib.nut", Version: "1.0.0"}: "class Count {\n\tn = 0;\n\tfunction next() { return ++n; }\n\tfunction fail() {\n\t\tthrow \"in the library\";\n\t}\n}",
		{Name: "Twice.lib.nut", Version: "2"}:     "#require \"Count.lib.nut:1.0.0\"\nfunction twice(c) { c.next(); return c.next(); }",
	} {
		_, err := w.store.AddLibrary(ctx, lib, code)
		w.must(err)
	}
	const require = "// A pair.\n#require \"Twice.lib.nut:2\"\n\n"
	d, err := w.store.Deploy(ctx, record.Deployment{Group: w.group.ID, DeviceCode: require + "twice(Count());", AgentCode: require + `c <- Count();
http.onrequest(function(q, r) {
	if (q.path == "/fail") c.fail();
	r.send(200, "" + twice(c));
});`})
	w.must(err)
	w.must(w.host.Deployed(ctx, w.group.ID, ""))
	if got := w.get("/"); got != "2" {
		t.Errorf("the agent counts %s", got)
	}

	l := w.connect()
	hello := func(code string) {
		data, err := json.Marshal(map[string]any{"boot": 1, "code": code})
		w.must(err)
		w.say("sys/hello", tandem.Message{Data: data}, func() {})
	}
	hello(d.DeviceSHA)
	var sent struct{ SHA, Code string }
	w.must(json.Unmarshal([]byte(strings.TrimPrefix(l.next(t, "sys/code "), "sys/code ")), &sent))
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(sent.Code))); sent.SHA != sum || sent.SHA == d.DeviceSHA || strings.Contains(sent.Code, "#require") ||
		!strings.HasSuffix(sent.Code, "\n// A pair.\n\n\ntwice(Count());") || strings.Count(sent.Code, "class Count") != 1 {
		t.Errorf("the device is sent %+v", sent)
	}
	hello(sent.SHA)

	w.stop()
	w.open(nil)
	w.lines.expect(`^status Agent moved: shutdown\.$`)
	if got := w.get("/"); got != "4" {
		t.Errorf("after stop and start the agent counts %s", got)
	}
	w.request(ctx, "/fail")
	w.lines.expect("^agent.error in the library$")
	w.lines.expect("^agent.error   at fail Count.lib.nut:5$")
	w.lines.expect("^agent.error   at unknown agent_code:6$")
}

// TestDeployedIsTakenUp: what starts after a deployment runs it, without a restart of the
// group: the agent of a device that is restarted, and one that is assigned.
func TestDeployedIsTakenUp(t *testing.T) {
	w := newWorld(t, lifeCode, 1, func(h *Host) { h.Grace = time.Hour })
	ctx := t.Context()
	deploy := func(answer string) {
		t.Helper()
		_, err := w.store.Deploy(ctx, record.Deployment{
			Group: w.group.ID, AgentCode: `http.onrequest(@(q, r) r.send(200, "` + answer + `"));`,
		})
		w.must(err)
	}
	deploy("first")
	w.must(w.host.Deployed(ctx, w.group.ID, ""))
	w.lines.expect(`^status Agent (re)?started`)
	if got := w.get("/"); got != "first" {
		t.Errorf("the agent says %s", got)
	}
	deploy("second")
	if got := w.get("/"); got != "first" {
		t.Errorf("after a deployment alone the agent says %s", got)
	}
	w.must(w.host.RestartAgent(ctx, w.devices[0].ID))
	w.lines.expect(`^status Agent restarted: restart\.$`)
	if got := w.get("/"); got != "second" {
		t.Errorf("after its restart the agent says %s", got)
	}
	deploy("third")
	w.must(w.host.Assigned(ctx, w.devices[0].ID))
	w.lines.expect(`^status Agent restarted: reload\.$`)
	if got := w.get("/"); got != "third" {
		t.Errorf("after its assignment the agent says %s", got)
	}
}

// TestOneStart: an assignment and the news of a deployment that its start has read already
// start the agent once; a restart of the group starts it once more.
func TestOneStart(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	ctx := t.Context()
	const code = `http.onrequest(@(q, r) r.send(200, "" + tandem.incarnation()));`
	d, err := w.store.Deploy(ctx, record.Deployment{Group: w.group.ID, AgentCode: code})
	w.must(err)
	for i, step := range []struct {
		tell func() error
		want string
	}{
		{func() error { return w.host.Assigned(ctx, w.devices[0].ID) }, "1"},
		{func() error { return w.host.Deployed(ctx, w.group.ID, d.ID) }, "1"},
		{func() error { return w.host.Deployed(ctx, w.group.ID, "") }, "2"},
	} {
		w.must(step.tell())
		if got := w.get("/"); got != step.want {
			t.Errorf("after step %d the agent answers %s, want %s", i, got, step.want)
		}
	}
}

// TestVariables: both sides have the variables of their group, the device those that it mentions.
func TestVariables(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	ctx := t.Context()
	_, err := w.store.ChangeGroup(ctx, w.group.ID, func(g *record.Group) error {
		g.Env = `{"PLACE": "Bristol", "TOKEN": "secret"}`
		return nil
	})
	w.must(err)
	d, err := w.store.Deploy(ctx, record.Deployment{
		Group: w.group.ID, DeviceCode: "server.log(__VARS.PLACE);",
		AgentCode: `http.onrequest(@(q, r) r.send(200, __VARS.PLACE + " " + __VARS.TOKEN));`,
	})
	w.must(err)
	w.must(w.host.Deployed(ctx, w.group.ID, d.ID))
	if got := w.get("/"); got != "Bristol secret" {
		t.Errorf("the agent answers %s", got)
	}
	l := w.connect()
	w.say("sys/hello", tandem.Message{Data: []byte(`{"boot":1,"code":""}`)}, func() {})
	var sent struct{ Env map[string]string }
	w.must(json.Unmarshal([]byte(strings.TrimPrefix(l.next(t, "sys/code "), "sys/code ")), &sent))
	if sent.Env["__VARS.PLACE"] != `"Bristol"` || sent.Env["__VARS.TOKEN"] != "" || sent.Env["DEPLOYMENT_ID"] != d.ID {
		t.Errorf("the device gets %v", sent.Env)
	}
}
