package runner

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestLinesAcrossHours: a device that sleeps for hours, and whose connections break when the
// node has taken a line and has not said so. By the numbers of the lines, each is there once.
func TestLinesAcrossHours(t *testing.T) {
	const code = `if (!("nv" in getroottable())) nv <- { runs = 0 };
local run = nv.runs++;
for (local i = 0; i < 50; i++) { server.log(run + "." + i); print(run + "." + i + "p"); }
function leave() {
    server.log(run + " leaves");
    switch (run % 3) {
        case 0: server.sleepfor(900); break;
        case 1: imp.deepsleepfor(900); break;
        case 2: server.disconnect(); imp.wakeup(900, function() { server.connect(); server.sleepfor(60); });
    }
}
if (run < 9) imp.wakeup(1, leave);
else server.log("end");`
	inBubble(t, code, func(p *pair) {
		n := 0
		p.set(func(node *node) { node.line = func() bool { n++; return n%137 != 0 } })
		began := time.Now()
		var lines []string
		newest, repeated := 0, 0
		for len(lines) == 0 || lines[len(lines)-1] != "end" {
			g := p.next()
			if g.topic != "log" {
				if g.topic == "log/error" {
					t.Fatal(g)
				}
				continue
			}
			seq, err := strconv.Atoi(g.user["seq"])
			if err != nil || g.user["boot"] != "1" {
				t.Fatalf("a line without a number: %s %v", g, g.user)
			}
			if seq <= newest {
				repeated++
				continue
			}
			newest = seq
			lines = append(lines, g.payload)
		}
		var want []string
		for run := range 10 {
			for i := range 50 {
				want = append(want, fmt.Sprintf("%d.%d", run, i), fmt.Sprintf("%d.%dp", run, i))
			}
			if run < 9 {
				want = append(want, fmt.Sprint(run, " leaves"))
			}
		}
		if !slices.Equal(lines, append(want, "end")) {
			t.Errorf("%d lines, not %d: %q", len(lines), len(want)+1, lines)
		}
		if hours := time.Since(began).Hours(); hours < 2 || repeated == 0 {
			t.Errorf("%.1f hours, %d lines came again: the test does not try what it should", hours, repeated)
		}
	})
}
