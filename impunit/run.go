package impunit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Options say how tests are run.
type Options struct {
	Case, Method string        // only these; "": all
	Seed         uint64        // of the worlds
	Limit        time.Duration // that a test may take of its world's time, beside what it skips; 0: a day
	Steps        uint64        // that may happen during a test; 0: 20 million
	Module       string        // the device's type of module
	Coverage     *Coverage     // gets what was executed; nil: it is not noted
	Began        func(*Test)   // is told of each test that begins; nil: nothing is
	Ended        func(*Test)
	// Real runs the tests on a real node and a device in real time, of package stand. Limit is a minute
	// then, unless it is given, and bounds what a test may wait, too. There is no Coverage.
	Real bool
}

// Limits of a test, and of what comes before the first.
const (
	defaultLimit = 24 * time.Hour
	defaultSteps = 20_000_000
	realLimit    = time.Minute // as defaultLimit
	startLimit   = 10 * time.Minute
	usedLimit    = time.Minute // of processor time
)

// Run runs the tests of a file. A test that stops its world, such as one that never ends, fails,
// and those after it run in another world. When ctx ends, so does the run.
func (p *Project) Run(ctx context.Context, f File, o Options) Result {
	r := &run{ctx: ctx, p: p, file: f, o: o, result: Result{File: f.Path, Where: f.Where}}
	switch {
	case r.o.Limit != 0:
	case o.Real:
		r.o.Limit = realLimit
	default:
		r.o.Limit = defaultLimit
	}
	if r.o.Steps == 0 {
		r.o.Steps = defaultSteps
	}
	if r.result.Err = r.build(); r.result.Err != nil {
		return r.result
	}
	for r.session() {
	}
	if o.Coverage != nil {
		o.Coverage.add(r.pair, f.agent, f.device)
	}
	return r.result
}

// run is a file whose tests run.
type run struct {
	ctx    context.Context
	p      *Project
	file   File
	o      Options
	result Result

	code   rehearsal.Code
	pair   *rehearsal.Pair
	tester *compile.Program
	values map[string]string

	ground  ground
	turn    turn // the last
	current *Test
	log     int           // lines before the current test
	limit   time.Duration // when the current test has taken too long
	steps   uint64        // with which it has
	used    time.Duration // with which it has
}

// build compiles the programs.
func (r *run) build() error {
	f := r.file
	text, err := os.ReadFile(f.Path)
	if err != nil {
		return err
	}
	r.values = map[string]string{
		"where": string(f.Where), "cases": strings.Join(classesOf(string(text)), "\n"),
	}
	if r.p.timeout != 0 {
		r.values["timeout"] = strconv.FormatFloat(r.p.timeout, 'g', -1, 64)
	}
	if r.o.Case != "" {
		r.values["case"] = r.o.Case
	}
	if r.o.Method != "" {
		r.values["method"] = r.o.Method
	}
	code := rehearsal.Code{Mark: r.o.Coverage != nil}
	if code.Agent, err = r.side(OnAgent, f.agent, tandem.AgentSide); err != nil {
		return err
	}
	if f.device != "" || f.Where == OnDevice || f.Where == OnAgent && f.partner != "" {
		if code.Device, err = r.side(OnDevice, f.device, tandem.DeviceSide); err != nil {
			return err
		}
	}
	r.code = code
	if r.pair, err = rehearsal.Compile(code); err != nil || f.Where != Beside {
		return err
	}
	s := r.p.newSource()
	if err := s.file(f.Path, true); err != nil {
		return err
	}
	whole, err := s.program(tandem.AgentSide)
	if err != nil {
		return err
	}
	r.tester, err = imp.Compile(tandem.AgentSide, []byte(whole), nil)
	return err
}

// side returns the text of a side's program: its code, and its part of the test. Beside a test that
// is no part of it, it is what runs in production.
func (r *run) side(where Where, code string, side tandem.Side) (string, error) {
	s := &source{p: r.p}
	if r.file.Where != Beside {
		s = r.p.newSource()
	}
	if err := s.file(code, false); err != nil {
		return "", err
	}
	mine := r.file.partner
	if r.file.Where == where {
		mine = r.file.Path
	}
	if r.file.Where != Beside {
		if err := s.file(mine, true); err != nil {
			return "", err
		}
	}
	return s.program(side)
}

// session runs tests in one world, until all have run or the world has to be given up. It reports
// whether there may be more.
func (r *run) session() (again bool) {
	var done []string
	for _, t := range r.result.Tests {
		if t.Counts {
			done = append(done, t.Title())
		}
	}
	r.values["done"] = strings.Join(done, "\n")
	g, err := r.open()
	if err != nil {
		r.result.Err = err
		return false
	}
	defer func() { r.result.Err = cmp.Or(r.result.Err, g.close()) }()
	r.ground, r.turn = g, turn{}
	r.current, r.log = nil, 0
	r.restrain(startLimit)
	defer func() { r.result.Virtual += r.turn.now; r.result.Steps += r.turn.steps }()
	for {
		r.turn = g.next(r.limit)
		for _, report := range r.turn.reports {
			switch end, more := r.heard(&report); {
			case end:
				return more
			case r.p.stop && r.failed():
				return false
			}
		}
		switch {
		case r.turn.err != nil:
			r.result.Err = r.turn.err
			return false
		case r.turn.steps%256 == 0 && r.ctx.Err() != nil:
			r.result.Err = errors.New("interrupted")
			return false
		case r.turn.idle:
			return r.giveUp(fmt.Sprintf("the test has not ended after %s of its time; see --limit", Span(r.o.Limit)))
		case r.turn.used > r.used:
			return r.giveUp(fmt.Sprintf("the test has not ended after %s of processor time", Span(usedLimit)))
		case r.turn.steps > r.steps:
			return r.giveUp(fmt.Sprintf("the test has not ended after %d steps of its world, in %s of its time", r.o.Steps,
				Span(r.turn.now-r.began())))
		}
	}
}

// began returns when the current test has begun.
func (r *run) began() time.Duration {
	if r.current == nil {
		return 0
	}
	return r.current.Began
}

func (r *run) failed() bool {
	return slices.ContainsFunc(r.result.Tests, func(t Test) bool { return t.Failure != nil })
}

// giveUp ends a test that does not end. It reports whether others can run.
func (r *run) giveUp(why string) (more bool) {
	if r.current == nil {
		r.result.Err = r.notBegun()
		return false
	}
	counts := r.current.Counts
	r.fail(why, nil)
	return counts // else the same would happen again
}

// notBegun is the error when a file's tests have not begun: its program has failed before.
func (r *run) notBegun() error {
	why := "the tests have not begun"
	if line := r.mistake(); line != "" {
		why += ": " + line
	}
	return errors.New(why)
}

// mistake returns the first line of the newest error in the log of the program with the tests.
func (r *run) mistake() (text string) {
	types := map[Where]string{
		OnAgent: tandem.LogAgentError, OnDevice: tandem.LogDeviceError, Beside: rehearsal.LogTestError,
	}
	lines, _ := r.ground.log(r.log)
	for i := len(lines) - 1; i >= 0; i-- {
		l := lines[i]
		if l.Type != types[r.file.Where] || strings.HasPrefix(l.Text, "  at ") {
			continue
		}
		text = l.Text
		if at := l.Where; at != nil && at.Plain != "" {
			text = at.Plain
		}
		for _, place := range lines[i:] { // the error's, and then its call stack
			if at := place.Where; at != nil && at.Line > 0 && at.File != frameworkName {
				return fmt.Sprintf("%s (%s:%d)", text, at.File, at.Line)
			}
		}
		return text
	}
	return ""
}

// heard takes a report of the tests. end says that the session is over, more that there may be
// another.
func (r *run) heard(x *rehearsal.Report) (end, more bool) {
	switch x.Kind {
	case "start":
		r.begin(x)
	case "skip":
		r.limit += time.Duration(x.Numbers[0]) * time.Second
	case "info":
		if r.current != nil {
			r.current.Infos = append(r.current.Infos, x.Text)
		}
	case "ok":
		r.current.Assertions, r.current.Value = x.Numbers[0], x.Text
		r.end()
	case "fail":
		r.current.Assertions = x.Numbers[0]
		r.fail(x.Text, x)
	case "again", "crash":
		return true, r.giveUp(r.restarted())
	case "end":
		return true, false
	}
	return false, false
}

// restarted says why the program with the tests has begun again.
func (r *run) restarted() string {
	if why := r.mistake(); why != "" {
		return why
	}
	return fmt.Sprintf("the %s has restarted, and the test with it: what restarts a side is tested beside the pair, "+
		"in a file NAME%s", r.file.Where, testSuffix)
}

// restrain says how much what follows may take, beside d of the world's time.
func (r *run) restrain(d time.Duration) {
	r.limit = r.turn.now + d
	r.steps = r.turn.steps + r.o.Steps
	r.used = r.turn.used + usedLimit
}

func (r *run) begin(x *rehearsal.Report) {
	class, method, _ := strings.Cut(x.Text, "::")
	r.current = &Test{Case: class, Method: method, Counts: x.Numbers[0] != 0, Began: x.At}
	r.log = x.Lines
	r.restrain(r.o.Limit)
	if r.o.Began != nil {
		r.o.Began(r.current)
	}
}

// How many lines of the log a failure comes with.
const (
	shownLines    = 20
	shownMessages = 8
)

func (r *run) fail(text string, x *rehearsal.Report) {
	f := &Failure{Text: text}
	if x != nil {
		f.place(x.Thrown)
	}
	lines, messages := r.ground.log(r.log)
	lines = slices.DeleteFunc(slices.Clone(lines), func(l rehearsal.Line) bool {
		return l.Where != nil && l.Where.File == frameworkName
	})
	f.Log = rehearsal.Merge(lines[max(0, len(lines)-shownLines):], messages[max(0, len(messages)-shownMessages):])
	r.current.Failure = f
	r.end()
}

func (r *run) end() {
	t := r.current
	t.Took = r.turn.now - t.Began
	r.result.Tests = append(r.result.Tests, *t)
	r.current = nil
	r.restrain(startLimit)
	if r.o.Ended != nil {
		r.o.Ended(t)
	}
}
