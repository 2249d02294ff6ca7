package logbook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-iot/tandem"
)

const (
	lookEvery  = time.Second      // how often the engine is looked at
	sickLooks  = 2                // in so many looks lines must have failed
	stuckLooks = 5                // in so many looks no line must have been stored, while some waited
	mendFirst  = time.Second      // before the engine is opened again, and between two looks at a full disk
	mendSlow   = 30 * time.Second // between two attempts to open it, at most
	probeBytes = 1 << 20          // that must fit on the disk before the engine is opened
)

// mending opens the engine again when it has failed. Looks are taken by watch alone.
type mending struct {
	refused atomic.Uint64 // lines that failed for another reason than that the engine is slow
	seen    uint64        // of refused, at the last look
	sick    int           // looks in a row at which more lines had failed
	stuck   int           // looks in a row at which lines waited, and none was stored
	stored  uint64        // number of the newest line in the stream
	counted uint64        // lost lines, at the last look
	work    sync.WaitGroup
	trouble
}

// trouble says since when and why lines are not kept.
type trouble struct {
	mu     sync.Mutex
	err    error // nil: they are
	since  time.Time
	lost   uint64 // lines that had been lost by then
	stop   context.CancelFunc
	delay  time.Duration // before the engine is opened again
	busy   bool          // a goroutine opens the engine
	last   error         // of a line that was dropped
	proved bool          // since err was set, a line was stored, or the engine was opened
	closed bool
}

// errFailed is the error of lines while there is no engine.
var errFailed = tandem.Errorf(tandem.Unavailable, "the log store has failed, and is opened again by itself")

const whatFailed = "the log store has failed; it is opened again by itself, and log lines are lost until then"

// errSlow is the error while lines are lost because there are too many, or the disk is slow.
var errSlow = tandem.Errorf(tandem.Unavailable, "the log store takes longer than lines can wait")

// dropped counts a line that the engine did not take.
func (m *mending) dropped(cause error) {
	if errors.Is(cause, jetstream.ErrAsyncPublishTimeout) || errors.Is(cause, nats.ErrTimeout) ||
		errors.Is(cause, jetstream.ErrTooManyStalledMsgs) {
		return // it is slow
	}
	m.refused.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = cause
}

// wait ends a mending under way, and allows no other. It does not wait long for a disk that
// does not answer.
func (m *mending) wait() {
	m.mu.Lock()
	m.closed = true
	if m.stop != nil {
		m.stop()
	}
	m.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.work.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(flushWait):
	}
}

// Health returns why lines are not kept at the moment, nil when they are.
func (l *Logbook) Health() error {
	l.mending.mu.Lock()
	defer l.mending.mu.Unlock()
	return l.mending.err
}

// working returns the engine, or says why there is none.
func (l *Logbook) working() (*opened, error) {
	if o := l.at.Load(); o != nil {
		return o, nil
	}
	return nil, &tandem.Error{Kind: tandem.Unavailable, Msg: errFailed.Error(), Err: l.Health()}
}

// fails notes that lines are not kept.
func (l *Logbook) fails(what string, err error) {
	m := &l.mending
	m.mu.Lock()
	news := m.err == nil
	if m.err = err; news {
		m.since, m.lost = time.Now(), l.lost.Load()
		m.proved = false
	}
	m.mu.Unlock()
	if news {
		l.log.Error(what, "err", err)
	}
}

// works notes that lines are kept again.
func (l *Logbook) works() {
	m := &l.mending
	m.mu.Lock()
	before, since := m.err, m.since
	lost := l.lost.Load() - m.lost
	m.err, m.last = nil, nil
	m.delay = 0
	m.mu.Unlock()
	if before != nil {
		l.log.Warn("the log store works again", "lost", lost, "after", time.Since(since).Round(time.Second))
	}
}

// watch looks at the engine until ctx ends. It is apart from Run, which waits for an engine that
// does not answer.
func (l *Logbook) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.look()
		case <-ctx.Done():
			return
		}
	}
}

// look finds out whether the engine works, and has it opened again when it does not.
func (l *Logbook) look() {
	m := &l.mending
	o := l.at.Load()
	if o == nil {
		l.mend(nil)
		return
	}
	lost, refused := l.lost.Load(), m.refused.Load()
	losing, refusing := lost != m.counted, refused != m.seen
	m.counted, m.seen = lost, refused
	waiting := o.js.PublishAsyncPending() > 0
	kept := false // a line since the last look
	if losing || waiting || l.Health() != nil {
		kept = m.advanced(o)
	}
	m.sick = next(m.sick, refusing)
	m.stuck = next(m.stuck, (losing || waiting) && !kept)
	m.mu.Lock()
	last := m.last
	m.proved = m.proved || kept
	proved := m.proved
	m.mu.Unlock()
	switch {
	case !o.server.Running() || o.conn.IsClosed():
		l.replace(o, errors.New("its engine has stopped"))
	case !o.server.JetStreamEnabled():
		l.replace(o, errors.New("its engine has switched itself off, as on a full disk"))
	case m.sick >= sickLooks:
		l.replace(o, last)
	case m.stuck >= stuckLooks:
		l.replace(o, errors.New("its engine takes no line"))
	case losing:
		l.fails("the log store does not keep up; log lines are lost", errSlow)
	case proved && m.sick == 0 && m.stuck == 0:
		l.works()
	}
}

// next counts something that goes on.
func next(n int, more bool) int {
	if more {
		return n + 1
	}
	return 0
}

// advanced reports whether the engine has stored a line since it was asked last.
func (m *mending) advanced(o *opened) bool {
	ctx, cancel := context.WithTimeout(context.Background(), lookEvery)
	defer cancel()
	info, err := o.stream.Info(ctx)
	if err != nil {
		return false
	}
	before := m.stored
	m.stored = info.State.LastSeq
	return m.stored > before
}

// replace has the engine closed and opened again.
func (l *Logbook) replace(o *opened, err error) {
	l.at.Store(nil)
	l.mending.sick, l.mending.stuck = 0, 0
	for _, r := range l.readers.list() {
		r.detach()
	}
	l.fails(whatFailed, err)
	l.mend(o)
}

// mend has a goroutine close what is open, and open the engine again.
func (l *Logbook) mend(old *opened) {
	m := &l.mending
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy || m.closed {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	m.busy, m.stop = true, stop
	m.work.Go(func() {
		defer stop()
		l.reopen(ctx, old)
		m.mu.Lock()
		m.busy = false
		m.mu.Unlock()
	})
}

// reopen tries to open the engine until that succeeds. While the disk takes nothing it looks at
// the disk alone, which costs little, so that a disk with room again is noticed at once.
func (l *Logbook) reopen(ctx context.Context, old *opened) {
	if old != nil {
		if err := old.close(); err != nil {
			l.log.Warn("the failed log store did not end well", "err", err)
		}
	}
	for delay := mendFirst; ; {
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		delay = mendFirst
		err := probe(l.dir)
		if err == nil {
			err, delay = l.start(ctx), l.mending.pause()
		}
		if err == nil {
			l.mending.opened()
			l.away.Store(false)
			l.readAgain(ctx)
			return
		}
		l.fails(whatFailed, err)
	}
}

// readAgain has the engine that was opened deliver lines to all readers.
func (l *Logbook) readAgain(ctx context.Context) {
	o := l.at.Load()
	for _, r := range l.readers.list() {
		if err := r.start(ctx, o); err != nil {
			r.trouble(nil, &tandem.Error{Kind: tandem.Unavailable, Msg: "the log cannot be followed any more",
				Err: errors.Join(jetstream.ErrConnectionClosed, err)})
		}
	}
}

// opened notes that the engine was opened.
func (m *mending) opened() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proved = true
}

// pause returns how long to wait before the engine is opened again.
func (m *mending) pause() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delay = min(max(mendFirst, 2*m.delay), mendSlow)
	return m.delay
}

// probe checks that something can be written in a directory. An engine opens without that, and
// fails with the first line.
func probe(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the log store's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "probe"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("the log store's directory: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, probeBytes)); err != nil {
		return fmt.Errorf("the log store's disk: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("the log store's disk: %w", err)
	}
	return nil
}
