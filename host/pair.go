package host

import (
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// pair is the shell around the life of a device and its agent. The box and the
// atomics are for everybody; the rest is the owner's.
type pair struct {
	host   *Host
	device tandem.DeviceID
	agent  tandem.AgentID

	box       mailbox
	runs      atomic.Bool // there is an incarnation, for those who only ask
	abandoned atomic.Bool // the host may not act for the agent any more
	deleted   atomic.Bool // since its device has been deleted, and not since another node has it

	owner
}

// owner is what of a pair belongs to the goroutine that owns it.
type owner struct {
	life    *life.Life
	now     tandem.Now // of the step under way
	spare   []arrival  // for the next queue
	soon    []arrival  // outcomes that are known already; they come before everything else
	link    tandem.Link
	coming  tandem.Link // of the Linked that is being taken
	tokens  tokens
	calls   map[uint64]*call // outgoing requests that this host makes, by the program's number
	gone    map[tandem.FetchRef]bool
	broker  *connection
	left    []func(departure) // who has asked it to leave or to stop
	timer   *time.Timer
	timerAt time.Duration // by the host's clock; 0: not set
	live    bool          // counted as live
	frozen  bool          // counted as frozen
}

// outside is what a token stands for: a function to be called when an item has
// been handled, or who waits for an answer.
type outside struct {
	done func()
	wait *waiter
}

// tokens are what a life's tokens stand for.
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

// take returns what a token stands for. It is free after that.
func (t *tokens) take(token uint64) outside {
	f := t.list[token-1]
	t.list[token-1] = outside{}
	t.free = append(t.free, token)
	if len(t.free) == len(t.list) && len(t.list) > maxSpare {
		t.list, t.free = nil, nil
	}
	return f
}

// bring gives the pair an event. A pair that is not being run is run by a goroutine
// of its own.
func (p *pair) bring(a arrival) {
	if p.box.put(a) {
		p.host.spawn(func() { p.run(nil) })
	}
}

// bringHere is bring, but runs a pair that is not being run on the caller's
// goroutine, until the caller has had enough.
func (p *pair) bringHere(a arrival, enough func() bool) {
	if p.box.put(a) {
		p.run(enough)
	}
}

// run takes what there is to take until nothing is left that can be taken now. The
// caller owns the pair. When enough reports that the caller has no more interest
// the rest is left to another goroutine.
func (p *pair) run(enough func() bool) {
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

// runElsewhere has a goroutine of the host go on with arrivals and what follows. It
// returns false when the host has ended: then the caller has to.
func (p *pair) runElsewhere(all []arrival) bool {
	return p.host.spawn(func() {
		p.takeAll(all)
		p.run(nil)
	})
}

// takeAll has the life take arrivals, and then go on by itself once, if it is ready to.
func (p *pair) takeAll(all []arrival) {
	for i := range all {
		p.take(&all[i])
		all[i] = arrival{}
	}
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

// take has the life take one arrival, or go on by itself when that is nil, and
// then take what is known already of the outcome.
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

// prepare notes what belongs to an event outside of the life.
func (p *pair) prepare(a *arrival) {
	switch ev := a.event.(type) {
	case *life.Request:
		ev.Token = p.tokens.put(outside{wait: a.wait})
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
	case *life.MQTT:
		p.heardMQTT(ev)
		ev.Token = p.tokens.add(a.done)
	case *life.Leave, *life.Stop:
		p.left = append(p.left, a.left)
	case *life.Tick:
		p.timerAt = 0
	}
}

// step is take without the outcomes. It does the effects. A host that may not act
// for the pair waits until it may, both before and after: nothing of what an agent
// does without a lease may be seen. A life that has ended still answers.
func (p *pair) step(a *arrival) {
	if !p.leased() {
		p.vanish()
	}
	if p.life.Hog() && mayRun(a) {
		p.queueForProcessor()
		defer func() { <-p.host.hogs }()
	}
	now := p.now
	var effects []life.Effect
	if a == nil {
		effects = p.life.Advance(now)
	} else {
		effects = p.life.Take(now, a.cause, a.event)
	}
	events, used := p.life.Counted()
	var took time.Duration
	if events > 0 {
		p.now = p.host.now() // which is that of the next step, too
		took = p.now.Mono - now.Mono
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

// mayRun reports whether the program may run when the life takes an arrival: most
// only wait in its inbox then.
func mayRun(a *arrival) bool {
	if a == nil {
		return true
	}
	switch a.event.(type) {
	case *life.Request, *life.GaveUp, *life.Message, *life.Again, *life.Said, *life.Linked, *life.Unlinked:
		return false
	}
	return true
}

// queueForProcessor waits until one of the processors is free that agents share
// which use much processor time.
func (p *pair) queueForProcessor() {
	select {
	case p.host.hogs <- struct{}{}:
	default:
		p.host.hogs <- struct{}{}
		p.now = p.host.now() // it may have taken long
	}
}

// gauge counts the pair as what it is now.
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

// setTimer has a Tick brought when the next thing is due. The timer is only moved
// forward; when it rings early it is set again, which spares most events the
// cost.
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
