package life

import (
	"reflect"

	"github.com/tandem-iot/tandem/agent"
)

// mistakes are faults that the host once had, or could have. Only simulations switch
// them on, to show that they would notice.
type mistakes struct {
	silentLoss   bool // what is lost within the grace is not announced
	ackEarly     bool // a device's message is acknowledged before it has been handled
	ackRepeated  bool // one that comes again is acknowledged while it still waits
	handOnBegun  bool // a request that an incarnation has seen is given to the next one
	keepPostSent bool // a new link is not given the posts that the one before was given
	loseInbox    bool // what waits for the agent does not move along
	losePost     bool // a device's post that was cut off by a restart counts as handled
	earlyBoot    bool // what an incarnation does at its start is seen before it is durable
	loseResult   bool // what came of a save does not move along
	forgetLoss   bool // what was lost before a node stopped is not announced after
	takeForked   bool // messages are taken by numbers that a lost directory counts again
	halfReview   bool // a review while the agent's record is read offers the device no code
}

// Mistakes returns the names of the mistakes that Break knows.
func Mistakes() (names []string) {
	t := reflect.TypeFor[mistakes]()
	for i := range t.NumField() {
		names = append(names, t.Field(i).Name)
	}
	return names
}

// MakeFaulty has the machines of a life panic at a message named panic, and when they are
// to be written down after a message named unwritable. It is for tests of what such faults
// end; nothing else calls it.
func MakeFaulty(l *Life) { l.faulty = &faulty{} }

// faulty is how machines fail.
type faulty struct{ unwritable bool }

// fail fails at an event for the machine, and when that is nil at its snapshot.
func (f *faulty) fail(ev agent.Event) {
	m, ok := ev.(*agent.DeviceMessage)
	switch {
	case f == nil:
	case ok && m.Message.Name == "unwritable":
		f.unwritable = true
	case ok && m.Message.Name == "panic", ev == nil && f.unwritable:
		panic("made faulty")
	}
}

// Break switches a mistake on in a life. It is for simulations, which show by it that
// they would notice; nothing else calls it.
func Break(l *Life, name string) {
	if field := reflect.ValueOf(&l.wrong).Elem().FieldByName(name); field.IsValid() {
		*(*bool)(field.Addr().UnsafePointer()) = true
	}
}
