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
