package trial

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/impunit"
	"github.com/tandem-iot/tandem/rehearsal"
)

// Breach is that something does not hold.
type Breach struct {
	Check string // the text of the assertion, or what is wrong for any pair
	Why   string
	At    time.Duration
}

// assertion is one of rehearse.nut, in a run.
type assertion struct {
	text    string
	within  time.Duration // 0: it must hold at each rest
	state   rehearsal.State
	why     string
	since   time.Duration // when it began to fail
	decided bool          // it was looked at without an error
}

// Times of a run.
const (
	longest     = 30 * 24 * time.Hour
	glanceTime  = time.Second          // between looks at a pair that never rests
	failingTime = 5 * time.Millisecond // the same while an assertion fails
	wholeTime   = 5 * time.Minute      // after which a pair is no more waited for to be whole again
)

// play is a run of a story.
type play struct {
	p     *Project
	story *Story
	w     *rehearsal.World

	checks  []assertion
	without []string // kinds of faults that the project leaves out
	breach  *Breach
	struck  int    // blows so far
	same    uint64 // things that have happened at this time
	ran     bool   // a side has run since the tester looked
	glanced time.Duration
	over    time.Duration // when the last fault was over and the pair whole again
	whole   bool

	tail tail
	// point is called after each step in which a side has run; nil: nothing is.
	point func(agent bool)
}

// maxMessages is how many messages a story can show.
const maxMessages = 20_000

// play makes the run of a story. messages says whether those between the sides are kept.
func (p *Project) play(s *Story, messages bool) (*play, error) {
	r := &play{p: p, story: s, tail: tail{from: s.Length * 7 / 10}}
	script := &rehearsal.Script{Tester: p.tester, Messages: 1, Verdict: r.verdict}
	if messages {
		script.Messages = maxMessages
	}
	w, err := rehearsal.New(rehearsal.Config{
		Seed: s.Seed, Pair: p.pair, Module: p.Module, Script: script, HibernateAfter: longest,
	})
	r.w = w
	return r, err
}

// verdict takes what the tester says of an assertion.
func (r *play) verdict(v rehearsal.Verdict) {
	if v.Made {
		r.checks = append(r.checks, assertion{text: v.Text, within: v.Within})
		return
	}
	a := &r.checks[v.Number]
	if v.State == rehearsal.Fails && a.state != rehearsal.Fails {
		a.since = r.w.Now()
	}
	a.state, a.why = v.State, v.Text
	a.decided = a.decided || v.State != rehearsal.Unknown
	if v.State == rehearsal.Fails && a.within == 0 {
		r.broken(a, r.w.Now())
	}
}

func (r *play) broken(a *assertion, at time.Duration) {
	if r.breach == nil {
		r.breach = &Breach{Check: a.text, Why: a.why, At: at}
	}
}

// maxSteps bounds a run in which time does not pass: a program that never rests.
const maxSteps = 5_000_000

// run plays to the end of the story, or until something does not hold.
func (r *play) run() error {
	w := r.w
	for w.Now() < r.story.Length && r.breach == nil {
		if w.Steps() > maxSteps {
			r.breach = &Breach{Check: neverRests, Why: fmt.Sprintf("%d things in %s", w.Steps(), w.Now()), At: w.Now()}
			break
		}
		r.strike()
		before := w.Now()
		happened := w.Step(r.horizon())
		if w.Now() != before {
			r.same = 0
		}
		if happened {
			r.same++
		}
		if err := w.Err(); err != nil {
			return err
		}
		r.look()
		r.tail.look(r)
	}
	r.late(r.w.Now())
	return r.asserted()
}

// asserted returns what is wrong with the project's assertions themselves.
func (r *play) asserted() error {
	for _, report := range r.w.Reports() {
		switch report.Kind {
		case "crash":
			return fmt.Errorf("%s has failed: %s", Assertions, r.mistake())
		case "without":
			r.without = append(r.without, report.Text)
		}
	}
	return nil
}

func (r *play) mistake() string {
	for _, l := range r.w.Log() {
		if l.Type != rehearsal.LogTestError {
			continue
		}
		text := l.Text
		if at := l.Where; at != nil && at.Line > 0 {
			text = fmt.Sprintf("%s (%s:%d)", cmp.Or(at.Plain, text), at.File, at.Line)
		}
		return text
	}
	return "it has ended"
}

// firstMistake returns the first line about an error of a side, "" when there is none.
func (r *play) firstMistake() string {
	for _, l := range r.w.Log() {
		if l.Type == tandem.LogAgentError || l.Type == tandem.LogDeviceError {
			return impunit.LineText(l)
		}
	}
	return ""
}

// horizon is until when nothing has to be done but to let things happen.
func (r *play) horizon() time.Duration {
	until := r.story.Length
	if r.struck < len(r.story.Blows) {
		until = min(until, r.story.Blows[r.struck].At)
	}
	return min(until, r.tail.next(r))
}

// strike does the blows that are due.
func (r *play) strike() {
	for r.struck < len(r.story.Blows) {
		b := &r.story.Blows[r.struck]
		if now := r.w.Now(); b.At > now || b.At == now && b.After > r.same {
			if next, ok := r.w.Next(); b.At > now || ok && next == now {
				return
			}
		}
		r.struck++
		kind, _ := KindOf(b.Kind)
		for _, part := range kind.Parts(b.Span) {
			if part.After == 0 {
				r.w.Strike(part.Fault)
			} else {
				r.w.Later(part.After, part.Fault)
			}
		}
		r.whole = false
	}
}

// look has the tester look at its assertions, when a side has run and all that happens at this time
// has happened.
func (r *play) look() {
	agent, device := r.w.Touched()
	if r.point != nil && agent {
		r.point(true)
	}
	if r.point != nil && device {
		r.point(false)
	}
	r.ran = r.ran || agent || device
	now := r.w.Now()
	if next, ok := r.w.Next(); !r.ran || ok && next == now {
		return
	}
	r.ran = false
	r.recover(now)
	if !r.p.asserts {
		return
	}
	r.late(now)
	switch {
	case r.w.Resting():
		r.w.Check(true)
		r.glanced = now
	case now-r.glanced >= glanceTime || r.failing() && now-r.glanced >= failingTime:
		r.w.Check(false)
		r.glanced = now
	}
}

// failing reports whether an assertion fails that may for a while.
func (r *play) failing() bool {
	return slices.ContainsFunc(r.checks, func(a assertion) bool { return a.within != 0 && a.state == rehearsal.Fails })
}

// recover notes when the faults are over.
func (r *play) recover(now time.Duration) {
	if r.whole || r.struck < len(r.story.Blows) {
		return
	}
	end := r.story.over()
	if r.w.Whole() && now >= end || now >= end+wholeTime {
		r.whole, r.over = true, max(now, end)
		if len(r.story.Blows) == 0 {
			r.over = 0
		}
	}
}

// late finds what should have been true by now.
func (r *play) late(now time.Duration) {
	if !r.whole {
		return
	}
	for i := range r.checks {
		a := &r.checks[i]
		if a.within == 0 || a.state != rehearsal.Fails {
			continue
		}
		if due := max(a.since, r.over) + a.within; due <= now {
			r.broken(a, due)
		}
	}
}
