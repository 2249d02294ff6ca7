package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/mesh"
)

// moving keeps the prepared agents of offers, until they are activated or dropped.
type moving struct {
	mu      sync.Mutex
	imports map[protocol.OfferID]*host.Import
}

func (m *moving) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.imports)
}

func (m *moving) put(id protocol.OfferID, in *host.Import) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.imports[id] = in
}

func (m *moving) take(id protocol.OfferID) *host.Import {
	m.mu.Lock()
	defer m.mu.Unlock()
	in := m.imports[id]
	delete(m.imports, id)
	return in
}

// idle returns a function that reports whether no agents are leaving this node.
func (*moving) idle(c *Cluster) func() bool {
	return func() (idle bool) {
		c.moves.look(func(v *protocol.Moves) { idle = v.Idle() })
		return idle
	}
}

// doMoves carries out an effect of Moves. Effects that wait get a goroutine of their own.
func (c *Cluster) doMoves(e protocol.Effect) {
	switch e := e.(type) {
	case protocol.Export:
		c.apart(c.Info.ID, func() { c.export(e) })
	case protocol.SendPart, protocol.Flush, protocol.Handover, protocol.Confirm:
		c.apart(c.Info.ID, func() { c.moveStep(e) })
	case protocol.Return:
		c.takeBack(e)
	case protocol.Gave:
		c.guests.step(c, func(g *protocol.Guests) []protocol.Effect { g.Gave(e.Shards); return nil })
	case protocol.Prepare:
		c.apart(c.Info.ID, func() { c.prepare(e) })
	case protocol.Discard:
		c.moving.take(e.Offer)
	case protocol.Activate:
		c.activate(e)
	case protocol.OpenShards:
		c.openShards(e.Shards)
	default:
		c.general(e)
	}
}

func (c *Cluster) export(e protocol.Export) {
	ctx, cancel := context.WithDeadline(context.Background(), c.at(e.Until))
	defer cancel()
	var pairs []*protocol.Pair
	err := c.guard(c.Info.ID, func() error {
		moved, err := c.Host.Export(ctx, e.Shards)
		for _, m := range moved {
			pairs = append(pairs, c.pair(m))
		}
		return err
	})
	c.moves.step(func(v *protocol.Moves, now tandem.Now) []protocol.Effect { return v.Exported(now, e.N, pairs, err) })
}

// pair encodes an exported pair for another node.
func (c *Cluster) pair(m *life.Moved) *protocol.Pair {
	data, err := cbor.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("cluster: cannot encode a pair: %v", err)) // a plain struct of ours
	}
	p := &protocol.Pair{Device: m.Device, Agent: m.Agent, Link: m.Link, Origins: m.Origins, Data: data}
	if m.Link != nil {
		c.guests.mu.Lock()
		run, _ := c.guests.core.Run(*m.Link)
		c.guests.mu.Unlock()
		p.Run = run.Session
	}
	return p
}

var pairMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		UTF8: cbor.UTF8DecodeInvalid, MaxArrayElements: protocol.MaxElements, MaxMapPairs: 1 << 20,
	}.DecMode()
	if err != nil {
		panic(err) // constant options
	}
	return mode
}()

// moved decodes pairs.
func moved(pairs []*protocol.Pair) (list []*life.Moved, err error) {
	for _, p := range pairs {
		m := new(life.Moved)
		if err := pairMode.Unmarshal(p.Data, m); err != nil {
			return nil, fmt.Errorf("cannot parse agent %s as it was sent; the nodes may have different versions: %w",
				p.Agent, err)
		}
		list = append(list, m)
	}
	return list, nil
}

// moveStep carries out an effect that a move waits for, and tells Moves the result.
func (c *Cluster) moveStep(e protocol.Effect) {
	var outcome func(v *protocol.Moves, now tandem.Now) []protocol.Effect
	switch e := e.(type) {
	case protocol.SendPart:
		err := c.sendPart(e)
		outcome = func(v *protocol.Moves, now tandem.Now) []protocol.Effect { return v.Sent(now, e.N, err) }
	case protocol.Flush:
		err := c.flush(e)
		outcome = func(v *protocol.Moves, now tandem.Now) []protocol.Effect { return v.Flushed(now, e.N, err) }
	case protocol.Handover:
		epochs, err := c.Store.Handover(c.runNow().ctx, e.Shards, e.To.Node, e.To.Session)
		outcome = func(v *protocol.Moves, now tandem.Now) []protocol.Effect { return v.HandedOver(now, e.N, epochs, err) }
	case protocol.Confirm:
		rows, err := c.Store.Membership(c.runNow().ctx, -1)
		outcome = func(v *protocol.Moves, now tandem.Now) []protocol.Effect { return v.Confirmed(now, e.N, rows, err) }
	}
	c.moves.step(outcome)
}

// sendPart sends a part of an offer. If necessary it waits for room in the lane.
func (c *Cluster) sendPart(e protocol.SendPart) error {
	r := c.runNow()
	ctx, cancel := context.WithDeadline(r.ctx, c.at(e.Until))
	defer cancel()
	data := protocol.Encode(e.Offer)
	for {
		err := r.mesh.Send(mesh.Peer(e.To), data)
		if tandem.KindOf(err) != tandem.Limit {
			return err
		}
		if err := r.mesh.Flush(ctx, mesh.Peer(e.To)); err != nil {
			return err
		}
	}
}

// flush waits until gateways have received all messages of this node.
func (c *Cluster) flush(e protocol.Flush) error {
	r := c.runNow()
	ctx, cancel := context.WithDeadline(r.ctx, c.at(e.Until))
	defer cancel()
	failures := make([]error, len(e.To))
	var work sync.WaitGroup
	for i, p := range e.To {
		work.Go(func() {
			if err := c.guard(p.Node, func() error { return r.mesh.Flush(ctx, mesh.Peer(p)) }); err != nil {
				failures[i] = fmt.Errorf("node %s: %w", p.Node, err)
			}
		})
	}
	work.Wait()
	return errors.Join(failures...)
}

// prepareWait limits the time to prepare offered agents.
const prepareWait = 3 * time.Second

// prepare restores the machines of offered agents, without running them.
func (c *Cluster) prepare(e protocol.Prepare) {
	ctx, cancel := context.WithTimeout(context.Background(), prepareWait)
	defer cancel()
	err := c.guard(e.Offer.From.Node, func() error {
		list, err := moved(e.Pairs)
		if err != nil {
			return err
		}
		in := c.Host.Import(ctx, list, e.Why)
		if in.Err() == nil {
			c.moving.put(e.Offer, in)
		}
		return in.Err()
	})
	c.moves.step(func(v *protocol.Moves, now tandem.Now) []protocol.Effect { return v.Prepared(now, e.Offer, err) })
}

// takeBack returns agents to the host after a move that failed. They were encoded on this
// node, so decoding should not fail.
func (c *Cluster) takeBack(e protocol.Return) {
	list, err := moved(e.Pairs)
	if err != nil {
		c.logger.Error("agents that did not move restart from what they saved", "shards", len(e.Shards), "err", err)
		c.openShards(e.Shards)
		return
	}
	c.goOn(c.Host.Import(context.Background(), list, ""), e.Pairs, e.Shards, e.Lost)
	c.returned(e.Shards)
	c.openShards(e.Shards)
}

// returned has the links of pairs that are back introduce themselves again: what waited with
// the pairs when they were exported is acknowledged only after the links have sent it again.
func (c *Cluster) returned(shards []int) {
	c.guests.step(c, func(g *protocol.Guests) []protocol.Effect { return g.Returned(shards) })
	for _, s := range c.linksIn(shards) {
		c.apart(c.Info.ID, func() { s.returned(c.runNow().self) })
	}
}

// linksIn returns the links of this node's gateway whose pairs are in some shards.
func (c *Cluster) linksIn(shards []int) (list []*link) {
	for _, s := range c.links.all() {
		if slices.Contains(shards, s.core.Shard) {
			list = append(list, s)
		}
	}
	return list
}

// activate resumes agents that have moved here.
func (c *Cluster) activate(e protocol.Activate) {
	in := c.moving.take(e.Offer)
	if in == nil {
		c.logger.Error("agents that came here restart from what they saved: they were not prepared", "shards", len(e.Shards))
		return // their shards are opened next
	}
	c.goOn(in, e.Pairs, e.Shards, e.Lost)
}

// goOn resumes pairs that are at this node, new or again. Their links are known before the
// pairs send messages to them; links and nodes that were lost meanwhile are told after it.
func (c *Cluster) goOn(in *host.Import, pairs []*protocol.Pair, shards []int, lost []protocol.Peer) {
	ends := c.cameWith(pairs)
	in.Activate(shards)
	c.guests.carryOut(c, ends)
	c.arrived(pairs, shards, lost)
}

// cameWith records the links of pairs before the pairs send messages to them. It returns the
// ends of those whose run is lost, which are told when the pairs are here. A pair that comes
// back may have such a link, too.
func (c *Cluster) cameWith(pairs []*protocol.Pair) (ends []protocol.Effect) {
	c.guests.mu.Lock()
	defer c.guests.mu.Unlock()
	for _, p := range pairs {
		if p.Link != nil && p.Link.Node != c.Info.ID {
			run := protocol.Peer{Node: p.Link.Node, Session: p.Run}
			ends = append(ends, c.guests.core.Came(*p.Link, run, p.Device, c.shardOf(p.Agent))...)
		}
	}
	return ends
}

// arrived tells the arrived pairs of nodes that were lost meanwhile, and binds their local
// links to this node.
func (c *Cluster) arrived(pairs []*protocol.Pair, shards []int, lost []protocol.Peer) {
	for _, p := range lost {
		c.guests.step(c, func(g *protocol.Guests) []protocol.Effect { return g.Lost(p) })
		for _, pair := range pairs {
			c.Host.NodeLostFor(p.Node, pair.Agent)
		}
	}
	for _, s := range c.linksIn(shards) {
		c.apart(c.Info.ID, s.again)
	}
}

// openShards gives the host shards, and starts those of their agents that are marked as
// running and were not moved: the former owner may not have started all of them.
func (c *Cluster) openShards(shards []int) {
	c.Host.OpenShards(shards)
	reminders := c.news.opened(c.now(), shards)
	r := c.runNow()
	c.apart(c.Info.ID, func() {
		if c.bringBack(r.ctx, shards) {
			c.recall(reminders) // only now, or an agent would restart instead of resuming
		}
	})
}

// bringBack starts the agents of some shards that are marked as running, and reports whether
// it has.
func (c *Cluster) bringBack(ctx context.Context, shards []int) bool {
	const failed = "cannot start the agents of shards that came here; it will be retried"
	return c.insist(ctx, failed, func() error { return c.Host.TakeUp(ctx, shards) })
}

// insistEvery is the time between two attempts to do what agents that came here need.
const insistEvery = time.Second

// insist does what agents that came here need, until that succeeds, and reports whether it
// has. It gives up when the node's run ends or its host stops: then others have the agents.
// It does not try again what cannot succeed.
func (c *Cluster) insist(ctx context.Context, failed string, do func() error) bool {
	for {
		err := do()
		if err == nil || ctx.Err() != nil || errors.Is(err, life.ErrStopping) {
			return err == nil
		}
		if tandem.KindOf(err) == tandem.Invalid {
			c.logger.Error("another node says what cannot be done", "err", err)
			return false
		}
		c.logger.Error(failed, "err", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(insistEvery):
		}
	}
}
