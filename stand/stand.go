// Package stand runs a pair for real: its agent on a node in this process, whose data is in a temporary
// directory, its device by package device/runner, in real time. It is the ground of tests that package
// rehearsal has in virtual time otherwise, and programs act on it by the same native function.
//
// Three programs run at once, each on goroutines of its own: the agent's belong to its node, the
// device's to its Runner, the tester's to the Stand. What they have in common is in shared.
package stand

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/runner"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/internal/badlink"
	"github.com/tandem-iot/tandem/internal/version"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/rehearsal"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/server"
)

// Config is what runs on a Stand.
type Config struct {
	Code    rehearsal.Code
	Script  rehearsal.Script
	Module  string        // the device's type of module; "": every pin of every type
	Longest time.Duration // that a program may wait at once; it is real time
}

// Stand is a pair that runs. Its methods are for one goroutine.
type Stand struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	began  time.Time
	dir    string

	node   *server.Node
	follow *logbook.Follower
	device tandem.DeviceID
	agent  tandem.AgentID
	key    string
	url    string // of the agent
	board  *board.Simulated
	wire   *badlink.Link
	skew   atomic.Int64 // of the device's clock, in nanoseconds
	sides  [ground.Programs]*side
	until  atomic.Int64 // the tester waits until then, since began
	shared
}

// shared is what all programs and the Stand have in common, under its lock.
type shared struct {
	mu      sync.Mutex
	bell    chan struct{} // has a value when there is a report, or an error
	reports []rehearsal.Report
	log     []rehearsal.Line
	passed  []rehearsal.Line // the newest messages
	routes  []route
	answers map[int]chan *tandem.Response // of requests of the agent that programs answer
	last    int                           // number of a request
	silent  time.Time                     // no server outside answers until then
	runner  *runner.Runner                // nil: the device is without power
	off     chan struct{}                 // closed when the runner has ended
	err     error
}

// startWait bounds the time until the node runs.
const startWait = 2 * time.Minute

// Start runs a pair. Close ends it.
func Start(ctx context.Context, cfg Config) (*Stand, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &Stand{cfg: cfg, ctx: ctx, cancel: cancel, began: time.Now(), board: board.New()}
	s.bell, s.answers = make(chan struct{}, 1), map[int]chan *tandem.Response{}
	for p := range ground.Programs {
		s.sides[p] = newSide(s, p)
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stand) start() (err error) {
	if s.dir, err = os.MkdirTemp("", "tandem-test-"); err != nil {
		return err
	}
	if err := s.startNode(); err != nil {
		return err
	}
	if err := s.addPair(); err != nil {
		return err
	}
	if s.cfg.Code.Device != "" {
		if s.wire, err = badlink.Listen(s.node.MQTT); err != nil {
			return err
		}
		s.run(func(ctx context.Context) error { return s.wire.Run(ctx) })
		s.powerOn()
	}
	if s.cfg.Script.Tester != nil {
		s.run(func(ctx context.Context) error { s.sides[ground.Tester].test(ctx); return nil })
	}
	return nil
}

// run runs a part until the Stand is closed. Its error is that of the Stand.
func (s *Stand) run(f func(context.Context) error) {
	s.work.Go(func() {
		if err := f(s.ctx); err != nil && s.ctx.Err() == nil {
			s.fail(err)
		}
	})
}

func (s *Stand) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.ring()
}

// ring has Step look. The lock is held.
func (s *Stand) ring() {
	select {
	case s.bell <- struct{}{}:
	default: // it has not looked yet
	}
}

// startNode runs the node, at free ports.
func (s *Stand) startNode() error {
	ready := make(chan *server.Node, 1)
	node := &server.Server{
		Dir: filepath.Join(s.dir, "node"), HTTP: "127.0.0.1:0", MQTT: "127.0.0.1:0",
		Agents: server.Agents{Listen: "127.0.0.1:0"}, LoopbackIsSecure: true, Version: version.String(),
		Egress: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		// An agent that is frozen has no machine into which a test could look.
		HibernateAfter: 1000 * time.Hour,
		Opened:         func(_ context.Context, l *logbook.Logbook) error { s.follow = l.Follow(s.logged); return nil },
		Witness:        s, Beside: s.sides[ground.Agent].beside,
		Ready: func(n *server.Node) { ready <- n },
	}
	failed := make(chan struct{})
	s.run(func(ctx context.Context) error { defer close(failed); return node.Run(ctx) })
	select {
	case s.node = <-ready:
		return nil
	case <-failed:
	case <-time.After(startWait):
		s.fail(fmt.Errorf("the node has not started within %v", startWait))
	case <-s.ctx.Done():
	}
	return cmp.Or(s.Err(), s.ctx.Err(), errors.New("the node has ended"))
}

// addPair makes the device and gives it its code.
func (s *Stand) addPair() error {
	c := s.node.Central
	group, err := c.EnsureGroup(s.ctx, "test", "test")
	if err != nil {
		return err
	}
	device, key, err := c.AddDevice(s.ctx, central.NewDevice{Name: "test"})
	if err != nil {
		return err
	}
	s.device, s.agent = device.ID, device.Agent
	s.key = key
	if s.url, err = c.AgentURL(s.ctx, device.ID); err != nil {
		return err
	}
	if err := s.follow.Add(s.ctx, []tandem.DeviceID{device.ID}, 0); err != nil {
		return err
	}
	s.run(s.follow.Run)
	code := central.Code{Agent: s.cfg.Code.Agent, Device: s.cfg.Code.Device}
	if err := c.Deploy(s.ctx, group.ID, code); err != nil {
		return err
	}
	return c.Assign(s.ctx, device.ID, group.ID)
}

// powerOn runs the device.
func (s *Stand) powerOn() {
	r := &runner.Runner{
		ID: s.device, Key: s.key, Addr: "tcp://" + s.wire.Addr(), Dir: filepath.Join(s.dir, "device"), Module: s.cfg.Module,
		Board: s.board, Beside: s.sides[ground.Device].beside,
		Wall: func() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) },
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runner != nil || s.cfg.Code.Device == "" {
		return
	}
	off := make(chan struct{})
	s.runner, s.off = r, off
	s.run(func(ctx context.Context) error {
		defer close(off)
		err := r.Run(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.runner = nil
		return err
	})
}

// powerOff cuts the device's power, and waits until it has none.
func (s *Stand) powerOff(r *runner.Runner) {
	s.mu.Lock()
	off := s.off
	s.mu.Unlock()
	r.PowerOff()
	select {
	case <-off:
	case <-s.ctx.Done():
	}
}

// running returns the device's Runner, nil when it is without power.
func (s *Stand) running() *runner.Runner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runner
}

// Close ends the pair, and removes what it has kept.
func (s *Stand) Close() error {
	s.cancel()
	s.work.Wait()
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// Step waits until there is a report, or the Stand has failed. It returns false when a time has come
// before that, by Now.
func (s *Stand) Step(limit time.Duration) bool {
	timer := time.NewTimer(limit - s.Now())
	defer timer.Stop()
	for {
		s.mu.Lock()
		some := len(s.reports) > 0 || s.err != nil
		s.mu.Unlock()
		if some {
			return true
		}
		select {
		case <-s.bell:
		case <-timer.C:
			return false
		case <-s.ctx.Done():
			s.fail(errors.New("interrupted"))
		}
	}
}

// Reports returns what programs have reported since the last call.
func (s *Stand) Reports() []rehearsal.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.reports
	s.reports = nil
	return list
}

// Err returns why the Stand does not run any more; nil while it does.
func (s *Stand) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Now returns how long the Stand has run.
func (s *Stand) Now() time.Duration { return time.Since(s.began) }

// logLag is how long the log holds its lines back, to have them in order.
const logLag = 300 * time.Millisecond

// LogFrom returns the lines from a number on, but the messages. It waits for those that are on their way.
func (s *Stand) LogFrom(number int) []rehearsal.Line {
	select {
	case <-time.After(logLag):
	case <-s.ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return linesFrom(s.log, number)
}

// MessagesFrom returns the newest messages between the sides, from a number on.
func (s *Stand) MessagesFrom(number int) []rehearsal.Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	return linesFrom(s.passed, number)
}

func linesFrom(list []rehearsal.Line, number int) (from []rehearsal.Line) {
	for _, l := range list {
		if l.Number() >= number {
			from = append(from, l)
		}
	}
	slices.SortStableFunc(from, func(a, b rehearsal.Line) int { return a.Number() - b.Number() })
	return from
}

// number is the place of what happens now in the order of all lines: the clock of the log.
func number() int { return int(hlc.At(time.Now())) }

// line adds a line of the Stand itself.
func (s *Stand) line(typ, text string, at *tandem.Where) {
	s.add(&s.log, rehearsal.Line{At: s.Now(), Type: typ, Text: text, Where: at}.Numbered(number()))
}

// logged takes a line of the log.
func (s *Stand) logged(e tandem.LogEntry) {
	l := rehearsal.Line{At: max(0, e.TS.Sub(s.began)), Type: e.Type, Text: e.Msg, Where: e.Where}
	s.add(&s.log, l.Numbered(int(e.Clock)))
}

// maxLines bounds what is kept of each kind.
const maxLines = 20_000

func (s *Stand) add(list *[]rehearsal.Line, l rehearsal.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(*list) >= maxLines {
		*list = slices.Delete(*list, 0, maxLines/2)
	}
	*list = append(*list, l)
}
