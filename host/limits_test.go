package host

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
)

// TestWaits: a request waits for an agent to take it, and then longer for its
// answer; both waits end in what becomes a 504.
func TestWaits(t *testing.T) {
	for _, tc := range []struct {
		limit string
		begun bool
		err   error
		after time.Duration
	}{
		{tandem.OverPlacementWait, false, errNotReached, tandem.PlacementWait},
		{tandem.OverAnswerWait, true, errNoAnswer, tandem.AnswerWait},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &waiter{ready: make(chan struct{}, 1), begun: tc.begun}
			p := &pair{host: new(Host), waiting: map[uint64]*waiter{1: w}}
			began := time.Now()
			if err := p.wait(t.Context(), 1, w); err != tc.err || tandem.KindOf(err) != tandem.Unavailable {
				t.Errorf("%s: %v", tc.limit, err)
			}
			if took := time.Since(began); took != tc.after {
				t.Errorf("%s: after %v", tc.limit, took)
			}
			if n := p.host.Activity().Over[tc.limit]; n != 1 {
				t.Errorf("%s is counted %d times", tc.limit, n)
			}
		})
	}
}

// TestBook: an agent answers for what its program does, not for what else the
// machine was doing meanwhile.
func TestBook(t *testing.T) {
	for _, tc := range []struct {
		took, used time.Duration
		hog        bool
	}{
		{10 * time.Millisecond, 40 * time.Millisecond, true},
		{10 * time.Millisecond, 10 * time.Microsecond, false},
		{10 * time.Microsecond, 10 * time.Millisecond, false},
	} {
		p := &pair{host: new(Host)}
		for range 30 {
			p.book(time.Now(), tc.took, tc.used)
		}
		if p.hog != tc.hog {
			t.Errorf("%v with %v of VM time, 30 times: hog is %v", tc.took, tc.used, p.hog)
		}
	}
}

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
