package impunit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// notForReal is what tests are told that do what only virtual time can.
var notForReal = map[string]string{
	"testClock":  "world.agent.clock: the agent has the clock of this machine",
	"testCut":    "that takes 3600 s, and --limit is 600 s",
	"testLose":   "world.host.lose: for real the agent is back at once",
	"testRefuse": "world.store.refuse: the node's store is a real one",
	"testSkip":   "world.time.skip: for real that takes 3600 s",
}

// TestReal runs a project for real that TestProjects has run in virtual time: on an agent, on a device
// and beside both.
func TestReal(t *testing.T) {
	p, err := Find(filepath.Join("testdata", "real"), none)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Files) != 4 {
		t.Fatalf("%d files", len(p.Files))
	}
	for _, f := range p.Files {
		t.Run(filepath.Base(f.Path), func(t *testing.T) {
			r := p.Run(t.Context(), f, Options{Real: true, Limit: 10 * time.Minute})
			if r.Err != nil || len(r.Tests) < 2 {
				t.Errorf("%d tests, %v", len(r.Tests), r.Err)
			}
			for i := range r.Tests {
				checkReal(t, &r.Tests[i])
			}
		})
	}
}

func checkReal(t *testing.T, x *Test) {
	t.Helper()
	want, refused := notForReal[x.Method]
	switch {
	case !refused && x.Failure != nil:
		t.Errorf("%s: %+v", x.Title(), x.Failure)
	case refused && (x.Failure == nil || !strings.Contains(x.Failure.Text, want)):
		t.Errorf("%s: %+v, want %s", x.Title(), x.Failure, want)
	case refused && (x.Failure.Line == 0 || !strings.HasSuffix(x.Failure.File, "virtual.test.nut")):
		t.Errorf("%s: at %s:%d", x.Title(), x.Failure.File, x.Failure.Line)
	}
}

// TestRealFailure: a failure for real comes with the log of both sides, and a program that does not run
// with its mistake.
func TestRealFailure(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) File {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return File{Path: filepath.Join(dir, name), Where: Beside, agent: filepath.Join(dir, "agent.nut")}
	}
	write("agent.nut", "x <- 1;\nhttp.onrequest(function(q, r) { server.log(\"asked\"); r.send(200, \"\"); });\n")
	f := write("a.test.nut", "class A extends ImpTestCase {\n    function test() {\n"+
		"        world.http.request(\"GET\", \"/\");\n        assertEqual(2, agent.x);\n    }\n"+
		"    function testMore() { assertEqual(1, agent.x); }\n}\n")
	p := &Project{Dir: dir, find: none}
	r := p.Run(t.Context(), f, Options{Real: true})
	if r.Err != nil || len(r.Tests) != 2 || r.Tests[0].Failure == nil || r.Tests[1].Failure != nil {
		t.Fatalf("%+v", r)
	}
	fail := r.Tests[0].Failure
	log := ""
	for _, l := range fail.Log {
		log += LineText(l) + "\n"
	}
	if fail.Text != "Expected value: 2, got: 1" || fail.Line != 4 || !strings.Contains(log, "asked") ||
		!strings.Contains(log, "200 to GET /") {
		t.Errorf("%+v\n%s", fail, log)
	}
	write("agent.nut", "x <- missing;\n")
	if r := p.Run(t.Context(), f, Options{Real: true, Method: "testMore"}); r.Err == nil && r.Tests[0].Failure == nil {
		t.Errorf("%+v", r)
	}
}
