package world

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// Config says what a world consists of.
type Config struct {
	Seed      uint64
	Nodes     int
	Agents    int      // under load
	Pairs     int      // of them with devices
	Registers int      // agents beside, written and read by several callers
	Shards    int      // of the cluster; 0: 64
	Faults    []string // that may happen; nil: all
	Story     []Fault  // exactly these, instead of random ones; for a shrunk failure
	Mistake   string   // one of Mistakes, which the world is to notice
	Trace     bool     // keep a trace of what happened, for the report of a failure
}

// World is a cluster with its devices. It is used by one goroutine.
type World struct {
	cfg     Config
	random  *rand.Rand
	fate    *rand.Rand // makes up the profile and the story
	profile profile
	now     time.Duration // since the beginning
	queue   queue
	number  uint64 // of tasks

	db      *twin.Database
	away    time.Duration // the database answers nothing until then
	version int           // of the programs that operators have deployed
	nodes   []*node
	devices []*device
	homes   map[tandem.AgentID]tandem.DeviceID
	paired  map[tandem.DeviceID]tandem.AgentID // devices that there are
	links   map[[2]string]*wire                // between nodes, by their names in order

	load    *load
	log     map[tandem.DeviceID][]line
	story   []Fault
	waiting []Fault // for their moment
	watched
	quiet   time.Duration // from then on no fault has an effect any more
	failure error
	trace   []string
	steps   uint64
}

// origin is the wall time at which every world begins.
var origin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// task is something that is to happen.
type task struct {
	at     time.Duration
	number uint64 // in the order in which tasks were made
	node   *node  // at which it happens; nil: at none
	run    uint64 // of the node; if that is over the task is dropped
	do     func()
}

// queue is a heap of tasks, the earliest first. It has their order beside them, so that
// to compare two looks at neither.
type queue []entry

type entry struct {
	at     time.Duration
	number uint64
	task   *task
}

func (q queue) before(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].number < q[j].number
}

func (q *queue) push(t *task) {
	*q = append(*q, entry{t.at, t.number, t})
	h := *q
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func (q *queue) pop() *task {
	h := *q
	first, last := h[0].task, len(h)-1
	h[0], h[last] = h[last], entry{}
	h = h[:last]
	*q = h
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if h.before(child, least) {
				least = child
			}
		}
		if least == i {
			return first
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// New makes a world in which nothing has happened yet.
func New(cfg Config) *World {
	if cfg.Shards == 0 {
		cfg.Shards = 64
	}
	w := &World{
		cfg: cfg, random: rand.New(rand.NewPCG(cfg.Seed, 0x7461_6e64)), db: twin.New(cfg.Shards),
		homes: map[tandem.AgentID]tandem.DeviceID{}, paired: map[tandem.DeviceID]tandem.AgentID{}, links: map[[2]string]*wire{}, log: map[tandem.DeviceID][]line{},
		fate:    rand.New(rand.NewPCG(cfg.Seed, 0x6661_7465)),
		watched: newWatched(cfg.Shards),
	}
	w.profile = draw(cfg, w.fate)
	w.furnish()
	for i := range cfg.Nodes {
		n := newNode(w, fmt.Sprintf("n%d", i+1), skews[i%len(skews)])
		n.index = i
		w.nodes = append(w.nodes, n)
	}
	w.load = newLoad(w)
	return w
}

// skews are how far nodes' clocks are off.
var skews = []time.Duration{0, 3 * time.Second, -3 * time.Second}

// furnish puts the devices and their group into the database.
func (w *World) furnish() {
	w.release()
	for i := range w.cfg.Agents + w.cfg.Registers {
		d := record.Device{
			ID: tandem.DeviceID(fmt.Sprintf("%016x", i+1)), Agent: tandem.AgentID(fmt.Sprintf("agent-%06d", i)),
			Group: "group", KeyHash: record.Hash("key"),
		}
		w.db.PutDevice(d)
		w.homes[d.Agent] = d.ID
		if i < w.cfg.Pairs {
			w.devices = append(w.devices, newDevice(w, d))
			w.paired[d.ID] = d.Agent
		}
	}
}

// after has something happen after a while.
func (w *World) after(d time.Duration, do func()) { w.push(&task{at: w.now + d, do: do}) }

func (w *World) push(t *task) {
	w.number++
	t.number = w.number
	w.queue.push(t)
}

// run lets things happen until a time, or until something is broken.
func (w *World) run(until time.Duration) {
	for w.failure == nil && len(w.queue) > 0 && w.queue[0].at <= until {
		t := w.queue.pop()
		w.now = t.at
		if n := t.node; n != nil {
			switch {
			case !n.up || n.run != t.run:
				continue
			case n.paused > w.now: // its number keeps its place among those that wait
				t.at = n.paused
				w.queue.push(t)
				continue
			}
		}
		w.steps++
		t.do()
	}
	w.now = max(w.now, until)
}

// broken notes what must never be. The first counts.
func (w *World) broken(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
		w.say("BROKEN %v", w.failure)
	}
}

// say adds a line to the trace.
func (w *World) say(format string, args ...any) {
	if w.cfg.Trace {
		w.trace = append(w.trace, fmt.Sprintf("%9.4f ", w.now.Seconds())+fmt.Sprintf(format, args...))
	}
}

// Trace returns what has happened, a line each.
func (w *World) Trace() string { return strings.Join(w.trace, "\n") }

// Steps returns how many things have happened.
func (w *World) Steps() uint64 { return w.steps }

// Story returns the faults that there were.
func (w *World) Story() []Fault { return w.story }

// between returns a random duration.
func (w *World) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.random.Int64N(int64(high-low)+1))
}

// one reports true once in n times.
func (w *World) one(n int) bool { return w.random.IntN(n) == 0 }

// wall is the true time.
func (w *World) wall() time.Time { return origin.Add(w.now) }
