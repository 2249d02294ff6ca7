package runner

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
)

// keptFiles returns how many posts are on disk.
func (p *pair) keptFiles() int {
	list, err := os.ReadDir(filepath.Join(p.r.Dir, "posts"))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(list)
}

// TestPosts: what the code posts is kept over a power cut, comes again with the
// number it had and before anything newer, and is forgotten when the agent has
// handled it.
func TestPosts(t *testing.T) {
	inBubble(t, `
		if (hardware.wakereason() == WAKEREASON_POWER_ON) agent.send("boot", null);
		agent.on("go", function(n) {
			server.log(tandem.post("p", n, @() server.log("handled " + n)));
		});`, func(p *pair) {
		p.started()
		p.expect("agent/boot null")
		p.set(func(n *node) { n.hold = true })
		p.say("device/go", 1)
		first := p.expect("agent/p 1")
		p.expect("log 0")
		p.say("device/go", 2)
		second := p.expect("agent/p 2")
		p.expect("log 0")
		if n := p.keptFiles(); n != 2 {
			t.Fatalf("%d posts are kept", n)
		}
		p.r.PowerCycle()
		p.expect("CONNECT…")
		p.set(func(n *node) { n.hold = false })
		p.expect("sys/hello…", "agent/p 1", "agent/p 2", "agent/boot null")
		synctest.Wait()
		if n := p.keptFiles(); n != 0 {
			t.Errorf("%d posts are kept after they were handled", n)
		}
		if first.user["boot"] != "1" || second.user["seq"] <= first.user["seq"] || first.user["post"] == "" {
			t.Errorf("posted with %v and %v", first.user, second.user)
		}
		p.say("device/go", 3)
		third := p.expect("agent/p 3")
		p.expect("log 0", "log handled 3")
		if third.user["boot"] != "2" {
			t.Errorf("posted after the power cut with %v", third.user)
		}
	})
}
