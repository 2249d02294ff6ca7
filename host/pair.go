package host

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// pair is a device and its agent. Fields under mu may be touched by anybody
// who holds it; the others belong to the goroutine that owns the pair.
type pair struct {
	host   *Host
	device tandem.DeviceID
	agent  tandem.AgentID

	mu       sync.Mutex
	owned    bool // somebody runs the pair
	commands []func()
	inbox    []item // what it takes when it is not busy
	link     tandem.Link
	address  string // of the device, as last seen
	waiting  map[uint64]*waiter
	group    string         // device group
	grouped  bool           // group is known
	leaving  bool           // the pair goes to another host, or has gone: it takes nothing
	heard    tandem.LinkRef // whose messages accepted counts
	accepted uint64         // the last of them that the pair has taken

	state       state
	code        *compile.Program // of this incarnation
	machine     *agent.Machine   // when live or starting
	frozen      []byte           // when frozen
	frozenAlarm time.Time        // when a frozen machine's next timer is due
	current     item             // being handled; not complete while the machine is busy
	handling    bool             // current is
	rang        bool             // the timers that were due have had their turn since the last item
	held        []agent.Effect   // of Boot, until the incarnation is durable
	result      agent.Event      // what the machine waits for, kept back while the pair is to leave
	credits     *agent.Credits   // what the incarnation before had left
	incarnation uint64
	reason      tandem.Reason // of the start under way, or wanted
	began       tandem.Reason // why this incarnation did
	again       tandem.Reason // for a restart as soon as the start under way is over
	started     time.Time     // when the incarnation began
	active      time.Time     // of the newest event
	startAt     time.Time     // when waiting
	stopBy      time.Time     // when the agent's patience with a shutdown ends
	crashes     int           // in a row
	fetches     map[uint64]context.CancelFunc
	fetchedAt   map[uint64]string  // the node that makes it, when not this one
	uploads     map[uint64]*upload // those of fetches whose body comes in pieces
	mqtt        *connection        // nil: none
	away        bool               // the pair has moved; what it fetched is sent after it
	abandoned   atomic.Bool        // others have the agent now

	cpu    time.Duration // used, less what has been forgiven since; see book
	cpuAt  time.Time     // when cpu was true
	hog    bool          // it has used much, and shares half of the processors with its like
	hogged time.Time     // when the log last said so

	connected  bool      // what the agent believes of the device
	graceUntil time.Time // the link is broken, and may come back until then
	peer       peer
	posts      posts
	unread     []item // posts of the device, for an agent that has no code

	runs    atomic.Bool // there is an incarnation, for those who only ask
	timer   *time.Timer
	timerAt time.Time // zero: not set
}

// state is where an agent is in its life.
type state uint8

const (
	absent   state = iota // no machine; the next event starts one
	starting              // the machine has booted; its incarnation is not durable yet
	live                  // the machine takes events
	frozen                // the machine is bytes
	delayed               // crashed too often; starts at startAt
	codeless              // its device group has no deployment, or one that does not compile
	stopped               // the node is stopping
)

// item is an event with what is to be done when it has been handled.
type item struct {
	event   agent.Event
	handled func()  // may be nil
	request uint64  // when the event is a Request
	waiter  *waiter // who waits for the answer, until the item is in the inbox
	seq     uint64  // of a device's message, among those of its link
}

// post reports whether the event is a tandem.post of the device: it may not be
// lost, and there are never more than the gateway lets through.
func (it item) post() bool {
	m, ok := it.event.(*agent.DeviceMessage)
	return ok && m.Message.Post != 0
}

// command has f run by whoever owns the pair, even while the machine is busy.
func (p *pair) command(f func()) {
	p.mu.Lock()
	p.commands = append(p.commands, f)
	p.unlockAndRun()
}

// commandHere is command that, when nobody runs the pair, runs it on the
// caller's goroutine.
func (p *pair) commandHere(f func()) {
	ran := false
	p.commandUntil(f, func() bool { was := ran; ran = true; return was })
}

// commandNow is commandHere for a goroutine that has nothing else to do: it also
// handles what the command has put into the inbox.
func (p *pair) commandNow(f func()) {
	turns := 0
	p.commandUntil(f, func() bool { turns++; return turns > 2 })
}

func (p *pair) commandUntil(f func(), enough func() bool) {
	p.mu.Lock()
	p.commands = append(p.commands, f)
	if p.owned {
		p.mu.Unlock()
		return
	}
	p.owned = true
	p.mu.Unlock()
	p.run(enough)
}

// unlockAndRun lets go of mu and has the pair run by a goroutine of its own if
// nobody runs it.
func (p *pair) unlockAndRun() {
	if p.owned {
		p.mu.Unlock()
		return
	}
	p.owned = true
	p.mu.Unlock()
	p.host.spawn(func() { p.run(nil) })
}

// inboxLimit bounds what waits for one agent.
const inboxLimit = 1000

// deliver brings an event and, if nobody runs the pair, runs it until it has
// been handled and maybe longer: enough reports when the caller has no more
// interest. The error is errFull when too much is waiting already, or
// ErrElsewhere.
func (p *pair) deliver(it item, enough func() bool) error {
	p.mu.Lock()
	switch {
	case p.leaving:
		p.mu.Unlock()
		return ErrElsewhere
	case it.seq > p.accepted+1:
		p.mu.Unlock()
		return ErrElsewhere // others were faster, and one is missing
	case it.seq != 0 && it.seq <= p.accepted:
		p.mu.Unlock()
		p.command(func() { p.repeated(it) })
		return nil
	case len(p.inbox) >= inboxLimit && !it.post():
		p.accepted = max(p.accepted, it.seq) // it is dropped for good
		p.mu.Unlock()
		return errFull
	}
	if it.waiter != nil {
		if p.waiting == nil {
			p.waiting = map[uint64]*waiter{}
		}
		p.waiting[it.request] = it.waiter
		it.waiter = nil
	}
	if it.seq != 0 {
		p.accepted = it.seq
	}
	p.inbox = append(p.inbox, it)
	if p.owned {
		p.mu.Unlock()
		return nil
	}
	p.owned = true
	p.mu.Unlock()
	p.run(enough)
	return nil
}

var errFull = tandem.Errorf(tandem.Limit, "%d events wait for the agent already", inboxLimit)

// run takes what there is to take until nothing is left that can be taken now.
// The caller owns the pair, and does not any more afterwards. When enough
// reports true the rest is left to another goroutine.
func (p *pair) run(enough func() bool) {
	for {
		p.mu.Lock()
		if !p.ready() {
			p.owned = false
			p.mu.Unlock()
			return
		}
		if enough != nil && enough() {
			p.mu.Unlock()
			p.host.spawn(func() { p.run(nil) })
			return
		}
		if len(p.commands) > 0 {
			f := p.commands[0]
			p.commands = shift(p.commands)
			p.mu.Unlock()
			f()
		} else if p.alarmDue() {
			p.mu.Unlock()
			p.rang = true
			p.alarms(time.Now())
		} else {
			p.rang = false
			p.next()
		}
		p.runs.Store(p.state == live || p.state == frozen || p.state == starting)
		p.setTimer()
	}
}

// next takes an item out of the inbox and handles it. mu is held, and let go of.
func (p *pair) next() {
	if p.state == live && p.machine.Busy() {
		i := p.awaited()
		it := p.inbox[i]
		p.inbox = slices.Delete(p.inbox, i, i+1)
		p.mu.Unlock()
		p.step(it.event) // the current item goes on
		return
	}
	it := p.inbox[0]
	p.inbox = shift(p.inbox)
	w := p.waiting[it.request]
	if w != nil && p.state == live {
		w.begun = true
	}
	p.mu.Unlock()
	if w != nil || it.request == 0 {
		p.take(it)
	}
}

// awaited returns the index of what the busy machine waits for, -1 when it has
// not come yet.
func (p *pair) awaited() int {
	return slices.IndexFunc(p.inbox, func(it item) bool { return p.machine.Takes(it.event) })
}

// shift takes the first element off a queue and lets its memory go when that
// was the last.
func shift[T any](q []T) []T {
	var zero T
	q[0] = zero
	if len(q) == 1 && cap(q) <= 4 {
		return q[:0:cap(q)]
	}
	if len(q) == 1 {
		return nil
	}
	return q[1:]
}

// ready reports whether run can do something. mu is held, the pair owned.
func (p *pair) ready() bool {
	if len(p.commands) > 0 {
		return true
	}
	if len(p.inbox) == 0 {
		return false
	}
	switch p.state {
	case live:
		return !p.machine.Busy() || p.awaited() >= 0
	case absent, frozen, codeless:
		return true
	}
	return false
}

// take handles one item of the inbox.
func (p *pair) take(it item) {
	switch p.state {
	case absent, codeless:
		p.giveBack(it)
		p.start(p.reason)
		if p.state == codeless {
			p.refuseAll()
		}
		return
	case frozen:
		if !p.thaw() {
			p.giveBack(it)
			return
		}
		p.mu.Lock()
		if w := p.waiting[it.request]; w != nil {
			w.begun = true
		}
		p.mu.Unlock()
	}
	p.current, p.handling = it, true
	if _, ok := it.event.(*agent.DeviceMessage); ok {
		p.host.counts.toAgent.Add(1)
	}
	p.step(it.event)
}

// giveBack puts an item back to the front of the inbox.
func (p *pair) giveBack(it item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inbox = append([]item{it}, p.inbox...)
}

// step gives the machine an event and does what it wants done.
func (p *pair) step(ev agent.Event) {
	if p.hog {
		p.host.hogs <- struct{}{}
		defer func() { <-p.host.hogs }()
	}
	if !p.leased() {
		return
	}
	now := time.Now()
	p.active = now
	p.host.counts.events.Add(1)
	used := p.machine.Used()
	effects := p.machine.Step(now, ev)
	p.book(now, time.Since(now), p.machine.Used()-used)
	if !p.leased() { // nothing of it may be seen
		return
	}
	for _, e := range effects {
		p.do(e)
		if p.machine == nil {
			return // that was its end
		}
	}
	p.settle()
}

// settle closes the current item when the machine is done with it.
func (p *pair) settle() {
	if !p.handling || p.machine != nil && p.machine.Busy() {
		return
	}
	it := p.current
	p.current, p.handling = item{}, false
	if it.handled != nil {
		it.handled()
	}
}

// tick does what has become due.
func (p *pair) tick() {
	if p.state == stopped {
		return // the timer was faster than who stopped it
	}
	now := time.Now()
	p.timerAt = time.Time{}
	if p.connected && !p.graceUntil.IsZero() && !now.Before(p.graceUntil) {
		p.lost()
	}
	switch p.state {
	case delayed:
		if !now.Before(p.startAt) {
			p.state = absent
			p.start(p.reason)
		}
	case frozen:
		if !p.frozenAlarm.IsZero() && !now.Before(p.frozenAlarm) && p.thaw() {
			p.alarms(now)
		}
	case live:
		if !p.stopBy.IsZero() && !now.Before(p.stopBy) {
			p.end(&agent.Restart{Reason: p.reason})
			return
		}
		p.alarms(now)
		if p.state == live && now.Sub(p.active) >= p.host.HibernateAfter {
			p.freeze()
		}
	}
}

// alarmDue reports whether timers are due and it is their turn: while there is
// always a message, and its handler saves, tick finds the machine busy.
func (p *pair) alarmDue() bool {
	if p.rang || p.state != live || p.machine.Busy() {
		return false
	}
	at, ok := p.machine.Alarm()
	return ok && !at.After(time.Now())
}

// alarms runs the timers that are due. It runs no more than were due when it
// began, so that an agent that sets timers of no duration leaves room for
// other events.
func (p *pair) alarms(now time.Time) {
	for p.state == live && p.machine != nil {
		at, ok := p.machine.Alarm()
		if !ok || at.After(now) {
			return
		}
		if p.machine.Busy() {
			p.step(&agent.Woken{})
			continue
		}
		p.step(&agent.Alarm{})
	}
}

// setTimer has tick called when the next thing is due. The timer is only moved
// forward; when it rings early it is set again, which spares most events the
// cost.
func (p *pair) setTimer() {
	at := p.nextDue()
	if at.IsZero() || !p.timerAt.IsZero() && !at.Before(p.timerAt) {
		return
	}
	p.timerAt = at
	d := max(0, time.Until(at))
	if p.timer == nil {
		p.timer = time.AfterFunc(d, func() { p.command(p.tick) })
		return
	}
	p.timer.Reset(d)
}

func (p *pair) nextDue() (at time.Time) {
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if p.connected {
		earlier(p.graceUntil)
	}
	switch p.state {
	case delayed:
		earlier(p.startAt)
	case frozen:
		earlier(p.frozenAlarm)
	case live:
		earlier(p.stopBy)
		if t, ok := p.machine.Alarm(); ok {
			earlier(t)
		}
		if !p.machine.Busy() && len(p.fetches) == 0 {
			earlier(p.active.Add(p.host.HibernateAfter))
		}
	}
	return at
}
