package world

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/twin"
)

// errAway is what a node is told that cannot reach the database.
var errAway = tandem.Errorf(tandem.Unavailable, "the database cannot be reached")

// reachable reports whether a node can reach the database.
func (n *node) reachable() bool { return n.w.away <= n.w.now && n.apart <= n.w.now }

// read asks the database something that is no write of an agent.
func (n *node) read(op twin.Op, then answered) {
	if !n.reachable() {
		n.after(n.w.between(time.Millisecond, 300*time.Millisecond), func() { then(nil, errAway) })
		return
	}
	number, err := n.store.Submit(n.now().Wall, op)
	if err != nil {
		n.after(0, func() { then(nil, err) })
		return
	}
	s, run := n.store, n.run
	// The transaction takes place whether or not the node is still there to hear of it.
	n.w.after(n.w.in(n.w.profile.read), func() {
		how := twin.Done
		if !n.reachable() || n.w.breaks(false) {
			how = [...]twin.Outcome{twin.Lost, twin.Refused}[n.w.random.IntN(2)]
		}
		r := s.Perform(n.w.wall(), number, how)
		if n.run == run && n.up {
			session := n.self.Session
			n.after(n.w.in(n.w.profile.answer), func() { n.deliver(r, session, map[uint64]answered{number: then}) })
		}
	})
}

// breaks reports whether the connection to the database breaks in the middle of a
// transaction. It does so now and then, and far more often when shards change hands:
// these are few, and what follows is hard to get right.
func (w *World) breaks(handover bool) bool {
	if w.quiet != 0 {
		return false
	}
	if handover {
		return w.one(w.profile.handover)
	}
	return w.one(w.profile.breaks)
}

// write has the committer write something of an agent.
func (n *node) write(op twin.Op, then answered) {
	number, err := n.store.Submit(n.now().Wall, op)
	if err != nil {
		n.after(0, func() { then(nil, err) })
		return
	}
	n.answers[number] = then
	_, handover := op.(twin.Handover)
	n.handovers = append(n.handovers, handover)
	n.commit()
}

// commit has the next transaction made, if none is under way.
func (n *node) commit() {
	if n.committing || n.store.Next() == 0 {
		return
	}
	n.committing = true
	s, run := n.store, n.run
	n.w.after(n.w.in(n.w.profile.commit), func() {
		if n.run != run || !n.up {
			return // it was killed before the transaction was made
		}
		if !n.reachable() && !n.w.one(3) {
			n.committing = false
			n.after(200*time.Millisecond, n.commit)
			return
		}
		writes := s.Next()
		how := twin.Done
		if !n.reachable() || n.w.breaks(n.handovers[0]) {
			how = [...]twin.Outcome{twin.Lost, twin.Refused}[n.w.random.IntN(2)]
		}
		n.handovers = n.handovers[writes:]
		r, session := s.Commit(n.w.wall(), writes, how), n.self.Session
		n.after(n.w.in(n.w.profile.answer), func() {
			n.committing = false
			n.deliver(r, session, n.answers)
			n.commit()
		})
	})
}

// deliver gives answers to those who wait for them. The transaction was made in a session of
// the node.
func (n *node) deliver(r twin.Result, session int64, answers map[uint64]answered) {
	if r.Fenced {
		n.after(0, func() { n.stepMember(n.member.Fenced(session)) })
	}
	for _, a := range r.Answers {
		then := answers[a.Number]
		delete(answers, a.Number)
		n.after(0, func() { then(a.Value, a.Err) })
	}
}
