package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
)

const (
	// patience is how long the agent may need for what the device has posted, and the device
	// for a sign of life. It is longer than the device's longest pause between two attempts.
	patience = 3 * time.Minute
	quiet    = 90 * time.Second

	between   = 10 // faults between two reckonings, on average
	unflushed = 40 // most blocks that are written before the power goes
	idle      = time.Second
)

// story is what happens.
type story struct {
	*lab
	options
	random *rand.Rand
	began  time.Time
	faults map[string]int
	past   []string // the newest faults
	posted int      // readings that the device had said at the last reckoning
	has    state    // of the agent then
	blocks int      // that power cuts have lost
	log    logbook
}

// fault is something that happens. do returns details, if there are some.
type fault struct {
	name   string
	weight int
	do     func(*story, context.Context) (string, error)
}

// all returns what happens between reckonings.
func all() []fault {
	return []fault{
		{"power cut", 30, (*story).powerCut},
		{"link cut", 15, (*story).cutLink},
		{"link reset", 10, (*story).resetLink},
		{"link stall", 12, (*story).stallLink},
		{"link refused", 10, (*story).refuseLink},
		{"clock step", 18, (*story).stepClock},
		{"node lost", 5, (*story).killNode},
	}
}

// chosen returns the faults without those that a list names.
func chosen(skip string) (list []fault, err error) {
	list = all()
	for name := range strings.SplitSeq(skip, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		n := len(list)
		if list = slices.DeleteFunc(list, func(f fault) bool { return f.name == name }); len(list) == n {
			return nil, fmt.Errorf("-skip: there is no fault %q", name)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("-skip leaves no fault")
	}
	return list, nil
}

func (s *story) run(ctx context.Context) error {
	for end := s.began.Add(s.length); time.Now().Before(end) && ctx.Err() == nil; {
		for range 1 + s.random.IntN(2*between) {
			if time.Now().After(end) || ctx.Err() != nil {
				break
			}
			if err := s.happen(ctx); err != nil {
				return err
			}
		}
		if err := s.reckon(ctx); err != nil {
			return err
		}
		if s.lose && s.random.IntN(2) == 0 {
			if err := s.loseDir(ctx); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// happen does one fault, and waits a little.
func (s *story) happen(ctx context.Context) error {
	sum := 0
	for _, f := range s.kinds {
		sum += f.weight
	}
	n := s.random.IntN(sum)
	f := s.kinds[slices.IndexFunc(s.kinds, func(f fault) bool { n -= f.weight; return n < 0 })]
	details, err := f.do(s, ctx)
	s.note(f.name, details)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	if err := s.lives(); err != nil {
		return err
	}
	return s.wait(ctx, 50*time.Millisecond, 2*time.Second)
}

// note counts a fault.
func (s *story) note(name, details string) {
	s.faults[name]++
	at := time.Since(s.began).Round(time.Millisecond)
	s.past = append(s.past, strings.TrimSpace(fmt.Sprint(at, " ", name, " ", details)))
	s.past = s.past[max(0, len(s.past)-12):]
}

func (s *story) recent() string { return strings.Join(s.past, "; ") }

// lives returns an error when the device has ended or is silent.
func (s *story) lives() error {
	if !s.runs() {
		return errors.New("the device's process has ended")
	}
	if silent := s.witness.silent(time.Now()); silent > quiet {
		return fmt.Errorf("the device is silent for %s: it neither posts nor says that it cannot", silent.Round(time.Second))
	}
	return nil
}

// wait waits for a random time.
func (s *story) wait(ctx context.Context, least, most time.Duration) error {
	return client.Pause(ctx, least+time.Duration(s.random.Int64N(int64(most-least))))
}

// powerCut switches the device off, if possible while it writes, and on again.
func (s *story) powerCut(ctx context.Context) (string, error) {
	if s.volume != nil {
		select {
		case <-s.volume.Disk.CutAfter(1+s.random.IntN(unflushed), s.random, func() {}):
		case <-time.After(idle):
		}
	}
	if err := s.off(); err != nil {
		return "", err
	}
	if s.volume != nil {
		lost, _ := s.volume.Disk.Outcome()
		s.blocks += lost
	}
	if err := s.wait(ctx, 0, time.Second); err != nil {
		return "", err
	}
	return "", s.on(ctx)
}

func (s *story) cutLink(context.Context) (string, error) {
	s.net.End(false)
	return "", nil
}

func (s *story) resetLink(context.Context) (string, error) {
	s.net.End(true)
	return "", nil
}

// stallLink lets no bytes through for a while, after which the link may be lost.
func (s *story) stallLink(ctx context.Context) (string, error) {
	defer s.net.Cut(false)
	s.net.Cut(true)
	err := s.wait(ctx, time.Second, 8*time.Second)
	if s.random.IntN(2) == 0 {
		s.net.End(true)
	}
	return "", err
}

// refuseLink leaves no way to the node for a while.
func (s *story) refuseLink(ctx context.Context) (string, error) {
	defer s.net.Refuse(false)
	s.net.Refuse(true)
	return "", s.wait(ctx, time.Second, 5*time.Second)
}

// stepClock sets the device's clock.
func (s *story) stepClock(context.Context) (string, error) {
	var offset time.Duration
	unit := []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 365 * 24 * time.Hour}[s.random.IntN(4)]
	switch s.random.IntN(6) {
	case 0: // right again
	case 1: // 1970
		offset = -time.Since(time.Unix(0, 0))
	default:
		offset = time.Duration(s.random.Int64N(int64(20*unit))) - 10*unit
	}
	return offset.Round(time.Second).String(), s.setClock(offset)
}

// killNode kills the node, which loses nothing that it has flushed, and starts it again.
func (s *story) killNode(ctx context.Context) (string, error) {
	s.node.Kill()
	s.log.from = s.witness.run() + 1
	return "", s.node.Up(ctx)
}

// loseDir takes the device's directory away, or puts an older one in its place.
func (s *story) loseDir(ctx context.Context) error {
	if err := s.off(); err != nil {
		return err
	}
	if s.volume != nil {
		if err := s.volume.Boot(ctx, false); err != nil {
			return err
		}
	}
	s.witness.lose(s.has.Last)
	what := "directory lost"
	now := s.file(fmt.Sprint("backup", s.life))
	err := os.CopyFS(now, os.DirFS(s.deviceDir()))
	err = errors.Join(err, os.RemoveAll(s.deviceDir()))
	if s.backup != "" && s.random.IntN(2) == 0 {
		what = "directory restored"
		err = errors.Join(err, os.CopyFS(s.deviceDir(), os.DirFS(s.backup)))
	}
	if s.backup != "" {
		err = errors.Join(err, os.RemoveAll(s.backup))
	}
	s.backup = now
	s.life++
	s.log = logbook{lines: s.log.lines}
	if s.volume != nil {
		err = errors.Join(err, s.volume.Sync(ctx))
	}
	s.note(what, "")
	return errors.Join(err, s.startDevice())
}

// reckon waits until the agent has what the device has posted until now, and compares.
func (s *story) reckon(ctx context.Context) error {
	target, posted := s.witness.last()
	deadline := time.Now().Add(patience)
	for {
		has, err := s.ask(ctx)
		if err == nil && has.Last.reached(target) {
			s.has = has
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the device has posted %v, and %s later the agent has %+v (%v)", target, patience, has, err)
		}
		if err := s.lives(); err != nil {
			return err
		}
		if err := client.Pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	bad := s.witness.compare(s.has, target)
	logged, err := s.logged(ctx)
	if err != nil {
		return err
	}
	bad = append(bad, s.log.compare(s.life, logged, s.has)...)
	if len(bad) > 0 {
		return errors.New(strings.Join(bad, "\n"))
	}
	s.posted = posted
	fmt.Printf("%s: the agent has all %d readings that were said, once and in order, and counts %d; %v\n",
		time.Since(s.began).Round(time.Second), posted, s.has.Count, s.faults)
	return nil
}

func (s *story) report() report {
	w := &s.witness
	w.mu.Lock()
	defer w.mu.Unlock()
	return report{
		Seed: s.seed, Seconds: int(time.Since(s.began).Seconds()), Disk: s.volume != nil, Faults: s.faults,
		Runs: w.started, Readings: s.posted, Agent: s.has.Count, Lates: s.has.Lates, Lines: s.log.lines, Orders: w.orders,
		Full: w.full, Blocks: s.blocks,
	}
}
