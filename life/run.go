package life

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// Ready reports whether Advance has something to do.
func (l *Life) Ready() bool {
	if !l.Ringing.IsZero() && l.Phase == live {
		return true
	}
	if len(l.Inbox) == 0 {
		return false
	}
	switch l.Phase {
	case live:
		return !l.machine.Busy() || l.awaited() >= 0
	case absent, frozen, codeless:
		return true
	}
	return false
}

// awaited returns the index of what the busy machine waits for, -1 when it has
// not come yet.
func (l *Life) awaited() int {
	return slices.IndexFunc(l.Inbox, func(it item) bool { return l.machine.Takes(it.event) })
}

// ring runs a timer if it is the timers' turn. While there is always a message
// whose handler waits for something, a Tick finds the machine busy every time; so
// timers that are due have a turn between two items, but only one: what an agent
// sets again without delay leaves room for other events.
func (l *Life) ring() bool {
	if l.Phase != live {
		return false
	}
	at, ok := l.machine.Alarm()
	if l.Ringing.IsZero() && (l.Rang || l.machine.Busy() || !ok || at.After(l.now.Wall)) {
		return false
	}
	if l.Ringing.IsZero() {
		l.Rang, l.Ringing = true, l.now.Wall
	}
	if !ok || at.After(l.Ringing) {
		l.Ringing = time.Time{}
		return len(l.Inbox) == 0
	}
	if !l.now.Wall.After(l.Ringing) {
		// A timer that is set in this turn is due after it, also when the clock
		// stands still or steps back.
		l.now.Wall = l.Ringing.Add(1)
	}
	if l.machine.Busy() {
		l.step(&agent.Woken{})
	} else {
		l.step(&agent.Alarm{})
	}
	l.checkRinging()
	return true
}

// checkRinging ends the timers' turn when no timer is left that was due.
func (l *Life) checkRinging() {
	if l.Ringing.IsZero() {
		return
	}
	if l.Phase == live {
		if at, ok := l.machine.Alarm(); ok && !at.After(l.Ringing) {
			return
		}
	}
	l.Ringing = time.Time{}
}

// next takes an item out of the inbox and handles it.
func (l *Life) next() {
	if l.Phase == live && l.machine.Busy() {
		if i := l.awaited(); i >= 0 {
			it := l.Inbox[i]
			l.Inbox = slices.Delete(l.Inbox, i, i+1)
			l.count(it, -1)
			l.step(it.event) // the current item goes on
			l.handled(it.token)
		}
		return
	}
	if len(l.Inbox) == 0 {
		return
	}
	switch l.Phase {
	case absent, codeless:
		l.start(l.Reason)
		return
	case frozen:
		if !l.thaw() {
			return
		}
	}
	it := l.Inbox[0]
	l.Inbox = shift(l.Inbox)
	l.count(it, -1)
	if it.request != 0 {
		r := l.open[it.request]
		if r == nil {
			return // it has given up
		}
		r.Begun = true
	}
	if !l.meant(&it) {
		l.forget(it.token)
		return
	}
	l.Current, l.Handling = it, true
	l.step(it.event)
}

// step gives the machine an event and says what comes of it.
func (l *Life) step(ev agent.Event) {
	l.Active = l.mono()
	l.events++
	for _, e := range l.run(ev) {
		l.do(e)
		if l.machine == nil {
			return // that was its end
		}
	}
	l.settle()
}

// settle closes the current item when the machine is done with it.
func (l *Life) settle() {
	if !l.Handling || l.machine != nil && l.machine.Busy() {
		return
	}
	token := l.Current.token
	l.Current, l.Handling = item{}, false
	l.handled(token)
}

// do turns an effect of the machine into one of the pair.
func (l *Life) do(e agent.Effect) {
	switch e := e.(type) {
	case *agent.Log:
		if e.Where != nil && l.program != nil {
			e.Where.Deployment = l.program.Env["DEPLOYMENT_ID"]
		}
		l.logAt(e.Type, e.Msg, e.Where)
	case *agent.Send:
		e.Message.Incarnation = l.Incarnation
		l.send("device/"+e.Message.Name, e.Message)
	case *agent.Answer:
		l.answerTo(e.ID, e.Response, nil)
	case *agent.Save:
		l.saving = l.id()
		l.emit(&Save{ID: l.saving, Incarnation: l.Incarnation, Table: e.Table, Mark: e.Mark})
	case *agent.Post:
		l.keepPost(e)
	case *agent.Over:
		l.emit(&Over{e.Limit, e.Times})
	case *agent.Restart:
		if e.Detail != "" {
			l.log(tandem.LogAgentError, e.Detail)
		}
		l.end(e)
	case *agent.MQTTConnect, *agent.MQTTPublish, *agent.MQTTSubscribe, *agent.MQTTUnsubscribe, *agent.MQTTClose:
		l.doMQTT(e)
	default:
		l.doFetch(e)
	}
}

// outcome ends what the machine waits for. That of a pair that is to leave goes
// along: the program might go on to the next thing to wait for, and never be able
// to leave.
func (l *Life) outcome(id uint64, ev agent.Event) {
	if id != l.saving || l.machine == nil {
		return // of an incarnation that has ended
	}
	l.saving = 0
	if l.leaving != nil {
		l.Result = &item{event: ev}
		return
	}
	l.step(ev)
}

// Counted returns how many events the agent has been given, and how much VM time
// it has used, since it was asked last.
func (l *Life) Counted() (events int, used time.Duration) {
	events, used = l.events, l.used
	l.events, l.used = 0, 0
	return events, used
}

// tick does what has become due.
func (l *Life) tick() {
	if l.Connected && l.due(l.GraceUntil) {
		l.lost()
	}
	if l.due(l.posts.retryAt) {
		l.posts.retryAt = 0
		l.retryPosts()
	}
	if l.due(l.hearAt) {
		l.judgeAgain()
	}
	if l.due(l.OfferAt) {
		l.OfferAt = l.in(codeAgain) // until the outcome is known
		l.offerCode()
	}
	if l.due(l.ReviewAt) {
		l.ReviewAt = l.in(codeAgain) // until the outcome is known
		l.review(l.Group)
	}
	l.expire()
	switch l.Phase {
	case delayed:
		if l.due(l.StartAt) {
			l.start(l.Reason)
		}
	case quarantined:
		if l.due(l.StartAt) {
			l.keepQuarantine()
		}
	case frozen:
		if !l.Alarm.IsZero() && !l.now.Wall.Before(l.Alarm) && l.thaw() {
			l.Ringing = l.now.Wall
			l.checkRinging()
		}
	case live:
		l.tickLive()
	}
}

func (l *Life) tickLive() {
	if l.due(l.StopBy) {
		l.end(&agent.Restart{Reason: l.Reason})
		return
	}
	if at, ok := l.machine.Alarm(); ok && !at.After(l.now.Wall) {
		l.Ringing = l.now.Wall
		return
	}
	if l.mono() >= l.Active+instant(l.cfg.HibernateAfter) {
		l.freeze()
	}
}

// farAway is how long a timer waits at most; it is a sum that does not overflow.
const farAway = time.Duration(1 << 61)

// Deadline returns when Tick is due, by the clock of now. ok is false when nothing
// is.
func (l *Life) Deadline(now tandem.Now) (at time.Duration, ok bool) {
	earlier := func(t instant) {
		if t != 0 && (!ok || time.Duration(t) < at) {
			at, ok = time.Duration(t), true
		}
	}
	wall := func(t time.Time) {
		if !t.IsZero() {
			earlier(nonzero(instant(l.elapsed(now, t))))
		}
	}
	if l.Phase == stopped {
		return 0, false
	}
	if l.Connected {
		earlier(l.GraceUntil)
	}
	if l.leaving != nil {
		earlier(l.leaveBy)
	}
	if l.ending != nil {
		earlier(l.endBy)
	}
	earlier(l.posts.retryAt)
	earlier(l.hearAt)
	earlier(l.OfferAt)
	earlier(l.ReviewAt)
	if r := l.answer.first(waits); r != nil {
		earlier(r.Since + instant(tandem.AnswerWait))
	}
	if r := l.reach.first(waitsUnseen); r != nil {
		earlier(r.Since + instant(tandem.PlacementWait))
	}
	switch l.Phase {
	case delayed, quarantined:
		earlier(l.StartAt)
	case frozen:
		wall(l.Alarm)
	case live:
		earlier(l.StopBy)
		if t, ok := l.machine.Alarm(); ok {
			wall(t)
		}
		if l.restful() {
			earlier(nonzero(l.Active + instant(l.cfg.HibernateAfter)))
		}
	}
	return at, ok
}

// restful reports whether the machine could be made bytes.
func (l *Life) restful() bool {
	return !l.machine.Busy() && len(l.Fetches) == 0 && l.StopBy == 0 && l.Ringing.IsZero()
}

// share is an agent's account of processor time.
type share struct {
	CPU  time.Duration `cbor:"1,keyasint,omitempty"` // used, less what has been forgiven since
	At   instant       `cbor:"2,keyasint,omitempty"` // when CPU was true
	Hog  bool          `cbor:"3,keyasint,omitempty"` // it has used much, and shares half of the processors with its like
	Told instant       `cbor:"4,keyasint,omitempty"` // when the log last said so
}

// An agent may use all the processor time there is while no other wants it.
// One that has used much lately shares half of the processors with its like, so
// that the others always have the other half: a few that never rest cannot be
// noticed by their neighbours, however many they are.
const (
	hogAfter    = 200 * time.Millisecond // of processor time, forgiven at a rate of …
	hogForgiven = 0.01                   // … so much for each second that passes
	hogTold     = 2 * time.Second        // of processor time; its developer is told
	hogLog      = 10 * time.Minute       // at most this often
)

// vmFactor is how much longer than its VM time an event can take a processor:
// VM time has much to spare, but collections and copies are not part of it.
const vmFactor = 4

// Hog reports whether the agent shares half of the processors with its like.
func (l *Life) Hog() bool { return l.Processor.Hog }

// Charge adds what events have taken to the agent's account: the time that has
// passed since now, but no more than the program can be made to answer for. On a
// machine that is busy with other things much time passes in which nothing is
// done.
func (l *Life) Charge(now tandem.Now, took, used time.Duration) []Effect {
	l.begin(now)
	s := &l.Processor
	forgiven := time.Duration(float64(l.mono()-s.At) * hogForgiven)
	s.CPU = max(0, s.CPU-forgiven) + min(took, vmFactor*used)
	s.At = l.mono()
	if hog := s.CPU > hogAfter; hog != s.Hog {
		s.Hog = hog
		if hog {
			l.over(tandem.OverProcessor)
		}
	}
	if s.CPU > hogTold && (s.Told == 0 || l.mono()-s.Told >= instant(hogLog)) {
		s.Told = nonzero(l.mono())
		l.logf(tandem.LogStatus, "Agent uses much processor time: %.1f s of late. "+
			"It shares half of the processors with others that do.", s.CPU.Seconds())
	}
	return l.effects
}
