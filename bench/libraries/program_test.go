package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
)

// A test of a repository is assembled as by its runner, and requires its libraries.
func TestAssembly(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "MessageManager")
	for name, text := range map[string]string{
		"tests/a/Case.agent.test.nut": "// first\n@include __PATH__ + \"/../Base.nut\"\nclass A extends Base { f = \"@{__FILE__}\"; }\n",
		"tests/a/Case.device.nut":     "@include once \"tests/Base.nut\";\n",
		"tests/Base.nut":              "#require \"Rocky.agent.lib.nut:3.0.1\"\n@include \"github:electricimp/ConnectionManager/ConnectionManager.lib.nut@v3.1.1\"\n@include __PATH__+\"/../MessageManager.lib.nut\"\nbase <- 1;",
		"tests/Key.agent.test.nut":    "const KEY = \"@{KEY}\"; const ID = \"@{ID}@{KEY}\";\n",
		"tests/Lost.agent.test.nut":   "@include \"github:electricimp/Nowhere/Nowhere.lib.nut\"\n",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	repo := &repository{name: "MessageManager", agent: []string{"MessageManager.lib.nut:2.4.0"}}
	p, err := test(root, repo, filepath.Join(root, "tests/a/Case.agent.test.nut"))
	if err != nil {
		t.Fatal(err)
	}
	if p.name != "test/MessageManager/tests/a/Case.agent.test.nut" || p.side != "agent" || len(p.sources) != 2 ||
		p.skipped != "" {
		t.Errorf("%+v", p)
	}
	a := p.sources["agent"]
	if got, want := strings.Join(a.requires, " "), "Promise.lib.nut:4.0.0 MessageManager.lib.nut:2.4.0 "+
		"Rocky.agent.lib.nut:3.0.1 ConnectionManager.lib.nut:3.1.1"; got != want {
		t.Errorf("requires %s, want %s", got, want)
	}
	const want = "\n#line 1 \"Case.agent.test.nut\"\n// first\n\n#line 1 \"Base.nut\"\n\n\n#line 3 " +
		"\"Base.nut\"\n\n#line 4 \"Base.nut\"\nbase <- 1;\n" +
		"\n#line 3 \"Case.agent.test.nut\"\nclass A extends Base { f = \"Case.agent.test.nut\"; }\n\n"
	if got := a.text.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if p, err = test(root, repo, filepath.Join(root, "tests/Key.agent.test.nut")); err != nil ||
		p.skipped != "needs an account or a setting: KEY ID" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err = test(root, repo, filepath.Join(root, "tests/Lost.agent.test.nut")); err == nil ||
		!strings.Contains(err.Error(),
			"Lost.agent.test.nut:1: github:electricimp/Nowhere/Nowhere.lib.nut is not in the manifest") {
		t.Error(err)
	}
}

// Our own programs require libraries of the manifest, and they compile.
func TestOurs(t *testing.T) {
	list, err := works()
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	find := func(_ context.Context, l tandem.LibraryID) (string, error) {
		for _, repo := range manifest {
			for _, lib := range repo.libraries {
				if lib.id == l.String() {
					return "// " + lib.file, nil
				}
			}
		}
		return "", tandem.Errorf(tandem.NotFound, "there is no such library")
	}
	for _, p := range append(list, loading()...) {
		for name, side := range map[string]tandem.Side{"agent": tandem.AgentSide, "device": tandem.DeviceSide} {
			text, err := p.source(name, "1", 0, "http://127.0.0.1")
			if err == nil {
				text, err = imp.Include(t.Context(), side, text, find)
			}
			if err == nil {
				_, err = imp.Compile(side, []byte(text), nil)
			}
			if err != nil {
				t.Errorf("%s, %s: %v", p.name, name, err)
			}
		}
	}
}

func TestWatch(t *testing.T) {
	lines := make(chan string, 20)
	for _, line := range []string{
		"12:00 [Agent] @@6 done", // of an earlier run
		"12:00 [Status] Agent restarted: exception.",
		"12:00 [Agent] @@7 tests 4",
		"12:00 [Agent] @@7 test 1 A::x",
		"12:00 [Agent] @@7 fail 1 A::x got 1, not 2",
		"12:00 [Agent] @@7 test 2 A::y",
		"12:00 [Agent] @@7 pass 2 A::y",
		"12:00 [Agent] @@7 test 3 A::z",
		"12:00 [Agent] ERROR: no",
		"12:00 [Agent] ERROR:   at f Lib.nut:3",
		"12:00 [Status] Agent restarted: exception.",
	} {
		lines <- line
	}
	w := watch{session: "7", patience: patience}
	crashed, err := w.read(t.Context(), lines)
	if err != nil || !crashed || w.number != 3 || w.total != 4 || w.reason() != "its program ended: no; at f Lib.nut:3" {
		t.Errorf("%v, %v, %+v", crashed, err, w)
	}
	p := &program{
		name:     "test/R/a.nut",
		known:    map[string]string{"A::z": "a reason"},
		outcomes: append(w.outcomes, outcome{w.test, w.reason()}),
	}
	var r report
	r.add(p)
	r.add(&program{name: "test/R/b.nut", skipped: "needs an account"})
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{
		"R      1          1      3       1       1              1",
		"R/a.nut A::x: got 1, not 2", "R/a.nut A::z: a reason (", "test/R/b.nut: needs an account",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if r.err() == nil {
		t.Error("no error")
	}
}
