package rehearsal

import (
	"fmt"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/chance"
	"github.com/tandem-iot/tandem/store/record"
	"github.com/tandem-iot/tandem/store/twin"
)

// Config says what a world consists of.
type Config struct {
	Seed   uint64
	Pair   *Pair
	Module string // the device's type of module; "": device.AnyModule
	Script *Script
	// HibernateAfter is the time without events after which the agent becomes bytes; 0 is
	// production's. It costs most of the time of a pair that does something every minute, and no
	// program can notice it.
	HibernateAfter time.Duration
}

// Ids of the only pair.
const (
	DeviceID = tandem.DeviceID("3000d8c46a56c5e1")
	AgentID  = tandem.AgentID("rehearsal000")
	// URL is the agent's. Requests of the agent to it reach the agent.
	URL = "https://agent.example/" + string(AgentID)

	group = "group"
	key   = "key"
)

// origin is the wall time at which every world begins, a Thursday.
var origin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// World is a pair and its surroundings. One goroutine at a time may use it.
type World struct {
	cfg    Config
	chance chance.Source
	now    time.Duration // since the beginning
	queue  queue
	number uint64 // of entries
	steps  uint64
	failed error

	db      *twin.Database
	host    host
	device  hardware
	wire    wire
	outside outside
	tester  *tester
	script  *scripts
	log     []Line
	lines   int // so far, messages included

	messages []Line // if there is a Script
	seen     sight
	out      []byte // of a session, before it is sent
}

// New returns a world in which the node has just started and the device has just got power.
func New(cfg Config) (*World, error) {
	w := &World{cfg: cfg, chance: chance.Source(cfg.Seed), db: twin.New(1)}
	w.db.PutDevice(record.Device{ID: DeviceID, Agent: AgentID, Group: group, KeyHash: record.Hash(key)})
	w.wire.latency = 10 * time.Millisecond
	w.script = newScripts(w, cfg.Script)
	w.device = newHardware(w)
	w.host.conns = map[uint64]*conn{}
	w.startHost()
	w.arrive(arrival{event: firstEvent()})
	if cfg.Pair.HasDevice {
		w.soon(powerOn{})
	}
	if cfg.Script != nil && cfg.Script.Tester != nil {
		w.tester = newTester(w, cfg.Script.Tester)
		w.soon(testerBoot{})
	}
	return w, w.failed
}

// Now returns the time since the world began.
func (w *World) Now() time.Duration { return w.now }

// Steps returns how many things have happened.
func (w *World) Steps() uint64 { return w.steps }

// Err returns what ended the world: an invariant that a core or a shell has broken. It is nil for
// whatever programs do.
func (w *World) Err() error { return w.failed }

// Run lets d pass.
func (w *World) Run(d time.Duration) {
	until := w.now + d
	for w.next(until) {
	}
	w.now = max(w.now, until)
}

// Step lets the next thing happen, with all that has the same cause, if it is due by until. It
// returns false when nothing is; then that time has come.
func (w *World) Step(until time.Duration) bool {
	if w.next(until) {
		return true
	}
	w.now = max(w.now, until)
	return false
}

func (w *World) next(until time.Duration) bool {
	if w.failed != nil || len(w.queue) == 0 || w.queue[0].at > until {
		return false
	}
	e := w.queue.pop()
	w.now = e.at
	w.steps++
	w.seen.happened = e.what
	if moves(e.what) {
		w.seen.moving--
	}
	e.what.happen(w)
	return true
}

// soon has something happen now, after what is to happen now already.
func (w *World) soon(what happening) { w.after(0, what) }

// after has something happen after a while.
func (w *World) after(d time.Duration, what happening) {
	w.number++
	if moves(what) {
		w.seen.moving++
	}
	w.queue.push(entry{w.now + max(d, 0), w.number, what})
}

// broken notes what must never be. The first counts.
func (w *World) broken(format string, args ...any) {
	if w.failed == nil {
		w.failed = fmt.Errorf("rehearsal, at %v: "+format, append([]any{w.now}, args...)...)
	}
}

// wall is the true time.
func (w *World) wall() time.Time { return origin.Add(w.now) }

// happening is something that is to happen. Each is a struct of data: a world is copied with what
// is to happen in it.
type happening interface{ happen(w *World) }

// entry is a happening in the queue. Those of one time happen in the order in which they were made.
type entry struct {
	at     time.Duration
	number uint64
	what   happening
}

// queue is a heap of entries, the earliest first.
type queue []entry

func (q queue) before(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].number < q[j].number
}

func (q *queue) push(e entry) {
	*q = append(*q, e)
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

func (q *queue) pop() entry {
	h := *q
	first, last := h[0], len(h)-1
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
