package host

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestDrills: an agent that is lost starts from what it has saved, one that moves goes on with its
// memory, and one without memory ends with its next event. Requests meanwhile are answered.
func TestDrills(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	id := w.devices[0].ID
	if got := w.get("/save"); !strings.HasSuffix(got, " 1") {
		t.Fatalf("the first save: %s", got)
	}
	w.must(w.host.Move(t.Context(), id))
	w.lines.expect(`^status Agent moved: shutdown\.$`)
	if got := w.get("/"); !strings.HasPrefix(got, "2 1 ") {
		t.Errorf("after a move the agent says %q, want its second request in incarnation 1", got)
	}
	w.must(w.host.Lose(t.Context(), id))
	w.lines.expect(restartText(tandem.ReasonHostLost))
	if got := w.get("/"); !strings.HasPrefix(got, "1 2 ") {
		t.Errorf("after the loss of its node the agent says %q, want incarnation 2", got)
	}
	if got := w.get("/count"); got != "1" {
		t.Errorf("after the loss of its node %s is saved", got)
	}
	w.must(w.host.RestartFor(t.Context(), id, tandem.ReasonMigrating))
	w.lines.expect(restartText(tandem.ReasonMigrating))
	w.get("/")
	if runs, err := w.host.Starve(t.Context(), id); err != nil || !runs {
		t.Fatal(runs, err)
	}
	_, _ = w.request(t.Context(), "/count") // it may have no answer
	w.lines.expect(`out of memory`)
	w.lines.expect(restartText(tandem.ReasonOutOfMemory))
	if got := w.get("/count"); got != "1" {
		t.Errorf("after it had no memory the agent has saved %s", got)
	}
}

// TestDrillsUnderRequests: the address of an agent answers while the agent moves again and again, and
// no request is handled twice.
func TestDrillsUnderRequests(t *testing.T) {
	w := newWorld(t, lifeCode, 1, nil)
	w.get("/")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	asked := 0
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if r, err := w.request(t.Context(), "/"); err != nil || r.Status != 200 {
				t.Errorf("request %d: %v, %v", asked, r, err)
				return
			}
			asked++
		}
	})
	for range 20 {
		w.must(w.host.Move(t.Context(), w.devices[0].ID))
	}
	close(stop)
	wg.Wait()
	if got := w.get("/"); !strings.HasPrefix(got, fmt.Sprintf("%d 1 ", asked+2)) {
		t.Errorf("after %d requests the agent says %q", asked, got)
	}
}
