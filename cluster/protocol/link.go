package protocol

import (
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
)

// Between two attempts to bind a link.
const (
	minRebind = 10 * time.Millisecond
	maxRebind = time.Second
)

const (
	// topicHello is what a device says of itself.
	topicHello = "sys/hello"
	// topicNothing is for a message that was handled before an older one was. It says nothing
	// to a new owner, but that no number is missing.
	topicNothing = "sys/nothing"
	// maxHandled bounds how many of these are kept. Of more, each group of numbers that is
	// missing costs an introduction.
	maxHandled = 1000
)

// Link is a device's connection at this node's gateway, and its way to the pair,
// wherever that is. What the device has published is kept until it has been
// handled. When the pair moves, or its node is lost, the link introduces itself to
// the new owner and sends again what has not been handled; the owner knows what it
// has had already.
//
// Tell effects come of Bind, Tick, Publish and Close only: these may wait for a
// host. The other events cause none.
type Link struct {
	LinkConfig
	bugs bugs

	owner    Peer
	tried    int64 // epoch of the route that the link is bound by, or tried last
	epoch    int64 // the highest that it knows of; what an owner of an earlier one says is refused
	bound    bool
	patience time.Duration // before the next attempt to bind; doubles in vain
	retry    time.Duration // when that is; 0: none is needed

	newest  uint64      // number of the last message
	unacked []published // and those after the first of them, which is not handled, that are
	handled int         // of unacked
	hello   []byte

	closed bool
	over   bool // closed, and the owner knows it
	end    tandem.LinkEnd
	late   bool // end has changed since the owner was told
}

// LinkConfig names a link.
type LinkConfig struct {
	Ref     tandem.LinkRef
	Device  tandem.DeviceID
	Agent   tandem.AgentID
	Shard   int
	Address string
	Next    uint64 // number of the first message
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

// Stale reports whether a new table concerns the link. One that says what the link
// has tried in vain does not: the back-off decides about that.
func (l *Link) Stale(t *Table) bool {
	if l.over {
		return false
	}
	r := t.Route(l.Shard)
	owner, known := t.Peer(r.Owner)
	tried := l.bound || l.retry != 0
	return !tried || !known || l.owner != owner || l.tried != r.Epoch
}

// Bind turns the link to the owner that the table names.
func (l *Link) Bind(now tandem.Now, t *Table) []Effect {
	if !l.Stale(t) {
		return nil
	}
	r := t.Route(l.Shard)
	owner, known := t.Peer(r.Owner)
	l.owner, l.bound = owner, known
	l.tried, l.epoch = r.Epoch, max(l.epoch, r.Epoch)
	l.retry = 0
	if !known {
		return nil // a later table knows
	}
	var out []Effect
	if !l.closed {
		out = append(out, l.tell(l.open()))
	}
	if !l.bugs.forgetUnacked {
		for _, p := range l.unacked {
			out = append(out, l.tell(l.publish(p)))
		}
	}
	if l.closed {
		out = append(out, l.tell(l.close()))
	}
	return out
}

func (l *Link) tell(m Message) Effect { return Tell{To: l.owner, Message: m} }

func (l *Link) open() Message {
	next := l.newest + 1
	if len(l.unacked) > 0 && !l.bugs.openAtNewest {
		next = l.unacked[0].seq
	}
	m := &Open{ID: l.Ref.ID, Device: l.Device, Agent: l.Agent, Address: l.Address, Next: next}
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

// Publish takes a message of the device. The gateway numbers them from Next,
// without a gap.
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

// Unbound reports whether the link has no owner at the moment. What it wanted to tell
// the last one, and has not told it yet, need not be told.
func (l *Link) Unbound() bool { return !l.bound }

// Astray takes an owner's word, or the mesh's or the host's, that what the link
// told it has not been taken. The next table that knows better binds the link
// again, or else the next attempt.
func (l *Link) Astray(now tandem.Now, from Peer) []Effect {
	if !l.bound || l.owner != from || l.over || l.closed && l.bugs.closeOnce {
		return nil
	}
	l.bound = false
	if l.closed && l.patience == maxRebind {
		// The pair does not know the link, which cannot introduce itself any more: a newer
		// one may have. The device says again what was not acknowledged.
		l.unacked, l.handled = nil, 0
	}
	l.patience = min(max(2*l.patience, minRebind), maxRebind)
	if l.bugs.restlessRebind {
		l.patience = 1
	}
	l.retry = now.Mono + l.patience
	return []Effect{Look{}}
}

// Abandoned notes that this node was declared lost: what the link has told its owner may not
// have arrived, and is told again, also to the same owner.
func (l *Link) Abandoned(now tandem.Now) []Effect {
	if l.bound && !l.over && !l.bugs.keepTold {
		l.bound, l.retry = false, now.Mono+minRebind
	}
	return nil
}

// Deadline says when the next attempt to bind is due.
func (l *Link) Deadline() (at time.Duration, ok bool) { return soonest(l.retry) }

// Tick makes the attempt that is due.
func (l *Link) Tick(now tandem.Now, t *Table) []Effect {
	if !passed(l.retry, now) {
		return nil
	}
	l.retry = 0
	return l.Bind(now, t)
}

// Again makes the next attempt at once: what made the last one fail has changed.
func (l *Link) Again(now tandem.Now, t *Table) []Effect {
	if l.retry == 0 {
		return nil
	}
	l.retry = 0
	return l.Bind(now, t)
}

// Epoch returns the epoch that the link is bound by.
func (l *Link) Epoch() int64 { return l.tried }

// Acknowledged notes that a message has been handled.
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

// Deliver takes a message for the device from an owner with an epoch. The
// message of an owner that is not the pair's any more is refused. Whether the new owner
// would say the same is not known, so the link is cut: the device must not miss a
// message without knowing it.
//
// One that comes when the connection has ended is lost. The owner may have heard of
// the end already, so it is told once more.
func (l *Link) Deliver(epoch int64, topic string, m tandem.Message) []Effect {
	if l.closed && !l.bugs.loseAtEnd {
		l.late = l.late || m.Post == 0 && !l.end.Lost
		l.end.Lost = l.end.Lost || m.Post == 0
		return nil
	}
	if epoch < l.epoch && !l.bugs.trustOldOwner {
		l.end.Lost = l.end.Lost || !l.bugs.silentLoss
		return []Effect{Cut{Why: "the connection to the agent was broken"}}
	}
	l.epoch = max(l.epoch, epoch)
	return []Effect{Hand{Topic: topic, Message: m}}
}

// End takes an owner's wish to end the connection.
func (l *Link) End(epoch int64, why string) []Effect {
	if epoch < l.epoch {
		return nil
	}
	return []Effect{Cut{Why: why}}
}

// Heard takes an owner's word that it knows of the link's end.
func (l *Link) Heard(from Peer) []Effect {
	if !l.closed || l.over || l.owner != from {
		return nil
	}
	if l.late {
		l.late, l.bound, l.retry = false, false, 1
		return nil
	}
	l.over, l.bound, l.retry = true, false, 0
	return []Effect{Over{}}
}
