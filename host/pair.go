package host

import (
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// pair is the shell around the life of a device and its agent. Any goroutine may use
// the box and the atomics; only the owner may use the other fields.
type pair struct {
	host   *Host
	device tandem.DeviceID
	agent  tandem.AgentID

	box       mailbox
	runs      atomic.Bool // there is an incarnation
	abandoned atomic.Bool // the host may no longer act for the agent
	deleted   atomic.Bool // the reason of abandoned: the device was deleted, and not that another node has it

	ward    *ward   // watches the steps of the pair's machine
	watched watched // the step, as the ward has it

	owner
}

// owner has the fields of a pair that only the goroutine that owns it may use.
type owner struct {
	life    *life.Life
	now     tandem.Now    // of the step under way
	took    time.Duration // what the newest event of the agent took
	spare   []arrival     // for the next queue
	taking  []arrival     // what takeAll is taking; those that have been taken are zero
	soon    []arrival     // outcomes that are already known; they are taken before other arrivals
	link    tandem.Link
	coming  tandem.Link // of the Linked that is being taken
	tokens  tokens
	calls   map[uint64]*call         // outgoing requests that this host makes, by the program's number
	gone    map[tandem.FetchRef]bool // requests that go on for an incarnation that has moved
	broker  *connection
	left    []func(departure) // callers of Leave and Stop
	timer   *time.Timer
	hogs    bool          // it has one of the host's hogs
	turns   int           // how often the step was asked to yield
	timerAt time.Duration // by the host's clock; 0: not set
	live    bool          // counted as live
	frozen  bool          // counted as frozen
}

// outside is the value of a token: a function to call when an item has been handled, or
// the caller that waits for an answer.
type outside struct {
	done   func()
	always bool // done is called for an item that is dropped, too
	wait   *waiter
}

// tokens has the values of a life's tokens.
type tokens struct {
	list []outside
	free []uint64
}

// add returns a token for f, 0 for nil.
func (t *tokens) add(done func()) uint64 {
	if done == nil {
		return 0
	}
	return t.put(outside{done: done})
}

func (t *tokens) put(f outside) uint64 {
	if n := len(t.free); n > 0 {
		token := t.free[n-1]
		t.free = t.free[:n-1]
		t.list[token-1] = f
		return token
	}
	t.list = append(t.list, f)
	return uint64(len(t.list))
}

// take returns the value of a token and frees the token.
func (t *tokens) take(token uint64) outside {
	f := t.list[token-1]
	t.list[token-1] = outside{}
	t.free = append(t.free, token)
	if len(t.free) == len(t.list) && len(t.list) > maxSpare {
		t.list, t.free = nil, nil
	}
	return f
}

// bring gives the pair an event. If the pair is not being run, a goroutine of the crew
// runs it.
func (p *pair) bring(a arrival) {
	if p.box.put(a) {
		p.host.spawn(func() { p.run(nil) })
	}
}

// bringHere is bring, but runs the pair on the caller's goroutine, until enough returns
// true.
func (p *pair) bringHere(a arrival, enough func() bool) {
	if p.box.put(a) {
		p.run(enough)
	}
}

// run takes arrivals until there are none and the life has nothing to do. The caller
// owns the pair. When enough returns true, the rest is left to another goroutine.
func (p *pair) run(enough func() bool) {
	for p.contained(func() { p.runOn(enough) }) {
		enough = nil
	}
}

func (p *pair) runOn(enough func() bool) {
	p.now = p.host.now()
	for {
		all, ok := p.box.take(p.life, &p.spare)
		if !ok {
			return
		}
		if enough != nil && enough() && p.runElsewhere(all) {
			return
		}
		p.takeAll(all)
	}
}

// runElsewhere continues with arrivals, and whatever follows, on a goroutine of the crew.
// It returns false when the host has ended; then the caller must continue.
func (p *pair) runElsewhere(all []arrival) bool {
	return p.host.spawn(func() {
		p.contained(func() { p.takeAll(all) })
		p.run(nil)
	})
}

// takeAll gives the life arrivals, and then advances it once if it is ready.
func (p *pair) takeAll(all []arrival) {
	p.taking = all
	for i := range all {
		p.take(&all[i])
		all[i] = arrival{}
	}
	p.taking = nil
	if cap(all) > 0 && cap(all) <= maxSpare {
		p.spare = all[:0]
	}
	if p.life.Ready() {
		p.take(nil)
	}
	if !p.life.Ready() {
		p.setTimer()
	}
}

// maxSpare is the most arrivals for which memory is kept between two runs.
const maxSpare = 4

// take gives the life an arrival, or advances it when that is nil, and then gives it the
// outcomes that are already known.
func (p *pair) take(a *arrival) {
	if a != nil {
		p.prepare(a)
	}
	p.step(a)
	for len(p.soon) > 0 {
		next := p.soon[0]
		p.soon = p.soon[1:]
		p.step(&next)
	}
	p.soon = nil
}

// prepare keeps the shell's values that belong to an event.
func (p *pair) prepare(a *arrival) {
	switch ev := a.event.(type) {
	case *life.Request:
		ev.Token = p.tokens.put(outside{wait: a.wait})
		a.wait = nil
	case *life.Linked:
		p.coming = a.link
	case *life.Message:
		ev.Token = p.tokens.add(a.done)
	case *life.Again:
		ev.Token = p.tokens.add(a.done)
	case *life.Said:
		ev.Token = p.tokens.add(a.done)
	case *life.FetchedPart:
		p.ended(ev.Incarnation, ev.ID, nil, ev.Data, a)
		ev.Token = p.tokens.add(a.done)
	case *life.Fetched:
		p.ended(ev.Incarnation, ev.ID, ev.Response, nil, a)
		if a.done != nil {
			ev.Token = p.tokens.put(outside{done: a.done, always: true})
			a.done = nil
		}
	case *life.MQTT:
		p.heardMQTT(ev)
		ev.Token = p.tokens.add(a.done)
	case *life.Leave, *life.Stop:
		p.left = append(p.left, a.left)
		a.left = nil
	case *life.Tick:
		p.timerAt = 0
		if a.done != nil {
			a.done()
		}
	case *life.Vanish:
		p.vanishes(a.left)
	}
}

// step is take without the outcomes; it carries out the effects. Without a lease it waits
// for one, before and after the life's step, so that no effect of an agent without a
// lease becomes visible. A life that has ended still answers.
func (p *pair) step(a *arrival) {
	if !p.leased() {
		p.vanish()
	}
	if p.life.Hog() && couldRun(a) {
		p.takeProcessor()
		p.now = p.host.now() // the wait may have been long
		defer p.giveProcessor()
	}
	now := p.now
	var effects []life.Effect
	if a == nil {
		effects = p.life.Advance(now)
	} else {
		effects = p.life.Take(now, a.cause, a.event)
	}
	p.giveProcessor() // what follows may wait for the store
	events, used := p.life.Counted()
	var took time.Duration
	if events > 0 {
		p.now = p.host.now() // also the time of the next step
		took = p.now.Mono - now.Mono
		p.took = took
		p.host.counts.events.Add(int64(events))
	}
	if !p.leased() {
		p.discard(effects)
		p.vanish()
		return
	}
	p.perform(effects)
	if used > 0 {
		p.perform(p.life.Charge(now, took, used))
	}
	p.gauge()
}

// couldRun reports whether the program might run when the life takes an arrival. The others
// only go to its inbox.
func couldRun(a *arrival) bool {
	if a == nil {
		return true
	}
	switch a.event.(type) {
	case *life.Request, *life.GaveUp, *life.Message, *life.Again, *life.Said, *life.Linked, *life.Unlinked:
		return false
	}
	return !isOrder(a.event)
}

// isOrder reports whether an event is what an operator or the cluster wants of a pair, for
// which the agent does not wait for a processor.
func isOrder(ev life.Event) bool {
	switch ev.(type) {
	case *life.Restart, *life.Reload, *life.Review, *life.Deleted, *life.Stop, *life.Refuse, *life.Leave, *life.GoOn,
		*life.Vanish, *life.NodeLost:
		return true
	}
	return false
}

// gauge updates the counts of live and frozen agents.
func (p *pair) gauge() {
	live, frozen := p.life.Live(), p.life.Frozen()
	if live != p.live || frozen != p.frozen {
		p.host.counts.live.Add(difference(live, p.live))
		p.host.counts.frozen.Add(difference(frozen, p.frozen))
		p.live, p.frozen = live, frozen
	}
	if runs := p.life.Runs(); runs != p.runs.Load() {
		p.runs.Store(runs)
	}
}

func difference(is, was bool) (n int64) {
	if is {
		n++
	}
	if was {
		n--
	}
	return n
}

// setTimer sets the timer for a Tick at the life's deadline. It only moves the timer
// forward, to an earlier time; when the timer fires early it is set again. So most events
// do not have to set it.
func (p *pair) setTimer() {
	at, ok := p.life.Deadline(p.now)
	if !ok || p.timerAt != 0 && at >= p.timerAt {
		return
	}
	p.timerAt = max(1, at)
	d := max(0, at-p.now.Mono)
	if p.timer == nil {
		p.timer = time.AfterFunc(d, func() { p.bring(arrival{event: &life.Tick{}}) })
		return
	}
	p.timer.Reset(d)
}
