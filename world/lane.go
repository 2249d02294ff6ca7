package world

import (
	"time"

	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/hlc"
)

// wire is the network between two nodes.
type wire struct {
	cut  time.Duration // nothing arrives until then
	slow time.Duration // until then a message takes long
}

func (w *World) wire(a, b string) *wire {
	key := [2]string{min(a, b), max(a, b)}
	if w.links[key] == nil {
		w.links[key] = &wire{}
	}
	return w.links[key]
}

// delay is how long a message takes now.
func (w *World) delay(x *wire) time.Duration {
	if x.slow > w.now {
		return w.between(50*time.Millisecond, 300*time.Millisecond)
	}
	return w.in(w.profile.wire)
}

// lane is the way from a run of a node to a run of another. Like package mesh it
// loses nothing and keeps the order as long as both runs live; while the network is
// cut, what was sent waits.
type lane struct {
	last time.Duration // nothing arrives before what was sent before
	hold time.Duration // nor before this: something waits
}

// beginPoll is how soon a lane tries again to reach a run that is registered and has not
// begun: it has not heard yet that it is registered.
const beginPoll = 50 * ms

// tell sends a message to a run of a node. It returns false when there is no way to
// it.
func (n *node) tell(to protocol.Peer, m protocol.Message) bool {
	if n.unreachable(to) {
		return false
	}
	data, stamp, from := protocol.Encode(m), n.clock.Now(), n.self
	n.send(to, func(there *node) {
		m, err := protocol.Decode(data)
		if err != nil {
			n.w.broken("node %s cannot read what %s says: %v", there.name, n.name, err)
			return
		}
		there.clock.Observe(stamp)
		there.dispatch(from, m)
	})
	return true
}

// unreachable reports whether there is no way to a run of a node.
func (n *node) unreachable(to protocol.Peer) bool {
	out := !n.belonged && n.self == (protocol.Peer{}) || n.abandoning
	own := to.Node == n.name && to != n.self
	return out || own || n.dropped[to] || n.w.named(to.Node) == nil
}

// send has something happen at a run of a node, after what was sent before.
func (n *node) send(to protocol.Peer, do func(there *node)) {
	l := n.lanes[to]
	if l == nil {
		l = &lane{}
		n.lanes[to] = l
	}
	w, from := n.w, n.self
	there := w.named(to.Node)
	if there == nil {
		return
	}
	x := w.wire(n.name, to.Node)
	at := max(w.now+w.delay(x), l.last)
	l.last = at
	t, run, waited := &task{at: at}, n.run, false
	t.do = func() {
		begun := there.self.Session >= to.Session
		switch {
		case begun && (!there.up || there.self != to || there.abandoning || there.dropped[from]):
			return // that run is over, or knows that ours is
		case waited && (!n.up || n.run != run || n.self != from || n.abandoning):
			return // what a run had not got across is gone with it
		case !begun || x.cut > w.now || l.hold > w.now || there.paused > w.now:
			l.hold = max(l.hold, x.cut, there.paused)
			if !begun {
				l.hold = max(l.hold, w.now+beginPoll)
			}
			w.again(t, l.hold)
			waited = true
			return
		}
		do(there)
	}
	w.push(t)
}

// again has a task wait. It keeps its place among those for the same time.
func (w *World) again(t *task, at time.Duration) {
	t.at = at
	w.queue.push(t)
}

// named returns a node by its name.
func (w *World) named(name string) *node {
	for _, n := range w.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// flush calls then when a run has received all that it was sent, or when the
// patience is over.
func (n *node) flush(to []protocol.Peer, patience time.Duration, then func(err error)) {
	left, over := len(to), false
	end := func(err error) {
		if !over {
			over = true
			then(err)
		}
	}
	if left == 0 {
		end(nil)
	}
	for _, p := range to {
		n.send(p, func(there *node) {
			n.after(n.w.delay(n.w.wire(n.name, there.name)), func() {
				if left--; left == 0 {
					end(nil)
				}
			})
		})
	}
	n.after(patience, func() { end(errNotHeard) })
}

// broadcast tells all nodes what they can do without.
func (n *node) broadcast(m *protocol.Routes) {
	data, stamp := protocol.Encode(m), n.clock.Now()
	for _, there := range n.w.nodes {
		x := n.w.wire(n.name, there.name)
		if there == n || x.cut > n.w.now || n.w.one(n.w.profile.unheard) {
			continue
		}
		run := there.run
		n.w.push(&task{at: n.w.now + n.w.delay(x), node: there, run: run, do: func() { there.hear(data, stamp) }})
	}
}

func (n *node) hear(data []byte, stamp hlc.Timestamp) {
	n.clock.Observe(stamp)
	m, err := protocol.Decode(data)
	if r, ok := m.(*protocol.Routes); ok && err == nil {
		n.learn(r)
	}
	n.look()
}
