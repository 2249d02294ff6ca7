package life

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

// How much waits for one agent.
const (
	MaxRequests = 1000 // that the agent has not seen
	MaxMessages = 1000 // of its device, and what that says for the log and of itself
)

// Door decides who may come in to a pair: whether an event is taken, and so is
// handled or answered some time, or not, which its sender is told at once.
// It numbers nothing itself: a link numbers what it brings, from 1.
type Door struct {
	Heard    tandem.LinkRef // whose messages Accepted counts
	Accepted uint64         // the last of them that has been taken
	Linked   bool           // Heard is the device's link now
	Born     hlc.Timestamp  // when Heard began, also if it has ended; 0: that is not known

	shut     error // why nothing is taken; nil: the door is open
	requests int   // that wait behind the door
	messages int
	crowded  bool // the device has been told to wait, since there was room
}

// Verdict says what is to become of a message.
type Verdict uint8

const (
	Wanted       Verdict = iota // it is taken: bring a Message, or a Said
	Repeated                    // the pair has it already: bring an Again
	Stale                       // a newer link has taken over: it is not to be acknowledged, and the link is being closed
	Unintroduced                // the link must introduce itself again
	Full                        // too much waits already
	Shut                        // see Why
)

// Door returns the door of a pair that has come here.
func (m *Moved) Door() Door {
	return Door{Heard: m.Heard, Accepted: m.Accepted, Linked: m.Link != nil, Born: m.Born}
}

// Depart writes down what the door of the pair at its next host has to know.
func (d *Door) Depart(m *Moved) {
	m.Heard, m.Accepted = d.Heard, d.Accepted
	m.Born = d.Born
}

// Shut has the door take nothing any more, for a reason; Open undoes it.
func (d *Door) Shut(why error) { d.shut = why }

// Open opens the door.
func (d *Door) Open() { d.shut = nil }

// Why says why the door is shut; nil when it is open.
func (d *Door) Why() error { return d.shut }

// Count says how much waits behind the door now.
func (d *Door) Count(requests, messages int) {
	d.requests, d.messages = requests, messages
	if messages < MaxMessages/2 {
		d.crowded = false
	}
}

// Introduction is what a link says of itself.
type Introduction struct {
	Next  uint64        // number of its next message
	Born  hlc.Timestamp // when it began, by its gateway's clock; 0: that is not known
	Again bool          // it does not introduce itself as it begins: it has before, or had to wait
}

// Introduce takes a link, which is the device's from now on. One that is new takes the
// place of any other. One that introduces itself later, because the pair has another owner,
// may be a connection that the device has left and its gateway still believes in: it does
// not take the place of one that began later.
func (d *Door) Introduce(ref tandem.LinkRef, in Introduction) error {
	switch {
	case d.shut != nil:
		return d.shut
	case d.Heard != ref && in.Again && in.Born < d.Born:
		return ErrReplaced
	}
	next := max(in.Next, 1)
	if d.Heard == ref {
		d.Accepted = max(d.Accepted, next-1)
	} else {
		d.Heard, d.Accepted = ref, next-1
	}
	d.Linked, d.Born = true, in.Born
	return nil
}

// End says that a link has ended.
func (d *Door) End(ref tandem.LinkRef) error {
	if d.shut != nil {
		return d.shut
	}
	if d.Heard == ref {
		d.Linked = false
	}
	return nil
}

// Message says what is to become of message seq of a link. One that is wanted is
// taken: the next has the next number.
//
// A message by a link that has not introduced itself, or behind one that is
// missing, is not taken: after an introduction all come again that have not been
// acknowledged.
func (d *Door) Message(ref tandem.LinkRef, seq uint64) Verdict {
	switch {
	case d.shut != nil:
		return Shut
	case d.Heard == tandem.LinkRef{}:
		return Unintroduced
	case d.Heard != ref:
		return Stale
	case seq > d.Accepted+1:
		return Unintroduced
	case seq <= d.Accepted:
		return Repeated
	case d.messages >= MaxMessages:
		return Full
	}
	d.Accepted = seq
	d.messages++
	return Wanted
}

// Crowd notes that the device has been told to wait, and reports whether that is
// new.
func (d *Door) Crowd() bool {
	was := d.crowded
	d.crowded = true
	return !was
}

// Request says whether a request is taken.
func (d *Door) Request() Verdict {
	switch {
	case d.shut != nil:
		return Shut
	case d.requests >= MaxRequests:
		return Full
	}
	d.requests++
	return Wanted
}
