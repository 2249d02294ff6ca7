package host

import (
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestTimersAmongMessages: timers have their turn also while there is always
// another message, and its handler waits.
func TestTimersAmongMessages(t *testing.T) {
	const messages = 300
	w := newWorld(t, `
ticks <- 0; heard <- 0;
function tick() { imp.wakeup(0, tick); ticks++; }
tick();
device.on("x", function(x) { if (heard == 0) imp.sleep(0.3); if (server.save({ heard = ++heard }) != 0 || heard == 300) server.log(heard + " messages, " + (ticks >= heard - 1 ? "enough" : "only " + ticks) + " ticks"); });`, 1, nil)
	for range messages { // all but the first wait in the queue
		w.say("agent/x", tandem.Message{Data: []byte("1")}, func() {})
	}
	w.lines.expect("300 messages, enough ticks$")
}
