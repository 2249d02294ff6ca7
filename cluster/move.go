package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
)

// moves is what a node knows of moves: those it makes, and the agents that
// have been offered to it.
type moves struct {
	mu      sync.Mutex
	waiting map[uint64]chan struct{} // own offers, until the other is ready
	coming  map[uint64]*offerMessage // of which more is to come
	offered map[uint64]*offered
}

// offered is a batch of agents that another node wants to hand over. They could
// go on here; they may not before the database says that their shards are
// this node's, with the epoch after the one that they left.
type offered struct {
	from   mesh.Peer
	shards []int
	epochs []int64      // before
	in     *host.Import // nil while it is made
}

// forget drops what belonged to an earlier life.
func (m *moves) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting, m.coming, m.offered = map[uint64]chan struct{}{}, map[uint64]*offerMessage{}, map[uint64]*offered{}
}

// gather puts the parts of an offer together; it returns the whole with the last,
// and notes the offer, so that a word to drop it finds it. What was offered of the
// same shards before is history.
func (m *moves) gather(from mesh.Peer, part *offerMessage) *offerMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before := m.coming[part.ID]; before != nil {
		before.Pairs = append(before.Pairs, part.Pairs...)
		before.More = part.More
		part = before
	}
	if part.More {
		m.coming[part.ID] = part
		return nil
	}
	delete(m.coming, part.ID)
	for id, o := range m.offered {
		if slices.ContainsFunc(o.shards, func(s int) bool { return slices.Contains(part.Shards, s) }) {
			delete(m.offered, id)
		}
	}
	m.offered[part.ID] = &offered{from: from, shards: part.Shards, epochs: part.Epochs}
	return part
}

// claim reports whether a shard that is this node's has not been opened yet,
// and notes that it is now.
func (m *moves) claim(l *term, shard int, epoch int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.opened[shard] >= epoch {
		return false
	}
	l.opened[shard] = epoch
	return true
}

// activate lets the agents of those shards go on that have been offered, and
// returns the other shards. Offers that can come to nothing any more are
// forgotten.
func (m *moves) activate(c *Cluster, shards []int, t *table) (rest []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := map[int]bool{}
	for _, s := range shards {
		left[s] = true
	}
	for id, o := range m.offered {
		all := o.in != nil
		for i, s := range o.shards {
			r := t.routes[s]
			all = all && left[s] && r.epoch == o.epochs[i]+1
			if r.epoch > o.epochs[i] && r.owner != c.Info.ID {
				delete(m.offered, id) // somebody else has them now
			}
		}
		if !all {
			continue
		}
		delete(m.offered, id)
		c.activate(o)
		for _, s := range o.shards {
			delete(left, s)
		}
	}
	for _, s := range shards {
		if left[s] {
			rest = append(rest, s)
		}
	}
	return rest
}

// activate lets agents go on, and tells those who wait for answers of theirs. Who
// gave them away may not have had all that ought to run.
func (c *Cluster) activate(o *offered) {
	o.in.Activate(o.shards)
	go c.bringBack(c.lifeNow().ctx, o.shards)
	for _, origin := range o.in.Origins() {
		if origin.Node == c.Info.ID {
			c.calls.passOn(origin.ID, mesh.Peer{}, c.lifeNow().self)
		} else {
			c.toNode(origin.Node, kindTaken, &pendingMessage{ID: origin.ID})
		}
	}
}

func (m *moves) ready(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ch := m.waiting[id]; ch != nil {
		delete(m.waiting, id)
		close(ch)
	}
}

func (m *moves) drop(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.offered, id)
	delete(m.coming, id)
}

// prepare makes machines of what is offered and says so.
func (c *Cluster) prepare(from mesh.Peer, m *offerMessage) {
	ctx, cancel := context.WithTimeout(context.Background(), moveTimeout)
	defer cancel()
	in := c.Host.Import(ctx, m.Pairs, m.Why)
	if err := in.Err(); err != nil {
		c.logger.Warn("agents are not taken now", "from", from.Node, "err", err)
		c.moves.drop(m.ID)
		return
	}
	c.moves.mu.Lock()
	o := c.moves.offered[m.ID]
	if o != nil {
		o.in = in
	}
	c.moves.mu.Unlock()
	if o != nil { // it still stands
		c.reply(from, kindReady, &moveMessage{ID: m.ID})
	}
}

// arrived lets agents go on: the database says that they are this node's.
func (c *Cluster) arrived(m *goMessage) {
	l := c.lifeNow()
	c.learn(&routesMessage{Shards: m.Shards, Owner: c.Info.ID, Epochs: m.Epochs})
	c.moves.mu.Lock()
	o := c.moves.offered[m.ID]
	fresh := o != nil && o.in != nil
	for i, s := range m.Shards {
		fresh = fresh && l.opened[s] < m.Epochs[i]
	}
	if fresh {
		delete(c.moves.offered, m.ID)
		for i, s := range m.Shards {
			l.opened[s] = m.Epochs[i]
		}
		c.activate(o)
	}
	c.moves.mu.Unlock()
	for _, s := range c.links.all() {
		if slices.Contains(m.Shards, placement.ShardOf(s.agent, len(c.table.Load().routes))) {
			go s.rebind()
		}
	}
}

// moveAway hands shards over that have another target.
func (c *Cluster) moveAway(ctx context.Context, l *term) {
	for ctx.Err() == nil {
		t := c.table.Load()
		batches := c.leaving(l, t)
		for to, shards := range batches {
			peer, ok := t.peer(to)
			if !ok || !t.nodes[to].Alive {
				continue
			}
			for batch := range slices.Chunk(shards, sharesBatch) {
				if ctx.Err() != nil {
					return
				}
				if err := c.move(ctx, l, batch, peer); err != nil {
					c.logger.Warn("agents stay where they are for now", "shards", len(batch), "to", to, "err", err)
					pause(ctx, 200*time.Millisecond)
				}
			}
		}
		_ = t.await(ctx, lookEvery) // the loop looks
	}
}

// leaving returns the open shards that are to be elsewhere, by where.
func (c *Cluster) leaving(l *term, t *table) map[string][]int {
	c.moves.mu.Lock()
	defer c.moves.mu.Unlock()
	batches := map[string][]int{}
	for shard, r := range t.routes {
		if r.owner == c.Info.ID && r.target != "" && r.target != r.owner && l.opened[shard] == r.epoch {
			batches[r.target] = append(batches[r.target], shard)
		}
	}
	return batches
}

// move hands some shards over, agents and all. With an error they are still
// here and go on.
func (c *Cluster) move(ctx context.Context, l *term, shards []int, to mesh.Peer) error {
	t := c.table.Load()
	why := tandem.ReasonBalance
	if c.draining.Load() {
		why = tandem.ReasonDrain
	}
	offer := &offerMessage{ID: c.ids.Add(1), Shards: shards, Why: why}
	for _, s := range shards {
		offer.Epochs = append(offer.Epochs, t.routes[s].epoch)
	}
	rest, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	pairs, err := c.Host.Export(rest, shards)
	offer.Pairs = pairs
	if err == nil {
		err = c.offer(rest, l, offer, to)
	}
	var epochs map[int]int64
	if err == nil {
		epochs, err = c.handover(ctx, l, offer, to)
	} else {
		c.reply(to, kindStay, &moveMessage{ID: offer.ID})
	}
	if err != nil {
		c.Host.Import(context.WithoutCancel(ctx), pairs, "").Activate(shards)
		return err
	}
	gone := &goMessage{ID: offer.ID, Shards: shards}
	for _, s := range shards {
		gone.Epochs = append(gone.Epochs, epochs[s])
	}
	c.reply(to, kindGo, gone)
	routes := &routesMessage{Shards: shards, Owner: to.Node, Epochs: gone.Epochs}
	c.broadcast(kindRoutes, routes)
	c.learn(routes)
	return nil
}

// offer sends agents to the new owner and waits until they could go on there,
// and until everything they have said here has been heard.
func (c *Cluster) offer(ctx context.Context, l *term, m *offerMessage, to mesh.Peer) error {
	ready := make(chan struct{})
	c.moves.mu.Lock()
	c.moves.waiting[m.ID] = ready
	c.moves.mu.Unlock()
	defer func() {
		c.moves.mu.Lock()
		delete(c.moves.waiting, m.ID)
		c.moves.mu.Unlock()
	}()
	if err := sendOffer(ctx, l, m, to); err != nil {
		return err
	}
	c.flush(ctx, l, m.Pairs)
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return tandem.Errorf(tandem.Unavailable, "node %s does not take the agents", to.Node)
	}
}

// offerPart is how many bytes of machines, and somewhat more, travel in one
// message.
const offerPart = 4 << 20

// sendOffer sends an offer in as many parts as it needs.
func sendOffer(ctx context.Context, l *term, m *offerMessage, to mesh.Peer) error {
	rest := m.Pairs
	for {
		part := *m
		size, n := 0, 0
		for n < len(rest) && (n == 0 || size < offerPart) {
			size += rest[n].Size()
			n++
		}
		part.Pairs, rest = rest[:n], rest[n:]
		part.More = len(rest) > 0
		data := encode(kindOffer, &part)
		err := l.mesh.Send(to, data)
		for tandem.KindOf(err) == tandem.Limit && ctx.Err() == nil {
			if err = l.mesh.Flush(ctx, to); err == nil {
				err = l.mesh.Send(to, data)
			}
		}
		if err != nil || !part.More {
			return err
		}
	}
}

// flushWait bounds the wait for gateways. One that cannot be reached breaks
// the links of the devices that it has when it hears of it too late.
const flushWait = 500 * time.Millisecond

func (c *Cluster) flush(ctx context.Context, l *term, pairs []*life.Moved) {
	ctx, cancel := context.WithTimeout(ctx, flushWait)
	defer cancel()
	t := c.table.Load()
	gateways := map[mesh.Peer]bool{}
	for _, p := range pairs {
		if p.Link != nil && p.Link.Node != c.Info.ID {
			if peer, ok := t.peer(p.Link.Node); ok {
				gateways[peer] = true
			}
		}
	}
	var wg sync.WaitGroup
	for g := range gateways {
		wg.Go(func() {
			if err := l.mesh.Flush(ctx, g); err != nil {
				c.logger.Warn("a gateway has not heard all that agents have said before they moved", "node", g.Node, "err", err)
			}
		})
	}
	wg.Wait()
}

// handover makes the move true in the database. An error means that it is not,
// and cannot become so any more.
func (c *Cluster) handover(ctx context.Context, l *term, m *offerMessage, to mesh.Peer) (map[int]int64, error) {
	shards := make([]record.Shard, len(m.Shards))
	for i, s := range m.Shards {
		shards[i] = record.Shard{Shard: s, Owner: c.Info.ID, Epoch: m.Epochs[i]}
	}
	epochs, err := c.Store.Handover(ctx, shards, to.Node, to.Session)
	if err == nil {
		return epochs, nil
	}
	c.logger.Warn("a move is not confirmed", "to", to.Node, "shards", len(shards), "err", err)
	// Whether it took place is not known. To take the shards back raises their
	// epochs, so that it cannot any more, or fails because it has.
	for {
		back, err2 := c.Store.Handover(ctx, shards, c.Info.ID, l.self.Session)
		switch {
		case err2 == nil:
			c.takenBack(l, m, to, back)
			return nil, err
		case ctx.Err() != nil:
			return nil, err
		case tandem.KindOf(err2) == tandem.Conflict:
			switch owner, epochs := c.confirmed(ctx, m); owner {
			case to.Node:
				return epochs, nil
			case c.Info.ID: // the answer to an earlier attempt was lost
				c.takenBack(l, m, to, epochs)
				return nil, err
			}
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// takenBack says that shards have stayed, with new epochs.
func (c *Cluster) takenBack(l *term, m *offerMessage, to mesh.Peer, epochs map[int]int64) {
	c.moves.mu.Lock()
	for _, s := range m.Shards {
		l.opened[s] = epochs[s]
	}
	c.moves.mu.Unlock()
	c.reply(to, kindStay, &moveMessage{ID: m.ID})
	own := &routesMessage{Shards: m.Shards, Owner: c.Info.ID}
	for _, s := range m.Shards {
		own.Epochs = append(own.Epochs, epochs[s])
	}
	c.broadcast(kindRoutes, own)
	c.learn(own)
}

// confirmed returns who has the shards now, and their new epochs, when the database
// says that they have changed hands, or are back with this node. A transaction has
// all of them, or none; "" is neither of the two, or not known.
func (c *Cluster) confirmed(ctx context.Context, m *offerMessage) (owner string, epochs map[int]int64) {
	now, err := c.Store.Membership(ctx, -1)
	if err != nil {
		return "", nil
	}
	epochs = map[int]int64{}
	owners := map[int]string{}
	for _, s := range now.Shards {
		epochs[s.Shard], owners[s.Shard] = s.Epoch, s.Owner
	}
	owner = owners[m.Shards[0]]
	for i, s := range m.Shards {
		if epochs[s] <= m.Epochs[i] || owners[s] != owner {
			return "", nil
		}
	}
	return owner, epochs
}
