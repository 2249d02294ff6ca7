package rehearsal

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/store/twin"
)

// host is the node: its process, the shell of the pair's life, and the gateway's connections.
type host struct {
	run     uint64 // processes so far; what belongs to an earlier one is dropped
	up      bool
	started time.Duration
	skew    time.Duration // of its wall clock
	away    time.Duration // the store refuses everything until then

	store    *twin.Store
	clock    *hlc.Clock
	cfg      life.Config
	sessions session.Config

	life    *life.Life
	door    life.Door
	inbox   []arrival // while the life is at work, or on its way
	busy    bool
	onWay   bool
	timerAt time.Duration // by the node's clock; 0: not set
	waiters map[uint64]waiter
	token   uint64

	link, coming *conn
	conns        map[uint64]*conn
	lastConn     uint64
	of           *conn // that the device has
}

// arrival is an event on its way to the life, and who waits for what comes of it.
type arrival struct {
	event  life.Event
	cause  uint64
	waiter waiter
	link   *conn
}

// waiter is what a token of the life stands for.
type waiter struct {
	conn uint64 // whose message seq is acknowledged
	seq  uint64
	call uint64 // the number of a request that is answered
}

func (x waiter) any() bool { return x != waiter{} }

// Times that the node takes.
const (
	commitTime = 2 * time.Millisecond // a transaction
	readTime   = 500 * time.Microsecond
	moveTime   = 30 * time.Millisecond
	// tickTime is the least time between two looks at a deadline: a program whose timers are
	// always due would stop the time.
	tickTime = 50 * time.Microsecond
)

// startHost starts the node's process.
func (w *World) startHost() {
	h := &w.host
	h.run++
	h.up, h.started = true, w.now
	h.store = w.db.Open()
	h.clock = hlc.New(func() time.Time { return w.hostNow().Wall })
	h.cfg = life.Config{
		Version: "tandem", URL: func(tandem.AgentID) string { return URL }, Memory: tandem.AgentMemory,
		Budget: tandem.EventBudget, Grace: tandem.ReconnectGrace,
		HibernateAfter: cmp.Or(w.cfg.HibernateAfter, tandem.HibernateAfterIdle),
		CrashPause:     tandem.CrashPause, Beside: w.script.beside(ground.Agent),
	}
	h.sessions = session.Config{KeepAlive: tandem.PresenceTimeout * 2 / 3, Stamp: h.clock.Now}
	h.newLife(life.New(&h.cfg, DeviceID, AgentID))
	h.life.SetGroup(group)
	h.door = life.Door{}
}

func (h *host) newLife(l *life.Life) {
	h.life = l
	h.busy, h.onWay = false, false
	h.timerAt = 0
	h.inbox, h.waiters = nil, map[uint64]waiter{}
	h.link, h.coming = nil, nil
}

// firstEvent has the agent run as soon as there is a node, as it does when its code is deployed.
func firstEvent() life.Event { return &life.Reload{Group: group} }

// hostNow is the time as the node's cores are told it.
func (w *World) hostNow() tandem.Now {
	return tandem.Now{Wall: w.wall().Add(w.host.skew), Mono: w.now - w.host.started + 1}
}

// arrive gives the life an event.
func (w *World) arrive(a arrival) {
	w.host.inbox = append(w.host.inbox, a)
	w.runLife()
}

// runLife has the life take what there is.
func (w *World) runLife() {
	h := &w.host
	if h.busy || h.onWay || !h.up {
		return
	}
	h.busy = true
	w.seen.agent = true
	l := h.life
	for h.life == l && !h.onWay && (len(h.inbox) > 0 || l.Ready()) {
		if len(h.inbox) == 0 {
			w.perform(l.Advance(w.hostNow()))
		} else {
			a := h.inbox[0]
			h.inbox = h.inbox[1:]
			h.prepare(&a)
			w.seen.event = a.event
			w.perform(l.Take(w.hostNow(), a.cause, a.event))
		}
		l.Counted()
		h.door.Count(l.Waiting())
	}
	if h.life == l {
		h.busy = false
		w.setLifeTimer()
	}
}

// prepare gives an event its token.
func (h *host) prepare(a *arrival) {
	token := uint64(0)
	if a.waiter.any() {
		h.token++
		token = h.token
		h.waiters[token] = a.waiter
	}
	switch ev := a.event.(type) {
	case *life.Request:
		ev.Token = token
	case *life.Message:
		ev.Token = token
	case *life.Again:
		ev.Token = token
	case *life.Said:
		ev.Token = token
	case *life.Linked:
		h.coming = a.link
	}
}

// give gives a token back. Each is given back once.
func (w *World) give(token uint64) waiter {
	x, ok := w.host.waiters[token]
	if !ok {
		w.broken("the life gives token %d back, which it does not have", token)
	}
	delete(w.host.waiters, token)
	return x
}

// lifeTick looks whether the life's deadline has come.
type lifeTick struct {
	run uint64
	at  time.Duration
}

func (e lifeTick) happen(w *World) {
	if h := &w.host; h.up && h.run == e.run && h.timerAt == e.at {
		h.timerAt = 0
		w.arrive(arrival{event: &life.Tick{}})
	}
}

func (w *World) setLifeTimer() {
	h := &w.host
	at, ok := h.life.Deadline(w.hostNow())
	if !ok || h.timerAt != 0 && h.timerAt <= at {
		return
	}
	at = max(at, 1)
	h.timerAt = at
	w.after(max(at-w.hostNow().Mono, tickTime), lifeTick{h.run, at})
}

// outcome brings the life an event later, if the node's process is still there.
type outcome struct {
	run   uint64
	cause uint64
	event life.Event
}

func (e outcome) happen(w *World) {
	if w.host.up && w.host.run == e.run {
		w.arrive(arrival{event: e.event, cause: e.cause})
	}
}

// fromDevice takes a message that a session has from the device.
func (w *World) fromDevice(c *conn, q *session.Question) error {
	h := &w.host
	name, toAgent := cutTopic(q.Topic)
	m, who := q.Message, waiter{conn: c.id, seq: q.Seq}
	switch verdict := h.door.Message(c.ref(), q.Seq); {
	case verdict == life.Shut:
		return h.door.Why()
	case verdict == life.Unintroduced, verdict == life.Stale:
		return life.ErrElsewhere
	case verdict == life.Full:
		return tandem.Errorf(tandem.Limit, "too many messages wait")
	case verdict == life.Repeated:
		w.arrive(arrival{event: &life.Again{Seq: q.Seq}, waiter: who})
	case toAgent:
		m.Name = name
		w.message(ToAgent, &m)
		w.arrive(arrival{event: &life.Message{Seq: q.Seq, Message: m}, waiter: who})
	default:
		said := &life.Said{Seq: q.Seq, Topic: q.Topic, Data: m.Data, Mark: m.Mark, Where: m.Name}
		w.arrive(arrival{event: said, waiter: who})
	}
	return nil
}

// lose ends the node's process without warning: its connections are reset, and who waits for an
// answer gets none.
func (w *World) lose() {
	h := &w.host
	if !h.up {
		return
	}
	h.up, h.onWay = false, false
	for _, id := range slices.Sorted(maps.Keys(h.conns)) {
		w.resetAtDevice(h.conns[id])
	}
	h.conns, h.of = map[uint64]*conn{}, nil
	w.outside.nodeLost(w)
}

// hostUp starts the next process, which brings the agent back.
type hostUp struct{ run uint64 }

func (e hostUp) happen(w *World) {
	if w.host.run != e.run || w.host.up {
		return
	}
	w.startHost()
	w.arrive(arrival{event: &life.Resume{}})
}

// cutTopic returns the name of a message to the agent, and whether a topic is that of one.
func cutTopic(topic string) (name string, toAgent bool) { return strings.CutPrefix(topic, "agent/") }
