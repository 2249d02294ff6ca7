package world

import (
	"github.com/fxamacker/cbor/v2"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/twin"
)

func (n *node) stepMoves(effects []protocol.Effect) {
	n.drive(driveMoves, effects, n.doMoves)
	n.tick(driveMoves, n.moves, func() { n.stepMoves(n.moves.Tick(n.now())) })
}

func (n *node) doMoves(e protocol.Effect) {
	moves := n.moves
	later := func(do func()) {
		n.after(n.jitter(), func() {
			if n.moves == moves {
				do()
			}
		})
	}
	n.watchMoves(e)
	switch e := e.(type) {
	case protocol.Export:
		later(func() { n.export(e) })
	case protocol.SendPart:
		later(func() {
			var err error
			if !n.tell(e.To, e.Offer) {
				err = errNotHeard
			}
			n.stepMoves(moves.Sent(n.now(), e.N, err))
		})
	case protocol.Flush:
		n.flush(e.To, e.Until-n.now().Mono, func(err error) {
			if n.moves == moves {
				n.stepMoves(moves.Flushed(n.now(), e.N, err))
			}
		})
	case protocol.Handover:
		n.write(twin.Handover{Shards: e.Shards, To: e.To.Node, ToSession: e.To.Session}, func(v any, err error) {
			if n.moves == moves {
				epochs, _ := v.(map[int]int64)
				n.stepMoves(moves.HandedOver(n.now(), e.N, epochs, err))
			}
		})
	case protocol.Confirm:
		n.read(twin.Membership{Known: -1}, func(v any, err error) {
			if n.moves == moves {
				n.stepMoves(moves.Confirmed(n.now(), e.N, membership(v), err))
			}
		})
	case protocol.Return:
		n.takeBack(e)
	case protocol.Gave:
		n.guests.Gave(e.Shards)
	case protocol.Prepare:
		later(func() { n.prepare(e) })
	case protocol.Discard:
		delete(n.imports, e.Offer)
	case protocol.Activate:
		n.activate(e)
	case protocol.OpenShards:
		n.openShards(e.Shards)
	default:
		n.general(e)
	}
}

// export stops the agents of some shards.
func (n *node) export(e protocol.Export) {
	moves := n.moves
	var pairs []*protocol.Pair
	var failed error
	list := n.closeShards(e.Shards)
	left := len(list)
	end := func() { n.after(n.jitter(), func() { n.exported(moves, e.N, pairs, failed) }) }
	if left == 0 {
		end()
	}
	for _, p := range list {
		p.door.Shut(life.ErrElsewhere)
		leave := &life.Leave{Node: n.name, Patience: e.Until - n.now().Mono}
		p.bring(arrival{event: leave, left: func(m *life.Moved, err error) {
			if m != nil {
				pairs = append(pairs, n.pack(m))
			}
			if err != nil {
				failed = err
			}
			if left--; left == 0 {
				end()
			}
		}})
	}
}

func (n *node) exported(moves *protocol.Moves, number uint64, pairs []*protocol.Pair, err error) {
	if n.moves == moves {
		n.stepMoves(moves.Exported(n.now(), number, pairs, err))
	}
}

// pack makes of a pair what travels.
func (n *node) pack(m *life.Moved) *protocol.Pair {
	data, err := cbor.Marshal(m)
	if err != nil {
		panic(err) // our own plain struct
	}
	p := &protocol.Pair{Device: m.Device, Agent: m.Agent, Link: m.Link, Origins: m.Origins, Data: data}
	if m.Link != nil {
		run, _ := n.guests.Run(*m.Link)
		p.Run = run.Session
	}
	return p
}

// arrive makes pairs of what has come.
func (n *node) arrive(list []*protocol.Pair, program *life.Program) (pairs []*pair, err error) {
	programOf := func(string) (*life.Program, error) { return program, nil }
	for _, x := range list {
		m := new(life.Moved)
		if err := cbor.Unmarshal(x.Data, m); err != nil {
			return nil, err
		}
		l, unfit, err := life.Arrive(&n.cfg, n.now(), m, programOf)
		if err != nil {
			return nil, err
		}
		if unfit != nil && n.w.version == 1 {
			n.w.broken("agent %s cannot go on at %s: %v", m.Agent, n.name, unfit)
		}
		p := n.newPair(l)
		p.door = m.Door()
		p.ref = m.Link
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func (n *node) prepare(e protocol.Prepare) {
	moves := n.moves
	n.withProgram(func(program *life.Program, err error) {
		if n.moves != moves {
			return
		}
		var pairs []*pair
		if err == nil {
			pairs, err = n.arrive(e.Pairs, program)
		}
		if err == nil {
			n.imports[e.Offer] = pairs
		}
		n.stepMoves(n.moves.Prepared(n.now(), e.Offer, err))
	})
}

// takeBack gives the host back what it has exported.
func (n *node) takeBack(e protocol.Return) {
	known := n.program
	if known == nil {
		known = program(n.w.version)
	}
	pairs, err := n.arrive(e.Pairs, known)
	if err != nil {
		n.w.broken("what %s has exported cannot come back: %v", n.name, err)
		return
	}
	n.takeIn(pairs, e.Pairs, e.Shards, e.Lost, "")
	n.returned(e.Shards)
	n.openShards(e.Shards)
}

// returned has the links of pairs that are back introduce themselves again.
func (n *node) returned(shards []int) {
	n.stepGuests(n.guests.Returned(shards))
	in := set(shards)
	for _, id := range sorted(n.conns) {
		if c := n.conns[id]; c.link != nil && in[c.link.Shard] {
			n.after(n.jitter(), c.returned)
		}
	}
}

// activate lets agents go on that have come here.
func (n *node) activate(e protocol.Activate) {
	n.w.moment("activate", n)
	pairs, ok := n.imports[e.Offer]
	delete(n.imports, e.Offer)
	if !ok {
		return // their shards are opened next
	}
	n.takeIn(pairs, e.Pairs, e.Shards, e.Lost, "balance")
}

// takeIn lets pairs go on that are at this node, new or again: package cluster's goOn.
func (n *node) takeIn(
	pairs []*pair, packed []*protocol.Pair, shards []int, lost []protocol.Peer, why tandem.Reason,
) {
	ends := n.cameWith(packed)
	n.goOn(pairs, shards, why)
	n.stepGuests(ends)
	n.arrived(packed, shards, lost)
}

// cameWith notes the links of pairs before anything is said to them, and returns the ends of
// those whose run is lost.
func (n *node) cameWith(pairs []*protocol.Pair) (ends []protocol.Effect) {
	for _, p := range pairs {
		if p.Link != nil && p.Link.Node != n.name {
			run := protocol.Peer{Node: p.Link.Node, Session: p.Run}
			ends = append(ends, n.guests.Came(*p.Link, run, p.Device, n.shardOf(p.Agent))...)
		}
	}
	return ends
}

// arrived has pairs that are here now hear of nodes that were lost meanwhile, and their
// links turn to them.
func (n *node) arrived(pairs []*protocol.Pair, shards []int, lost []protocol.Peer) {
	for _, p := range lost {
		n.stepGuests(n.guests.Lost(p))
		for _, x := range pairs {
			if here := n.pairs[x.Agent]; here != nil {
				here.bring(arrival{event: &life.NodeLost{Node: p.Node}})
			}
		}
	}
	in := set(shards)
	for _, id := range sorted(n.conns) {
		if c := n.conns[id]; c.link != nil && in[c.link.Shard] {
			n.after(n.jitter(), c.again)
		}
	}
}

// openShards gives the host shards, and has those of their agents run that ought to and
// do not.
func (n *node) openShards(shards []int) {
	n.w.moment("open", n)
	for _, s := range shards {
		n.open[s] = true
	}
	reminders := n.news.Opened(n.now(), shards)
	n.bringBack(shards, func() { n.recall(reminders) })
}

// bringBack has the agents of some shards run that ought to.
func (n *node) bringBack(shards []int, then func()) {
	run := n.self
	n.insist(run, func(then func(err error)) {
		n.read(twin.RunningIn{Shards: shards}, func(v any, err error) {
			if err == nil && n.self == run && !n.abandoning {
				err = n.resume(v)
			}
			then(err)
		})
	}, then)
}

func set(list []int) map[int]bool {
	m := map[int]bool{}
	for _, x := range list {
		m[x] = true
	}
	return m
}
