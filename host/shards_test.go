package host

import (
	"errors"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

// TestAbandonEndsWaits: agents that have something to do wait for a lease, and who
// wants to move them waits for them. When they are lost, nobody waits any more.
func TestAbandonEndsWaits(t *testing.T) {
	w := newWorld(t, `
		function tick() { imp.wakeup(0.001, tick); }
		tick();
		http.onrequest(@(q, r) r.send(200, "here"));`, 5, alone)
	for _, d := range w.devices {
		if _, err := w.host.RequestFrom(t.Context(), Origin{}, d.Agent, &tandem.Request{Method: "GET", Path: "/"}); err != nil {
			t.Fatal(err)
		}
	}
	w.host.Lease(time.Now())
	asked, moved := make(chan error, 1), make(chan int, 1)
	go func() {
		_, err := w.host.RequestFrom(t.Context(), Origin{}, w.devices[0].Agent, &tandem.Request{Method: "GET", Path: "/"})
		asked <- err
	}()
	for { // until there is one that the lease stops
		if _, _, before := w.host.Counts(); before == events(w, 20*time.Millisecond) {
			break
		}
	}
	go func() {
		pairs, _ := w.host.Export(t.Context(), []int{0}) // its error is about those that did not come to rest
		moved <- len(pairs)
	}()
	for w.host.Has(w.devices[0].Agent) {
		<-time.After(time.Millisecond)
	}
	w.host.Abandon()
	if err := <-asked; !errors.Is(err, ErrElsewhere) && !errors.Is(err, ErrLost) {
		t.Errorf("a request that waited: %v", err)
	}
	if n := <-moved; n != 0 {
		t.Errorf("%d agents were moved that are others' by now", n)
	}
	if live, frozen, _ := w.host.Counts(); live != 0 || frozen != 0 {
		t.Errorf("%d agents live and %d hibernate here, and none is this host's", live, frozen)
	}
}

// events returns how many have been handled, after a while.
func events(w *world, while time.Duration) int64 {
	<-time.After(while)
	_, _, n := w.host.Counts()
	return n
}
