package life

import (
	"fmt"
	"slices"

	"github.com/tandem-iot/tandem"
)

// A client that numbers its messages and says no hello has no ids of its boots. So a message whose number is not
// above the newest is either a repetition, which was handled, or another one, because the client has lost its
// count. Only the client can know. Such a message is not handled, and its acknowledgement says so.

// maxStale is how many refusals are remembered: a gateway has at most as many messages without an answer.
const maxStale = 256

// stale refuses a message or line of the log that has come by the link as number seq, 0 for an earlier link.
func (l *Life) stale(seq uint64, newest tandem.Mark) {
	if seq == 0 {
		return // its link has ended, and it is not acknowledged there
	}
	r := tandem.Refusal{Seq: seq, Newest: newest}
	if len(l.Numbers.Stale) == maxStale {
		l.Numbers.Stale = slices.Delete(l.Numbers.Stale, 0, 1)
	}
	l.Numbers.Stale = append(l.Numbers.Stale, r)
	l.sendSystem(tandem.RefusedTopic, r)
}

// lostCount says why a message is not handled, to a person too. Within a boot repetitions are usual, so there
// it says that once in the boot, and else once on a link.
func (l *Life) lostCount(m, newest tandem.Mark) {
	if newest.Boot == m.Boot {
		l.tellOnce(fmt.Sprint("numbers of ", m.Boot), fmt.Sprintf("A message of the device is not handled: its number is "+
			"%d/%d, and messages up to %d/%d were. If it was not sent before, it needs a higher number.",
			m.Boot, m.Seq, newest.Boot, newest.Seq))
		return
	}
	if l.Numbers.Behind {
		return
	}
	l.Numbers.Behind = true
	l.logf(tandem.LogDeviceError, "messages of the device are not handled: their boot number %d is below %d, "+
		"which came before; go on with a higher boot number", m.Boot, newest.Boot)
	l.sendSystem("sys/newest", newestMessage{newest.Boot})
}
