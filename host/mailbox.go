package host

import (
	"sync"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// arrival is an event on its way to a pair, with what belongs to it outside.
type arrival struct {
	event life.Event
	cause uint64          // number of the event that caused it; 0: it comes from outside
	done  func()          // called when the event has been handled; may be nil
	link  tandem.Link     // of a Linked
	wait  *waiter         // of a Request
	left  func(departure) // of a Leave, or a Stop
}

// departure is how a pair has left this host, or has not.
type departure struct {
	moved *life.Moved // nil when there is nothing of it to go elsewhere
	err   error
}

// mailbox is how events come to a pair, and how it is settled who runs it. One
// goroutine at a time owns a pair; who brings an event to a pair without an owner
// becomes its owner. While a pair has no owner its queue is empty and its life has
// nothing to do.
//
// The mailbox alone knows the pair's lock. It is held for moments only, and
// nothing is called meanwhile but the door.
type mailbox struct {
	mu    sync.Mutex
	owned bool
	queue []arrival
	door  life.Door
}

// put adds an arrival. It reports whether the caller is the owner now, and has to
// run the pair.
func (b *mailbox) put(a arrival) (owner bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.add(a)
}

// add is put with the lock held.
func (b *mailbox) add(a arrival) (owner bool) {
	b.queue = append(b.queue, a)
	owner = !b.owned
	b.owned = true
	return owner
}

// introduce adds a link's introduction, if the door takes it.
func (b *mailbox) introduce(ref tandem.LinkRef, in life.Introduction, a arrival) (owner bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.door.Introduce(ref, in); err != nil {
		return false, err
	}
	return b.add(a), nil
}

// end adds the end of a link.
func (b *mailbox) end(ref tandem.LinkRef, a arrival) (owner bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.door.End(ref); err != nil {
		return false, err
	}
	return b.add(a), nil
}

// message adds a message of a link if it is wanted. again is in its place when the
// pair has it already; without an event it is not added.
func (b *mailbox) message(ref tandem.LinkRef, seq uint64, a, again arrival) (owner bool, v life.Verdict, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v = b.door.Message(ref, seq)
	switch {
	case v == life.Wanted:
		owner = b.add(a)
	case v == life.Taken && again.event != nil:
		owner = b.add(again)
	case v == life.Shut:
		why = b.door.Why()
	}
	return owner, v, why
}

// crowd reports whether it is new that the device has to wait.
func (b *mailbox) crowd() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.door.Crowd()
}

// request adds a request if the door takes it.
func (b *mailbox) request(a arrival) (owner bool, v life.Verdict, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v = b.door.Request(); v == life.Wanted {
		owner = b.add(a)
	}
	return owner, v, b.door.Why()
}

// take gives the owner what has come. Without an arrival, and when the life is
// not ready to go on by itself, the pair has no owner any more, and ok is false.
// The queue goes on in spare, which is used up then.
// What waits behind the door is counted again.
func (b *mailbox) take(l *life.Life, spare *[]arrival) (all []arrival, ok bool) {
	ready := l.Ready()
	requests, messages := l.Waiting()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.queue {
		switch b.queue[i].event.(type) {
		case *life.Request:
			requests++
		case *life.Message, *life.Said:
			messages++
		}
	}
	b.door.Count(requests, messages)
	if len(b.queue) == 0 {
		b.owned = ready
		return nil, ready
	}
	all = b.queue
	b.queue, *spare = *spare, nil
	return all, true
}

// shut has the door take nothing any more; open undoes it.
func (b *mailbox) shut(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.door.Shut(why)
}

func (b *mailbox) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.door.Open()
}

// depart writes down what the door at the pair's next host has to know.
func (b *mailbox) depart(m *life.Moved) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.door.Depart(m)
}

// linked reports whether the device has a link, and which.
func (b *mailbox) linked() (ref tandem.LinkRef, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.door.Heard, b.door.Linked
}
