package life

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// damageAgain is how long after damage of an agent's record was found the record is read again:
// it may have been restored.
const damageAgain = time.Minute

// refuseDamaged keeps an agent from starting whose record is damaged. From nothing it must not
// start, since it would overwrite what may still be restored. Messages of the device wait.
func (l *Life) refuseDamaged(damage *record.Damaged) {
	if l.wait.loud {
		l.log(tandem.LogAgentError, "Agent not started: "+damage.Error()+".")
		l.emit(&Report{Bad: true, Msg: "agent not started, because its record is damaged; it is read again every minute",
			Err: damage})
	}
	l.Phase, l.wait = delayed, wait{}
	l.StartAt = l.in(damageAgain)
	l.quiet = true
	l.refuseWaiting(errDamaged)
}

// Held returns what the pair has of its agent in memory that the store should have, for a store
// that has gone back in time. ok is false when the agent has not run here.
func (l *Life) Held() (r record.Rescue, ok bool) {
	m := l.machine
	if m == nil && l.Phase == frozen {
		var err error
		if m, err = l.restore(l.Packed); err != nil {
			return r, false
		}
	}
	if m == nil || l.Incarnation == 0 {
		return r, false
	}
	r.Device = l.Device
	r.Agent = record.Agent{ID: l.Agent, Incarnation: l.Incarnation, Running: true}
	r.Agent.Saved, r.Agent.Mark = m.Saved()
	if r.Posts = l.posts.newest; l.posts.known {
		r.Posts = l.posts.list
	}
	r.Made = l.posts.made
	return r, true
}
