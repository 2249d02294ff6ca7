package store

import (
	"log/slog"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
)

// Health is what the operator must know of a store.
type Health struct {
	Failing  error  // why the newest transaction failed as a whole; nil: it did not
	Damaged  int    // records that were found damaged since the start
	WentBack uint64 // how often the database was found in an earlier state than before
}

// health is guarded by the store's mutex.
type health struct {
	log      *slog.Logger // nil: nothing is logged
	early    []notice     // what was to be logged before there was a log
	damaged  map[string]bool
	wentBack uint64

	forgetful bool // it was said that the file of what was seen cannot be written

	failing error
	since   time.Time // when the first transaction failed
	failed  int       // writes that have failed since
}

// notice is a line for the log.
type notice struct {
	msg  string
	args []any
}

// Health returns the state of the store.
func (s *Store) Health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Health{Failing: s.health.failing, Damaged: len(s.health.damaged), WentBack: s.health.wentBack}
}

// LogTo sets where the store says what the operator must know, and says what was found
// when it was opened.
func (s *Store) LogTo(l *slog.Logger) {
	s.mu.Lock()
	early := s.health.early
	s.health.log, s.health.early = l, nil
	s.mu.Unlock()
	for _, n := range early {
		l.Error(n.msg, n.args...)
	}
}

func (s *Store) log() *slog.Logger {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.health.log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.health.log
}

// say logs an error, as soon as there is a log.
func (s *Store) say(msg string, args ...any) {
	s.mu.Lock()
	l := s.health.log
	if l == nil {
		s.health.early = append(s.health.early, notice{msg, args})
	}
	s.mu.Unlock()
	if l != nil {
		l.Error(msg, args...)
	}
}

// outcome notes whether a transaction of some writes was made. It logs the first failure
// of a series, and its end.
func (s *Store) outcome(err error, writes int) {
	bad := err != nil && tandem.KindOf(err) != tandem.Conflict
	s.mu.Lock()
	h := &s.health
	if !bad && h.failing == nil {
		s.mu.Unlock()
		return
	}
	before, since := h.failing, h.since
	if bad {
		h.failing = err
		if h.failed += writes; before == nil {
			h.since = time.Now()
		}
	} else {
		h.failing = nil
	}
	failed := h.failed
	if !bad {
		h.failed = 0
	}
	s.mu.Unlock()
	switch {
	case bad && before == nil:
		s.say("the store does not take writes", "err", err)
	case !bad && before != nil:
		s.log().Warn("the store takes writes again", "failed", failed, "after", time.Since(since).Round(time.Millisecond))
	}
}

// forgetDamage makes damage of an agent news again.
func (s *Store) forgetDamage(id tandem.AgentID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for what := range s.health.damaged {
		if strings.Contains(what, "agent "+string(id)) {
			delete(s.health.damaged, what)
		}
	}
}

// giveIn makes Run end with an error.
func (s *Store) giveIn(err error) {
	select {
	case s.ended <- err:
	default: // it is ending
	}
}
