package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/core"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// shell is a Runner at work: it does what the core wants. Everything in it
// belongs to one goroutine, that of Run.
type shell struct {
	r      *Runner
	log    *slog.Logger
	core   *core.Core
	disk   *disk
	flash  *flash
	origin time.Time // of the core's Mono

	conn   *conn           // nil while there is none
	events chan core.Event // of the connection
	dialed chan dialed
	wg     sync.WaitGroup

	answers []core.Event // to effects that are done at once
	left    bool
}

func newShell(r *Runner) (*shell, error) {
	s := &shell{
		r: r, log: r.Logger.With("device", string(r.ID)), origin: time.Now(),
		events: make(chan core.Event), dialed: make(chan dialed),
	}
	var err error
	if s.disk, err = openDisk(r.Dir); err != nil {
		return nil, err
	}
	if s.core, err = s.newCore(); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	return s, nil
}

// newCore returns the core for what is on the disk.
func (s *shell) newCore() (*core.Core, error) {
	r := s.r
	s.flash = s.disk.openFlash()
	contents := s.disk.read()
	cfg := core.Config{
		ID: r.ID, Key: r.Key, Server: r.Addr, OwnCode: r.Code != "", Module: r.Module, Board: r.Board, Flash: s.flash,
		Compile: compileDevice, Chance: rand.Uint64N, CrashPause: r.CrashPause,
		JournalSize: r.KeptSize, KeptFor: r.KeptFor, KeepSends: r.KeepSends, KeepLog: r.KeepLog,
		Beside: r.Beside,
	}
	if cfg.OwnCode {
		text, err := os.ReadFile(r.Code)
		if err != nil {
			return nil, err
		}
		cfg.Code = string(text)
	}
	c, err := core.New(cfg, contents)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Dir, err)
	}
	return c, nil
}

func compileDevice(text string, env map[string]string) (*compile.Program, error) {
	return imp.Compile(tandem.DeviceSide, []byte(text), env)
}

// run runs the core until it has left, which it is asked to when ctx ends.
func (s *shell) run(ctx context.Context) error {
	defer s.stop()
	done := ctx.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	bell := s.r.mail.ring()
	if s.r.watched {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s.wg.Go(func() { watch(ctx, networkNews(ctx), addresses, s.r.mail.post) })
	}
	s.step(&core.PowerOn{})
	for !s.left {
		s.arm(timer)
		select {
		case <-done:
			done = nil
			s.step(&core.Leave{})
		case <-bell:
			for _, ev := range s.r.mail.take() {
				if !s.left {
					s.read(ev)
				}
			}
		case d := <-s.dialed:
			s.opened(d)
		case ev := <-s.events:
			s.step(ev)
		case <-timer.C:
			s.step(&core.Tick{})
		}
	}
	return nil
}

// read takes an event that came by mail.
func (s *shell) read(ev core.Event) {
	switch ev := ev.(type) {
	case *aside:
		ev.do()
		s.step(&core.Tick{})
	case *powerOff:
		s.left = true
	default:
		s.step(ev)
	}
}

// never is later than anything.
const never = 24 * time.Hour

// arm sets the timer to the core's deadline.
func (s *shell) arm(timer *time.Timer) {
	wait := never
	if at, ok := s.core.Deadline(); ok {
		wait = at - time.Since(s.origin)
	}
	timer.Reset(wait)
}

// stop ends all that run has started.
func (s *shell) stop() {
	if s.conn != nil {
		s.closeConn(s.conn.number)
	}
	s.wg.Wait()
	if err := s.closeFiles(); err != nil {
		s.log.Error("cannot close the device's files", "error", err)
	}
}

func (s *shell) closeFiles() error { return errors.Join(s.flash.close(), s.disk.close()) }

// step gives the core an event, does what comes of it, and tells the core how it
// went.
func (s *shell) step(ev core.Event) {
	for {
		for _, e := range s.core.Step(tandem.Now{Wall: s.r.Wall(), Mono: time.Since(s.origin)}, ev) {
			s.perform(e)
		}
		if len(s.answers) == 0 {
			s.answers = nil
			return
		}
		ev = s.answers[0]
		s.answers = s.answers[1:]
	}
}

func (s *shell) perform(e core.Effect) {
	switch e := e.(type) {
	case *core.Dial:
		s.dial(e)
	case *core.CloseConn:
		s.closeConn(e.Number)
	case *core.Write:
		s.conn.write <- e.Data
	case *core.WriteFile, *core.WriteAt, *core.Reserve, *core.RemoveFile, *core.SetAside, *core.ReadFile:
		s.answer(s.disk.operate(e))
	case *core.ReadCode:
		text, err := os.ReadFile(s.r.Code)
		s.answer(&core.CodeRead{Number: e.Number, Text: string(text), Err: err})
	case *core.BoardReset:
		if b, ok := s.r.Board.(interface{ Reset() }); ok {
			b.Reset()
		}
	case *core.LogLine:
		s.say(e)
	case *core.Left:
		s.left = true
	}
}

func (s *shell) answer(ev core.Event) { s.answers = append(s.answers, ev) }

// say has a line for the operator.
func (s *shell) say(l *core.LogLine) {
	level := [...]slog.Level{core.Info: slog.LevelInfo, core.Warn: slog.LevelWarn, core.Error: slog.LevelError}[l.Level]
	var attrs []slog.Attr
	for _, a := range l.Attrs {
		attrs = append(attrs, slog.String(a.Key, a.Value))
	}
	s.log.LogAttrs(context.Background(), level, l.Msg, attrs...)
}
