package life

import (
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

const (
	crashMemory = time.Minute // a run this long makes the crashes before it forgotten
	hastyRun    = time.Second // a program that restarts itself sooner is slowed down like one that crashes
)

// end is the end of an incarnation: what belonged to it is dropped, and the next
// one starts, later when the agent keeps crashing.
func (l *Life) end(r *agent.Restart) {
	outside := l.Reason != tandem.ReasonNone // it is not the agent's own wish
	reason := r.Reason
	if reason == tandem.ReasonRestart && outside {
		reason = l.Reason // the agent has done as it was told
	}
	if limit := overOf(r.Reason); limit != "" {
		l.over(limit)
	}
	ran := time.Duration(l.mono() - l.Started)
	hasty := crash(reason) || r.Reason == tandem.ReasonRestart && !outside && ran < hastyRun
	l.dropMachine()
	if outside {
		l.Credits = nil // it is no way for the agent to have more
	}
	if l.wrong.handOnBegun && l.Handling && l.Current.request != 0 {
		l.giveBack(l.Current)
		l.Current, l.Handling = item{}, false
	} else {
		l.refuseBegun(reason)
	}
	if outside && !crash(r.Reason) && !l.wrong.losePost {
		l.giveBackPost()
	}
	l.settle()
	if !hasty || ran >= crashMemory {
		l.Crashes = 0
	}
	if r.Reason == tandem.ReasonFault && l.incurable() {
		l.quarantine()
		return
	}
	delay := time.Duration(0)
	if hasty {
		delay = min(crashDelay(l.Crashes), l.cfg.CrashPause)
		l.Crashes++
	}
	if delay == 0 {
		l.start(reason)
		return
	}
	l.Reason = reason
	l.over(tandem.OverCrashes)
	l.logf(tandem.LogStatus, "Agent stopped: %s. It restarts in %d s, having ended early %d times in a row.",
		reason, int(delay.Seconds()), l.Crashes)
	l.Phase, l.StartAt = delayed, l.in(delay)
}

// giveBackPost is for a post of the device whose handler was cut off for a reason
// that is not the agent's: it is not handled, and the next incarnation has it.
func (l *Life) giveBackPost() {
	if l.Handling && l.Current.isPost() {
		l.giveBack(l.Current)
		l.Current, l.Handling = item{}, false
	}
}

// dropMachine drops an incarnation with what it has under way. Its credits stay:
// a restart is no way to have more.
func (l *Life) dropMachine() {
	left := l.machine.Credits()
	l.machine, l.Credits = nil, &left
	l.boots, l.Result = nil, nil
	l.saving, l.kept = 0, nil
	l.Phase = absent
	l.StopBy, l.Ringing = 0, time.Time{}
	l.cancelFetches()
	l.leaveMQTT()
}

func crash(r tandem.Reason) bool {
	switch r {
	case tandem.ReasonException, tandem.ReasonOutOfMemory, tandem.ReasonWatchdog, tandem.ReasonFault:
		return true
	}
	return false
}

// overOf is the limit that an incarnation has ended by, "" when it was none.
func overOf(reason tandem.Reason) string {
	switch reason {
	case tandem.ReasonOutOfMemory:
		return tandem.OverMemory
	case tandem.ReasonWatchdog:
		return tandem.OverEventTime
	}
	return ""
}

// crashDelay is how long an agent waits that has crashed n times before: 0, 1,
// 2, 4 … 60 s, if Config.CrashPause allows as much.
func crashDelay(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return min(time.Second<<min(n-1, 10), time.Minute)
}

// deleted ends the life because the device is no more.
func (l *Life) deleted() {
	if l.Link != nil {
		l.emit(&CloseLink{"the device has been deleted"})
	}
	l.retire(errDeleted)
	l.refuseWaiting(errDeleted)
	l.emit(&Stopped{})
}

// unsettled reports whether the pair is in the middle of something that a
// stopping node lets it finish, or has something to handle.
func (l *Life) unsettled() bool {
	switch l.Phase {
	case loading, resuming, starting:
		return true
	case live, frozen:
		if l.Ready() || len(l.Fetches) > 0 || l.Phase == live && l.machine.Busy() {
			return true
		}
	}
	return l.posts.pending > 0 || l.Phase == quarantined && l.StartAt != 0
}

// tryStop ends the life on this node when nothing is under way any more, or the
// patience is over: a machine goes to the store, to be taken up by the next node
// to run, as if nothing had been.
func (l *Life) tryStop() {
	if l.unsettled() && !l.due(l.endBy) {
		return
	}
	data, keep := l.asleep()
	l.retire(ErrStopping)
	l.refuseWaiting(ErrStopping)
	if !keep || l.Incarnation == 0 {
		l.emit(&Stopped{})
		return
	}
	l.emit(&End{Incarnation: l.Incarnation, Data: data})
}

// asleep returns what a stopping node is to keep of the agent. keep is false when
// it has not run.
func (l *Life) asleep() (data []byte, keep bool) {
	switch l.Phase {
	case live:
		packed, err := l.snapshot()
		if err != nil {
			const what = "agent cannot be kept over the restart of the node; it starts from its saved state"
			l.emit(&Report{Bad: true, Msg: what, Err: err})
			return NoMemory, true
		}
		return l.withLoss(packed), true
	case frozen:
		return l.withLoss(l.Packed), true
	case delayed:
		return NoMemory, true
	}
	return nil, false
}

// withLoss marks the snapshot of an agent that believes in a connection on which messages
// were lost, or may be lost while no host has the agent: a link that has not ended is at a
// node that may be lost meanwhile. The agent is told when the device comes back. Events in
// the inbox that tell it so are not in the snapshot.
func (l *Life) withLoss(packed []byte) []byte {
	untold := slices.ContainsFunc(l.Inbox, func(it item) bool {
		_, ok := it.event.(*agent.DeviceDisconnected)
		return ok
	})
	open := l.Link != nil || slices.ContainsFunc(l.Earlier, func(e earlier) bool { return e.Ended == 0 })
	if !l.Lost && !untold && !open || l.wrong.forgetLoss {
		return packed
	}
	return append([]byte{lossy}, packed...)
}

// retire has the pair take nothing any more, for a reason. What it has under way
// is dropped.
func (l *Life) retire(why error) {
	l.gone = why
	l.cancelFetches()
	l.leaveMQTT()
	l.Phase, l.wait = stopped, wait{}
	l.machine, l.Packed = nil, nil
	l.boots, l.Result = nil, nil
	l.leaving, l.ending = nil, nil
	l.saving = 0
	if l.Handling {
		l.forget(l.Current.token)
	}
	l.Current, l.Handling = item{}, false
	l.Ringing = time.Time{}
	for _, it := range l.Unread {
		l.forget(it.token)
	}
	for _, s := range l.Hearing {
		l.forget(s.Token)
	}
	l.Unread, l.Hearing = nil, nil
	l.drop(func(it item) bool { return it.request == 0 })
	l.messages = 0
	l.Connected, l.Link = false, nil
	l.GraceUntil = 0
	l.emit(&DropLink{})
}

// vanish ends the pair on this host without a trace. Requests that the agent has
// not seen can be given to the node that has it now.
func (l *Life) vanish() {
	l.retire(ErrElsewhere)
	for _, r := range l.waiting() {
		err := ErrElsewhere
		if r.Begun {
			err = ErrLost
		}
		l.finish(r, nil, err)
	}
	l.forgetRequests()
	l.emit(&Stopped{})
}

func restartedText(reason tandem.Reason) []byte {
	return fmt.Appendf(nil, "The agent restarted (%s) before it answered this request.\n", reason)
}
