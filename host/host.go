// Package host runs agents: it keeps their machines, gives them events one at
// a time, carries out their effects, and keeps them running as long as their
// devices exist.
//
// The life of an agent (package life), a value without a clock or a socket, decides
// what it does next. A pair is the shell around it: a mailbox of events, the link of
// the device, the callers that wait for an answer. The goroutine that delivers an
// event to a pair that is not being run runs it, so that an HTTP request or a device's
// message is usually handled without a switch of goroutines; other goroutines leave
// their events in the mailbox. An idle agent has no goroutine, and after a while no
// machine either: it is frozen, as bytes, until the next event.
//
// See DESIGN.md for the goroutine that runs a pair and the ownership of its data, and
// that of package life for the states of a pair and the effects of failures.
package host

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/crew"
	"github.com/tandem-iot/tandem/life"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// Fetcher makes the agents' outgoing connections.
type Fetcher interface {
	// Fetch begins an HTTP request, which lasts until ctx ends at most. Pieces of a
	// streamed body go to part, and the response to done, on a goroutine of the
	// Fetcher. There always is a response; a failure has a status below 100.
	Fetch(ctx context.Context, f *tandem.Fetch, part func([]byte), done func(*tandem.Response))
	// DialBroker makes a connection to the MQTT broker at an address.
	DialBroker(ctx context.Context, address string) (net.Conn, error)
}

// Host runs the agents of one node. Set the fields, then call Run; the other
// methods may be called while Run runs.
type Host struct {
	Store   *store.Store
	Log     *logbook.Logbook
	Fetcher Fetcher
	URL     func(tandem.AgentID) string // of an agent, without a final slash
	Version string
	Logger  *slog.Logger // nil: discard

	// Limits; zero values are the defaults of package tandem.
	Memory         int           // bytes of an agent's arena
	Budget         time.Duration // VM time per event
	Grace          time.Duration // how long a link may be broken without the agent being told
	HibernateAfter time.Duration // without events; the agent is then frozen
	CrashPause     time.Duration // the longest before an agent that keeps crashing starts again

	Beside *imp.Beside // what a test adds to the agents' machines; nil in production

	agents  sync.Map // tandem.AgentID → *pair; looked up far more often than changed
	devices sync.Map // tandem.DeviceID → *pair

	once   sync.Once
	config life.Config
	start  time.Time // of the host's clock; see now
	seed   maphash.Seed
	shared
	ended  chan struct{}  // closed when closed is set
	work   sync.WaitGroup // goroutines that run pairs, and fetches
	ids    atomic.Uint64  // of requests
	counts counts
	crew   crew.Crew
	drills sync.Map // AgentID → *drill

	rescue atomic.Pointer[rescue] // nil: what pairs have is dropped with them

	wards [wards]ward   // the pairs that are being run
	hogs  chan struct{} // limits the agents over their processor share that run at once

	garbage   atomic.Int64 // bytes of arenas frozen since memory was last returned to the system
	releasing atomic.Bool

	// In a cluster only; see Join.
	others   Others // nil: the host is alone, and has all agents
	node     string
	leaseEnd atomic.Int64 // by the host's clock
	away     sync.Map     // FetchRef → context.CancelFunc, of requests made for agents that have moved
}

// shared is what the host's goroutines change, under its lock.
type shared struct {
	mu           sync.Mutex
	programs     map[string]*program // the current program of each device group
	stopping     bool
	closed       bool                               // no more goroutines may start
	wrecks       map[tandem.AgentID][]time.Duration // when pairs were wrecked of late, by the host's clock
	open         []bool                             // by shard: this host has it; in a cluster only
	leaseChanged chan struct{}                      // closed when leaseEnd has changed, or pairs have been abandoned
}

// now returns the time for an event. The host's monotonic clock begins with the host.
func (h *Host) now() tandem.Now {
	now := time.Now()
	return tandem.Now{Wall: now, Mono: now.Sub(h.start)}
}

// Counts returns how many agents are in memory as machines and as bytes, and how many
// events have been handled since the start.
func (h *Host) Counts() (live, frozen, events int64) {
	return h.counts.live.Load(), h.counts.frozen.Load(), h.counts.events.Load()
}

// spawn runs f on a goroutine that Run waits for. After the host has ended it returns
// false without running f.
func (h *Host) spawn(f func()) bool {
	if !h.busy() {
		return false
	}
	h.crew.Run(func() {
		defer h.work.Done()
		defer h.contain()
		f()
	})
	return true
}

// busy makes Run wait until work.Done is called. It returns false when the host has
// ended.
func (h *Host) busy() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.work.Add(1)
	return true
}

// init initializes the host, on the first call.
func (h *Host) init() {
	h.once.Do(func() {
		h.programs = map[string]*program{}
		h.ended = make(chan struct{})
		h.seed = maphash.MakeSeed()
		h.hogs = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
		h.ids.Store(uint64(time.Now().UnixNano()))
		if h.Logger == nil {
			h.Logger = slog.New(slog.DiscardHandler)
		}
		orDefault(&h.Memory, tandem.AgentMemory)
		orDefault(&h.Budget, tandem.EventBudget)
		orDefault(&h.Grace, tandem.ReconnectGrace)
		orDefault(&h.HibernateAfter, tandem.HibernateAfterIdle)
		orDefault(&h.CrashPause, tandem.CrashPause)
		h.config = life.Config{
			Version: h.Version, URL: h.URL, Memory: h.Memory, Budget: h.Budget, Grace: h.Grace, HibernateAfter: h.HibernateAfter,
			CrashPause: h.CrashPause, Beside: h.Beside,
		}
		h.start = time.Now().Add(-time.Nanosecond) // so that no time is 0
	})
}

func orDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// Run resumes the agents that ran when the node last stopped, runs all agents until
// ctx ends, and then saves them in the store, from which the next Run resumes them
// without a restart where possible. It returns when all goroutines of the host have
// ended.
func (h *Host) Run(ctx context.Context) error {
	h.init()
	go h.watch()
	if h.others == nil {
		if err := h.resumeAll(ctx); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	<-ctx.Done()
	return h.stopAll()
}

// pairOf returns the pair of a device, from memory or the store.
func (h *Host) pairOf(ctx context.Context, id tandem.DeviceID) (*pair, error) {
	h.init()
	if p := h.inMemory(id); p != nil {
		return p, nil
	}
	d, err := h.Store.Device(ctx, id)
	if err != nil {
		return nil, err
	}
	return h.enter(d)
}

// errNoAgent is read by those who have asked for an address without an agent.
var errNoAgent = tandem.Errorf(tandem.NotFound, "there is no agent at this address")

// pairOfAgent is pairOf by the agent's id.
func (h *Host) pairOfAgent(ctx context.Context, id tandem.AgentID) (*pair, error) {
	h.init()
	if p, ok := h.agents.Load(id); ok {
		return p.(*pair), nil
	}
	if !id.Valid() {
		return nil, errNoAgent
	}
	d, err := h.Store.DeviceOf(ctx, id)
	if tandem.KindOf(err) == tandem.NotFound {
		err = errNoAgent
	}
	if err != nil {
		return nil, err
	}
	return h.enter(d)
}

// inMemory returns the pair of a device, or nil when it has had no event yet.
func (h *Host) inMemory(id tandem.DeviceID) *pair {
	p, ok := h.devices.Load(id)
	if !ok {
		return nil
	}
	return p.(*pair)
}

// enter returns the pair in memory, and makes it if necessary.
func (h *Host) enter(d record.Device) (*pair, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.inMemory(d.ID); p != nil {
		return p, nil
	}
	if h.stopping {
		return nil, life.ErrStopping
	}
	if !h.has(d.Agent) {
		return nil, life.ErrElsewhere
	}
	p := h.newPair(life.New(&h.config, d.ID, d.Agent))
	p.life.SetGroup(d.Group)
	for _, at := range h.wrecks[d.Agent] {
		p.life.Faulted(h.now(), at)
	}
	h.devices.Store(d.ID, p)
	h.agents.Store(d.Agent, p)
	return p, nil
}

// newPair makes the shell around a life.
func (h *Host) newPair(l *life.Life) *pair {
	p := &pair{host: h, device: l.Device, agent: l.Agent}
	p.ward = &h.wards[maphash.String(h.seed, string(l.Agent))%wards]
	p.watched.pair = p
	p.life = l
	l.Watch(p)
	return p
}

// pairs returns all pairs in memory.
func (h *Host) pairs() []*pair {
	var all []*pair
	for _, p := range h.devices.Range {
		all = append(all, p.(*pair))
	}
	return all
}

// RestartAgent restarts a device's agent, or starts it if it does not run.
func (h *Host) RestartAgent(ctx context.Context, id tandem.DeviceID) error {
	p, err := h.pairOf(ctx, id)
	if err != nil {
		return err
	}
	p.bring(arrival{event: &life.Restart{Reason: tandem.ReasonRestart}})
	return nil
}

// Runs reports whether a device's agent runs, possibly frozen until its next event.
func (h *Host) Runs(id tandem.DeviceID) bool {
	p := h.inMemory(id)
	return p != nil && p.runs.Load()
}

// Deployed tells the host that a device group has a new deployment: the agents of
// its devices restart with it, unless they have started with it, and devices that are
// online get their code. If deployment is "" all the agents restart.
func (h *Host) Deployed(ctx context.Context, group, deployment string) error {
	h.init()
	h.forgetProgram(group, nil)
	devices, err := h.devicesOf(ctx, group)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if err := h.reload(d, deployment); err != nil {
			return err
		}
	}
	return nil
}

// devicesOf returns the devices of a group.
func (h *Host) devicesOf(ctx context.Context, group string) ([]record.Device, error) {
	if group == "" { // no filter, and so the devices of all groups
		return nil, tandem.Errorf(tandem.Invalid, "a device group without an id")
	}
	devices, _, err := h.Store.Devices(ctx, store.DeviceFilter{Group: group}, store.Page{})
	return devices, err
}

// Assigned tells the host that a device was created, assigned to another device
// group, or unassigned. Both sides restart with the group's code.
func (h *Host) Assigned(ctx context.Context, id tandem.DeviceID) error {
	h.init()
	d, err := h.Store.Device(ctx, id)
	if err != nil {
		return err
	}
	return h.reload(d, "")
}

// reload makes both sides of a pair run their group's current code. It ignores pairs
// on another node, which is told itself.
func (h *Host) reload(d record.Device, deployment string) error {
	p, err := h.enter(d)
	if errors.Is(err, life.ErrElsewhere) {
		return nil
	}
	if err != nil {
		return err
	}
	p.bring(arrival{event: &life.Reload{Group: d.Group, Deployment: deployment}})
	return nil
}

// Deleted tells the host that a device and its agent have been deleted.
func (h *Host) Deleted(id tandem.DeviceID) {
	p := h.inMemory(id)
	if p == nil {
		return
	}
	h.devices.Delete(id)
	h.agents.Delete(p.agent)
	if h.others != nil { // end a wait for a lease
		p.deleted.Store(true)
		h.mu.Lock()
		p.abandoned.Store(true)
		h.wakeWaiting()
		h.mu.Unlock()
	}
	p.bring(arrival{event: &life.Deleted{}})
}
