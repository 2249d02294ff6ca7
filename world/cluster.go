package world

import (
	"fmt"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

var errNotHeard = tandem.Errorf(tandem.Unavailable, "a node has not heard in time")

// failureOf returns an error as it travels between nodes, with its fate.
func failureOf(err error) *protocol.Failure {
	switch err {
	case nil:
		return nil
	case life.ErrElsewhere:
		return protocol.Fatef(protocol.Elsewhere, err.Error())
	case life.ErrMoved:
		return protocol.Fatef(protocol.Moved, err.Error())
	case life.ErrLost:
		return protocol.Fatef(protocol.Lost, err.Error())
	}
	return protocol.FailureOf(err)
}

// say is tell, also to this node itself.
func (n *node) say(to protocol.Peer, m protocol.Message) {
	if to == n.self {
		n.dispatch(to, m)
		return
	}
	n.tell(to, m)
}

// dispatch brings a message to the core that it is for.
func (n *node) dispatch(from protocol.Peer, m protocol.Message) {
	now := n.now()
	switch m := m.(type) {
	case *protocol.Open:
		n.exists(from, m.Version)
		n.stepGuests(n.guests.Opened(from, m))
	case *protocol.Publish:
		n.stepGuests(n.guests.Published(from, m))
	case *protocol.Close:
		n.stepGuests(n.guests.Closed(from, m))
	case *protocol.Gone:
		n.stepGuests(n.guests.Gone(from, m))
	case *protocol.Settled:
		n.guests.Settled(from)
	case *protocol.Send:
		if l := n.conns[m.ID]; l != nil {
			l.deliver(from, m.Epoch, m.Topic, m.Message)
		} else {
			n.say(from, &protocol.Gone{ID: m.ID, Device: m.Device})
		}
	case *protocol.End:
		n.toLink(m.ID, func(c *conn) []protocol.Effect { return c.link.End(from, m.Epoch, m.Why) })
	case *protocol.Ack:
		n.toLink(m.ID, func(c *conn) []protocol.Effect { return c.link.Acknowledged(m.Seq) })
	case *protocol.Closed:
		n.toLink(m.ID, func(c *conn) []protocol.Effect { return c.link.Heard(from, m.Lost) })
	case *protocol.Astray:
		n.toLink(m.ID, func(c *conn) []protocol.Effect { return c.link.Astray(now, from) })
	case *protocol.Offer:
		n.watchOffer(from, m)
		n.exists(from, m.Version)
		for _, p := range m.Known {
			n.exists(p, m.Version)
		}
		n.stepMoves(n.moves.Offered(now, from, m))
		n.watchOffered(from, m)
	case *protocol.Ready:
		n.stepMoves(n.moves.Readied(now, from, m.ID))
	case *protocol.Decline:
		n.stepMoves(n.moves.Declined(now, from, m.ID, m.Failure))
	case *protocol.Go:
		n.stepMoves(n.moves.Went(now, from, m))
	case *protocol.Stay:
		n.stepMoves(n.moves.Stayed(from, m.ID))
	default:
		n.dispatchCall(from, m)
	}
}

func (n *node) dispatchCall(from protocol.Peer, m protocol.Message) {
	now := n.now()
	switch m := m.(type) {
	case *protocol.Request:
		n.stepCalls(n.calls.Requested(from, m))
	case *protocol.Answer:
		n.stepCalls(n.calls.Answered(now, m))
	case *protocol.Taken:
		n.stepCalls(n.calls.Taken(now, m))
	case *protocol.Told:
		n.stepCalls(n.calls.Told(now, m))
	case *protocol.Empty:
		n.calls.Emptied(from)
	case *protocol.Routes:
		n.learn(m)
	case *protocol.Ask:
		n.answerNews(from, m)
	default:
		panic(fmt.Sprintf("world: a node is told %T", m))
	}
}

func (n *node) exists(p protocol.Peer, version int64) {
	if !n.table.Has(p) {
		n.stepMember(n.member.Exists(p, version))
	}
}

func (n *node) learn(r *protocol.Routes) {
	if len(r.Shards) > 0 {
		n.stepMember(n.member.Learn(r))
	}
}

func (n *node) look() {
	n.member.Look(n.now())
	n.stepMember(nil)
}

// general carries out effects that several cores have.
func (n *node) general(e protocol.Effect) {
	switch e := e.(type) {
	case protocol.Tell:
		n.say(e.To, e.Message)
	case protocol.Broadcast:
		n.broadcast(e.Routes)
	case protocol.Learn:
		n.learn(e.Routes)
	case protocol.Look:
		n.look()
	case protocol.Note:
		n.w.say("%s notes: %s %s %v", n.name, e.Text, e.Node, e.Failure)
	default:
		panic(fmt.Sprintf("world: a core wants %T, which is not its own", e))
	}
}

func (n *node) stepMember(effects []protocol.Effect) {
	n.drive(driveMember, effects, n.doMember)
	n.tick(driveMember, n.member, func() { n.stepMember(n.member.Tick(n.now())) })
}

func (n *node) doMember(e protocol.Effect) {
	switch e := e.(type) {
	case protocol.Begin:
		n.self, n.abandoning = e.Self, false
		n.joined = n.w.now
		n.watch.failures, n.watch.rest = 0, 0   // the new Moves know of no failures
		n.stepCalls(n.calls.Abandoned(n.now())) // what was begun with the last run's table
		n.lanes, n.dropped = map[protocol.Peer]*lane{}, map[protocol.Peer]bool{}
		n.moves = protocol.NewMoves(e.Self, n.shardOf, n.number()<<20, e.Table)
		n.moves.Parts(n.w.profile.part)
		n.mistake(n.moves)
		if n.leaving {
			n.moves.Refuse()
		}
		n.drives[driveMoves] = drive{}
		n.w.say("%s is in the cluster, session %d", n.name, e.Self.Session)
		n.w.moment("begin", n)
	case protocol.Lease:
		n.watchLease(e.Until)
		n.lease(e.Until)
	case protocol.Replace:
		n.replace(e.Table)
	case protocol.Join:
		for _, e := range n.news.Joined(n.now(), e.Peer) {
			n.general(e)
		}
	case protocol.Lose:
		n.lose(e.Peer)
	case protocol.Belong:
		n.belonged = true
	case protocol.Abandon:
		n.abandon()
	case protocol.Fail:
		n.w.broken("node %s cannot join: %v", n.name, e.Failure)
	default:
		n.askDatabase(e)
	}
}

// askDatabase does what the Member wants of the database.
func (n *node) askDatabase(e protocol.Effect) {
	info := record.Node{ID: n.name, MQTT: n.name, Weight: 1, Started: n.now().Wall}
	member := n.member
	ask := func(op twin.Op, then func(now tandem.Now, v any, err error) []protocol.Effect) {
		if n.over {
			return
		}
		n.asking++
		n.read(op, func(v any, err error) {
			n.asking--
			if n.member == member {
				n.stepMember(then(n.now(), v, err))
			}
		})
	}
	switch e := e.(type) {
	case protocol.Register:
		n.w.moment("register", n)
		info.Draining = e.Draining
		ask(twin.Register{Node: info, Lease: Lease}, func(now tandem.Now, v any, err error) []protocol.Effect {
			session, _ := v.(int64)
			return member.Registered(now, e.N, session, err)
		})
	case protocol.Renew:
		info.Draining = e.Draining
		ask(twin.Renew{Node: info, Lease: Lease}, func(now tandem.Now, _ any, err error) []protocol.Effect {
			if err != nil {
				n.watch.unheard = n.w.now
			}
			return member.Renewed(now, e.N, err)
		})
	case protocol.Read:
		ask(twin.Membership{Known: e.Known}, func(now tandem.Now, v any, err error) []protocol.Effect {
			return member.HaveRead(now, e.N, membership(v), err)
		})
	case protocol.AskPlanner:
		ask(twin.Planner{Node: n.name, Lease: e.Lease}, func(now tandem.Now, v any, err error) []protocol.Effect {
			mine, _ := v.(bool)
			return member.Planning(now, e.N, mine, err)
		})
	case protocol.Bury:
		ask(twin.Bury{Node: e.Peer.Node, Session: e.Peer.Session}, func(now tandem.Now, v any, err error) []protocol.Effect {
			gone, _ := v.(bool)
			return member.Buried(now, e.N, gone, err)
		})
	case protocol.Assign:
		ask(twin.AssignShards{Plan: e.Plan}, func(now tandem.Now, _ any, err error) []protocol.Effect {
			return member.Assigned(now, e.N, err)
		})
	default:
		n.general(e)
	}
}

// membership returns what a reading has answered; nil when it has failed.
func membership(v any) *record.Membership {
	m, ok := v.(record.Membership)
	if !ok {
		return nil
	}
	return &m
}

// replace makes a newer table the node's, and has everything follow it.
func (n *node) replace(t *protocol.Table) {
	n.table = t
	n.guests.Table(t)
	n.stepCalls(n.calls.Table(n.now(), t))
	n.stepMoves(n.moves.Table(n.now(), t, n.member.Draining()))
	for _, id := range sorted(n.conns) {
		if c := n.conns[id]; c.link != nil && c.link.Stale(t) {
			c.bind()
		}
	}
}

// lose ends what depended on a run of a node.
func (n *node) lose(p protocol.Peer) {
	n.watchLost(p)
	n.w.moment("lost", n)
	n.dropped[p] = true
	n.stepMoves(n.moves.Lost(n.now(), p))
	settled := n.guests.HasSettled(p)
	n.stepGuests(n.guests.Lost(p))
	n.stepCalls(n.calls.Lost(n.now(), p))
	for _, id := range sorted(n.pairs) {
		n.pairs[id].bring(arrival{event: &life.NodeLost{Node: p.Node, Settled: settled}})
	}
}

// abandon drops the agents and all that belongs to the run, and has the node join again.
func (n *node) abandon() {
	n.w.say("%s was declared lost", n.name)
	n.w.ended(n.self, true)
	n.w.moment("abandon", n)
	n.abandoning = true
	n.forgetProgram()
	n.vanish()
	n.after(n.w.between(0, 50*time.Millisecond), func() {
		n.moves = protocol.NewMoves(n.self, n.shardOf, n.number()<<20, new(protocol.Table))
		n.mistake(n.moves)
		n.drives[driveMoves] = drive{}
		clear(n.imports)
		n.vanish()
		n.guests.Abandoned()
		n.stepCalls(n.calls.Abandoned(n.now()))
		for _, id := range sorted(n.conns) {
			if c := n.conns[id]; c.link != nil {
				c.carryOut(c.link.Abandoned(n.now()))
			}
			n.conns[id].close("the server was out of touch with the others")
		}
		n.stepMember(n.member.Abandoned(n.now()))
	})
}

func (n *node) drain(undo bool) {
	n.watchDrain(!undo)
	if !undo {
		n.stepMember(n.member.Drain(n.now(), false))
		return
	}
	effects, err := n.member.Undrain(n.now())
	if err == nil {
		n.stepMember(effects)
	}
}

func (n *node) stepGuests(effects []protocol.Effect) { n.drive(driveGuests, effects, n.doGuests) }

// doGuests gives the host what links of other nodes have said. Each link has a
// goroutine of its own in a real node.
func (n *node) doGuests(e protocol.Effect) {
	var ref tandem.LinkRef
	var do func() error
	switch e := e.(type) {
	case protocol.Enter:
		ref = e.Ref
		do = func() error {
			l := &remote{n: n, ref: e.Ref, run: e.Run, device: e.Device, epoch: max(e.Epoch, n.moves.Held(e.Shard))}
			in := life.Introduction{Next: e.Next, Born: e.Born, Again: e.Again}
			return n.enter(e.Device, l, in, e.Address, e.Hello)
		}
	case protocol.Pass:
		ref = e.Ref
		do = func() error {
			handled := func() { n.say(e.Run, &protocol.Ack{ID: e.Ref.ID, Seq: e.Seq}) }
			return n.fromDevice(e.Device, e.Ref, e.Seq, e.Topic, e.Message, handled)
		}
	case protocol.Leave:
		ref = e.Ref
		do = func() error { return n.disconnect(e.Device, e.Ref, e.End) }
	default:
		n.general(e)
		return
	}
	n.after(n.jitter(), func() { n.stepGuests(n.guests.Done(ref, failureOf(do()))) })
}

// jitter is how long a goroutine waits for a processor.
func (n *node) jitter() time.Duration { return n.w.in(n.w.profile.step) }

// remote is a link of another node's gateway as this node's host sees it.
type remote struct {
	n      *node
	ref    tandem.LinkRef
	run    protocol.Peer
	device tandem.DeviceID
	epoch  int64
}

func (l *remote) Ref() tandem.LinkRef { return l.ref }

func (l *remote) Send(topic string, m tandem.Message) bool {
	return l.n.tell(l.run, &protocol.Send{ID: l.ref.ID, Device: l.device, Epoch: l.epoch, Topic: topic, Message: m})
}

func (l *remote) Close(why string) {
	l.n.say(l.run, &protocol.End{ID: l.ref.ID, Epoch: l.epoch, Why: why})
}

// linkOf is the link of a pair that has come to this node.
func (n *node) linkOf(ref tandem.LinkRef, device tandem.DeviceID, agent tandem.AgentID) tandem.Link {
	shard := n.shardOf(agent)
	epoch := max(n.table.Route(shard).Epoch, n.moves.Held(shard))
	if ref.Node == n.name {
		if c := n.conns[ref.ID]; c != nil {
			return &local{c, epoch}
		}
		return gone{ref}
	}
	run, ok := n.guests.Run(ref)
	if !ok {
		return gone{ref}
	}
	return &remote{n: n, ref: ref, run: run, device: device, epoch: epoch}
}

// gone is a link that ended while its pair moved. Its gateway tells the host.
type gone struct{ ref tandem.LinkRef }

func (gone) Send(string, tandem.Message) bool { return false }
func (gone) Close(string)                     {}
func (l gone) Ref() tandem.LinkRef            { return l.ref }
