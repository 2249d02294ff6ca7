package mesh

import (
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
)

// station is one end of all lanes of a node, without network, goroutine and
// clock: it takes events with the time, and leaves outgoing packets in out. Mesh
// is the shell around it, and its lock guards it.
type station struct {
	self  Peer
	limit int              // bytes of a frame without the packet's header
	lanes map[string]*lane // by node, to its newest run
	over  map[string]int64 // by node: its runs up to this session have ended
	due   time.Duration    // when to call tick
	out   []packet
	loop  []packet // packets to ourselves
}

// lane is both directions between this run and another.
type lane struct {
	st   *station
	peer Peer
	send sender
	recv receiver
	over atomic.Bool // no Receive may begin; set under the lock, read without

	busy  bool // a goroutine of the shell empties recv.inbox
	ahead bool // the peer's clock is too far ahead, and a warning was logged
}

func newStation(self Peer, limit int) *station {
	return &station{self: self, limit: limit, lanes: map[string]*lane{}, over: map[string]int64{}, due: never}
}

// lane returns the lane to a run. It ends the lane to an older run of the same
// node.
func (st *station) lane(p Peer) (*lane, error) {
	last, ok := st.over[p.Node]
	l := st.lanes[p.Node]
	switch {
	case ok && p.Session <= last, l != nil && p.Session < l.peer.Session:
		return nil, overError(p)
	case l != nil && p.Session == l.peer.Session:
		return l, nil
	case l != nil:
		st.drop(l.peer)
	}
	l = &lane{st: st, peer: p, send: sender{askAt: never}, recv: receiver{tellAt: never}}
	st.lanes[p.Node] = l
	return l, nil
}

func overError(p Peer) error {
	return tandem.Errorf(tandem.NotFound, "run %d of node %s has ended; send to its newer run", p.Session, p.Node)
}

// drop ends the lane to a run or to one before it, and refuses these runs from
// then on.
func (st *station) drop(p Peer) {
	if last, ok := st.over[p.Node]; !ok || p.Session > last {
		st.over[p.Node] = p.Session
	}
	if l := st.lanes[p.Node]; l != nil && l.peer.Session <= p.Session {
		l.end(overError(l.peer))
		delete(st.lanes, p.Node)
	}
}

func (l *lane) end(err error) {
	l.over.Store(true)
	l.send.fail(err)
	l.recv = receiver{tellAt: never}
}

// post sends a message.
func (st *station) post(now time.Duration, to Peer, data []byte) error {
	l, err := st.lane(to)
	if err != nil {
		return err
	}
	if err := l.send.add(data); err != nil {
		return err
	}
	l.pump(now)
	st.settle(now)
	return nil
}

// flush returns a channel that gets nil once a run has received all messages that
// were posted to it, or the error why it never will. Without a lane no message
// was posted.
func (st *station) flush(to Peer) (<-chan error, error) {
	done := make(chan error, 1)
	l := st.lanes[to.Node]
	last, ok := st.over[to.Node]
	switch {
	case ok && to.Session <= last, l != nil && to.Session < l.peer.Session:
		return nil, overError(to)
	case l == nil, l.peer != to, l.send.received == l.send.queued:
		done <- nil
	default:
		l.send.flushes = append(l.send.flushes, flush{l.send.queued, done})
	}
	return done, nil
}

// arrive takes a packet from the network. It returns the packet's lane, or nil
// when the packet is for another run of this node or from a run that has ended.
func (st *station) arrive(now time.Duration, p *packet) (*lane, error) {
	if p.from == st.self {
		return nil, nil
	}
	l, err := st.take(now, p)
	st.settle(now)
	return l, err
}

func (st *station) take(now time.Duration, p *packet) (*lane, error) {
	if p.to.Session != st.self.Session {
		if p.to.Session < st.self.Session && p.number != 0 {
			// For an earlier run of this node: tell the sender that there is a newer one.
			st.out = append(st.out, packet{from: st.self, to: p.from})
		}
		return nil, nil
	}
	l, err := st.lane(p.from)
	if err != nil {
		return nil, nil // from a run that has ended
	}
	return l, l.arrive(now, p)
}

// settle delivers packets to ourselves.
func (st *station) settle(now time.Duration) {
	for len(st.loop) > 0 {
		p := st.loop[0]
		st.loop[0] = packet{}
		st.loop = st.loop[1:]
		st.take(now, &p) // cannot fail: our own packets are well-formed
	}
	st.loop = nil
}

// received records that Receive has returned for all messages of the lane's first
// frame, and acknowledges it in time.
func (st *station) received(now time.Duration, l *lane) {
	if l.over.Load() {
		return
	}
	r := &l.recv
	r.bytes -= r.inbox[0].bytes
	r.inbox[0] = arrived{}
	r.inbox = r.inbox[1:]
	r.done++
	switch {
	case len(r.inbox) == 0 || r.done-r.told >= ackFrames:
		l.emit(packet{})
	case r.tellAt == never:
		l.tell(now + ackDelay)
	}
	st.settle(now)
}

// tick sends the acknowledgements and questions that are due.
func (st *station) tick(now time.Duration) {
	st.due = never
	for _, l := range st.lanes {
		if l.recv.tellAt <= now {
			l.emit(packet{})
		}
		if s := &l.send; s.askAt <= now {
			s.doublings++
			s.healed = 0
			l.emit(packet{flags: flagAsk, number: s.sent()})
			l.ask(now + s.patience())
		}
		st.due = min(st.due, l.recv.tellAt, l.send.askAt)
	}
	st.settle(now)
}

// hasFrames reports whether there are messages to receive.
func (l *lane) hasFrames() bool { return !l.over.Load() && len(l.recv.inbox) > 0 }

func (l *lane) arrive(now time.Duration, p *packet) error {
	if l.send.acked(now, p.accepted, p.done) {
		l.ask(now + l.send.patience())
	}
	if p.flags&flagGap != 0 {
		l.goBack(now, p.accepted)
	}
	l.pump(now)
	r := &l.recv
	switch {
	case p.flags&flagAsk != 0:
		answer := packet{}
		if r.accepted < p.number {
			answer.flags = flagGap
		}
		l.emit(answer)
	case p.number == r.accepted+1:
		return r.accept(p.pieces)
	case p.number > r.accepted && r.noticed != r.accepted+1:
		r.noticed = r.accepted + 1
		l.emit(packet{flags: flagGap})
	}
	return nil // no pieces, or a duplicate
}

// pump sends as many frames as the window allows.
func (l *lane) pump(now time.Duration) {
	s := &l.send
	for s.cut(l.st.limit) {
		if s.probe == 0 {
			s.probe, s.probeAt = s.sent(), now
		}
		l.emit(packet{number: s.sent(), pieces: s.frames[len(s.frames)-1].pieces})
		if s.askAt == never {
			l.ask(now + s.patience())
		}
	}
}

// goBack sends all frames after accepted again, of which the peer lacks the
// first. It does so once for each gap. If those frames are lost, too, tick asks,
// and the answer leads here again.
func (l *lane) goBack(now time.Duration, accepted uint64) {
	s := &l.send
	if accepted != s.accepted || accepted >= s.sent() || s.healed == accepted+1 {
		return
	}
	s.healed = accepted + 1
	s.probe = 0 // its acknowledgement could be for either copy
	for n := accepted + 1; n <= s.sent(); n++ {
		l.emit(packet{number: n, pieces: s.frames[n-s.done-1].pieces})
	}
	l.ask(now + s.patience())
}

// ask sets the time to ask for an acknowledgement, if frames are under way.
func (l *lane) ask(at time.Duration) {
	if len(l.send.frames) == 0 {
		at = never
	}
	l.send.askAt = at
	l.st.due = min(l.st.due, at)
}

// tell sets the time to acknowledge.
func (l *lane) tell(at time.Duration) {
	l.recv.tellAt = at
	l.st.due = min(l.st.due, at)
}

// emit sends a packet. Every packet carries an acknowledgement.
func (l *lane) emit(p packet) {
	r := &l.recv
	p.from = l.st.self
	p.to = l.peer
	p.accepted = r.accepted
	p.done = r.done
	r.told, r.tellAt = r.done, never
	if l.peer == l.st.self {
		l.st.loop = append(l.st.loop, p)
		return
	}
	l.st.out = append(l.st.out, p)
}
