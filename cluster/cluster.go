// Package cluster makes the hosts of many nodes act as one: a device may connect
// to any node, and a request or a command of an operator may go to any node; the
// cluster passes it to the node that owns the agent. Agents move between nodes
// without a restart.
//
//	c := &cluster.Cluster{Store: s, Host: h, Net: net, Info: record.Node{ID: "n1", …}}
//	go c.Run(ctx)   // until the node ends
//	c.Drain(ctx)    // before that: its agents move to other nodes
//
// A Cluster takes the place of a single node's host for the gateway (Connect,
// FromDevice, Disconnect), for ingress (Request) and for the control plane.
//
// The database (package store) decides which node owns an agent: it has a row for
// each shard of the agents, with the shard's owner and an epoch that every change of
// owner raises, and a row and a lease for each node. A node acts for its agents only
// while its lease lasts, and its writes are refused once it has been declared lost.
// Messages between nodes go over package mesh.
//
// The decisions are in package cluster/protocol: pure cores, which are tested by
// scripts and under simulated faults. This package is their shell: it has a lock for
// each core, carries out the core's effects, and reports their results to it.
// DESIGN.md has the invariants, and the behaviour when the database, the network,
// or both cannot be reached.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/meter"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// DefaultLease is how long a node may be unable to reach the database before
// others take its agents over.
const DefaultLease = 3 * time.Second

// Cluster is this node's part of a cluster. Set the exported fields, let the host
// and the logbook Join it before they run, then call Run. Its other methods may be
// called as soon as Ready is closed.
type Cluster struct {
	Store  *store.Store
	Host   *host.Host
	Net    *mesh.Network // to the other nodes
	Clock  *hlc.Clock
	Info   record.Node   // ID, URL, MQTT, Version
	Lease  time.Duration // 0: DefaultLease
	Logger *slog.Logger  // nil: discard
	Log    *logbook.Logbook
	Prefix string // of the nodes' NATS subjects; "": tandem

	logger *slog.Logger
	base   time.Time // origin of the cores' monotonic time
	ready  chan struct{}
	ended  chan struct{} // closed when Run has returned
	failed chan error
	once   sync.Once

	ids     atomic.Uint64
	leaving atomic.Bool // the node is stopping, and takes no more agents
	member  core[*protocol.Member]
	moves   core[*protocol.Moves]
	links   links
	guests  guests
	calls   calls
	news    news
	logs    logs
	moving  moving
	gauge   gauge
	served  served
	over    meter.Labelled // limits that were met

	view atomic.Pointer[current] // nil before the node is part of the cluster

	runs   runs
	asking sync.WaitGroup // queries of the database under way
}

// runs has the run of the node.
type runs struct {
	mu   sync.Mutex
	last *run // the current or last one
	over bool // Cluster.Run is about to return: no more queries of the database
}

// current is the newest table, with a channel to wait for the next one.
type current struct {
	*protocol.Table
	changed chan struct{} // closed when there is a newer table
}

// run is the time from a registration of the node until it is declared lost or ends.
type run struct {
	self  protocol.Peer
	mesh  *mesh.Mesh
	ctx   context.Context // ends with the run
	end   context.CancelFunc
	ended chan struct{} // closed when the mesh has ended
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
		c.base = time.Now()
		c.ready, c.ended = make(chan struct{}), make(chan struct{})
		c.failed = make(chan error, 1)
		c.ids.Store(uint64(time.Now().UnixNano()))
		onOurOwn := func(f func()) { c.guarded(c.Info.ID, f) }
		c.member.now = c.now
		c.member.do = func(e protocol.Effect) { onOurOwn(func() { c.doMember(e) }) }
		c.member.guarded, c.moves.guarded = onOurOwn, onOurOwn
		c.member.it = protocol.NewMember(protocol.MemberConfig{Node: c.Info.ID, Lease: c.Lease})
		c.moves.now = c.now
		c.moves.do = func(e protocol.Effect) { onOurOwn(func() { c.doMoves(e) }) }
		c.moves.apart = true
		c.moves.it = protocol.NewMoves(protocol.Peer{Node: c.Info.ID}, c.shardOf, c.ids.Load(), new(protocol.Table))
		c.links.byID = map[uint64]*link{}
		c.guests.core = protocol.NewGuests(c.shardOf)
		c.calls.core = protocol.NewCalls(c.Info.ID, c.shardOf)
		c.calls.callers = map[uint64]chan struct{}{}
		c.calls.todo = map[uint64][]protocol.Effect{}
		c.moving.imports = map[protocol.OfferID]*host.Import{}
	})
}

// now returns the time for the cores. The monotonic part is never 0.
func (c *Cluster) now() tandem.Now {
	wall := time.Now()
	return tandem.Now{Wall: wall, Mono: wall.Sub(c.base) + 1}
}

// at returns the wall clock's time of a core's deadline.
func (c *Cluster) at(mono time.Duration) time.Time { return c.base.Add(mono - 1) }

func (c *Cluster) shardOf(id tandem.AgentID) int { return placement.ShardOf(id, c.Store.Shards()) }

// Ready is closed when the node is part of the cluster.
func (c *Cluster) Ready() <-chan struct{} { c.setUp(); return c.ready }

// Run keeps the node in the cluster until ctx ends. If the other nodes declare it
// lost, it drops its agents, which the others then own, and rejoins without agents.
// It may be called once.
func (c *Cluster) Run(ctx context.Context) error {
	c.setUp()
	defer close(c.ended)
	c.member.step(func(m *protocol.Member, now tandem.Now) []protocol.Effect { return m.Start(now) })
	greeting, stop := context.WithCancel(ctx)
	defer stop()
	go c.greet(greeting)
	var err error
	select {
	case <-ctx.Done():
	case err = <-c.failed:
	}
	c.runs.mu.Lock()
	c.runs.over = true
	c.runs.mu.Unlock()
	c.asking.Wait()
	c.member.stop()
	c.moves.stop()
	if r := c.runNow(); r != nil {
		r.end()
		<-r.ended
	}
	return err
}

// fail ends Run.
func (c *Cluster) fail(err error) {
	select {
	case c.failed <- err:
	default: // an earlier failure ends Run
	}
}

func (c *Cluster) runNow() *run {
	c.runs.mu.Lock()
	defer c.runs.mu.Unlock()
	return c.runs.last
}

// begin begins a run of the node.
func (c *Cluster) begin(e protocol.Begin) {
	ctx, end := context.WithCancel(context.Background())
	r := &run{self: e.Self, ctx: ctx, end: end, ended: make(chan struct{})}
	r.mesh = mesh.New(mesh.Config{
		Self: mesh.Peer(e.Self), Net: c.Net, Prefix: c.Prefix, Clock: c.Clock, Logger: c.logger,
		Receive: func(from mesh.Peer, data []byte) error { return c.receive(protocol.Peer(from), data) },
		News:    c.takeNews,
	})
	moves := protocol.NewMoves(e.Self, c.shardOf, c.ids.Add(1<<20), e.Table)
	if c.leaving.Load() {
		moves.Refuse()
	}
	c.moves.replace(moves)
	c.logs.renew()
	c.runs.mu.Lock()
	c.runs.last = r
	c.runs.mu.Unlock()
	// Calls that were made with the table of the last run may be with runs that this one never
	// learns of.
	c.calls.step(c, func(k *protocol.Calls, now tandem.Now) []protocol.Effect { return k.Abandoned(now) })
	c.Store.OnFenced(func() { c.apart(c.Info.ID, func() { c.fenced(e.Self) }) })
	go c.connect(ctx, r)
}

// connect runs the mesh of a run.
func (c *Cluster) connect(ctx context.Context, r *run) {
	defer close(r.ended)
	err := c.guard(c.Info.ID, func() error { return r.mesh.Run(ctx) })
	if err != nil && !errors.Is(err, context.Canceled) {
		c.fail(fmt.Errorf("the network between the nodes: %w", err))
	}
}

// greet reads the membership when a node that is not known tries to connect: it may have
// just joined.
func (c *Cluster) greet(ctx context.Context) {
	const rest = 100 * time.Millisecond // limits the queries that strangers can cause
	for {
		select {
		case <-c.Net.Strangers():
			c.guarded(c.Info.ID, c.look)
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return
		}
	}
}

func (c *Cluster) fenced(self protocol.Peer) {
	c.member.step(func(m *protocol.Member, _ tandem.Now) []protocol.Effect { return m.Fenced(self.Session) })
}

// abandon drops the node's agents and the state of its run, and then rejoins. It
// drops agents first: moves under way may wait for agents that wait for a lease.
func (c *Cluster) abandon() {
	c.dropAgents()
	r := c.runNow()
	r.end()
	<-r.ended
	c.moves.replace(protocol.NewMoves(r.self, c.shardOf, c.ids.Add(1<<20), new(protocol.Table)))
	c.moving.clear()
	c.Host.Abandon() // again, for agents that arrived before the mesh ended
	c.guests.step(c, func(g *protocol.Guests) []protocol.Effect { g.Abandoned(); return nil })
	c.calls.step(c, func(k *protocol.Calls, now tandem.Now) []protocol.Effect { return k.Abandoned(now) })
	for _, l := range c.links.all() {
		l.abandoned()
		l.out.Close("the server was out of touch with the others")
	}
	c.member.step(func(m *protocol.Member, now tandem.Now) []protocol.Effect { return m.Abandoned(now) })
}

// table returns the node's table of the cluster; nil before it has joined.
func (c *Cluster) table() *protocol.Table {
	if v := c.view.Load(); v != nil {
		return v.Table
	}
	return nil
}

// look makes the Member read the membership soon.
func (c *Cluster) look() {
	c.member.step(func(m *protocol.Member, now tandem.Now) []protocol.Effect { m.Look(now); return nil })
}

// await waits until there is a newer table than v, or for while at most. It fails
// only when ctx ends.
func (v *current) await(ctx context.Context, while time.Duration) error {
	t := time.NewTimer(while)
	defer t.Stop()
	select {
	case <-v.changed:
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// tell sends a message to a run of a node. It fails when the run cannot be reached.
func (c *Cluster) tell(to protocol.Peer, m protocol.Message) error {
	r := c.runNow()
	if r == nil {
		return errNotJoined
	}
	return r.mesh.Send(mesh.Peer(to), protocol.Encode(m))
}

var errNotJoined = tandem.Errorf(tandem.Unavailable, "this node is not part of the cluster yet")

// say is tell without an error: a run that cannot be reached is lost, which the Member
// notices.
func (c *Cluster) say(to protocol.Peer, m protocol.Message) {
	r := c.runNow()
	if r != nil && to == r.self {
		c.dispatch(to, m)
		return
	}
	if err := c.tell(to, m); err != nil {
		c.logger.Debug("cannot send to another node", "node", to.Node, "err", err)
	}
}

func (c *Cluster) broadcast(m *protocol.Routes) {
	if r := c.runNow(); r != nil {
		r.mesh.Broadcast(protocol.Encode(m))
	}
}

// takeNews handles a broadcast.
func (c *Cluster) takeNews(data []byte) {
	m, err := protocol.Decode(data)
	if routes, ok := m.(*protocol.Routes); ok && err == nil {
		c.learn(routes)
	}
	c.look()
}

// receive handles a message of another node. It must not block. It fails when the message
// cannot be parsed.
func (c *Cluster) receive(from protocol.Peer, data []byte) error {
	m, err := protocol.Decode(data)
	if err == nil {
		c.dispatch(from, m)
	}
	return err
}

// dispatch passes a message to the core that handles it.
func (c *Cluster) dispatch(from protocol.Peer, m protocol.Message) {
	switch m := m.(type) {
	case *protocol.Open, *protocol.Publish, *protocol.Close, *protocol.Gone, *protocol.Settled:
		c.fromGateway(from, m)
	case *protocol.Send, *protocol.End, *protocol.Ack, *protocol.Closed, *protocol.Astray:
		c.fromOwner(from, m)
	case *protocol.Offer, *protocol.Ready, *protocol.Decline, *protocol.Go, *protocol.Stay:
		c.dispatchMove(from, m)
	case *protocol.Ask:
		c.takeAsk(from, m)
	case *protocol.Fetched:
		c.forward(m, func() {})
	case *protocol.Cancel:
		c.Host.CancelFetch(m.Ref)
	case *protocol.Line:
		c.showLine(m)
	case *protocol.Routes:
		c.learn(m)
	default:
		c.dispatchCall(from, m)
	}
}

func (c *Cluster) dispatchMove(from protocol.Peer, m protocol.Message) {
	if o, ok := m.(*protocol.Offer); ok {
		c.exists(from, o.Version)
		for _, p := range o.Known {
			c.exists(p, o.Version)
		}
	}
	c.moves.step(func(v *protocol.Moves, now tandem.Now) []protocol.Effect {
		switch m := m.(type) {
		case *protocol.Offer:
			return v.Offered(now, from, m)
		case *protocol.Ready:
			return v.Readied(now, from, m.ID)
		case *protocol.Decline:
			return v.Declined(now, from, m.ID, m.Failure)
		case *protocol.Go:
			return v.Went(now, from, m)
		case *protocol.Stay:
			return v.Stayed(from, m.ID)
		}
		return nil
	})
}

func (c *Cluster) dispatchCall(from protocol.Peer, m protocol.Message) {
	c.calls.step(c, func(k *protocol.Calls, now tandem.Now) []protocol.Effect {
		switch m := m.(type) {
		case *protocol.Request:
			return k.Requested(from, m)
		case *protocol.Answer:
			return k.Answered(now, m)
		case *protocol.Taken:
			return k.Taken(now, m)
		case *protocol.Told:
			return k.Told(now, m)
		case *protocol.Empty:
			k.Emptied(from)
		}
		return nil
	})
}

// exists tells the Member of a run that a message mentions.
func (c *Cluster) exists(p protocol.Peer, version int64) {
	if !c.table().Has(p) {
		c.member.step(func(m *protocol.Member, _ tandem.Now) []protocol.Effect { return m.Exists(p, version) })
	}
}

func (c *Cluster) learn(r *protocol.Routes) {
	if len(r.Shards) > 0 {
		c.member.step(func(m *protocol.Member, _ tandem.Now) []protocol.Effect { return m.Learn(r) })
	}
}

// note writes a core's note to the operator's log.
func (c *Cluster) note(e protocol.Note) {
	var attrs []any
	if e.Node != "" {
		attrs = append(attrs, "node", e.Node)
	}
	if e.Shards != 0 {
		attrs = append(attrs, "shards", e.Shards)
	}
	if e.Failure != nil {
		attrs = append(attrs, "err", e.Failure)
	}
	c.logger.Warn(e.Text, attrs...)
}

// general carries out the effects that several cores have in common.
func (c *Cluster) general(e protocol.Effect) {
	switch e := e.(type) {
	case protocol.Tell:
		c.say(e.To, e.Message)
	case protocol.Broadcast:
		c.broadcast(e.Routes)
	case protocol.Learn:
		c.learn(e.Routes)
	case protocol.Look:
		c.look()
	case protocol.Note:
		c.note(e)
	default:
		panic(fmt.Sprintf("cluster: effect %T is not handled", e))
	}
}

// failureOf returns an error of the host in the form for other nodes.
func failureOf(err error) *protocol.Failure {
	f := protocol.FailureOf(err)
	switch {
	case errors.Is(err, life.ErrElsewhere):
		f.Fate = protocol.Elsewhere
	case errors.Is(err, life.ErrMoved):
		f.Fate = protocol.Moved
	case errors.Is(err, life.ErrLost):
		f.Fate = protocol.Lost
	}
	return f
}
