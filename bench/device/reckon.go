package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// place is a reading: the n-th of a run of the code, in one of the directories that the device
// has had.
type place struct {
	Life int `json:"life"`
	Run  int `json:"run"`
	N    int `json:"n"`
}

func (p place) String() string { return fmt.Sprintf("%d/%d/%d", p.Life, p.Run, p.N) }

// sameRun reports whether two readings are of one run.
func (p place) sameRun(q place) bool { return p.Life == q.Life && p.Run == q.Run }

// reached reports whether a reading is as far as another.
func (p place) reached(q place) bool {
	return slices.Compare([]int{p.Life, p.Run, p.N}, []int{q.Life, q.Run, q.N}) >= 0
}

// state is what the agent has.
type state struct {
	Count  int      `json:"count"`
	Orders int      `json:"orders"`
	Last   place    `json:"last"`
	Ended  []place  `json:"ended"` // the last reading of each run before
	Lates  int      `json:"lates"` // readings that a restored directory had kept
	Wrong  []string `json:"wrong"`
}

// witness is what the device has said of what is on its disk.
type witness struct {
	mu      sync.Mutex
	runs    []place // the last reading of each run since the last reckoning
	posted  int     // readings
	started int     // runs of the code
	orders  int     // the newest that was handled
	lost    place   // the last reading of a lost directory that the agent has for sure
	heard   time.Time
	full    int
	wrong   []string
}

// hear takes a line of the device.
func (w *witness) hear(line string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = now
	var p place
	var orders int
	switch word, _, _ := strings.Cut(line, " "); word {
	case "start":
		if _, err := fmt.Sscanf(line, "start %d %d %d", &p.Life, &p.Run, &orders); err != nil {
			w.fault("the device says %q", line)
			return
		}
		w.start(p, orders)
	case "reading":
		if _, err := fmt.Sscanf(line, "reading %d %d %d", &p.Life, &p.Run, &p.N); err != nil || len(w.runs) == 0 {
			w.fault("the device says %q", line)
			return
		}
		last := &w.runs[len(w.runs)-1]
		if !last.sameRun(p) || p.N != last.N+1 {
			w.fault("the device says it has posted %v after %v", p, *last)
		}
		*last = p
		w.posted++
	case "order":
		if _, err := fmt.Sscanf(line, "order %d", &w.orders); err != nil {
			w.fault("the device says %q", line)
		}
	case "full":
		w.full++
	default:
		w.fault("the device says %q", line)
	}
}

// start takes the first line of a run.
func (w *witness) start(p place, orders int) {
	w.started++
	if len(w.runs) > 0 {
		last := w.runs[len(w.runs)-1]
		if last.Life == p.Life && p.Run <= last.Run {
			w.fault("run %d comes after run %d", p.Run, last.Run)
		}
		if last.Life == p.Life && orders < w.orders {
			w.fault("the device had kept order %d, and has %d at its start", w.orders, orders)
		}
	}
	w.orders = orders
	w.runs = append(w.runs, p)
}

func (w *witness) fault(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// lose says that the directory is lost, with what the agent did not have yet.
func (w *witness) lose(has place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = has
}

// silent returns how long nothing was heard.
func (w *witness) silent(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return now.Sub(w.heard)
}

// awake says that the device begins to run now.
func (w *witness) awake(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = now
}

// last returns the newest reading that is on the device's disk, and how many there were.
func (w *witness) last() (p place, posted int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.runs {
		if r.sameRun(w.lost) {
			r = w.lost
		}
		if r.N > 0 {
			p = r
		}
	}
	return p, w.posted
}

// run returns the number of the newest run.
func (w *witness) run() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.runs) == 0 {
		return 0
	}
	return w.runs[len(w.runs)-1].Run
}

// lineEvery is how many readings there are to a line of the log.
const lineEvery = 10

// logbook judges the lines of the device's log.
type logbook struct {
	from  int   // runs before it are not looked at: the node was killed
	last  place // of which all was there at the last reckoning
	lines int   // that were looked for
}

// compare returns what is wrong with the lines of the device's present directory, in the order of the log. The agent
// has had all that was made before; the last run goes on.
func (l *logbook) compare(life int, log []place, s state) (bad []string) {
	counts := map[int]int{}
	before := place{Life: life}
	for _, p := range log {
		if p.Life != life || p.Run < l.from {
			continue
		}
		if !before.sameRun(p) && p.Run <= before.Run || before.sameRun(p) && p.N != before.N+lineEvery {
			bad = append(bad, fmt.Sprintf("the log has a line of %v after that of %v", p, before))
		}
		before = p
		counts[p.Run] = p.N
	}
	for _, run := range s.Ended {
		if run.Life != life || run.Run < l.from || run.Run <= l.last.Run && l.last.Life == life {
			continue
		}
		// The power may have gone between a reading and its line.
		last := run.N / lineEvery * lineEvery
		if has := counts[run.Run]; has != last && (run.N != last || has != last-lineEvery) {
			bad = append(bad, fmt.Sprintf("the agent has %v, and of that run the log has lines up to %d", run, has))
		}
		l.lines += last / lineEvery
		l.last = run
	}
	return bad
}

// compare returns what is wrong with what the agent has, once it has reached target, which was the
// last reading a moment ago. It forgets the runs before.
func (w *witness) compare(s state, target place) (bad []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bad = append(bad, w.wrong...)
	for _, line := range s.Wrong {
		bad = append(bad, "the agent has got "+line)
	}
	for i, said := range w.runs {
		if !target.reached(place{Life: said.Life, Run: said.Run}) {
			break // it began after the reckoning did
		}
		if said.sameRun(target) {
			if s.Last.sameRun(target) { // or the device has started again by itself
				w.runs = slices.Clone(w.runs[i:])
			}
			break
		}
		has := place{Life: said.Life, Run: said.Run}
		if at := slices.IndexFunc(s.Ended, said.sameRun); at >= 0 {
			has = s.Ended[at]
		}
		// One more may be on disk, the line about which the power cut has kept back: the program waits
		// for the disk before the next.
		least := said.N
		if said.sameRun(w.lost) {
			least = w.lost.N
		}
		if has.N < least || has.N > said.N+1 {
			bad = append(bad, fmt.Sprintf("the device has posted %v, and of that run the agent has %d", said, has.N))
		}
	}
	return bad
}
