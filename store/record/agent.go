package record

import (
	"time"

	"github.com/tandem-iot/tandem"
)

// Agent is the record of an agent. The zero value, with an ID, is that of an
// agent that has never run.
type Agent struct {
	ID          tandem.AgentID
	Incarnation uint64      // 0: it has never run
	Running     bool        // it runs, or will run when its node starts
	Saved       []byte      // its table, in the compact encoding; nil when it has none
	Mark        tandem.Mark // of the newest device message that is part of Saved
	Changed     time.Time   // when Running last changed, or an incarnation began
	// Quarantined is the hash of the code that the agent is not started with any more, in
	// hexadecimal; "" when it is not quarantined. See package life.
	Quarantined string
}

// Begin returns the record after the start of the next incarnation. The store
// deletes the snapshot of the incarnation before.
func (a Agent) Begin(now time.Time) Agent {
	a.Incarnation++
	a.Running, a.Changed = true, Stamp(now)
	a.Quarantined = ""
	return a
}

// Quarantine returns the record of an agent that is not to be started with some code.
func (a Agent) Quarantine(incarnation uint64, code string) (Agent, error) {
	if err := a.Check(incarnation); err != nil {
		return a, err
	}
	a.Quarantined = code
	return a, nil
}

// Save returns the record with a new table and mark. The error is Stale when
// incarnation is not the current one.
func (a Agent) Save(incarnation uint64, table []byte, mark tandem.Mark) (Agent, error) {
	if err := a.Check(incarnation); err != nil {
		return a, err
	}
	a.Saved, a.Mark = table, mark
	return a, nil
}

// End returns the record after an incarnation has ended, or after it has been
// saved in a snapshot, from which it can be resumed. Without a snapshot the store
// deletes an earlier one.
func (a Agent) End(incarnation uint64, snapshot bool, now time.Time) (Agent, error) {
	if err := a.Check(incarnation); err != nil {
		return a, err
	}
	a.Running, a.Changed = snapshot, Stamp(now)
	return a, nil
}

// Check is the fence of an agent's records: only the current incarnation may
// change them. For any other it returns Stale.
func (a Agent) Check(incarnation uint64) error {
	if incarnation == 0 || incarnation != a.Incarnation {
		return Stale(a.ID, incarnation)
	}
	return nil
}

// Stale is the error of a write of an incarnation that is not the current one.
func Stale(id tandem.AgentID, incarnation uint64) error {
	return tandem.Errorf(tandem.Conflict, "incarnation %d of agent %s is not the current one", incarnation, id)
}

// Stamp returns a time in milliseconds, the precision of the store.
func Stamp(now time.Time) time.Time { return now.UTC().Truncate(time.Millisecond) }
