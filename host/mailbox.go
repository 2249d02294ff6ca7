package host

import (
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// arrival is an event on its way to a pair, with the values of the shell that belong
// to it.
type arrival struct {
	event life.Event
	cause uint64          // number of the event that caused it; 0: it comes from outside
	done  func()          // called when the event has been handled; may be nil
	link  tandem.Link     // of a Linked
	wait  *waiter         // of a Request
	left  func(departure) // of a Leave, or a Stop
}

// departure is the result of a Leave or a Stop.
type departure struct {
	moved *life.Moved // nil when there is nothing to move
	err   error
}

// mailbox receives the events of a pair, and determines the goroutine that runs it. One
// goroutine at a time owns a pair; the one that adds an event to a pair without an owner
// becomes its owner. While a pair has no owner its queue is empty and its life has
// nothing to do.
//
// Only the mailbox uses the pair's lock. It is held for moments, and only the door is
// called meanwhile.
type mailbox struct {
	mu    sync.Mutex
	owned bool
	queue []arrival
	door  life.Door
	order chan struct{} // closed when an order is added; nil: the owner does not wait for one
}

// put adds an arrival. It reports whether the caller is now the owner and must run the
// pair.
func (b *mailbox) put(a arrival) (owner bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.add(a)
}

// add is put with the lock held.
func (b *mailbox) add(a arrival) (owner bool) {
	b.queue = append(b.queue, a)
	if b.order != nil && isOrder(a.event) {
		close(b.order)
		b.order = nil
	}
	owner = !b.owned
	b.owned = true
	return owner
}

// introduce adds the introduction of a link, if the door accepts it.
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

// message adds a message of a link, if the door accepts it. If the pair already has the
// message, it adds an Again instead.
func (b *mailbox) message(ref tandem.LinkRef, seq uint64, a arrival) (owner bool, v life.Verdict, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v = b.door.Message(ref, seq)
	switch v {
	case life.Wanted:
		owner = b.add(a)
	case life.Repeated:
		owner = b.add(arrival{event: &life.Again{Seq: seq}, done: a.done})
	case life.Shut:
		why = b.door.Why()
	}
	return owner, v, why
}

// ordered returns a channel that is closed when an order is in the queue.
func (b *mailbox) ordered() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.order == nil {
		b.order = make(chan struct{})
	}
	order := b.order
	if slices.ContainsFunc(b.queue, func(a arrival) bool { return isOrder(a.event) }) {
		close(order)
		b.order = nil
	}
	return order
}

// patience is how long the orders in the queue wait for the event that the machine is in
// the middle of, at most: it is 0 when there is no order that would end the incarnation.
func (b *mailbox) patience() (shortest time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.queue {
		switch b.queue[i].event.(type) {
		case *life.Restart, *life.Reload, *life.Deleted, *life.Vanish:
			return tandem.EventPatience
		case *life.Stop:
			shortest = stopPatience
		}
	}
	return shortest
}

// crowd reports whether the device has only now begun to wait.
func (b *mailbox) crowd() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.door.Crowd()
}

// request adds a request, if the door accepts it.
func (b *mailbox) request(a arrival) (owner bool, v life.Verdict, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v = b.door.Request(); v == life.Wanted {
		owner = b.add(a)
	}
	return owner, v, b.door.Why()
}

// take returns the queued arrivals to the owner, and counts the waiting items for the
// door. When there are none and the life is not ready to advance by itself, the pair
// loses its owner, and ok is false. spare becomes the new queue.
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

// shut makes the door refuse everything; open undoes it.
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

// depart stores the state of the door for the pair's next host.
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
