package runner

import "testing"

// TestPowerOff: the device ends without a word, and the next Runner has what outlives a power cut.
func TestPowerOff(t *testing.T) {
	inBubble(t, `
		if (!("nv" in getroottable())) nv <- 0;
		imp.setuserconfiguration(imp.getuserconfiguration() == null ? "a" : imp.getuserconfiguration().tostring() + "b");
		agent.send("user", imp.getuserconfiguration().tostring() + nv++);`, func(p *pair) {
		p.started()
		p.expect(`agent/user "a0"`)
		p.r.PowerOff()
		p.r.Aside(func() { t.Error("something is done without power") })
		if err := <-p.done; err != nil {
			t.Error(err)
		}
		p.wg.Wait()
		again := newPair(t, p.r.Dir)
		again.started()
		again.expect(`agent/user "ab0"`)
		aside := make(chan struct{})
		again.r.Aside(func() { close(aside) })
		<-aside
		p.end = again.end
	})
}
