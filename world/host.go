package world

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/life"
)

// pair is the shell around the life of a pair: package host's, without its lock.
type pair struct {
	n       *node
	life    *life.Life
	door    life.Door
	queue   []arrival
	busy    bool
	link    tandem.Link
	coming  tandem.Link
	ref     *tandem.LinkRef // of the link that has come along
	tokens  map[uint64]outside
	token   uint64
	left    []func(*life.Moved, error)
	timerAt time.Duration // by the node's clock; 0: not set
	lost    bool          // another node has the agent
	shard   int
}

// arrival is an event on its way to a pair, with what belongs to it outside.
type arrival struct {
	event life.Event
	cause uint64
	done  func()
	wait  func(*tandem.Response, error)
	link  tandem.Link
	left  func(*life.Moved, error)
}

// outside is what a token stands for.
type outside struct {
	done func()
	wait func(*tandem.Response, error)
}

func (n *node) newPair(l *life.Life) *pair {
	if name, ok := strings.CutPrefix(n.w.cfg.Mistake, "life."); ok {
		life.Break(l, name)
	}
	return &pair{n: n, life: l, tokens: map[uint64]outside{}, shard: n.shardOf(l.Agent)}
}

// pairOf returns the pair of an agent.
func (n *node) pairOf(id tandem.AgentID) (*pair, error) {
	if p := n.pairs[id]; p != nil {
		return p, nil
	}
	switch {
	case n.stopping:
		return nil, life.ErrStopping
	case !n.open[n.shardOf(id)]:
		return nil, life.ErrElsewhere
	case !n.reachable():
		return nil, errAway
	}
	device, ok := n.w.homes[id]
	if !ok {
		return nil, tandem.Errorf(tandem.NotFound, "there is no agent %q", id)
	}
	p := n.newPair(life.New(&n.cfg, device, id))
	p.life.SetGroup("group")
	n.pairs[id] = p
	return p, nil
}

func (n *node) pairOfDevice(id tandem.DeviceID) (*pair, error) { return n.pairOf(n.w.agentOf(id)) }

// agentOf returns the agent of a device; "" when there is none.
func (w *World) agentOf(id tandem.DeviceID) tandem.AgentID { return w.paired[id] }

// ask gives the host a request.
func (n *node) ask(origin tandem.Origin, id tandem.AgentID, r *tandem.Request, done func(*tandem.Response, error)) {
	p, err := n.pairOf(id)
	if err != nil {
		done(nil, err)
		return
	}
	switch p.door.Request() {
	case life.Full:
		done(nil, tandem.Errorf(tandem.Limit, "too many requests wait"))
	case life.Shut:
		done(nil, p.door.Why())
	default:
		number := uint64(n.index+1)<<40 + n.number() // unique over all hosts, as it nearly is in production
		p.bring(arrival{event: &life.Request{Number: number, Origin: origin, Request: r}, wait: done})
	}
}

// enter introduces a link to a pair.
func (n *node) enter(device tandem.DeviceID, l tandem.Link, in life.Introduction, address string, hello []byte) error {
	p, err := n.pairOfDevice(device)
	if err != nil {
		return err
	}
	if err := p.door.Introduce(l.Ref(), in); err != nil {
		return err
	}
	p.bring(arrival{event: &life.Linked{Ref: l.Ref(), Address: address}, link: l})
	if hello != nil {
		p.bring(arrival{event: &life.Remind{Data: hello}})
	}
	return nil
}

func (n *node) disconnect(device tandem.DeviceID, ref tandem.LinkRef, end tandem.LinkEnd) error {
	p, err := n.pairOfDevice(device)
	if err != nil {
		return err
	}
	if err := p.door.End(ref); err != nil {
		return err
	}
	p.bring(arrival{event: &life.Unlinked{Ref: ref, End: end}})
	return nil
}

// fromDevice gives the host a message of a device.
func (n *node) fromDevice(device tandem.DeviceID, ref tandem.LinkRef, seq uint64, topic string, m tandem.Message, handled func()) error {
	p, err := n.pairOfDevice(device)
	if err != nil {
		return err
	}
	name, toAgent := cut(topic)
	verdict := p.door.Message(ref, seq)
	switch {
	case verdict == life.Shut:
		return p.door.Why()
	case verdict == life.Unintroduced:
		return life.ErrElsewhere
	case verdict == life.Full:
		return tandem.Errorf(tandem.Limit, "too many messages wait")
	case verdict == life.Repeated:
		p.bring(arrival{event: &life.Again{Seq: seq}, done: handled})
	case verdict == life.Wanted && toAgent:
		m.Name = name
		p.bring(arrival{event: &life.Message{Seq: seq, Message: m}, done: handled})
	case verdict == life.Wanted:
		p.bring(arrival{event: &life.Said{Seq: seq, Topic: topic, Data: m.Data, Mark: m.Mark, Where: m.Name}, done: handled})
	}
	return nil
}

func cut(topic string) (name string, toAgent bool) {
	return strings.CutPrefix(topic, "agent/")
}

// lease lets agents act until a time.
func (n *node) lease(until time.Duration) {
	n.leaseEnd = until
	waiting := n.waiting
	n.waiting = nil
	for _, p := range waiting {
		p.run()
	}
}

// vanish drops all agents: others have them.
func (n *node) vanish() {
	for i := range n.open {
		n.open[i] = false
	}
	all := sorted(n.pairs)
	pairs := n.pairs
	n.pairs = map[tandem.AgentID]*pair{}
	for _, id := range all {
		pairs[id].vanish()
	}
	n.waiting = nil
}

// closeShards takes shards away; it returns their pairs.
func (n *node) closeShards(shards []int) (list []*pair) {
	closing := set(shards)
	for _, s := range shards {
		n.open[s] = false
	}
	for _, id := range sorted(n.pairs) {
		if closing[n.shardOf(id)] {
			list = append(list, n.pairs[id])
		}
	}
	return list
}

// goOn lets pairs that have come here go on.
func (n *node) goOn(pairs []*pair, shards []int, why tandem.Reason) {
	for _, s := range shards {
		n.open[s] = true
	}
	for _, p := range pairs {
		if p.ref != nil {
			p.link = n.linkOf(*p.ref, p.life.Device, p.life.Agent)
		}
		n.pairs[p.life.Agent] = p
	}
	for _, p := range pairs {
		p.bring(arrival{event: &life.GoOn{Why: why}})
	}
}

// resume brings back agents that ran when their node was lost or stopped.
func (n *node) resume(v any) error {
	ids, _ := v.([]tandem.AgentID)
	for _, id := range ids {
		p, err := n.pairOf(id)
		switch {
		case err == nil && !p.life.Runs():
			p.bring(arrival{event: &life.Resume{}})
		case err != nil && err != life.ErrElsewhere && tandem.KindOf(err) != tandem.NotFound:
			return err
		}
	}
	return nil
}

// bring gives the pair an event.
func (p *pair) bring(a arrival) {
	p.queue = append(p.queue, a)
	p.run()
}

// run has the life take what there is, while the node may act for it.
func (p *pair) run() {
	if p.busy {
		return
	}
	p.busy = true
	for !p.lost && p.n.up && (len(p.queue) > 0 || p.life.Ready()) {
		if now := p.n.now(); now.Mono >= p.n.leaseEnd && !p.life.Ended() {
			if !slices.Contains(p.n.waiting, p) {
				p.n.waiting = append(p.n.waiting, p)
			}
			break
		}
		p.watchOwner()
		if len(p.queue) == 0 {
			p.perform(p.life.Advance(p.n.now()))
		} else {
			a := p.queue[0]
			p.queue = p.queue[1:]
			p.prepare(&a)
			p.perform(p.life.Take(p.n.now(), a.cause, a.event))
		}
		p.life.Counted()
		p.door.Count(p.life.Waiting())
	}
	p.busy = false
	p.setTimer()
}

// vanish ends the life here: another node has the agent.
func (p *pair) vanish() {
	if p.lost {
		return
	}
	waiting := p.queue
	p.queue, p.busy = nil, true
	p.perform(p.life.Take(p.n.now(), 0, &life.Vanish{}))
	for i := range waiting {
		p.prepare(&waiting[i])
		p.perform(p.life.Take(p.n.now(), 0, waiting[i].event))
	}
	p.lost, p.busy = true, false
}

// prepare notes what belongs to an event outside of the life.
func (p *pair) prepare(a *arrival) {
	switch ev := a.event.(type) {
	case *life.Request:
		ev.Token = p.put(outside{wait: a.wait})
	case *life.Message:
		ev.Token = p.put(outside{done: a.done})
	case *life.Again:
		ev.Token = p.put(outside{done: a.done})
	case *life.Said:
		ev.Token = p.put(outside{done: a.done})
	case *life.Linked:
		p.coming = a.link
	case *life.Leave, *life.Stop:
		p.left = append(p.left, a.left)
	}
}

func (p *pair) put(x outside) uint64 {
	if x.done == nil && x.wait == nil {
		return 0
	}
	p.token++
	p.tokens[p.token] = x
	return p.token
}

// give gives a token back. Each is given back once.
func (p *pair) give(token uint64) outside {
	x, ok := p.tokens[token]
	if !ok {
		p.n.w.broken("agent %s gives token %d back that it does not have", p.life.Agent, token)
	}
	delete(p.tokens, token)
	return x
}

// setTimer has the life ticked when it wants that.
func (p *pair) setTimer() {
	if p.lost || len(p.queue) > 0 {
		return // in the second case the pair waits for a lease
	}
	at, ok := p.life.Deadline(p.n.now())
	if !ok || p.timerAt != 0 && p.timerAt <= at {
		return
	}
	at = max(at, 1)
	p.timerAt = at
	// A timer takes a moment, or an agent that sets one without delay would stop the time.
	p.n.after(max(at-p.n.now().Mono, 50*time.Microsecond), func() {
		if p.timerAt == at && !p.lost {
			p.timerAt = 0
			p.bring(arrival{event: &life.Tick{}})
		}
	})
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

var errUnknown = errors.New("unknown effect")

// unknown is an effect that this world's programs do not cause.
func unknown(e any) { panic(fmt.Errorf("world: %T: %w", e, errUnknown)) }
