package host

import (
	"runtime"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// The budget of an event is counted in instructions, so that a program fails in the same
// place everywhere. The watchdog is for the case that this count is wrong: it stops an
// event that for tandem.EventPatience by the clock makes hardly any progress, whatever the
// machine does. Progress is what is charged: 10 ms of it make up for slowness times as
// much, so that a slow or busy computer ends no event that is counted right.
//
// Time counts as far as the event could have run: not while it waits for a processor, or
// other processes have them, and when more events are under way than there are
// processors only their share. While an order waits that ends the incarnation anyway, all
// time counts, whether there is progress or not.

const (
	watchEvery = 100 * time.Millisecond // the watchdog looks
	slowness   = 50                     // times an ordinary computer
	progress   = 10 * time.Millisecond  // of the budget, between two calls of Yield
)

// watched is a step of a pair's machine, as a ward has it. Only the ward uses its fields.
type watched struct {
	pair       *pair
	next, prev *watched
	machine    *agent.Machine
	turn       uint64        // of machine
	waits      bool          // for a processor
	took       time.Duration // as far as it could have run, less what its progress makes up for
	pressed    time.Duration // since an order for the pair has been seen to wait
	told       bool          // the operator knows that it does not stop
}

// ward has the steps that are under way. A host has several, so that the goroutines which
// run pairs seldom wait for one another.
type ward struct {
	mu    sync.Mutex
	first *watched
}

const wards = 64

// admit adds a step that begins.
func (w *ward) admit(s *watched, m *agent.Machine, turn uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.machine, s.turn = m, turn
	s.waits, s.told = false, false
	s.took, s.pressed = 0, 0
	s.next, s.prev = w.first, nil
	if w.first != nil {
		w.first.prev = s
	}
	w.first = s
}

// discharge removes a step that has ended.
func (w *ward) discharge(s *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		w.first = s.next
	}
	s.next, s.prev = nil, nil
	s.machine = nil
}

// rest says whether a step waits for a processor.
func (w *ward) rest(s *watched, waits bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.waits = waits
}

// advance says that a step has made progress.
func (w *ward) advance(s *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.took = max(0, s.took-slowness*progress)
}

// active counts the steps that do not wait for a processor.
func (w *ward) active() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := w.first; s != nil; s = s.next {
		if !s.waits {
			n++
		}
	}
	return n
}

// look adds a time to the steps that are under way, of which they had a share of the
// processors, and interrupts those that have had enough. It returns the pairs of those
// that do not stop.
func (w *ward) look(passed, share time.Duration) (deaf []*pair) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := w.first; s != nil; s = s.next {
		if s.waits {
			continue
		}
		s.took += share
		patience := s.pair.box.patience()
		if patience > 0 {
			s.pressed += passed
		}
		// A step began after the look before.
		if s.took <= tandem.EventPatience+watchEvery && (patience == 0 || s.pressed <= patience+watchEvery) {
			continue
		}
		s.machine.Interrupt(s.turn)
		if s.took > 2*tandem.EventPatience && !s.told {
			s.told = true
			deaf = append(deaf, s.pair)
		}
	}
	return deaf
}

// watch is the watchdog. It runs until the host has ended.
func (h *Host) watch() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	last := h.now().Mono
	used := ProcessorTime()
	for {
		select {
		case <-h.ended:
			return
		case <-ticker.C:
		}
		now := h.now().Mono
		passed := min(now-last, 2*watchEvery) // more has passed when the process did not run
		last = now
		share := passed
		if before := used; before > 0 { // other processes may have had the processors
			used = ProcessorTime()
			share = min(share, used-before)
		}
		h.look(passed, share)
	}
}

// look has the watchdog look once, when a time has passed, in which the process has had at
// most a share.
func (h *Host) look(passed, share time.Duration) {
	steps := 0
	for i := range h.wards {
		steps += h.wards[i].active()
	}
	if processors := runtime.GOMAXPROCS(0); steps > processors {
		share = share * time.Duration(processors) / time.Duration(steps)
	}
	for i := range h.wards {
		for _, p := range h.wards[i].look(passed, share) {
			h.Logger.Error("an event of an agent does not stop, though it was interrupted: this is a fault of the server",
				"agent", p.agent, "device", p.device)
		}
	}
}

// freeTurns is how often an agent that is not over its processor share is asked to yield in
// a step before it does.
const freeTurns = 10

// Begin has the watchdog watch a step of the machine. It implements life.Watcher, as do
// End and Yield.
func (p *pair) Begin(m *agent.Machine, turn uint64) {
	p.turns = 0
	p.ward.admit(&p.watched, m, turn)
}

// End is the end of the step.
func (p *pair) End() {
	p.ward.discharge(&p.watched)
	p.giveProcessor()
}

// Yield is called about every 10 ms of a step. One that takes long, or is of an agent over its
// processor share, shares half of the processors with its like, in turns.
func (p *pair) Yield() {
	p.ward.advance(&p.watched)
	if p.turns++; p.turns < freeTurns && !p.life.Hog() {
		return
	}
	p.giveProcessor()
	p.ward.rest(&p.watched, true)
	p.takeProcessor()
	p.ward.rest(&p.watched, false)
}

// takeProcessor waits for one of the processors that long events, and agents over their
// processor share, may use. It does not wait while an order waits for the pair: what an
// operator or the cluster wants of an agent comes first.
func (p *pair) takeProcessor() {
	select {
	case p.host.hogs <- struct{}{}:
		p.hogs = true
		return
	default:
	}
	select {
	case p.host.hogs <- struct{}{}:
		p.hogs = true
	case <-p.box.ordered():
	}
}

// giveProcessor gives it back, if the pair has one.
func (p *pair) giveProcessor() {
	if p.hogs {
		p.hogs = false
		<-p.host.hogs
	}
}
