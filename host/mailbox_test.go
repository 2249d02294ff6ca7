package host

import (
	"runtime"
	"sync"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// TestMailbox has many bring arrivals to a mailbox at once. None is lost, none
// comes twice, those of one come in their order, and one goroutine at a time owns
// the pair: the race detector sees to what only owners touch.
func TestMailbox(t *testing.T) {
	const bringers, each = 8, 3000
	var b mailbox
	l := life.New(&life.Config{}, "d", "a")
	taken := make([]uint64, bringers) // the owner's
	var spare []arrival               // the owner's
	own := func() {
		for {
			all, ok := b.take(l, &spare)
			if !ok {
				return
			}
			for _, a := range all {
				who, n := a.cause%bringers, a.cause/bringers
				if n != taken[who]+1 {
					t.Errorf("arrival %d of %d comes after %d", n, who, taken[who])
				}
				taken[who] = n
			}
			spare = all[:0]
		}
	}
	ref := func(who uint64) tandem.LinkRef { return tandem.LinkRef{ID: who + 1} }
	bring := func(who, n uint64) (owner bool) {
		a := arrival{event: &life.Tick{}, cause: n*bringers + who}
		switch n % 4 {
		case 0:
			owner = b.put(a)
		case 1:
			v := life.Full
			for v == life.Full { // until the owner has made room
				owner, v, _ = b.request(a)
				runtime.Gosched()
			}
		case 2:
			owner, _ = b.introduce(ref(who), life.Introduction{Next: 1}, a)
		case 3:
			owner, _ = b.end(ref(who), a)
		}
		return owner
	}
	var all sync.WaitGroup
	for who := range uint64(bringers) {
		all.Go(func() {
			for n := uint64(1); n <= each; n++ {
				if bring(who, n) {
					own()
				}
			}
		})
	}
	all.Wait()
	for who, n := range taken {
		if n != each {
			t.Errorf("%d of %d arrivals of %d were taken", n, each, who)
		}
	}
	if b.owned || len(b.queue) > 0 {
		t.Error("the pair has an owner, or something waits for one")
	}
}

// TestMailboxDoor: what the door does not take is not added, and a message that
// comes again is added as what it is by then.
func TestMailboxDoor(t *testing.T) {
	var b mailbox
	ref := tandem.LinkRef{Node: "n", ID: 1}
	message := arrival{event: &life.Message{Seq: 1}}
	want := func(what string, queued int, owner, wantOwner bool) {
		t.Helper()
		if len(b.queue) != queued || owner != wantOwner {
			t.Fatalf("%s: %d in the queue, want %d; owner %v", what, len(b.queue), queued, owner)
		}
	}
	owner, v, _ := b.message(ref, 1, message)
	want("before the introduction", 0, owner, false)
	if v != life.Unintroduced {
		t.Errorf("verdict %d", v)
	}
	owner, err := b.introduce(ref, life.Introduction{Next: 1}, arrival{event: &life.Linked{}})
	want("the introduction", 1, owner, true)
	if got, ok := b.linked(); err != nil || !ok || got != ref {
		t.Errorf("linked to %v, %v", got, ok)
	}
	owner, v, _ = b.message(ref, 1, message)
	want("the message", 2, owner, false) // there is one already
	if v != life.Wanted {
		t.Errorf("verdict %d", v)
	}
	owner, v, _ = b.message(ref, 1, message)
	want("the message again", 3, owner, false)
	if again, ok := b.queue[2].event.(*life.Again); !ok || again.Seq != 1 || v != life.Repeated {
		t.Errorf("it is added as %+v, verdict %d", b.queue[2].event, v)
	}
	var m life.Moved
	if b.depart(&m); m.Heard != ref || m.Accepted != 1 {
		t.Errorf("accepted %d of %v", m.Accepted, m.Heard)
	}
	b.shut(life.ErrElsewhere)
	_, v, why := b.message(ref, 2, message)
	if v != life.Shut || why != life.ErrElsewhere {
		t.Errorf("verdict %d, %v", v, why)
	}
	if _, v, why = b.request(arrival{}); v != life.Shut || why != life.ErrElsewhere {
		t.Errorf("verdict %d, %v", v, why)
	}
	if _, err := b.introduce(ref, life.Introduction{Next: 1}, arrival{}); err != life.ErrElsewhere {
		t.Error(err)
	}
	if _, err := b.end(ref, arrival{}); err != life.ErrElsewhere {
		t.Error(err)
	}
	want("through a door that is shut", 3, false, false)
	b.open()
	if _, v, _ := b.request(arrival{}); v != life.Wanted {
		t.Errorf("verdict %d", v)
	}
	want("through a door that is open", 4, false, false)
}

// TestMailboxCounts: what waits in the mailbox counts as well as what waits in the
// life.
func TestMailboxCounts(t *testing.T) {
	var b mailbox
	l := life.New(&life.Config{}, "d", "a")
	ref := tandem.LinkRef{ID: 1}
	if _, err := b.introduce(ref, life.Introduction{Next: 1}, arrival{event: &life.Linked{}}); err != nil {
		t.Fatal(err)
	}
	for i := range life.MaxMessages {
		b.message(ref, uint64(i)+1, arrival{event: &life.Message{}})
	}
	for range life.MaxRequests {
		b.request(arrival{event: &life.Request{}})
	}
	full := func() bool {
		_, v, _ := b.request(arrival{event: &life.Request{}})
		_, w, _ := b.message(ref, b.door.Accepted+1, arrival{event: &life.Said{}})
		if (v == life.Full) != (w == life.Full) {
			t.Errorf("verdicts %d and %d", v, w)
		}
		return v == life.Full
	}
	if !full() || !b.crowd() || b.crowd() {
		t.Error("there is room for too many")
	}
	var spare []arrival
	if all, ok := b.take(l, &spare); !ok || len(all) != 1+life.MaxMessages+life.MaxRequests {
		t.Errorf("%d are taken", len(all))
	}
	if !full() {
		t.Error("what is about to be taken does not count any more")
	}
	if _, ok := b.take(l, &spare); ok || b.owned {
		t.Error("there is something left")
	}
	if full() {
		t.Error("there is no room, though nothing waits")
	}
}
