package trial

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/rehearsal"
)

// What is wrong for any pair. A run is judged by its tail, beside that of the run of the same seed
// without faults.
const (
	crashLoop   = "a side crashes again and again"
	stuck       = "a side is not there any more"
	waits       = "the agent waits for something that never comes"
	neverHeard  = "a message is never heard again"
	errorsStay  = "an error stays"
	rateChanged = "the rate of a message has changed"
	outboxGrows = "what is to be sent grows"
	memoryGrows = "memory has grown"
	neverRests  = "a program never rests"
)

// tail is the last part of a run.
type tail struct {
	from  time.Duration
	begun bool
	lines int // of the log before it

	before   map[string]int // counts of messages
	atFirst  rehearsal.Vitals
	unwhole  int // looks at which the pair was not whole
	looks    int
	nextLook time.Duration
}

// lookEvery is how often the tail is looked at.
const lookEvery = 5 * time.Second

// next is when the tail is to be looked at next.
func (t *tail) next(r *play) time.Duration {
	if !t.begun {
		return t.from
	}
	return t.nextLook
}

func (t *tail) look(r *play) {
	now := r.w.Now()
	switch {
	case now < t.next(r):
		return
	case !t.begun:
		t.begun = true
		t.before, t.atFirst = r.w.Counts(), r.w.Vitals()
		t.lines = r.w.Lines()
	}
	t.nextLook = now + lookEvery
	t.looks++
	if !r.w.Whole() {
		t.unwhole++
	}
}

// end is what a run comes to, as another is compared with it.
type end struct {
	counts        map[string]int // of messages in the tail
	errors        map[string]int // of lines about errors in the tail
	last          map[string]time.Duration
	crashes       int
	unwhole       float64 // share of the tail
	first, vitals rehearsal.Vitals
	agent, device int // sizes
}

// crashed is a line about the end of a side that is a mistake of its program.
var crashed = regexp.MustCompile(`^(Agent|Device) (restarted|stopped): (exception|out_of_memory|watchdog)`)

var digits = regexp.MustCompile(`0x[0-9a-fA-F]+|[0-9]+(\.[0-9]+)?`)

// shape is a line's text without what differs from one to the next.
func shape(text string) string { return digits.ReplaceAllString(text, "#") }

// end returns what the run has come to, after which it is over.
func (r *play) end() *end {
	e := &end{
		counts: r.w.Counts(), errors: map[string]int{}, last: map[string]time.Duration{},
		first: r.tail.atFirst, vitals: r.w.Vitals(),
	}
	for name, n := range r.tail.before {
		e.counts[name] -= n
	}
	for _, l := range r.w.LogFrom(r.tail.lines) {
		switch l.Type {
		case tandem.LogStatus:
			if crashed.MatchString(l.Text) {
				e.crashes++
			}
		case tandem.LogAgentError, tandem.LogDeviceError:
			if !strings.HasPrefix(l.Text, "  at ") {
				key := l.Type + "  " + shape(l.Text)
				e.errors[key]++
				e.last[key] = l.At
			}
		}
	}
	if r.tail.looks > 0 {
		e.unwhole = float64(r.tail.unwhole) / float64(r.tail.looks)
	}
	e.agent, e.device = r.w.Sizes()
	return e
}

// Thresholds: what differs by less is chance, such as another phase of a timer.
const (
	fewMessages = 5 // by which counts have to differ
	manyWaiting = 20
	muchMemory  = 16 << 10
)

// judge returns what is wrong with a run for any pair; nil: nothing is.
func judge(run, base *end, length time.Duration) *Breach {
	for _, look := range []func(run, base *end) (string, string){
		judgeLife, judgeMessages, judgeErrors, judgeSizes,
	} {
		if what, why := look(run, base); what != "" {
			return &Breach{Check: what, Why: why, At: length}
		}
	}
	return nil
}

func judgeLife(run, base *end) (what, why string) {
	switch v := &run.vitals; {
	case run.crashes >= 3 && run.crashes > 2*base.crashes:
		return crashLoop, fmt.Sprintf("%d times in the last part of the run", run.crashes)
	case run.unwhole > 0.8 && base.unwhole < 0.3:
		switch {
		case !v.Agent:
			return stuck, "the agent does not run"
		case !v.Device:
			return stuck, "the device is off"
		}
		return stuck, "the device has no connection"
	case v.Turn != 0 && v.Turn == run.first.Turn && base.vitals.Turn == 0:
		return waits, "all events wait behind it"
	}
	return "", ""
}

func judgeMessages(run, base *end) (what, why string) {
	for _, name := range slices.Sorted(maps.Keys(base.counts)) {
		if n, usual := run.counts[name], base.counts[name]; n == 0 && usual >= 3 {
			return neverHeard, fmt.Sprintf("%s: %d times in the same time without faults", name, usual)
		}
	}
	both := maps.Clone(base.counts)
	maps.Copy(both, run.counts)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		n, usual := run.counts[name], base.counts[name]
		if n-usual > fewMessages && 5*n >= 8*usual || usual-n > fewMessages && 2*n <= usual {
			return rateChanged, fmt.Sprintf("%s: %d times, and %d without faults", name, n, usual)
		}
	}
	return "", ""
}

func judgeErrors(run, base *end) (what, why string) {
	for _, line := range slices.Sorted(maps.Keys(run.errors)) {
		if n := run.errors[line]; n >= 3 && base.errors[line] == 0 {
			text := strings.TrimLeft(line, "abcdefghijklmnopqrstuvwxyz.") // without its type
			return errorsStay, fmt.Sprintf("%q, %d times in the last part of the run", text[2:], n)
		}
	}
	return "", ""
}

func judgeSizes(run, base *end) (what, why string) {
	grown := func(n, first, usual int) bool { return n > usual+manyWaiting && n > first }
	more := func(n, usual int) bool { return n > usual+muchMemory && 100*n > 112*usual }
	switch {
	case grown(run.vitals.Outbox, run.first.Outbox, base.vitals.Outbox):
		return outboxGrows, fmt.Sprintf("%d wait at the device", run.vitals.Outbox)
	case grown(run.vitals.Waiting, run.first.Waiting, base.vitals.Waiting):
		return outboxGrows, fmt.Sprintf("%d wait for the agent", run.vitals.Waiting)
	case more(run.agent, base.agent):
		return memoryGrows, fmt.Sprintf("the agent has %d bytes, and %d without faults", run.agent, base.agent)
	case more(run.device, base.device):
		return memoryGrows, fmt.Sprintf("the device has %d bytes, and %d without faults", run.device, base.device)
	}
	return "", ""
}
