// Package cluster makes the hosts of many nodes one: a device's connection, a
// request, or a wish of an operator may come in at any node, and finds its way
// to the agent, on whichever node that is; and agents move between nodes without
// being restarted.
//
//	c := &cluster.Cluster{Store: s, Host: h, Conn: conn, Info: record.Node{ID: "n1", …}}
//	go c.Run(ctx)   // until the node ends
//	c.Drain(ctx)    // before that: its agents go to others
//
// A Cluster stands where a single node has its host: before the gateway
// (Connect, FromDevice, Disconnect), before ingress (Request) and before the
// control plane.
//
// What is where is decided in the database (package store): a row for each
// shard of the agents, with its owner and an epoch that every change of owner
// raises; a row and a lease for each node. A node acts for its agents only while
// its lease lasts, and everything it writes is refused once it has been declared
// lost. What must travel goes over package mesh.
//
// DESIGN.md has the invariants, the protocols, and what happens when the
// database, the network, or both are away.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// DefaultLease is how long a node may be out of touch with the database before
// others take its agents over.
const DefaultLease = 3 * time.Second

const (
	lookEvery   = 500 * time.Millisecond // at the membership, without being asked to
	maxMoves    = 512                    // shards under way in the whole cluster
	sharesBatch = 16                     // shards that move together
	moveTimeout = 3 * time.Second        // for the agents of a batch to come to rest, and for the new owner to take them
)

// Cluster is this node's part of a cluster. Fill in the exported fields, have
// the host and the logbook Join it before they run, then call Run; the methods
// that others call may be called as soon as Ready has been closed.
type Cluster struct {
	Store  *store.Store
	Host   *host.Host
	Conn   *nats.Conn // to the other nodes
	Clock  *hlc.Clock
	Info   record.Node   // ID, URL, MQTT, Version
	Lease  time.Duration // 0: DefaultLease
	Logger *slog.Logger  // nil: nothing is said
	Log    *logbook.Logbook
	Prefix string // of the nodes' subjects; "": tandem

	logger *slog.Logger
	ready  chan struct{}
	once   sync.Once

	ids    atomic.Uint64
	calls  calls
	links  links
	guests guests
	logs   logs

	tableMu sync.Mutex // held while the table is replaced
	table   atomic.Pointer[table]
	looking chan struct{} // has a token when somebody wants the membership to be looked at

	draining atomic.Bool
	gauge    gauge
	moves    moves

	lifeMu sync.Mutex
	life   *term // of the present registration
}

// term is the time between a registration of the node and its end, or its being
// declared lost.
type term struct {
	self   mesh.Peer
	mesh   *mesh.Mesh
	ctx    context.Context // ends with it
	fenced context.CancelFunc
	known  map[mesh.Peer]bool // registered nodes, as last seen; the watcher's
	opened map[int]int64      // shards that are open here, by epoch; under moves.mu
}

func (c *Cluster) setUp() {
	c.once.Do(func() {
		c.logger = c.Logger
		if c.logger == nil {
			c.logger = slog.New(slog.DiscardHandler)
		}
		if c.Lease == 0 {
			c.Lease = DefaultLease
		}
		if c.Clock == nil {
			c.Clock = new(hlc.Clock)
		}
		if c.Prefix == "" {
			c.Prefix = "tandem"
		}
		c.ready = make(chan struct{})
		c.looking = make(chan struct{}, 1)
		c.ids.Store(uint64(time.Now().UnixNano()))
	})
}

// Ready is closed when the node is part of the cluster.
func (c *Cluster) Ready() <-chan struct{} { c.setUp(); return c.ready }

// Run keeps the node in the cluster until ctx ends. Should the others have
// declared it lost, it drops its agents, which are others' by then, and comes
// back with none.
func (c *Cluster) Run(ctx context.Context) error {
	c.setUp()
	for ctx.Err() == nil {
		session, err := c.Store.Register(ctx, c.info(), c.Lease)
		began := time.Now()
		var m *record.Membership
		if err == nil {
			m, err = c.Store.Membership(ctx, -1)
		}
		if err != nil {
			if tandem.KindOf(err) != tandem.Unavailable {
				return err
			}
			c.logger.Error("the node cannot join the cluster yet", "err", err)
			pause(ctx, time.Second)
			continue
		}
		c.Host.Lease(began.Add(c.Lease - time.Second)) // Register may have taken a while
		if err := c.live(ctx, session, m); err != nil {
			return err
		}
		if ctx.Err() == nil {
			c.logger.Error("this node has been declared lost by the others, who have its agents now; it joins again with none", "node", c.Info.ID)
			c.Host.Abandon() // once more: what has come before the life's last part ended
			c.calls.allLost()
			for _, s := range c.links.all() {
				s.out.Close("the server was out of touch with the others")
			}
		}
	}
	return nil
}

func (c *Cluster) info() record.Node {
	i := c.Info
	i.Draining = c.draining.Load()
	live, frozen, _ := c.Host.Counts()
	i.Agents = int(live + frozen)
	mean := 0.0
	if t := c.table.Load(); t != nil {
		mean = t.meanLoad()
	}
	i.Load, i.Weight = c.gauge.read(time.Now(), processorTime(), mean)
	return i
}

// live is one life of the node.
func (c *Cluster) live(outer context.Context, session int64, m *record.Membership) error {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	l := &term{ctx: ctx, self: mesh.Peer{Node: c.Info.ID, Session: session}, fenced: cancel, known: map[mesh.Peer]bool{}, opened: map[int]int64{}}
	l.mesh = mesh.New(mesh.Config{
		Self: l.self, Conn: c.Conn, Prefix: c.Prefix, Clock: c.Clock, Logger: c.logger,
		Receive: c.receive, News: c.news,
	})
	c.Store.OnFenced(cancel)
	c.lifeMu.Lock()
	c.life = l
	c.lifeMu.Unlock()
	c.moves.forget()
	c.tableMu.Lock()
	c.setTable(newTable(m, nil))
	c.tableMu.Unlock()
	var parts errgroup.Group
	parts.Go(func() error { return ended(l.mesh.Run(ctx)) })
	parts.Go(func() error { c.renew(ctx, l); return nil })
	parts.Go(func() error { c.watch(ctx, l); return nil })
	parts.Go(func() error { c.moveAway(ctx, l); return nil })
	parts.Go(func() error {
		<-ctx.Done()
		if outer.Err() == nil {
			c.Host.Abandon() // the other parts may wait for agents, which wait for a lease
		}
		return nil
	})
	c.look()
	err := parts.Wait()
	if err != nil {
		return fmt.Errorf("the network between the nodes: %w", err)
	}
	return nil
}

func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// renew keeps the node's lease.
func (c *Cluster) renew(ctx context.Context, l *term) {
	for ctx.Err() == nil {
		began := time.Now()
		try, cancel := context.WithTimeout(ctx, c.Lease/3)
		err := c.Store.Renew(try, c.info(), c.Lease)
		cancel()
		switch {
		case err == nil:
			c.Host.Lease(began.Add(c.Lease))
			pause(ctx, c.Lease/6)
			continue
		case tandem.KindOf(err) == tandem.Conflict:
			l.fenced()
			return
		case ctx.Err() == nil:
			c.logger.Warn("the node's lease is not renewed", "err", err)
		}
		pause(ctx, c.Lease/15)
	}
}

// look has the membership looked at soon.
func (c *Cluster) look() {
	select {
	case c.looking <- struct{}{}:
	default:
	}
}

// watch follows the membership, takes shards up that the node has been given,
// and plans when it is this node's turn to.
func (c *Cluster) watch(ctx context.Context, l *term) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.looking:
		}
		if err := c.watchOnce(ctx, l); err != nil && ctx.Err() == nil {
			c.logger.Warn("the cluster's membership cannot be read", "err", err)
			pause(ctx, 200*time.Millisecond)
		}
		pause(ctx, 5*time.Millisecond) // however many want to look
	}
}

func (c *Cluster) watchOnce(ctx context.Context, l *term) error {
	m, err := c.Store.Membership(ctx, c.table.Load().version)
	if err != nil {
		return err
	}
	c.tableMu.Lock()
	t := newTable(m, c.table.Load())
	c.setTable(t)
	c.tableMu.Unlock()
	c.countPeers(ctx, l, t)
	c.takeUp(ctx, l, t)
	select {
	case <-c.ready:
	default:
		close(c.ready)
	}
	return c.plan(ctx, m.Nodes)
}

// countPeers notices nodes that are not what they were.
func (c *Cluster) countPeers(ctx context.Context, l *term, t *table) {
	now := map[mesh.Peer]bool{}
	for id := range t.nodes {
		p, _ := t.peer(id)
		now[p] = true
	}
	c.logs.forget(func(p mesh.Peer) bool { return !now[p] })
	fresh := false
	for p := range now {
		fresh = fresh || !l.known[p]
	}
	if fresh {
		go c.extendAll(ctx)
	}
	for p := range l.known {
		if !now[p] && p != l.self {
			c.logger.Warn("a node is gone", "node", p.Node)
			l.mesh.Drop(p)
			c.calls.lost(p)
			c.Host.NodeLost(p.Node)
		}
	}
	l.known = now
}

// takeUp opens the shards that this node has now.
func (c *Cluster) takeUp(ctx context.Context, l *term, t *table) {
	var fresh []int
	for shard, r := range t.routes {
		if r.owner == c.Info.ID && c.moves.claim(l, shard, r.epoch) {
			fresh = append(fresh, shard)
		}
	}
	fresh = c.moves.activate(c, fresh, t)
	if len(fresh) == 0 {
		return
	}
	c.Host.OpenShards(fresh)
	go c.bringBack(ctx, fresh)
}

// bringBack has the agents of shards that are here run that do not, and ran when
// somebody last had them.
func (c *Cluster) bringBack(ctx context.Context, shards []int) {
	for {
		err := c.Host.TakeUp(ctx, shards)
		if err == nil || ctx.Err() != nil {
			return
		}
		c.logger.Error("agents cannot be taken up yet", "shards", len(shards), "err", err)
		pause(ctx, time.Second)
	}
}

// plan gives shards without an owner to nodes, and targets to those that are
// to move, when this node is the planner.
func (c *Cluster) plan(ctx context.Context, nodes []record.Node) error {
	mine, err := c.Store.Planner(ctx, c.Info.ID, 2*c.Lease)
	if err != nil || !mine {
		return err
	}
	buried := false
	for _, n := range nodes {
		if n.Alive {
			continue
		}
		gone, err := c.Store.Bury(ctx, n.ID, n.Session)
		if err != nil {
			return err
		}
		buried = buried || gone
	}
	t := c.table.Load()
	if buried {
		m, err := c.Store.Membership(ctx, -1)
		if err != nil {
			return err
		}
		c.tableMu.Lock()
		t = newTable(m, c.table.Load())
		c.setTable(t)
		c.tableMu.Unlock()
		c.look()
	}
	var able []placement.Node
	for _, n := range t.nodes {
		if n.Alive {
			able = append(able, placement.Node{ID: n.ID, Weight: n.Weight, Draining: n.Draining})
		}
	}
	shards := make([]placement.Shard, len(t.routes))
	for i, r := range t.routes {
		shards[i] = placement.Shard{Owner: r.owner, Target: r.target}
	}
	changes := placement.Plan(able, shards, maxMoves)
	if len(changes) == 0 {
		return nil
	}
	plan := make([]record.Shard, len(changes))
	for i, ch := range changes {
		r := t.routes[ch.Shard]
		plan[i] = record.Shard{Shard: ch.Shard, Owner: r.owner, Epoch: r.epoch, Target: ch.Target}
	}
	if err := c.Store.AssignShards(ctx, plan); err != nil {
		return err
	}
	c.look()
	c.broadcast(kindRoutes, &routesMessage{}) // nothing new in it, but that there is something new
	return nil
}

// Drain has the node's agents move to others, and returns when none is left or
// nobody is there to take them. New devices and requests are served meanwhile.
func (c *Cluster) Drain(ctx context.Context) error {
	c.setUp()
	select {
	case <-c.ready:
	default:
		return nil // it never had any
	}
	c.beginDrain(ctx)
	for {
		t := c.table.Load()
		left := 0
		for _, r := range t.routes {
			if r.owner == c.Info.ID {
				left++
			}
		}
		if left == 0 {
			break
		}
		if !t.othersFor(c.Info.ID) {
			return nil // they are put to sleep, for whoever comes
		}
		c.look()
		if t.await(ctx, lookEvery) != nil {
			return tandem.Errorf(tandem.Unavailable, "%d shards are still here", left)
		}
	}
	for c.Host.Away() > 0 { // requests made for agents that have moved
		pause(ctx, 20*time.Millisecond)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return c.sayEmpty(ctx)
}

// sayEmpty tells the others that what this node has not answered it has not
// done, so that they need not take it for lost when the node has gone.
func (c *Cluster) sayEmpty(ctx context.Context) error {
	for c.calls.serving.Load() > 0 {
		pause(ctx, time.Millisecond)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for _, p := range c.othersNow() {
		c.reply(p, kindEmpty, &emptyMessage{})
	}
	return nil
}

// Settle waits until every link of this node's gateway has ended where its
// agent is, and the others have heard all that this node has said.
func (c *Cluster) Settle(ctx context.Context) error {
	for left := len(c.links.all()); left > 0; left = len(c.links.all()) {
		if ctx.Err() != nil {
			return tandem.Errorf(tandem.Unavailable, "%d links have not been taken leave of", left)
		}
		pause(ctx, 10*time.Millisecond)
	}
	l := c.lifeNow()
	if l == nil {
		return nil // it never was one of them
	}
	for _, p := range c.othersNow() {
		if err := l.mesh.Flush(ctx, p); err != nil && tandem.KindOf(err) != tandem.NotFound {
			return err
		}
	}
	return nil
}

// Another returns where devices can connect other than here; "" is nowhere.
func (c *Cluster) Another() string {
	t := c.table.Load()
	if t == nil {
		return ""
	}
	var all []string
	for id, n := range t.nodes {
		if id != c.Info.ID && n.Alive && !n.Draining && n.MQTT != "" {
			all = append(all, n.MQTT)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return all[rand.IntN(len(all))]
}

// Leave says that the node is no more. It is called when everything else has
// ended.
func (c *Cluster) Leave(ctx context.Context) error { return c.Store.Leave(ctx) }

func (c *Cluster) lifeNow() *term {
	c.lifeMu.Lock()
	defer c.lifeMu.Unlock()
	return c.life
}

func (c *Cluster) send(to mesh.Peer, kind byte, v any) error {
	return c.lifeNow().mesh.Send(to, encode(kind, v))
}

// reply is send to a node that is lost if it cannot be reached, which is seen
// to elsewhere.
func (c *Cluster) reply(to mesh.Peer, kind byte, v any) (sent bool) {
	err := c.send(to, kind, v)
	if err != nil {
		c.logger.Debug("a message to another node is not sent", "node", to.Node, "err", err)
	}
	return err == nil
}

// toNode reports whether there is such a node, to which the message is on its
// way.
func (c *Cluster) toNode(node string, kind byte, v any) bool {
	peer, ok := c.table.Load().peer(node)
	return ok && c.reply(peer, kind, v)
}

func (c *Cluster) broadcast(kind byte, v any) { c.lifeNow().mesh.Broadcast(encode(kind, v)) }

// news takes a broadcast.
func (c *Cluster) news(data []byte) {
	if len(data) > 0 && data[0] == kindRoutes {
		if m, err := decode[routesMessage](data[1:]); err == nil {
			c.learn(m)
		}
	}
	c.look()
}

// receive takes a message of another node. It must not wait.
func (c *Cluster) receive(from mesh.Peer, data []byte) {
	if len(data) == 0 {
		return
	}
	if err := c.dispatch(from, data[0], data[1:]); err != nil {
		c.logger.Error("a message of another node is not understood", "node", from.Node, "kind", data[0], "err", err)
	}
}

func (c *Cluster) dispatch(from mesh.Peer, kind byte, data []byte) error {
	switch kind {
	case kindOpen:
		return with(data, func(m *openMessage) { c.guests.run(m.Ref, func() { c.guestOpen(from, m) }) })
	case kindMessage:
		return with(data, func(m *messageMessage) { c.guests.run(m.Ref, func() { c.guestMessage(m) }) })
	case kindClose:
		return with(data, func(m *closeMessage) { c.guests.run(m.Ref, func() { c.guestClose(m) }) })
	case kindSend:
		return with(data, func(m *sendMessage) { c.toDevice(from, m) })
	case kindEnd:
		return with(data, func(m *endMessage) {
			if s := c.links.get(m.ID); s != nil && m.Epoch >= s.epoch.Load() {
				s.out.Close(m.Why)
			}
		})
	case kindAck:
		return with(data, func(m *ackMessage) {
			if s := c.links.get(m.ID); s != nil {
				s.acknowledged(m.Seq)
			}
		})
	case kindClosed:
		return with(data, func(m *linkMessage) {
			if s := c.links.get(m.Ref.ID); s != nil {
				c.links.remove(s)
			}
		})
	case kindAstray:
		return with(data, func(m *linkMessage) {
			if s := c.links.get(m.Ref.ID); s != nil {
				s.unbind(from)
			}
		})
	case kindGone:
		return with(data, func(m *linkMessage) {
			// The device may have been deleted meanwhile, or its agent be elsewhere: both see to the link.
			go func() { _ = c.Host.Disconnect(context.Background(), m.Device, m.Ref, tandem.LinkEnd{Lost: true}) }()
		})
	}
	return c.dispatchCall(from, kind, data)
}

// dispatchCall takes requests, moves and questions.
func (c *Cluster) dispatchCall(from mesh.Peer, kind byte, data []byte) error {
	switch kind {
	case kindRequest:
		return with(data, func(m *requestMessage) {
			c.calls.serving.Add(1)
			go c.serveRequest(from, m)
		})
	case kindAnswer:
		return with(data, c.takeAnswer)
	case kindLeft:
		return with(data, func(m *pendingMessage) { c.calls.passOn(m.ID, from, mesh.Peer{}) })
	case kindTaken:
		return with(data, func(m *pendingMessage) { c.calls.passOn(m.ID, mesh.Peer{}, from) })
	case kindEmpty:
		return with(data, func(*emptyMessage) { c.calls.emptied(from) })
	case kindFetched:
		return with(data, func(m *fetchedMessage) { c.forward(m, func() {}) })
	case kindCancel:
		return with(data, func(m *cancelMessage) { c.Host.CancelFetch(m.Ref) })
	case kindOffer:
		return with(data, func(m *offerMessage) {
			if whole := c.moves.gather(from, m); whole != nil {
				go c.prepare(from, whole)
			}
		})
	case kindReady:
		return with(data, func(m *moveMessage) { c.moves.ready(m.ID) })
	case kindGo:
		return with(data, func(m *goMessage) { c.arrived(m) })
	case kindStay:
		return with(data, func(m *moveMessage) { c.moves.drop(m.ID) })
	case kindAsk:
		return with(data, func(m *askMessage) { go c.tell(from, m) })
	case kindTold:
		return with(data, func(m *toldMessage) {
			c.calls.answered(m.ID, &toldAnswer{yes: m.Yes, elsewhere: m.Elsewhere, err: m.Failure.err(), lines: m.Lines})
		})
	case kindLine:
		return with(data, c.showLine)
	}
	return errWire
}

func with[T any](data []byte, f func(*T)) error {
	m, err := decode[T](data)
	if err == nil {
		f(m)
	}
	return err
}

// toDevice gives a device of this node's gateway a message.
func (c *Cluster) toDevice(from mesh.Peer, m *sendMessage) {
	s := c.links.get(m.ID)
	if s == nil {
		c.reply(from, kindGone, &linkMessage{Ref: tandem.LinkRef{Node: c.Info.ID, ID: m.ID}, Device: m.Device})
		return
	}
	s.deliver(m.Epoch, m.Topic, m.Message)
}

// Status is what a node knows of the cluster.
type Status struct {
	Nodes  []NodeStatus `json:"nodes"`
	Shards int          `json:"shards"`
	Orphan int          `json:"orphans"` // shards that nobody has
}

// NodeStatus is a node as the cluster sees it.
type NodeStatus struct {
	ID       string    `json:"id"`
	URL      string    `json:"url"`
	MQTT     string    `json:"mqtt"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Alive    bool      `json:"alive"`
	Draining bool      `json:"draining"`
	Agents   int       `json:"agents"`
	Load     float64   `json:"load"`   // part of its processors that it uses, 0 to 1
	Weight   float64   `json:"weight"` // its share of the shards is in proportion
	Shards   int       `json:"shards"`
	Leaving  int       `json:"moving"` // shards on their way to another node
}

// Status returns the state of the cluster, nodes by id.
func (c *Cluster) Status() Status {
	c.setUp()
	t := c.table.Load()
	if t == nil {
		return Status{}
	}
	st := Status{Shards: len(t.routes)}
	byID := map[string]*NodeStatus{}
	for _, n := range t.nodes {
		byID[n.ID] = &NodeStatus{ID: n.ID, URL: n.URL, MQTT: n.MQTT, Version: n.Version, Started: n.Started, Alive: n.Alive, Draining: n.Draining, Agents: n.Agents, Load: n.Load, Weight: n.Weight}
	}
	for _, r := range t.routes {
		n := byID[r.owner]
		if n == nil {
			st.Orphan++
			continue
		}
		n.Shards++
		if r.target != "" && r.target != r.owner {
			n.Leaving++
		}
	}
	for _, n := range byID {
		st.Nodes = append(st.Nodes, *n)
	}
	slices.SortFunc(st.Nodes, func(a, b NodeStatus) int { return strings.Compare(a.ID, b.ID) })
	return st
}
