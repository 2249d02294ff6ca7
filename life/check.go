package life

import (
	"errors"

	"github.com/tandem-iot/tandem/agent"
)

// checkState says what in a state that has arrived cannot be: it would have the
// pair do what it never does.
func (l *Life) checkState() error {
	switch l.Phase {
	case live, frozen:
		if len(l.Packed) == 0 {
			return errors.New("its machine is missing")
		}
	case absent, delayed, quarantined:
		if len(l.Packed) > 0 || l.Phase == delayed && l.StartAt == 0 {
			return errors.New("it has a machine that does not run, or no time to start")
		}
	default:
		return errors.New("it is in a phase in which no pair moves")
	}
	if l.Result != nil && (l.Phase != live || l.Result.event == nil) || l.Crashes < 0 {
		return errors.New("it has an outcome that nothing waits for, or a negative count")
	}
	numbers := map[uint64]bool{}
	for _, r := range l.Requests {
		if r == nil || r.Number == 0 || numbers[r.Number] {
			return errors.New("a request is there twice, or has no number")
		}
		numbers[r.Number] = true
	}
	for _, list := range [][]item{l.Inbox, l.Unread} {
		for _, it := range list {
			if !it.waits() {
				return errors.New("an event is in the inbox that never waits there")
			}
		}
	}
	return nil
}

// waits reports whether an item is one that the inbox can have.
func (it item) waits() bool {
	r, request := it.event.(*agent.Request)
	if request {
		return it.request != 0 && r.ID == it.request
	}
	switch it.event.(type) {
	case nil, *agent.Boot, *agent.Alarm, *agent.Woken, *agent.Saved, *agent.Posted:
		return false
	case *agent.Fetched:
		return it.request == 0 && it.event.(*agent.Fetched).Response != nil
	}
	return it.request == 0
}
