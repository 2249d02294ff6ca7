package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/docs"
)

// tandemTest runs the command in a directory, and returns what it prints and its status.
func tandemTest(t *testing.T, dir string, args ...string) (out string, status int) {
	t.Helper()
	return tandemIn(t, dir, append([]string{"test"}, args...)...)
}

// tandemIn runs a command in a directory, and returns what it prints and its status.
func tandemIn(t *testing.T, dir string, args ...string) (out string, status int) {
	t.Helper()
	t.Chdir(dir)
	var text bytes.Buffer
	status = run(context.Background(), args, &streams{out: &text, err: &text})
	return text.String(), status
}

// duration is what of a result depends on the machine.
var duration = regexp.MustCompile(` \([^()]* in [^()]*\)`)

// TestGuidesOfTests follows the guides: each block of code is saved in its file, each command is run,
// and each line that the guide shows below it is printed, in that order. The last command succeeds.
func TestGuidesOfTests(t *testing.T) {
	for name, count := range map[string]int{"testing": 4, "rehearsing": 4} {
		t.Run(name, func(t *testing.T) {
			commands, status := followGuide(t, name)
			if status != 0 || commands != count {
				t.Errorf("status %d at the end, after %d commands", status, commands)
			}
		})
	}
}

func followGuide(t *testing.T, name string) (commands, status int) {
	t.Helper()
	dir := t.TempDir()
	shown := ""
	for _, part := range guideParts(t, name) {
		name, code := part.file, part.text
		if name != "" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(code), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		lines := strings.Split(strings.TrimRight(code, "\n"), "\n")
		if command, ok := strings.CutPrefix(lines[0], "$ tandem "); ok {
			commands++
			args := strings.Fields(command)
			shown, status = tandemIn(t, dir, args...)
			shown = duration.ReplaceAllString(shown, "")
			lines = lines[1:]
		}
		rest := shown
		for _, line := range lines {
			_, after, found := strings.Cut(rest, line+"\n")
			if !found {
				t.Fatalf("the guide shows\n%s\nwhich is not in\n%s", line, shown)
			}
			rest = after
		}
	}
	return commands, status
}

// part is a block of a guide: a file, or text that is indented.
type part struct{ file, text string }

func guideParts(t *testing.T, name string) (parts []part) {
	t.Helper()
	block := regexp.MustCompile("(?ms)^```squirrel ([^\n]*)\n(.*?)^```$|(?:^    [^\n]*\n)+")
	for _, d := range docs.Guides() {
		if d.Name != name {
			continue
		}
		for _, m := range block.FindAllStringSubmatch(d.Text, -1) {
			switch file, isTest := strings.CutPrefix(m[1], "test "); {
			case strings.HasPrefix(m[0], "    # Tests a pair on each push"): // see TestWorkflows
			case m[1] == "":
				parts = append(parts, part{"", regexp.MustCompile("(?m)^    ").ReplaceAllString(m[0], "")})
			case isTest:
				parts = append(parts, part{file, m[2]})
			default:
				parts = append(parts, part{m[1] + ".nut", m[2]})
			}
		}
	}
	if parts == nil {
		t.Fatalf("there is no guide %s", name)
	}
	return parts
}

// TestExamplesPass runs the tests of each example: all have some.
func TestExamplesPass(t *testing.T) {
	files := map[string]map[string]string{}
	pairs, err := filepath.Glob("../../examples/*/agent.nut")
	if err != nil || len(pairs) < 4 {
		t.Fatal(pairs, err)
	}
	for _, pair := range pairs {
		name := filepath.Base(filepath.Dir(pair))
		files[name] = example(t, name)
	}
	for name := range files {
		dir := t.TempDir()
		for file, text := range files[name] {
			write(t, filepath.Join(dir, file), text)
		}
		page := filepath.Join(dir, "coverage.html")
		out, status := tandemTest(t, dir, "--coverage", page)
		if status != 0 || !strings.Contains(out, "Failures: 0") {
			t.Errorf("%s: status %d:\n%s", name, status, out)
		}
		if text, err := os.ReadFile(page); err != nil || !bytes.Contains(text, []byte(`class="hit"`)) {
			t.Errorf("%s: the page of the coverage is %q, %v", name, text, err)
		}
	}
}

// TestWorkflows runs what the workflow files for hosts of code run, on a pair, and compares the files
// with what the guide shows.
func TestWorkflows(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	pair := example(t, "thermostat")
	names, err := filepath.Glob("../../examples/ci/*.yml")
	if err != nil || len(names) != 2 {
		t.Fatal(names, err)
	}
	var texts []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	indented := regexp.MustCompile(`(?m)^.+$`)
	commands := regexp.MustCompile(`(?m)^ +- (?:run: )?tandem (.*)$`)
	for i, text := range texts {
		if !strings.Contains(string(guide), indented.ReplaceAllString(text, "    $0")) {
			t.Errorf("the guide does not show %s as it is", names[i])
		}
		dir := t.TempDir()
		for file, code := range pair {
			write(t, filepath.Join(dir, file), code)
		}
		t.Chdir(dir)
		all := commands.FindAllStringSubmatch(text, -1)
		for _, c := range all {
			var out bytes.Buffer
			s := &streams{out: &out, err: &out}
			if status := run(t.Context(), strings.Fields(c[1]), s); status != 0 {
				t.Errorf("%s: tandem %s: status %d:\n%s", names[i], c[1], status, out.String())
			}
		}
		if len(all) != 2 || strings.Count(text, "tandem ") != len(all) {
			t.Errorf("%s has the commands %q", names[i], all)
		}
		for _, result := range []string{"results.xml", "coverage.html"} {
			if _, err := os.Stat(result); err != nil || strings.Count(text, result) < 2 {
				t.Errorf("%s: %s is not kept: %v", names[i], result, err)
			}
		}
	}
}

// TestOfTests: what the command says when there is nothing to run, or something is wrong, and its
// status.
func TestOfTests(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "agent.nut"), `#require "Greeter.lib.nut:1.0.0"`+"\ntext <- greet();\n")
	write(t, filepath.Join(dir, "lib.nut"), "function greet() { return \"hello\"; }\n")
	for _, row := range []struct {
		file, text string
		args       string
		status     int
		want       string
	}{
		{"", "", "", 1, "no tests in the current directory"},
		{"", "", "nowhere", 1, "there is no directory nowhere"},
		{"", "", "--limit soon", 1, "--limit soon: give a span of time"},
		{"", "", "--real --coverage x.html", 1, "--coverage counts lines in virtual time: leave out --real"},
		{"", "", "--module imp999", 1, "--module imp999: there is no such type"},
		{
			"a.test.nut", "class A extends ImpTestCase {}\n", "", 1,
			"there is no library Greeter.lib.nut:1.0.0 here; give its source with --library Greeter.lib.nut:1.0.0=FILE",
		},
		{
			"a.test.nut", "local x = ;\n", "--library Greeter.lib.nut:1.0.0=lib.nut", 1,
			"a.test.nut:1:11: expected an expression",
		},
		{"a.test.nut", "class A extends ImpTestCase {}\n", "--library Greeter.lib.nut:1.0.0=lib.nut", 1, "no test has run"},
		{
			"a.test.nut", "class A extends ImpTestCase { function test() { assertEqual(\"hello\", agent.text); } }\n",
			"--library Greeter.lib.nut:1.0.0=lib.nut", 0, "ok    A::test",
		},
		{"", "", "--library Greeter.lib.nut:1.0.0=lib.nut --tests b.test.nut", 1, "there is no file b.test.nut with tests"},
		{"", "", "--library Greeter.lib.nut:1.0.0=lib.nut --tests a.test.nut:B", 1, "no test has run"},
		{"", "", "--library Greeter.lib.nut:1.0.0=lib.nut --json", 0, `"case":"A","method":"test","ok":true`},
		{"", "", "--library Greeter.lib.nut:1.0.0=lib.nut --real", 0, "ok    A::test"},
		{"", "", "--library Greeter.lib.nut:1.0.0=none.nut", 1, "none.nut"},
	} {
		if row.file != "" {
			write(t, filepath.Join(dir, row.file), row.text)
		}
		out, status := tandemTest(t, dir, strings.Fields(row.args)...)
		if status != row.status || !strings.Contains(out, row.want) {
			t.Errorf("tandem test %s: status %d, want %d and %q in\n%s", row.args, status, row.status, row.want, out)
		}
	}
}

// TestDevRunsTests: tandem dev runs the tests at first, and when a file of tests is saved.
func TestDevRunsTests(t *testing.T) {
	files := example(t, "sync")
	p := startDev(t, files, "--test")
	p.expect(`Tests: 4, .*Failures: 0`)
	wrong := strings.Replace(files["sync.test.nut"], "assertEqual(400", "assertEqual(401", 1)
	write(t, filepath.Join(p.dir, "sync.test.nut"), wrong)
	p.expect(`Tests: 4, .*Failures: 1`)
	p.stop()
}

// TestWatchedTests: with --watch the tests run again when a file is saved, and also after a file
// with a mistake.
func TestWatchedTests(t *testing.T) {
	dir := t.TempDir()
	test := func(body string) {
		write(t, filepath.Join(dir, "a.test.nut"), "class A extends ImpTestCase { function test() { "+body+" } }\n")
	}
	write(t, filepath.Join(dir, "agent.nut"), "x <- 1;\n")
	test("assertEqual(1, agent.x);")
	p := start(t, "test", "--watch", dir)
	p.expect(`Tests: 1, Assertions: 1, Failures: 0`)
	test("local x = ;")
	p.expect(`expected an expression, found ';'`)
	test("assertEqual(22, agent.x);")
	p.expect(`Tests: 1, Assertions: 1, Failures: 1`)
	write(t, filepath.Join(dir, "agent.nut"), "local y = 0;\nx <- 22;\n")
	p.expect(`Tests: 1, Assertions: 1, Failures: 0`)
	p.stop()
}
