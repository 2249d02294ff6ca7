package life

import (
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// A panic in a machine is a fault of the server that a program has met. It ends the
// incarnation and nothing else. An agent that meets maxFaults of them within faultMemory
// is quarantined: it is not started again before its operator restarts it, or its device
// group has other code. The store keeps the quarantine, so that neither a move nor the
// restart of a node ends it.

const (
	maxFaults   = 3
	faultMemory = 10 * time.Minute
)

var errQuarantined = tandem.Errorf(tandem.Limit, "this agent is quarantined, because the server met a fault "+
	"in it %d times within %d minutes: restart it, or deploy other code", maxFaults, int(faultMemory.Minutes()))

const (
	faultText = "the server met a fault of its own in this event, which its operator can read about in the node's log"

	quarantineText = "Agent stopped: quarantined. The server met a fault in it %d times within %d minutes. " +
		"Restart the agent, or deploy other code."
)

// Fault is a panic in a machine, with the stack of the goroutine.
type Fault struct {
	Panic any
	Stack []byte
}

func (f *Fault) Error() string { return fmt.Sprintf("panic: %v\n%s", f.Panic, f.Stack) }

// IsFault reports whether an error is a *Fault.
func IsFault(err error) bool {
	var f *Fault
	return errors.As(err, &f)
}

// guard calls a function of a machine, and returns its panic as a *Fault.
func guard(call func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Fault{r, debug.Stack()}
		}
	}()
	return call()
}

// run has the machine take an event, and counts the VM time. A fault drops all effects of
// the event and ends the incarnation.
func (l *Life) run(ev agent.Event) (effects []agent.Effect) {
	used := l.machine.Used()
	if l.watcher != nil {
		l.watcher.Begin(l.machine, l.machine.NextTurn())
		defer l.watcher.End()
	}
	err := guard(func() error {
		l.faulty.fail(ev)
		effects = l.machine.Step(l.now.Wall, ev)
		return nil
	})
	l.used += l.machine.Used() - used
	if err != nil {
		l.faulted(err)
		return []agent.Effect{&agent.Restart{Reason: tandem.ReasonFault, Detail: faultText}}
	}
	return effects
}

// faulted reports a fault, and counts it.
func (l *Life) faulted(err error) {
	l.emit(&Report{Bad: true, Msg: "a fault of the server in an agent; its incarnation ends", Err: err})
	l.Faults = append(l.Faults, nonzero(l.mono()))
}

// Faulted tells a new life of a fault that ended another life of the pair.
func (l *Life) Faulted(now tandem.Now, at time.Duration) {
	l.begin(now)
	l.Faults = append(l.Faults, nonzero(instant(at)))
}

// incurable reports whether an agent that has met a fault is to be quarantined.
func (l *Life) incurable() bool {
	l.Faults = slices.DeleteFunc(l.Faults, func(at instant) bool { return l.mono()-at > instant(faultMemory) })
	return len(l.Faults) >= maxFaults
}

// codeOf names the agent's code of a program.
func codeOf(p *Program) string {
	hash := p.Agent.Hash()
	return hex.EncodeToString(hash[:])
}

// quarantine begins a quarantine, which the store is to keep.
func (l *Life) quarantine() {
	l.over(tandem.OverFaults)
	l.Banned = codeOf(l.program)
	l.inQuarantine()
	l.keepQuarantine()
	l.logf(tandem.LogStatus, quarantineText, maxFaults, int(faultMemory.Minutes()))
}

// inQuarantine is the state of a quarantine. What the device sends waits, and requests are
// refused.
func (l *Life) inQuarantine() {
	l.Phase, l.StartAt = quarantined, 0
	l.wait = wait{}
	for _, r := range l.waiting() {
		l.remove(r)
		l.finish(r, nil, errQuarantined)
	}
}

// keepQuarantine has the store keep the quarantine, again and again until it does.
func (l *Life) keepQuarantine() {
	l.StartAt = l.in(retryDelay)
	l.emit(&Quarantine{Incarnation: l.Incarnation, Code: l.Banned})
}

// quarantineKept is the outcome of keepQuarantine.
func (l *Life) quarantineKept(err error) {
	switch {
	case l.Phase != quarantined:
	case err == nil:
		l.StartAt = 0
	case tandem.KindOf(err) == tandem.Conflict:
		l.StartAt = 0 // another node has begun an incarnation
	}
}

// isQuarantined reports whether the agent may not be started with the code that it is to
// run, by its record.
func (l *Life) isQuarantined() bool {
	return !l.Released && l.wait.record.Quarantined != "" && l.wait.record.Quarantined == codeOf(l.program)
}

// stayQuarantined goes on with a quarantine that the store has kept.
func (l *Life) stayQuarantined() {
	loud := l.wait.loud
	l.inQuarantine()
	if loud {
		l.logf(tandem.LogStatus, quarantineText, maxFaults, int(faultMemory.Minutes()))
	}
	l.restartAgain()
}

// leaveQuarantine looks whether the agent may start, which a restart by the operator
// allows.
func (l *Life) leaveQuarantine(reason tandem.Reason) {
	l.Faults, l.Banned = nil, ""
	l.Released = l.Released || reason == tandem.ReasonRestart
}
