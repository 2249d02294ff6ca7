package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOfRehearse: what the command says of mistakes in what it is given, of a pair with nothing wrong, and
// of one with something wrong in all runs.
func TestOfRehearse(t *testing.T) {
	const agent = "n <- 0;\ndevice.on(\"x\", function(_) { n++; });\n"
	const device = "function next() { imp.wakeup(20, next); agent.send(\"x\", null); }\nnext();\n"
	for _, row := range []struct {
		agent, asserted string
		args            string
		status          int
		want            string
	}{
		{"", "", "", 1, "there is no pair in ."},
		{"local x = ;\n", "", "", 1, "agent.nut:1:11: expected an expression"},
		{agent, "local x = ;\n", "", 1, "rehearse.nut:1:11: expected an expression"},
		{agent, "nothing();\n", "", 1, "rehearse.nut has failed: the index 'nothing' does not exist (rehearse.nut:1)"},
		{agent, "always(\"it\", @() agent.m == 0);\n", "", 1, `"it" can never be looked at, also without faults`},
		{agent, "without(\"thunder\");\n", "", 1, `without("thunder"): there is no such fault; there are restart restart,`},
		{agent, "eventually(0, \"it\", @() true);\n", "", 1, `the time of "it" is more than 0 seconds`},
		{agent, "", "--length soon", 1, "--length soon: give a span of time"},
		{agent, "", "--keep a.txt", 1, "--keep a.txt: tandem test takes stories from files NAME.story"},
		{agent, "", "--seed 1.99999999", 1, "single faults, from 1.0 on; 1.99999999 is none of them"},
		{agent, "", "--seed 17", 0, "Nothing is wrong in the story of seed 17."},
		{agent, "", "--length \"5 minutes\" --seeds 3 --coverage c.html", 0, "single faults, 3 seeds: nothing is wrong."},
		{agent, "always(\"it\", @() agent.n < 2 || \"twice\");\n", "", 1, "BROKEN  it  (twice)"},
	} {
		dir := t.TempDir()
		if row.agent != "" {
			write(t, filepath.Join(dir, "agent.nut"), row.agent)
			write(t, filepath.Join(dir, "device.nut"), device)
		}
		if row.asserted != "" {
			write(t, filepath.Join(dir, "rehearse.nut"), row.asserted)
		}
		args := strings.Fields(row.args)
		if before, after, ok := strings.Cut(row.args, "\"5 minutes\" "); ok {
			args = append(append(strings.Fields(before), "5 minutes"), strings.Fields(after)...)
		}
		out, status := tandemIn(t, dir, append([]string{"rehearse"}, args...)...)
		if status != row.status || !strings.Contains(out, row.want) {
			t.Errorf("%q, tandem rehearse %s: status %d, want %d and %q in\n%s", row.asserted, row.args, status, row.status,
				row.want, out)
		}
		if strings.Contains(row.args, "--coverage") {
			page, err := os.ReadFile(filepath.Join(dir, "c.html"))
			if err != nil || !strings.Contains(string(page), `class="tried"`) {
				t.Errorf("the page is %q, %v", page, err)
			}
		}
	}
}

// TestExamplesRehearsed: the examples' assertions hold in some stories, and can be broken.
func TestExamplesRehearsed(t *testing.T) {
	files := map[string]map[string]string{"thermostat": example(t, "thermostat"), "sync": example(t, "sync")}
	for name := range files {
		dir := t.TempDir()
		for file, text := range files[name] {
			write(t, filepath.Join(dir, file), text)
		}
		for _, seed := range []string{"1", "2", "1.7"} {
			out, status := tandemIn(t, dir, "rehearse", "--seed", seed)
			if status != 0 {
				t.Errorf("%s: status %d:\n%s", name, status, out)
			}
		}
		agent := filepath.Join(dir, "agent.nut")
		text, err := os.ReadFile(agent)
		if err != nil {
			t.Fatal(err)
		}
		write(t, agent, strings.ReplaceAll(string(text), "device.send(", "(@(...) 0)("))
		if out, status := tandemIn(t, dir, "rehearse"); status != 1 || !strings.Contains(out, "BROKEN") {
			t.Errorf("%s, without messages to the device: status %d:\n%s", name, status, out)
		}
	}
}
