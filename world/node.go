package world

import (
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/cluster/protocol"
	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/twin"
)

// Lease is how long a node may be out of touch with the database.
const Lease = 3 * time.Second

// node is a node of the cluster: the cores that it runs, and this world's shells
// around them. Everything but its name, its clock's skew and its number of runs is
// made anew when it starts.
type node struct {
	w      *World
	name   string
	index  int
	skew   time.Duration
	run    uint64        // processes so far
	up     bool          // a process runs
	paused time.Duration // it does nothing until then
	fresh  uint64        // the highest number that was given to a link or a call
	newest uint64        // stamp of the newest line in the node's logbook

	process
}

// process is what ends with the node's process.
type process struct {
	booted time.Duration
	clock  *hlc.Clock

	store      *twin.Store
	answers    map[uint64]answered
	handovers  []bool // of the writes that wait, in their order: it is one
	committing bool
	apart      time.Duration // the database cannot be reached until then

	member     *protocol.Member
	moves      *protocol.Moves
	guests     *protocol.Guests
	calls      *protocol.Calls
	news       *protocol.News
	table      *protocol.Table
	self       protocol.Peer
	belonged   bool
	joined     time.Duration // by the world's clock
	drives     [driven]drive
	ticks      [driven]time.Duration
	lanes      map[protocol.Peer]*lane
	dropped    map[protocol.Peer]bool
	abandoning bool // the run is over, and the next one has not begun

	cfg      life.Config
	pairs    map[tandem.AgentID]*pair
	open     []bool
	leaseEnd time.Duration // by the node's clock
	waiting  []*pair       // for a lease
	imports  map[protocol.OfferID][]*pair
	closing  bool // no connection and no request is taken any more
	stopping bool // agents are put to sleep
	leaving  bool // no offer is taken any more
	over     bool // the database is asked nothing any more
	asking   int  // questions of the Member
	watch    watch

	program  *life.Program // of the group, as far as it is known
	programs int           // how often it was forgotten

	callers map[uint64]caller

	sessions session.Config
	conns    map[uint64]*conn
	of       map[tandem.DeviceID]*conn
}

// caller waits for the answer to a call.
type caller struct {
	since time.Duration
	done  func(*tandem.Response, error)
}

// answered is called with what came of an operation of the store.
type answered func(value any, err error)

// The cores that are driven: their effects are carried out in order.
const (
	driveMember = iota
	driveMoves
	driveGuests
	driveCalls
	driven
)

// drive has the effects of a core that are not carried out yet.
type drive struct {
	list []protocol.Effect
	busy bool
}

func newNode(w *World, name string, skew time.Duration) *node {
	return &node{w: w, name: name, skew: skew}
}

// start starts the node's process.
func (n *node) start() {
	n.run++
	n.up, n.paused = true, 0
	n.process = process{
		booted: n.w.now, store: n.w.db.Open(), answers: map[uint64]answered{},
		lanes: map[protocol.Peer]*lane{}, dropped: map[protocol.Peer]bool{}, pairs: map[tandem.AgentID]*pair{},
		open: make([]bool, n.w.cfg.Shards), imports: map[protocol.OfferID][]*pair{},
		watch:   watch{offers: map[protocol.OfferID]offerStep{}},
		callers: map[uint64]caller{}, conns: map[uint64]*conn{}, of: map[tandem.DeviceID]*conn{},
	}
	n.clock = hlc.New(func() time.Time { return n.now().Wall })
	n.clock.Observe(hlc.Timestamp(n.newest)) // as package logbook does
	n.cfg = life.Config{
		Version: "world", URL: func(id tandem.AgentID) string { return "http://world/" + string(id) }, Memory: tandem.AgentMemory,
		Budget: tandem.EventBudget, Grace: tandem.ReconnectGrace, HibernateAfter: tandem.HibernateAfterIdle,
		CrashPause: tandem.CrashPause,
	}
	n.sessions = session.Config{KeepAlive: tandem.PresenceTimeout * 2 / 3, Stamp: n.clock.Now}
	n.member = protocol.NewMember(protocol.MemberConfig{Node: n.name, Lease: Lease})
	n.moves = protocol.NewMoves(protocol.Peer{Node: n.name}, n.shardOf, n.number(), new(protocol.Table))
	n.guests = protocol.NewGuests(n.shardOf)
	n.calls = protocol.NewCalls(n.name, n.shardOf)
	n.news = &protocol.News{}
	n.mistake(n.member, n.moves, n.guests, n.calls, n.news)
	n.w.say("%s starts", n.name)
	n.stepMember(n.member.Start(n.now()))
}

// mistake switches the mistake on that the world is to notice, if it is one of cores.
func (n *node) mistake(cores ...any) {
	name, ok := strings.CutPrefix(n.w.cfg.Mistake, "protocol.")
	for _, core := range cores {
		if ok {
			protocol.Break(core, name)
		}
	}
}

// kill ends the process. What it has said is still on its way.
func (n *node) kill(clean bool) {
	if !n.up {
		return
	}
	n.w.say("%s is killed", n.name)
	n.w.ended(n.self, !clean || !n.watch.emptied || !n.watch.heard) // what it has not answered it may have done
	n.up = false
	for _, id := range sorted(n.conns) {
		n.conns[id].reset()
	}
}

// number returns a number that no link and no call of the node has had.
func (n *node) number() uint64 {
	n.fresh++
	return n.fresh
}

// now is the time as the node's cores are told it.
func (n *node) now() tandem.Now {
	return tandem.Now{Wall: n.w.wall().Add(n.skew), Mono: n.w.now - n.booted + 1}
}

// after has something happen at the node after a while, if its process still runs.
func (n *node) after(d time.Duration, do func()) {
	n.w.push(&task{at: n.w.now + d, node: n, run: n.run, do: do})
}

func (n *node) shardOf(id tandem.AgentID) int { return placement.ShardOf(id, n.w.cfg.Shards) }

// drive carries effects of a core out, one after the other. What comes up meanwhile
// is carried out behind them.
func (n *node) drive(which int, effects []protocol.Effect, do func(protocol.Effect)) {
	d := &n.drives[which]
	d.list = append(d.list, effects...)
	if d.busy {
		return
	}
	d.busy = true
	for len(d.list) > 0 {
		e := d.list[0]
		d.list = d.list[1:]
		do(e)
	}
	d.list, d.busy = nil, false
}

// tick has a core ticked when it wants that.
func (n *node) tick(which int, core interface {
	Deadline() (time.Duration, bool)
}, tick func()) {
	at, ok := core.Deadline()
	if !ok || n.ticks[which] != 0 && n.ticks[which] <= at {
		return
	}
	n.ticks[which] = max(at, 1)
	n.after(max(0, at-n.now().Mono), func() {
		if n.ticks[which] == max(at, 1) {
			n.ticks[which] = 0
			tick()
		}
	})
}
