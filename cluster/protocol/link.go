package protocol

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

// Limits of the pause between two attempts to bind a link.
const (
	minRebind = 10 * time.Millisecond
	maxRebind = time.Second
)

const (
	// topicHello is the topic of the message in which a device describes itself.
	topicHello = "sys/hello"
	// topicNothing is the topic of a message that was handled before an older one. It tells a
	// new owner only that no number is missing.
	topicNothing = "sys/nothing"
	// maxHandled limits how many of these are kept. Beyond it, each gap costs an introduction.
	maxHandled = 1000
)

// Link is a device's connection at this node's gateway, bound to the pair's owner on
// any node. It keeps the device's messages until they have been handled. When the
// pair moves, or its node is lost, the link is opened with the new owner and sends the
// unhandled messages again; the owner knows which of them it has already taken.
//
// Only Bind, Tick, Again, Publish and Close return Tell effects, for which the shell
// may wait for a host.
type Link struct {
	LinkConfig
	bugs bugs

	owner    Peer
	tried    int64 // epoch of the route that the link is bound by, or that it tried last
	epoch    int64 // the highest known epoch; messages of owners with a lower one are refused
	bound    bool
	waited   bool          // it has tried to bind before: the device may have a newer link by now
	patience time.Duration // pause before the next attempt to bind; doubles after each failure
	retry    time.Duration // time of the next attempt; 0: none is needed

	newest  uint64      // number of the last message
	unacked []published // and those after the first of them, which is not handled, that are
	handled int         // of unacked
	hello   []byte

	closed bool
	over   bool // closed, and the owner knows
	end    tandem.LinkEnd
	late   bool // end has changed since the owner was told of it
}

// LinkConfig names a link.
type LinkConfig struct {
	Ref     tandem.LinkRef
	Device  tandem.DeviceID
	Agent   tandem.AgentID
	Shard   int
	Address string
	Next    uint64        // number of the first message
	Born    hlc.Timestamp // when the connection began
}

// published is a message of the device that is to be told to the next owner, too. One that has
// been handled is only a number.
type published struct {
	seq     uint64
	topic   string
	message tandem.Message
	handled bool
}

// NewLink returns a link that is not bound yet.
func NewLink(c LinkConfig) *Link {
	return &Link{LinkConfig: c, newest: max(c.Next, 1) - 1}
}

// Stale reports whether the link must be bound because of a new table. It need not be
// for a route that it has already tried; the back-off decides when to try that again.
func (l *Link) Stale(t *Table) bool {
	if l.over {
		return false
	}
	r := t.Route(l.Shard)
	owner, known := t.Peer(r.Owner)
	tried := l.bound || l.retry != 0
	return !tried || !known || l.owner != owner || l.tried != r.Epoch
}

// Bind binds the link to the owner in the table.
func (l *Link) Bind(now tandem.Now, t *Table) []Effect {
	if !l.Stale(t) {
		return nil
	}
	r := t.Route(l.Shard)
	owner, known := t.Peer(r.Owner)
	l.owner, l.bound = owner, known
	l.tried, l.epoch = r.Epoch, max(l.epoch, r.Epoch)
	l.retry = 0
	again := l.waited
	l.waited = true
	if !known {
		return nil // wait for a later table
	}
	var out []Effect
	if !l.closed {
		out = append(out, l.tell(l.open(t, again)))
	}
	if !l.bugs.forgetUnacked {
		for _, p := range l.unacked {
			out = append(out, l.tell(l.publish(p)))
		}
	}
	if l.closed {
		l.late = false
		out = append(out, l.tell(l.close()))
	}
	return out
}

func (l *Link) tell(m Message) Effect { return Tell{To: l.owner, Message: m} }

func (l *Link) open(t *Table, again bool) Message {
	next := l.newest + 1
	if len(l.unacked) > 0 && !l.bugs.openAtNewest {
		next = l.unacked[0].seq
	}
	m := &Open{ID: l.Ref.ID, Device: l.Device, Agent: l.Agent, Address: l.Address, Next: next}
	m.Born, m.Again = l.Born, again
	m.Version = t.Version
	if !l.bugs.forgetHello {
		m.Hello = l.hello
	}
	return m
}

func (l *Link) publish(p published) Message {
	return &Publish{ID: l.Ref.ID, Device: l.Device, Seq: p.seq, Topic: p.topic, Message: p.message}
}

func (l *Link) close() Message {
	return &Close{ID: l.Ref.ID, Device: l.Device, Agent: l.Agent, Clean: l.end.Clean, Lost: l.end.Lost}
}

// Publish takes a message of the device. The gateway numbers the messages from Next
// without gaps.
func (l *Link) Publish(seq uint64, topic string, m tandem.Message) ([]Effect, error) {
	switch {
	case l.closed:
		return nil, tandem.Errorf(tandem.Conflict, "the link of device %s has ended", l.Device)
	case seq != l.newest+1:
		return nil, tandem.Errorf(tandem.Internal, "message %d of device %s follows message %d", seq, l.Device, l.newest)
	}
	l.newest = seq
	if topic == topicHello {
		l.hello = m.Data
	}
	p := published{seq: seq, topic: topic, message: m}
	l.unacked = append(l.unacked, p)
	if !l.bound {
		return nil, nil
	}
	return []Effect{l.tell(l.publish(p))}, nil
}

// Close says that the connection has ended.
func (l *Link) Close(end tandem.LinkEnd) []Effect {
	if l.closed {
		return nil
	}
	l.closed = true
	l.end.Clean = end.Clean
	l.end.Lost = l.end.Lost || end.Lost
	if !l.bound {
		return nil
	}
	return []Effect{l.tell(l.close())}
}

// Unbound reports whether the link is not bound to an owner. Messages for the last one
// that have not been sent yet need not be sent.
func (l *Link) Unbound() bool { return !l.bound }

// Astray says that an owner, its host or the mesh has not taken the link's messages.
// The link is bound again with the next table that names another owner, or by the
// next attempt.
func (l *Link) Astray(now tandem.Now, from Peer) []Effect {
	if !l.bound || l.owner != from || l.over || l.closed && l.bugs.closeOnce {
		return nil
	}
	l.bound = false
	if l.closed && l.patience == maxRebind {
		// The pair does not know the link, which can no longer be opened, as the device may
		// have a newer one. The device sends unacknowledged messages again.
		l.unacked, l.handled = nil, 0
	}
	l.patience = min(max(2*l.patience, minRebind), maxRebind)
	if l.bugs.restlessRebind {
		l.patience = 1
	}
	l.retry = now.Mono + l.patience
	return []Effect{Look{}}
}

// Abandoned takes that this node was declared lost: messages of the link to its owner may not
// have arrived, and are sent again, also to the same owner.
func (l *Link) Abandoned(now tandem.Now) []Effect {
	if l.bound && !l.over && !l.bugs.keepTold {
		l.bound, l.retry = false, now.Mono+minRebind
	}
	return nil
}

// Deadline returns the time of the next attempt to bind.
func (l *Link) Deadline() (at time.Duration, ok bool) { return soonest(l.retry) }

// Tick makes the next attempt if it is due.
func (l *Link) Tick(now tandem.Now, t *Table) []Effect {
	if !passed(l.retry, now) {
		return nil
	}
	l.retry = 0
	return l.Bind(now, t)
}

// Again makes the next attempt at once, because the reason of the last failure is gone.
func (l *Link) Again(now tandem.Now, t *Table) []Effect {
	if l.retry == 0 {
		return nil
	}
	l.retry = 0
	return l.Bind(now, t)
}

// BoundBy returns the epoch that the link is bound by.
func (l *Link) BoundBy() int64 { return l.tried }

// Acknowledged records that a message has been handled.
func (l *Link) Acknowledged(seq uint64) []Effect {
	i := slices.IndexFunc(l.unacked, func(p published) bool { return p.seq == seq && !p.handled })
	if i < 0 {
		return nil
	}
	l.patience = 0
	if i > 0 && l.handled < maxHandled && !l.bugs.leaveHoles {
		l.unacked[i] = published{seq: seq, topic: topicNothing, handled: true}
		l.handled++
		return []Effect{Handled{Seq: seq}}
	}
	l.unacked = slices.Delete(l.unacked, i, i+1)
	for len(l.unacked) > 0 && l.unacked[0].handled {
		l.unacked = l.unacked[1:]
		l.handled--
	}
	return []Effect{Handled{Seq: seq}}
}

// Deliver takes a message for the device from an owner with an epoch. It refuses the
// message of a former owner. As the new owner may not send the same message, the link
// is cut, so that the device does not miss a message unnoticed.
//
// A message after the end of the connection is lost. The owner may already know of the
// end, so it is told again that messages were lost.
func (l *Link) Deliver(epoch int64, topic string, m tandem.Message) []Effect {
	if l.closed && !l.bugs.loseAtEnd {
		l.miss(m)
		return nil
	}
	if epoch < l.epoch && !l.bugs.trustOldOwner {
		l.end.Lost = l.end.Lost || !l.bugs.silentLoss
		return []Effect{Cut{Why: "the connection to the agent was broken"}}
	}
	l.epoch = max(l.epoch, epoch)
	return []Effect{Hand{Topic: topic, Message: m}}
}

// Unsent says that the gateway has not taken a message that Deliver handed to it, because the
// connection is ending. The owner is told at the end that messages were lost.
func (l *Link) Unsent(m tandem.Message) {
	if !l.bugs.loseUnsent {
		l.miss(m)
	}
}

// miss records that a message is lost. Posts are not: the next link gets them again.
func (l *Link) miss(m tandem.Message) {
	if m.Post == 0 && !l.end.Lost {
		l.end.Lost = true
		l.late = l.closed
	}
}

// End ends the connection at an owner's request. A request of an earlier owner is refused.
// The present owner may have sent it before it knew its epoch.
func (l *Link) End(from Peer, epoch int64, why string) []Effect {
	if epoch < l.epoch && (from != l.owner || l.bugs.doubtOwner) {
		return nil
	}
	return []Effect{Cut{Why: why}}
}

// Heard takes an owner's Closed: it knows of the link's end, and whether messages were lost.
// The answer to an earlier Close that did not say so is not enough.
func (l *Link) Heard(from Peer, lost bool) []Effect {
	if !l.closed || l.over || l.owner != from {
		return nil
	}
	if l.end.Lost && !lost && !l.bugs.takeAnyClosed || l.late {
		if l.late {
			l.late = false
			l.bound = false
			l.retry = 1
		}
		return nil
	}
	l.over = true
	l.bound = false
	l.retry = 0
	return []Effect{Over{}}
}
