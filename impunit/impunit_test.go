package impunit

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/docs"
)

var update = flag.Bool("update", false, "rewrite testdata/*/want.txt")

func none(_ context.Context, id tandem.LibraryID) (string, error) {
	return "", tandem.Errorf(tandem.NotFound, "there is no library %s", id)
}

// results runs all tests of a project of testdata.
func results(t *testing.T, name string, o Options) []Result {
	t.Helper()
	p, err := Find(filepath.Join("testdata", name), none)
	if err != nil {
		t.Fatal(err)
	}
	var list []Result
	for _, f := range p.Files {
		list = append(list, p.Run(t.Context(), f, o))
	}
	return list
}

func textOf(list []Result) string {
	var b strings.Builder
	for i := range list {
		r := &list[i]
		fmt.Fprintln(&b, r.File)
		for j := range r.Tests {
			WriteTest(&b, &r.Tests[j])
		}
		if r.Err != nil {
			fmt.Fprintf(&b, "  FAIL  %v\n", r.Err)
		}
		tests, assertions, failures := r.Counts()
		fmt.Fprintf(&b, "  %d tests, %d assertions, %d failures\n", tests, assertions, failures)
	}
	return b.String()
}

// passedIn is a test that has passed, and the time that it has taken, which depends on how the cores
// wait and try again.
var passedIn = regexp.MustCompile(`(?m)^(  ok    \S+)  \([^()]*\)`)

// TestProjects runs projects of testdata and compares what people see with want.txt of each.
func TestProjects(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got := textOf(results(t, filepath.Base(dir), Options{Seed: 1, Steps: 200_000}))
			got = passedIn.ReplaceAllString(got, "$1")
			name := filepath.Join(dir, "want.txt")
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil || got != string(want) {
				t.Errorf("%v\ngot:\n%s", err, got)
			}
		})
	}
}

// TestOtherSeeds: what tests find does not depend on the small delays of their worlds.
func TestOtherSeeds(t *testing.T) {
	for seed := range uint64(20) {
		for _, r := range results(t, "pair", Options{Seed: seed}) {
			if _, _, failures := r.Counts(); failures > 0 || r.Err != nil {
				t.Errorf("seed %d:\n%s", seed, textOf([]Result{r}))
			}
		}
	}
}

// TestMarksChangeNothing: tests whose coverage is noted have the same results.
func TestMarksChangeNothing(t *testing.T) {
	for _, name := range []string{"pair", "asserts"} {
		with, without := results(t, name, Options{Coverage: &Coverage{}}), results(t, name, Options{})
		if with, without := textOf(with), textOf(without); with != without {
			t.Errorf("with:\n%s\nwithout:\n%s", with, without)
		}
	}
}

// TestOnly: a class and a method can be chosen.
func TestOnly(t *testing.T) {
	list := results(t, "asserts", Options{Case: "Order", Method: "testA"})
	if got := textOf(list); strings.Count(got, "  ok  ") != 1 || !strings.Contains(got, "Order::testA") {
		t.Errorf("got:\n%s", got)
	}
}

// TestReports: the reports for other programs can be read, and say the same.
func TestReports(t *testing.T) {
	list := results(t, "asserts", Options{})
	tests, assertions, failures := list[0].Counts()
	var b bytes.Buffer
	if err := WriteJSON(&b, list); err != nil {
		t.Fatal(err)
	}
	var j jsonResult
	if err := json.Unmarshal(b.Bytes(), &j); err != nil || j.Failures != failures || j.Assertions != assertions {
		t.Errorf("%v: %s", err, b.Bytes())
	}
	b.Reset()
	if err := WriteJUnit(&b, list); err != nil {
		t.Fatal(err)
	}
	var x junitSuites
	if err := xml.Unmarshal(b.Bytes(), &x); err != nil || x.Tests != tests || x.Failures != failures {
		t.Errorf("%v: %s", err, b.Bytes())
	}
}

// TestCoverage: lines that tests reach are known on both sides, and those they do not.
func TestCoverage(t *testing.T) {
	c := &Coverage{}
	results(t, "pair", Options{Coverage: c})
	const agent = "testdata/pair/agent.nut"
	text, err := os.ReadFile(agent)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		code, reached := c.Line(agent, i+1)
		if strings.Contains(line, "saved.n <- 1") && !(code && reached) || strings.TrimSpace(line) == "}" && code {
			t.Errorf("%s: code %t, reached %t", line, code, reached)
		}
	}
	if lines, reached := c.Count("testdata/pair/device.nut"); lines < 10 || reached != lines {
		t.Errorf("the device: %d of %d lines", reached, lines)
	}
	var b bytes.Buffer
	if err := c.WritePage(&b); err != nil || !strings.Contains(b.String(), `class="hit"`) {
		t.Errorf("%v: %s", err, b.String())
	}
}

// TestDocumented: the guide has each name of world, and no other.
func TestDocumented(t *testing.T) {
	guide := ""
	for _, d := range docs.Guides() {
		if d.Name == "testing" {
			guide = d.Text
		}
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("`world\\.([a-z.]+)").FindAllStringSubmatch(guide, -1) {
		documented[strings.TrimSuffix(m[1], ".pin")] = true
	}
	names := worldNames(t)
	for name := range names {
		if !documented[name] {
			t.Errorf("the guide does not have world.%s", name)
		}
	}
	for name := range documented {
		if !names[name] && name != "board" && name != "log" {
			t.Errorf("there is no world.%s", name)
		}
	}
}

// worldNames returns the names of functions in world, as a program finds them.
func worldNames(t *testing.T) map[string]bool {
	t.Helper()
	dir := t.TempDir()
	const test = `class Names extends ImpTestCase {
	function test() {
		foreach (group, members in world) foreach (name, x in members) info(group + "." + name);
	}
}`
	for name, text := range map[string]string{"agent.nut": "x <- 1;", "names.test.nut": test} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Find(dir, none)
	if err != nil {
		t.Fatal(err)
	}
	r := p.Run(t.Context(), p.Files[0], Options{})
	names := map[string]bool{}
	for _, info := range r.Tests[0].Infos {
		names[info] = true
	}
	if len(names) < 20 {
		t.Fatalf("%v %+v", names, r)
	}
	return names
}
