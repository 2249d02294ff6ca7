package runner

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem/mqtt"
)

// posted is the number of an agent's post.
func posted(seq int) mqtt.UserProperty {
	return mqtt.UserProperty{Key: "post", Value: strconv.Itoa(seq)}
}

// keptFiles returns how many posts are on disk.
func (p *pair) keptFiles() int {
	list, err := os.ReadDir(filepath.Join(p.r.Dir, postsDir))
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
		p.expect("agent/p 1", "agent/p 2", "sys/hello…", "agent/boot null")
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

// TestPostsOfTheAgent: each is handled once, whatever comes between.
func TestPostsOfTheAgent(t *testing.T) {
	inBubble(t, `
		function kept() { local b = imp.getuserconfiguration(); return b == null ? 0 : b[0]; }
		agent.on("add", function(n) {
			if (n == 9) server.restart();
			local b = blob(1);
			b[0] = kept() + n;
			imp.setuserconfiguration(b);
			if (n == 5) { imp.sleep(100); server.log("not reached"); }
		});
		agent.on("sum", function(_) { server.log("sum " + kept()); });
		`, func(p *pair) {
		p.started()
		p.say("device/add", 1, posted(1001))
		p.say("device/add", 1, posted(1001)) // again on one link
		p.say("device/add", 2, posted(1002))
		p.say("device/sum", nil, posted(1003))
		p.expect("log sum 3")
		synctest.Wait()
		p.cut()
		p.connected()
		p.say("device/add", 2, posted(1002)) // after a broken link
		p.say("device/sum", nil, posted(1004))
		p.expect("log sum 3")

		// The power goes in the middle, after the change is durable.
		p.say("device/add", 5, posted(1005))
		pass(time.Second)
		p.r.PowerCycle()
		p.started()
		p.say("device/add", 5, posted(1005))
		p.say("device/sum", nil, posted(1006))
		p.expect("log sum 8")

		// One that ends the code does so once.
		p.say("device/add", 9, posted(1007))
		p.say("device/add", 1, posted(1008))
		p.say("device/sum", nil, posted(1009))
		p.expect("sys/hello…", "log sum 9")
	})
}

// TestPostsGap: one that comes after another which has not come is not handled
// before it.
func TestPostsGap(t *testing.T) {
	inBubble(t, `agent.on("n", @(n) server.log("n " + n));`, func(p *pair) {
		after := func(seq int) mqtt.UserProperty { return mqtt.UserProperty{Key: "after", Value: strconv.Itoa(seq)} }
		p.started()
		p.say("device/n", 1, posted(1001))
		p.expect("log n 1")
		p.say("device/n", 3, posted(1003), after(1002))
		p.connected()
		p.say("device/n", 2, posted(1002), after(1001))
		p.say("device/n", 3, posted(1003), after(1002))
		p.say("device/n", 4, posted(1004))
		p.expect("log n 2", "log n 3", "log n 4")
	})
}

// TestPostsWithoutCode: they wait for the first code.
func TestPostsWithoutCode(t *testing.T) {
	inBubble(t, "", func(p *pair) {
		p.expect("CONNECT…", "sys/hello…")
		p.say("device/hello", "you", posted(7))
		p.quiet(time.Minute)
		p.sayCode(`agent.on("hello", @(who) server.log("hello " + who));`)
		p.expect("sys/hello…", "log hello you")
	})
}

// TestPostsTwice: a post of the agent that is handled once more posts nothing
// again.
func TestPostsTwice(t *testing.T) {
	inBubble(t, `
		agent.on("relay", function(n) {
			tandem.post("a", n);
			tandem.post("b", n);
			imp.sleep(100);
			tandem.post("c", n);
		});`, func(p *pair) {
		p.started()
		p.say("device/relay", 1, posted(5))
		p.expect("agent/a 1", "agent/b 1")
		pass(time.Second)
		p.r.PowerCycle()
		p.started()
		p.say("device/relay", 1, posted(5))
		p.expect("agent/c 1")
		p.quiet(time.Minute)
	})
}

// TestPostsLimit: too many are refused, and none of those that were taken is
// lost.
func TestPostsLimit(t *testing.T) {
	inBubbleWith(t, `
		server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 30);
		local taken = 0;
		while (tandem.post("n", taken) == 0) taken++;
		tandem.post("n", blob(1000));
		agent.on("more", @(_) tandem.post("more", taken));
		`, true, func(p *pair) {
		pass(time.Minute)
		p.set(func(n *node) { n.down = false })
		for i := range 1000 {
			p.skipTo("agent/n " + strconv.Itoa(i))
		}
		synctest.Wait()
		p.say("device/more", nil)
		p.expect("agent/more 1000")
	})
}
