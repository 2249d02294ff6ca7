package life

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/tandem-iot/tandem"
)

func TestDoor(t *testing.T) {
	one, two := tandem.LinkRef{Node: "n", ID: 1}, tandem.LinkRef{Node: "n", ID: 2}
	var d Door
	for i, c := range []struct {
		ref  tandem.LinkRef
		next uint64 // not 0: the link introduces itself
		seq  uint64 // else: this message comes
		want Verdict
	}{
		{one, 0, 1, Unintroduced}, // nothing has been heard of it
		{one, 5, 0, 0},
		{one, 0, 6, Unintroduced}, // one is missing
		{one, 0, 5, Wanted}, {one, 0, 5, Repeated}, {one, 0, 4, Repeated},
		{two, 0, 1, Stale},
		{one, 4, 0, 0}, {one, 0, 5, Repeated}, // what has been taken stays taken
		{one, 9, 0, 0}, {one, 0, 9, Wanted}, // what was before has been handled
		{two, 1, 0, 0},
		{one, 0, 10, Stale},
		{two, 0, 1, Wanted},
	} {
		if c.next != 0 {
			if err := d.Introduce(c.ref, Introduction{Next: c.next}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got := d.Message(c.ref, c.seq); got != c.want {
			t.Errorf("case %d: verdict %d, want %d", i, got, c.want)
		}
	}
	if err := d.End(one); err != nil || !d.Linked {
		t.Error("the end of an older link is that of the newer")
	}
	if err := d.End(two); err != nil || d.Linked {
		t.Error("the end of the link is not noticed")
	}
	if err := d.Introduce(two, Introduction{}); err != nil || !d.Linked || d.Accepted != 1 {
		t.Errorf("accepted %d after the same link has introduced itself", d.Accepted)
	}
}

// A connection that the device has left, and its gateway still believes in, does not take
// the place of the newer one when both introduce themselves to another owner.
func TestDoorReplaced(t *testing.T) {
	old := Introduction{Born: 10, Again: true}
	newer := Introduction{Born: 20, Again: true}
	left := tandem.LinkRef{ID: 1}
	current := tandem.LinkRef{ID: 2}
	fresh := tandem.LinkRef{ID: 3}
	var d Door
	introduce := func(ref tandem.LinkRef, in Introduction, want error) {
		t.Helper()
		if err := d.Introduce(ref, in); err != want {
			t.Errorf("link %d: error %v, want %v", ref.ID, err, want)
		}
	}
	introduce(left, old, nil) // the first that comes
	introduce(current, newer, nil)
	introduce(left, old, ErrReplaced)
	introduce(current, newer, nil)
	var m Moved
	d.Depart(&m)
	m.Link = &current
	d = m.Door()
	introduce(left, old, ErrReplaced)
	introduce(fresh, Introduction{Born: 15}, nil) // its gateway's clock is behind
	if err := d.End(fresh); err != nil {
		t.Fatal(err)
	}
	introduce(left, old, ErrReplaced) // the device left it all the same
}

func TestDoorShut(t *testing.T) {
	var d Door
	ref, shut := tandem.LinkRef{ID: 1}, errors.New("shut")
	d.Shut(shut)
	if d.Why() != shut || d.Introduce(ref, Introduction{Next: 1}) != shut || d.End(ref) != shut {
		t.Error("a link comes through a door that is shut")
	}
	if d.Message(ref, 1) != Shut || d.Request() != Shut {
		t.Error("something comes through a door that is shut")
	}
	d.Open()
	err := d.Introduce(ref, Introduction{Next: 1})
	if d.Why() != nil || err != nil || d.Message(ref, 1) != Wanted || d.Request() != Wanted {
		t.Error("something does not come through a door that is open")
	}
}

func TestDoorFull(t *testing.T) {
	var d Door
	ref := tandem.LinkRef{ID: 1}
	if err := d.Introduce(ref, Introduction{Next: 1}); err != nil {
		t.Fatal(err)
	}
	for i := range MaxMessages {
		if v := d.Message(ref, uint64(i)+1); v != Wanted {
			t.Fatalf("message %d: %d", i, v)
		}
	}
	for i := range MaxRequests {
		if v := d.Request(); v != Wanted {
			t.Fatalf("request %d: %d", i, v)
		}
	}
	if d.Message(ref, MaxMessages+1) != Full || d.Accepted != MaxMessages || d.Request() != Full {
		t.Error("more is taken than there is room for")
	}
	if d.Message(ref, MaxMessages) != Repeated {
		t.Error("what has been taken is not known when there is no room")
	}
	if !d.Crowd() || d.Crowd() {
		t.Error("the device is told once that it has to wait")
	}
	d.Count(MaxRequests-1, MaxMessages/2)
	if d.Crowd() || d.Request() != Wanted || d.Message(ref, MaxMessages+1) != Wanted {
		t.Error("there is some room, but half of it is not free yet")
	}
	d.Count(0, MaxMessages/2-1)
	if !d.Crowd() {
		t.Error("the next time it has to wait is not new")
	}
}

// TestDoorOnce: whatever a link sends again, and however often it introduces
// itself, each of its messages is taken once, and in order.
func TestDoorOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d Door
		taken := map[tandem.LinkRef]uint64{}
		newest := tandem.LinkRef{}
		for range rapid.IntRange(1, 200).Draw(t, "events") {
			ref := tandem.LinkRef{ID: rapid.Uint64Range(1, 3).Draw(t, "link")}
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				if ref != newest {
					taken[ref] = 0 // another connection: its numbers begin again
				}
				newest = ref
				if err := d.Introduce(ref, Introduction{Next: 1}); err != nil {
					t.Fatal(err)
				}
				continue
			}
			seq := rapid.Uint64Range(1, taken[ref]+2).Draw(t, "seq")
			v := d.Message(ref, seq)
			switch {
			case v == Wanted && (ref != newest || seq != taken[ref]+1):
				t.Fatalf("message %d of link %d is taken after %d", seq, ref.ID, taken[ref])
			case v == Wanted:
				taken[ref] = seq
			case ref == newest && seq == taken[ref]+1:
				t.Fatalf("message %d is not taken: %d", seq, v)
			case v == Repeated && seq > taken[ref]:
				t.Fatalf("message %d counts as taken", seq)
			}
		}
	})
}
