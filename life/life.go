package life

import (
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/imp"
)

// Config is what all pairs of a host have in common. A zero duration or size is
// not a default: the host fills them in.
type Config struct {
	Version        string
	URL            func(tandem.AgentID) string // of an agent, without a final slash
	Memory         int                         // bytes of an agent's arena
	Budget         time.Duration               // VM time per event
	Grace          time.Duration               // how long a broken link may take to come back unnoticed
	HibernateAfter time.Duration               // without events; an agent then becomes bytes
	CrashPause     time.Duration               // the longest before an agent that keeps crashing starts again
	Beside         *imp.Beside                 // what a test adds to the agent's machine; nil in production
}

// Life is the life of a pair on this host.
type Life struct {
	state
	local
	cfg *Config
}

// New returns the life of a pair of which nothing is known but its ids. Its
// agent is absent until something concerns it.
func New(cfg *Config, device tandem.DeviceID, agent tandem.AgentID) *Life {
	return &Life{cfg: cfg, state: state{Device: device, Agent: agent}}
}

// Watcher is told of the steps of a pair's machine while they go on, on the goroutine that
// gives the life its events.
type Watcher interface {
	// Begin says that the machine begins the Step with a number.
	Begin(m *agent.Machine, turn uint64)
	// Yield is called about every 10 ms of a Step. It may wait.
	Yield()
	End()
}

// Watch sets the Watcher, before the first event. Without one nothing is told.
func (l *Life) Watch(w Watcher) {
	l.watcher = w
	if l.machine != nil {
		l.machine.SetYield(w.Yield)
	}
}

// SetGroup says in which device group the pair is, when that is known before
// anything happens.
func (l *Life) SetGroup(group string) { l.Group, l.Grouped = group, true }

// Number is the number of the event that was taken last. Together with the pair
// it names the event for ever; the outcome of an effect names it as its cause.
func (l *Life) Number() uint64 { return l.Events }

// Runs reports whether there is an incarnation.
func (l *Life) Runs() bool { return l.Phase == live || l.Phase == frozen || l.Phase == starting }

// Live and Frozen report whether the agent is in memory as a machine, or as
// bytes.
func (l *Life) Live() bool   { return l.Phase == live || l.Phase == starting }
func (l *Life) Frozen() bool { return l.Phase == frozen }

// Ended reports whether the life has ended here. It takes nothing any more.
func (l *Life) Ended() bool { return l.Phase == stopped }

// Idle reports that nothing is waiting and nothing under way: what the pair is
// could be written down and forgotten.
func (l *Life) Idle() bool {
	return (l.Phase == absent || l.Phase == frozen) && len(l.Inbox) == 0 && len(l.Requests) == 0
}

// Waiting returns how many requests, and how many messages of the device, wait
// for the agent. A Door counts with them.
func (l *Life) Waiting() (requests, messages int) { return l.requests, l.messages }

// Queued returns how many events wait for the agent.
func (l *Life) Queued() int { return len(l.Inbox) }

// Machine returns the agent's machine, nil when there is none. It is the life's:
// it may be looked at until the next call.
func (l *Life) Machine() *agent.Machine { return l.machine }

// DeviceGroup returns the pair's device group, and whether it is known.
func (l *Life) DeviceGroup() (group string, known bool) { return l.Group, l.Grouped }

// Take takes an event. cause is the number of the event that caused it, 0 for
// what comes from outside.
func (l *Life) Take(now tandem.Now, cause uint64, ev Event) []Effect {
	l.begin(now)
	l.Events++
	if l.Phase != stopped {
		l.take(ev)
		l.rest()
	} else {
		l.late(ev)
	}
	return l.effects
}

// Advance has the agent handle what is next: one item of the inbox, or one timer.
// It is called while Ready reports that there is something.
func (l *Life) Advance(now tandem.Now) []Effect {
	l.begin(now)
	l.Events++
	switch {
	case !l.Ready():
	case l.ring():
	default:
		l.Rang = false
		l.next()
	}
	l.rest()
	return l.effects
}

func (l *Life) begin(now tandem.Now) {
	clear(l.effects)
	l.effects = l.effects[:0]
	l.now = now
	l.keepTime(now)
}

// rest does what waits for the pair to be at rest.
func (l *Life) rest() {
	switch {
	case l.Phase == stopped:
	case l.ending != nil:
		l.tryStop()
	case l.leaving != nil:
		l.tryLeave()
	}
}

// mono is the monotonic time of the event that is being taken.
func (l *Life) mono() instant { return instant(l.now.Mono) }

func (l *Life) in(d time.Duration) instant { return nonzero(l.mono() + instant(d)) }

// due reports whether a deadline has been set and has come.
func (l *Life) due(at instant) bool { return at != 0 && at <= l.mono() }

func (l *Life) emit(e Effect) { l.effects = append(l.effects, e) }

func (l *Life) log(typ, msg string) { l.logAt(typ, msg, nil) }

// logAt is log for a line about a place in a program.
func (l *Life) logAt(typ, msg string, at *tandem.Where) {
	l.emit(&Log{TS: l.now.Wall, Type: typ, Msg: msg, Where: at})
}

func (l *Life) logf(typ, format string, args ...any) { l.log(typ, fmt.Sprintf(format, args...)) }

func (l *Life) over(limit string) { l.emit(&Over{limit, 1}) }

// id returns the next number for an effect.
func (l *Life) id() uint64 {
	l.IDs++
	return l.IDs
}

// take dispatches an event.
func (l *Life) take(ev Event) {
	switch ev := ev.(type) {
	case *Request:
		l.request(ev)
	case *GaveUp:
		l.gaveUp(ev.Number)
	case *Message:
		l.said(said{Token: ev.Token, Message: &ev.Message, Seq: ev.Seq})
	case *Again:
		l.again(ev)
	case *Said:
		l.said(said{
			Token: ev.Token, Seq: ev.Seq, Topic: ev.Topic, Data: ev.Data, Mark: ev.Mark, Where: ev.Where, Written: ev.Written,
		})
	case *Linked:
		l.linked(ev)
	case *Unlinked:
		l.unlinked(ev)
	case *NotSent:
		l.notSent(ev.Post)
	case *NodeLost:
		l.nodeLost(ev)
	case *Tick:
		l.tick()
	case *Fetched:
		l.fetched(ev)
	case *FetchedPart:
		l.fetchedPart(ev)
	case *Uploaded:
		if l.fetchOf(ev.Incarnation, ev.ID) >= 0 {
			l.push(item{event: &agent.Uploaded{ID: ev.ID, N: ev.N}})
		}
	case *MQTT:
		l.mqtt(ev)
	default:
		l.takeOrder(ev)
	}
}

// takeOrder takes what people and the node want.
func (l *Life) takeOrder(ev Event) {
	switch ev := ev.(type) {
	case *Reload:
		l.reload(ev)
	case *Review:
		l.review(ev.Group)
	case *Remind:
		if !l.Peer.Known && l.greeted == 0 && l.Link != nil {
			l.said(said{Topic: "sys/hello", Data: ev.Data})
		}
	case *Restart:
		l.restart(ev.Reason)
	case *RestartDevice:
		l.restartDevice()
	case *Deleted:
		l.deleted()
	case *Resume:
		if l.Phase == absent { // else an event was faster, and has seen to it
			l.load(wait{resume: true, loud: true})
		}
	case *Stop:
		l.ending, l.endBy = ev, l.in(ev.Patience)
		l.leaving = nil // who asked it to leave hears of its end
		l.takeResult()
	case *Refuse:
		l.refuseWaiting(ErrStopping)
	case *Leave:
		if l.ending == nil {
			l.leaving, l.leaveBy = ev, l.in(ev.Patience)
		}
	case *GoOn:
		l.goOnHere(ev.Why)
	case *Vanish:
		l.vanish()
	default:
		l.takeOutcome(ev)
	}
}

// takeOutcome takes what came of an effect.
func (l *Life) takeOutcome(ev Event) {
	switch ev := ev.(type) {
	case *AgentLoaded:
		l.agentLoaded(ev)
	case *ProgramLoaded:
		l.programLoaded(ev)
	case *DeviceLoaded:
		l.deviceLoaded(ev)
	case *SeenKept:
		l.seenKept(ev)
	case *PostsLoaded:
		l.postsLoaded(ev)
	case *Begun:
		l.begunAs(ev)
	case *SnapshotTaken:
		l.snapshotTaken(ev)
	case *Saved:
		l.outcome(ev.ID, &agent.Saved{Err: ev.Err})
	case *QuarantineKept:
		l.quarantineKept(ev.Err)
	case *Posted:
		l.posted(ev)
	case *PostForgotten:
		l.postForgotten(ev)
	default:
		panic(fmt.Sprintf("life: %T is no event", ev))
	}
}

// late answers what comes for a life that has ended here, so that nothing that
// waits for it waits in vain.
func (l *Life) late(ev Event) {
	switch ev := ev.(type) {
	case *Request:
		l.emit(&Answer{Token: ev.Token, Err: l.gone})
	case *Message:
		l.emit(&Forget{ev.Token})
	case *Again:
		l.emit(&Forget{ev.Token})
	case *Said:
		l.emit(&Forget{ev.Token})
	case *Fetched:
		l.handled(ev.Token)
	case *FetchedPart:
		l.handled(ev.Token)
	case *MQTT:
		l.handled(ev.Token)
	case *Stop:
		l.emit(&Stopped{})
	case *Leave:
		l.emit(&Left{})
	case *Vanish, *Deleted:
		l.emit(&Stopped{})
	}
}

// push puts an event for the agent into the inbox.
func (l *Life) push(it item) {
	l.count(it, 1)
	l.Inbox = append(l.Inbox, it)
}

// giveBack puts an item back to the front of the inbox.
func (l *Life) giveBack(it item) {
	l.count(it, 1)
	l.Inbox = append([]item{it}, l.Inbox...)
}

func (l *Life) count(it item, n int) {
	switch {
	case it.request != 0:
		l.requests += n
	case it.isMessage():
		l.messages += n
	}
}

// tell gives the agent an event about its device. An agent that does not run
// learns when it starts.
func (l *Life) tell(ev agent.Event) {
	if l.Runs() {
		l.push(item{event: ev})
	}
}

// handled gives a token back, if there is one.
func (l *Life) handled(token uint64) {
	if token != 0 {
		l.emit(&Handled{token})
	}
}

func (l *Life) forget(token uint64) {
	if token != 0 {
		l.emit(&Forget{token})
	}
}

// drop takes out of the inbox what is of no interest any more.
func (l *Life) drop(of func(item) bool) {
	l.Inbox = slices.DeleteFunc(l.Inbox, func(it item) bool {
		if !of(it) {
			return false
		}
		l.count(it, -1)
		l.forget(it.token)
		return true
	})
	if len(l.Inbox) == 0 {
		l.Inbox = nil
	}
}

// again has a message that the pair has already be acknowledged as it says now. One that waits
// behind a hello is not handled yet, whatever it is about.
func (l *Life) again(ev *Again) {
	if l.Numbers.Refused {
		l.forget(ev.Token)
		return
	}
	if l.wrong.ackRepeated {
		l.handled(ev.Token)
		return
	}
	if l.Handling && l.Current.isMessage() && l.Current.seq == ev.Seq {
		l.forget(l.Current.token)
		l.Current.token = ev.Token
		return
	}
	for i := range l.Hearing {
		if s := &l.Hearing[i]; s.Seq == ev.Seq {
			l.forget(s.Token)
			s.Token = ev.Token
			return
		}
	}
	for _, list := range [][]item{l.Inbox, l.Unread} {
		for i := range list {
			if it := &list[i]; it.isMessage() && it.seq == ev.Seq {
				l.forget(it.token)
				it.token = ev.Token
				return
			}
		}
	}
	for _, r := range l.Numbers.Stale {
		if r.Seq == ev.Seq {
			l.sendSystem(tandem.RefusedTopic, r)
		}
	}
	l.handled(ev.Token)
}

// forgetNumbers is for messages that came by an older link. They do not come again
// by their numbers, which are those of other messages now.
func (l *Life) forgetNumbers() {
	l.Current.seq = 0
	for i := range l.Hearing {
		l.Hearing[i].Seq = 0
	}
	for _, list := range [][]item{l.Inbox, l.Unread} {
		for i := range list {
			list[i].seq = 0
		}
	}
}

// Gone says why the life has ended here; nil when it has not.
func (l *Life) Gone() error { return l.gone }
