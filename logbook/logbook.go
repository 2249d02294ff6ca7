// Package logbook keeps the devices' log lines and shows them in causal order.
//
//	l, err := logbook.Open(ctx, "/var/lib/tandem/nats", logbook.Options{Clock: clock})
//	defer l.Close()
//	go l.Run(ctx)
//	l.Append(entry)
//	l.TailFrom(ctx, devices, 100, func(e tandem.LogEntry) { ... })
//
// # Writing
//
// Append stamps a line, gives it to the engine and returns. It waits at most a moment,
// when lines arrive faster than the engine takes them. A device's lines are kept in
// the order in which they were appended. Lines are less important than records: when
// the engine does not take them they are dropped and counted, and the device's next
// line is preceded by a line with the count. A power cut may lose the lines of the
// last second.
//
// A line has two times. Clock is the hybrid logical clock, for order: of two
// lines of which one could have caused the other, the cause has the smaller
// one. TS is the wall clock, for people; it never runs backwards within a
// device.
//
// Lines over 4 KB are cut and marked. A device has 100 lines a minute in the long run
// and 6,000 in a burst, including its agent's. Beyond that, lines are discarded until
// there is room for a hundred. A line at the beginning says so, and one at the end
// gives the number of discarded lines. Status lines and exit codes are never
// discarded, so that the log explains every restart.
//
// # Reading
//
// History, Tail and TailFrom read lines. In a cluster they show the lines of all nodes;
// see Join. All merge by Clock. Live lines are held back for a tenth of a second, so
// that a late line can still be shown in its place. TailFrom goes from history to live
// lines without a gap or a doubled line. A line that its device has numbered, and sent again
// after its node was killed, may be kept twice; it is shown once.
//
// # The engine
//
// Lines are in a stream of JetStream, in a NATS server inside the process that has no
// listener. It is not the server of package mesh; RATIONALE.md gives the reason. Its
// warnings go to the node's log. When it fails, because its disk is full or for another
// reason, it is opened again until it works. Lines are lost meanwhile, and nothing waits
// for it.
package logbook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/hlc"
)

const (
	defaultLines = 1000
	defaultAge   = 30 * 24 * time.Hour

	queueSize  = 8192                  // lines that wait for the engine
	inFlight   = 4096                  // lines that the engine has not acknowledged
	queueWait  = 50 * time.Millisecond // of one Append when the queue is full
	ackWait    = 5 * time.Second
	flushWait  = 5 * time.Second // at the end of Run
	evictEvery = time.Minute
)

// Options are the options of a logbook. The zero value has the defaults.
type Options struct {
	Clock  *hlc.Clock    // the node's; nil: one of its own
	Lines  int           // kept of each device; 0: 1,000
	Age    time.Duration // how long lines are kept; 0: 30 days
	Logger *slog.Logger  // nil: discard
}

// Logbook is an open logbook. It is safe for concurrent use.
type Logbook struct {
	dir     string
	options Options
	clock   *hlc.Clock
	log     *slog.Logger
	now     func() time.Time
	began   time.Time
	at      atomic.Pointer[opened] // nil: the engine has failed, and is opened again
	mending mending
	readers readers
	closing atomic.Bool // Close was called
	queue   chan item
	away    atomic.Bool // the engine did not take a line, and has taken none since
	stopped chan struct{}
	desks   [64]desk
	lost    atomic.Uint64 // lines lost
	written atomic.Uint64 // lines put into the queue
	silent  atomic.Uint64 // lines discarded by throttles
	cuts    atomic.Uint64 // lines that were too long
	others  Others        // nil: the node is alone
}

// opened is the engine while it works.
type opened struct {
	*engine
	js     jetstream.JetStream // with our acknowledgement handlers
	stream jetstream.Stream
}

// Others gives access to the logbooks of the other nodes of a cluster. Each node keeps
// the lines that were appended on it.
type Others interface {
	// History returns the last n lines of each device on each node, in any order. It leaves
	// out nodes that do not answer.
	History(ctx context.Context, devices []tandem.DeviceID, n int) []tandem.LogEntry
	// Follow calls fn with each line that is appended on another node after Follow has
	// returned, until stop is called. fn must not block.
	Follow(ctx context.Context, devices []tandem.DeviceID, fn func(tandem.LogEntry)) (stop func())
}

// Join makes the logbook show the lines of others too. It must be called before anything
// is read.
func (l *Logbook) Join(others Others) { l.others = others }

// item is a line for the engine. With flushed it is a mark in the queue: everything
// before it has been given to the engine.
type item struct {
	msg     *nats.Msg
	flushed chan<- (<-chan struct{})
}

// Open opens the logbook in a directory, which it makes if it does not exist. If the engine
// cannot be opened at the moment, as on a full disk, Run opens it later.
func Open(ctx context.Context, dir string, o Options) (*Logbook, error) {
	l := &Logbook{
		dir: dir, options: o, clock: o.Clock, log: o.Logger, now: time.Now, began: time.Now(),
		queue: make(chan item, queueSize), stopped: make(chan struct{}),
	}
	if l.clock == nil {
		l.clock = new(hlc.Clock)
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.options.Lines == 0 {
		l.options.Lines = defaultLines
	}
	if l.options.Age == 0 {
		l.options.Age = defaultAge
	}
	err := l.start(ctx)
	switch kind := tandem.KindOf(err); {
	case err == nil:
	case kind == tandem.Invalid || kind == tandem.Forbidden || ctx.Err() != nil:
		return nil, err
	default:
		l.fails(whatFailed, err)
	}
	return l, nil
}

// start opens the engine and the stream.
func (l *Logbook) start(ctx context.Context) error {
	e, err := startEngine(ctx, l.dir, l.log)
	if err != nil {
		return err
	}
	o, err := l.openStream(ctx, e)
	if err != nil {
		return errors.Join(err, e.close())
	}
	l.at.Store(o)
	return nil
}

// openStream makes the stream, or updates its limits.
func (l *Logbook) openStream(ctx context.Context, e *engine) (*opened, error) {
	js, err := jetstream.New(e.conn,
		jetstream.WithPublishAsyncMaxPending(inFlight),
		jetstream.WithPublishAsyncTimeout(ackWait),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { l.drop(m, err) }),
	)
	if err != nil {
		return nil, fmt.Errorf("opening the logbook: %w", err)
	}
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:              streamName,
		Subjects:          []string{subjectPrefix + "*"},
		Storage:           jetstream.FileStorage,
		MaxMsgsPerSubject: int64(l.options.Lines),
		MaxAge:            l.options.Age,
		Discard:           jetstream.DiscardOld,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the log stream: %w", err)
	}
	return &opened{e, js, stream}, l.resume(ctx, stream)
}

// Close stops the engine. It must be called after Run has returned and all reading has
// ended.
func (l *Logbook) Close() error {
	l.closing.Store(true)
	if o := l.at.Load(); o != nil {
		return o.close()
	}
	return nil
}

// resume makes sure that new lines come after all lines in the stream, even if the wall
// clock was set back.
func (l *Logbook) resume(ctx context.Context, stream jetstream.Stream) error {
	last := stream.CachedInfo().State.LastSeq
	if last == 0 {
		return nil
	}
	msg, err := stream.GetMsg(ctx, last)
	if errors.Is(err, jetstream.ErrMsgNotFound) { // its device was deleted, or it was too old
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the newest log line: %w", err)
	}
	e, err := decode(msg.Subject, msg.Data)
	if err != nil {
		return err
	}
	if !l.clock.Observe(hlc.Timestamp(e.Clock)) {
		l.log.Warn("the newest log line is from the future; new lines will be shown before it", "ts", e.TS)
		return nil
	}
	for i := range l.desks {
		l.desks[i].raise(e.TS.UnixMilli())
	}
	return nil
}

// throttleTime returns a time in ms that does not depend on the wall clock.
func (l *Logbook) throttleTime() int64 { return time.Since(l.began).Milliseconds() }

// Run gives lines to the engine until ctx is done, and then those that are still
// queued. It returns when the engine has acknowledged them, or after a few seconds.
func (l *Logbook) Run(ctx context.Context) error {
	evict := time.NewTicker(evictEvery)
	defer evict.Stop()
	var watching sync.WaitGroup
	watching.Go(func() { l.watch(ctx) })
	defer watching.Wait()
	for {
		select {
		case it := <-l.queue:
			l.publish(it)
		case <-evict.C:
			for i := range l.desks {
				l.desks[i].evict(l.now().UnixMilli(), l.throttleTime())
			}
		case <-ctx.Done():
			return l.finish()
		}
	}
}

// finish empties the queue, to which no more lines are added, and waits for the engine.
func (l *Logbook) finish() error {
	close(l.stopped)
	l.mending.wait()
	for i := range l.desks {
		l.desks[i].close()
	}
	for {
		select {
		case it := <-l.queue:
			l.publish(it)
			continue
		default:
		}
		break
	}
	select {
	case <-l.acknowledged():
		return nil
	case <-time.After(flushWait):
		return tandem.Errorf(tandem.Unavailable, "the last log lines may be lost: the log store did not answer")
	}
}

func (l *Logbook) publish(it item) {
	if it.flushed != nil {
		it.flushed <- l.acknowledged()
		return
	}
	o := l.at.Load()
	if o == nil {
		l.drop(it.msg, errFailed)
		return
	}
	// No retries: they would change the order.
	options := []jetstream.PublishOpt{jetstream.WithRetryAttempts(0), jetstream.WithStallWait(ackWait)}
	if _, err := o.js.PublishMsgAsync(it.msg, options...); err != nil {
		l.drop(it.msg, err)
		return
	}
	l.away.Store(false)
}

// acknowledged returns a channel that is closed when the engine has acknowledged all lines that
// it was given.
func (l *Logbook) acknowledged() <-chan struct{} {
	if o := l.at.Load(); o != nil {
		return o.js.PublishAsyncComplete()
	}
	none := make(chan struct{})
	close(none)
	return none
}

// Flush waits until the engine has all lines that were appended before.
func (l *Logbook) Flush(ctx context.Context) error {
	flushed := make(chan (<-chan struct{}), 1)
	select {
	case l.queue <- item{flushed: flushed}:
	case <-l.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	var acknowledged <-chan struct{}
	select {
	case acknowledged = <-flushed:
	case <-l.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-acknowledged:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Forget deletes the lines of a deleted device.
func (l *Logbook) Forget(ctx context.Context, id tandem.DeviceID) error {
	o, err := l.working()
	if err != nil {
		return err
	}
	return o.stream.Purge(ctx, jetstream.WithPurgeSubject(subject(id)))
}
